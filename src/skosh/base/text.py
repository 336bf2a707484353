"""Text that leaves: names, labels and paths from files and people, on the way to a terminal, C, JSON or HTML.

A name may hold what no reader sees and every machine obeys: escape sequences of terminals, marks that turn the direction of
what follows (CVE-2021-42574), ends of lines, halves of surrogate pairs that no encoding writes. They go, here and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

REPLACEMENT = "\ufffd"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn"})
"""Unicode's categories that are no part of a name: controls, formats (directions, joiners), surrogates, ends, unassigned."""

_ORDINARY = re.compile(r"[ -~]*")


def plain(text: object) -> str:
    """The text on one line, each hidden character as U+FFFD; ends of lines and tabs are spaces."""
    shown = str(text)
    if _ORDINARY.fullmatch(shown):
        return shown
    return "".join(_shown(c, " ") for c in shown)


def plain_lines(text: str) -> str:
    """The same of text that has lines: its line feeds stay."""
    if _ORDINARY.fullmatch(text.replace("\n", "")):
        return text
    return "".join(c if c == "\n" else _shown(c, " ") for c in text)


def _shown(c: str, space: str) -> str:
    if c in "\t\n\r\v\f":
        return space
    return REPLACEMENT if unicodedata.category(c) in HIDDEN else c


def in_comment(text: object) -> str:
    """What may stand inside a comment of C, whatever it says: nothing ends it, opens another, or continues a line."""
    return plain(text).replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")


def plain_json(value: Any) -> Any:
    """A value for JSON, all its texts plain; other values stay."""
    match value:
        case str():
            return plain(value)
        case dict():
            return {plain_json(k): plain_json(v) for k, v in value.items()}
        case list() | tuple():
            return [plain_json(v) for v in value]
    return value


def printable(text: str, encoding: str | None) -> str:
    """The text where an output can't write all letters: ASCII, or a page of a few; what it lacks is a question mark."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text.encode(encoding or "ascii", "replace").decode(encoding or "ascii", "replace")
    return text
