"""What a report tells: plain records, gathered from a build and from whatever else is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from skosh import __version__
from skosh.base.aims import Aim
from skosh.deliver.score import Confusion, Errors
from skosh.deliver.usage import usage
from skosh.emit.interface import interface
from skosh.ir.graph import Array, Graph, macs
from skosh.lower.program import Program
from skosh.plan import Plan
from skosh.quantizer import LayerError
from skosh.targets import Device, Target, devices
from skosh.verify.measure import Profile
from skosh.verify.proof import Proof


class Built(Protocol):
    """The part of a build that a report reads."""

    @property
    def program(self) -> Program: ...
    @property
    def source(self) -> Graph: ...
    @property
    def sources(self) -> dict[str, str]: ...
    @property
    def target(self) -> Target: ...
    @property
    def optimize(self) -> Aim: ...
    def profile(self) -> Profile: ...


@dataclass(frozen=True)
class Accuracy:
    """The share of samples that one form of the model gets right. ``who``: "float32, scikit-learn"."""

    who: str
    right: int
    samples: int
    note: str = ""

    @property
    def share(self) -> float:
        return self.right / self.samples if self.samples else 0.0


@dataclass(frozen=True, eq=False)
class Picture:
    """A sample and what the device made of it. pixels: [height, width], 0 to 1."""

    pixels: Array
    predicted: str
    label: str


@dataclass(frozen=True)
class Work:
    """The size of a graph: how much the optimizer was given, and how much it left."""

    layers: int
    macs: int
    constant_bytes: int


@dataclass(frozen=True, eq=False)
class Facts:
    """Everything that a report shows. Empty parts are left out of it.

    usage: C that calls the model. files: (name, bytes, what it is). commands: how to get the same again.
    clock_mhz: the clock that times are given for. boards: those with this machine. aims: the same model's profiles with each
    aim, this one among them.
    """

    name: str
    title: str
    summary: str
    target: Target
    optimize: Aim
    profile: Profile
    graph: Graph
    plan: Plan
    before: Work
    after: Work
    usage: str
    files: tuple[tuple[str, int, str], ...]
    proof: Proof | None = None
    accuracies: tuple[Accuracy, ...] = ()
    pictures: tuple[Picture, ...] = ()
    errors: tuple[LayerError, ...] = ()
    commands: tuple[str, ...] = ()
    clock_mhz: float | None = None
    boards: tuple[Device, ...] = ()
    aims: tuple[Profile, ...] = ()
    score: Confusion | Errors | None = None
    version: str = __version__


def facts_of(
    build: Built,
    *,
    title: str = "",
    summary: str = "",
    proof: Proof | None = None,
    accuracies: Sequence[Accuracy] = (),
    pictures: Sequence[Picture] = (),
    errors: Sequence[LayerError] = (),
    commands: Sequence[str] = (),
    files: Sequence[tuple[str, int, str]] = (),
    aims: Sequence[Profile] = (),
    score: Confusion | Errors | None = None,
) -> Facts:
    """The facts of a build. The clock is that of the board, or of the slowest one with this machine.

    files: (name, bytes, what it is) of further files beside the C. proof, accuracies, pictures, errors: what was found.
    aims: profiles of the same model with other aims, to compare with. score: how right it is, where the answers are known.
    """
    program, face = build.program, interface(build.program)
    own = build.target.board
    same = [own] if own is not None else [d for d in devices() if d.target == build.target.name]
    boards = tuple(sorted(same, key=lambda d: d.clock_mhz))
    named = {
        f"{face.prefix}.h": "the interface",
        f"{face.prefix}.c": "the code",
        f"{face.prefix}_weights.c": "the constants",
        f"{face.prefix}_float.S": "arithmetic of floats",
    }
    return Facts(
        name=program.name,
        title=title or program.name,
        summary=summary,
        target=build.target,
        optimize=build.optimize,
        profile=build.profile(),
        graph=program.graph,
        plan=program.plan,
        before=work_of(build.source),
        after=work_of(program.graph),
        usage=usage(program),
        files=(
            *((n, len(text.encode()), named.get(n, "")) for n, text in build.sources.items()),
            *files,
        ),
        proof=proof,
        accuracies=tuple(accuracies),
        pictures=tuple(pictures),
        errors=tuple(errors),
        commands=tuple(commands),
        clock_mhz=boards[0].clock_mhz if boards else None,
        boards=boards,
        aims=tuple(aims),
        score=score,
    )


def work_of(graph: Graph) -> Work:
    return Work(len(graph.nodes), macs(graph), sum(t.nbytes for t in graph.constants))
