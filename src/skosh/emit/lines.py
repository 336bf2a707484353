"""Lines of C: broken where they grow too long, and comments."""

from __future__ import annotations

from skosh.base.text import in_comment

WIDTH = 116


def wrapped(start: str, parts: list[str], end: str, width: int = WIDTH) -> str:
    lines, line = [], start
    for i, part in enumerate(parts):
        piece = part + (", " if i + 1 < len(parts) else end)
        if len(line) + len(piece.rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line = " " * min(len(start), 24)
        line += piece
    return "\n".join([*lines, line])


def comment(text: str) -> str:
    lines = [in_comment(line.rstrip()) for line in text.strip().split("\n")] if text.strip() else []
    return "/* " + "\n".join(lines).replace("\n", "\n * ").replace(" * \n", " *\n") + " */\n" if lines else ""
