"""What other tools need for classical models, read from ../shared/baselines/host.md, part C; nothing where it is absent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HOST = Path(__file__).resolve().parents[2] / "shared" / "baselines" / "host.md"
TARGETS = {"cortex-m0plus": 6, "cortex-m4": 10}
"""Target -> the column of a line's flash; two further on is the stack, three further on the instructions."""


@dataclass(frozen=True)
class Peer:
    """Another tool's figures for one model on one target. agreement: with its own library model; of a regressor 1 less the
    largest relative difference."""

    tool: str
    agreement: float
    flash: int
    instructions: int

    def __str__(self) -> str:
        agreed = "" if self.agreement >= 0.9995 else f" ({self.agreement:.3f})"
        return f"{self.tool}{agreed} {self.flash:,} / {self.instructions:,}"


def peers(target: str, path: Path = HOST) -> dict[tuple[str, str], list[Peer]]:
    """(data, model) -> all tools that have figures on the target."""
    found: dict[tuple[str, str], list[Peer]] = {}
    if not path.exists():
        return found
    part = path.read_text(encoding="utf-8").split("### Per-model numbers", 1)[-1].split("### Host forest", 1)[0]
    data = ""
    for line in part.splitlines():
        if line.startswith("#### "):
            data = line.split()[1]
        cells = [c.strip() for c in line.strip("| ").split("|")]
        first = TARGETS[target]
        if not data or len(cells) <= first + 3 or not re.match(r"[\d,]+$", cells[first]):
            continue
        wrong = re.match(r"maxrel (.*)", cells[4])
        agreement = 1 - float(wrong[1]) if wrong else float(cells[4])
        peer = Peer(cells[1], agreement, number(cells[first]), number(cells[first + 3]))
        found.setdefault((data, cells[0]), []).append(peer)
    return found


def scores(path: Path = HOST) -> dict[tuple[str, str], float]:
    """(data, model) -> the score of the library's own model, to see that ours is the same one."""
    found: dict[tuple[str, str], float] = {}
    data = ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if line.startswith("#### "):
            data = line.split()[1]
        cells = [c.strip() for c in line.strip("| ").split("|")]
        if data and len(cells) > 12 and re.match(r"-?\d\.\d+", cells[2]):
            found.setdefault((data, cells[0]), float(cells[2].split()[0]))
    return found


def number(text: str) -> int:
    """``2,107,045 (n=237)`` -> 2107045."""
    return int(text.split()[0].replace(",", ""))
