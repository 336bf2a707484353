"""What every kind of package is made from, and what each gives back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from skosh import __version__
from skosh.base.children import run_child
from skosh.emit.header import with_proof
from skosh.emit.interface import Interface, interface
from skosh.ir.graph import Array, Graph
from skosh.lower.program import Program
from skosh.targets import Device, Target
from skosh.verify.proof import Proof

Files = dict[str, str | bytes]
"""Path inside the package -> text or bytes."""


class Built(Protocol):
    """The part of a build that packages are made from."""

    @property
    def program(self) -> Program: ...
    @property
    def source(self) -> Graph: ...
    @property
    def sources(self) -> dict[str, str]: ...
    @property
    def target(self) -> Target: ...
    @property
    def optimize(self) -> str: ...


@dataclass(frozen=True, eq=False)
class Golden:
    """One run that the self-test repeats: inputs, and the status and outputs that must come."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    status: int = 0


@dataclass(frozen=True, eq=False)
class Kit:
    """A compiled model with what goes along. stack: bytes that a run takes, where that was measured."""

    build: Built
    golden: tuple[Golden, ...]
    proof: Proof | None = None
    stack: int | None = None

    @property
    def name(self) -> str:
        return self.build.program.name

    @property
    def macro(self) -> str:
        return self.name.upper()

    @property
    def face(self) -> Interface:
        return interface(self.build.program)

    @property
    def board(self) -> Device | None:
        return self.build.target.board

    @property
    def sources(self) -> dict[str, str]:
        """The C, its header telling the proof."""
        if self.proof is None:
            return self.build.sources
        return with_proof(self.build.sources, self.name, self.proof.sentence)

    @property
    def units(self) -> list[str]:
        """The files to compile."""
        return sorted(n for n in self.sources if not n.endswith(".h"))

    @property
    def needs(self) -> str:
        """ "kws: 19,584 bytes of arena": the first thing that a user asks."""
        return f"{self.build.program.plan.arena_bytes:,} bytes of working memory, the arena"

    def proof_json(self) -> str:
        told = {
            "model": {"name": self.name, "file": self.build.source.loc.file, "sha256": self.build.source.digest},
            "skosh": __version__,
            "target": self.build.target.name,
            "board": self.board.name if self.board is not None else None,
            "optimize": self.build.optimize,
            "proof": asdict(self.proof) if self.proof is not None else None,
        }
        return json.dumps(told, indent=2, default=str) + "\n"


@dataclass(frozen=True)
class Check:
    """What a tool said of a package. tool: its name; ran: whether it could; passed: what it said; why_not: why it couldn't."""

    tool: str
    ran: bool
    passed: bool
    why_not: str = ""
    told: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"tool": self.tool, "ran": self.ran, "passed": self.passed, "why_not": self.why_not}


@dataclass(frozen=True)
class Kind:
    """A kind of package. files: kit -> its files; check: runs the real tool on the folder, where it can."""

    name: str
    description: str
    files: Callable[[Kit], Files]
    check: Callable[[Kit, Path], Check]
    fits: Callable[[Kit], str] = lambda kit: ""  # why a board can't have it; "" where it can


def unchecked(tool: str, why: str) -> Check:
    return Check(tool, False, False, why)


def missing(*tools: str) -> str:
    """Which of these programs aren't installed: "cmake and simavr aren't installed"; "" when all are."""
    lacking = [t for t in tools if shutil.which(t, path=_path()) is None]
    if not lacking:
        return ""
    return f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed"


def _path() -> str:
    """Where programs are looked for: where the system does, and beside this Python, where pip puts them."""
    return os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])


def run(
    command: Sequence[str], folder: Path, *, seconds: int = 240, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """(exit status, all that it said). 124 when it took longer."""
    found = {**(os.environ if env is None else env), "PATH": _path()}
    try:
        done = run_child([*map(str, command)], folder=folder, env=found, seconds=seconds)
    except subprocess.TimeoutExpired as error:
        return 124, f"took longer than {seconds} seconds: {error.output!r}"
    return done.returncode, done.stdout + done.stderr


def steps(tool: str, folder: Path, commands: Sequence[Sequence[str]], *, wanted: str = "", seconds: int = 240) -> Check:
    """Runs commands until one fails; passed when the last one printed ``wanted``."""
    said = ""
    for command in commands:
        status, said = run(command, folder, seconds=seconds)
        if status != 0 and not (wanted and wanted in said):
            return Check(tool, True, False, told=f"{' '.join(map(str, command))}: exit status {status}\n{said[-3000:]}")
    return Check(tool, True, wanted in said, told=said[-3000:])


LICENSE = """The code in this package was generated from the model named in proof.json. The generator claims no rights in it:
it may be used under the terms of the model it was made from, or, where those allow it, under the Zero-Clause BSD licence:

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
"""
