"""``Face``: what a graph tells people and the library's own ``predict``, beside what it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any


@dataclass(frozen=True, eq=False)
class Face(Mapping[str, Any]):
    """``Graph.notes``. A field is None where nothing is known; as a mapping, a Face holds the fields that are known.

    No stage computes with these: the same graph with an empty face gives the same outputs.
    """

    # where it came from
    format: str | None = None
    """The kind of file, "tflite"."""
    description: str | None = None
    """What the file says of itself."""
    tflite: bytes | None = None
    """The file, for what reads such files itself: TensorFlow Lite Micro, compilers of neural processors."""
    converted: str | None = None
    """What was brought to another version before it was read."""
    library: Any = None
    """``importers.originals.Original``: the library's own object, which can be asked."""
    unasked: bool | None = None
    """True: there is an object, and it can't be asked for what the graph gives."""
    warnings: tuple[str, ...] | None = None
    left_out: tuple[str, ...] | None = None
    """Fields that a .skosh file couldn't hold."""

    # what its inputs and outputs mean
    classes: Sequence[Any] | None = None
    """Labels in the order of the outputs."""
    labels: Sequence[Any] | None = None
    """Names of the states of a sequence model."""
    attributes: Sequence[str] | None = None
    """Names of what a sequence model looks at."""
    output: str | None = None
    """What a classifier gives: "label", "labels", "proba", "decision" or "values"."""
    several: bool | None = None
    """True: each output is a label of its own."""
    features: Sequence[str] | None = None
    """Names of the columns of the input."""
    categories: Any = None
    """Column -> the categories that its codes stand for."""
    axes: Mapping[str, Sequence[str]] | None = None
    """Tensor -> names of its axes."""
    meaning: Mapping[str, str] | None = None
    """Tensor -> what its values mean."""
    limits: Mapping[str, tuple[Any, Any]] | None = None
    """Input -> the lowest and the highest value that mean something, numbers or arrays."""
    edges: tuple[str, ...] | None = None
    """Kinds of inputs at the edges for which the library's answer is the graph's."""
    unlike: tuple[str, ...] | None = None
    """Kinds of inputs for which it isn't."""

    # the way of the library's data to arrays, and of arrays to its answers
    encode: Callable[[Any], Any] | None = None
    """What the library takes -> inputs."""
    decode: Callable[[Any], Any] | None = None
    """Rows [samples, features] -> what the library takes."""
    tells: Callable[[Any], Any] | None = None
    """Rows -> those that the library can be told."""
    decide: Callable[[Any], Any] | None = None
    """Outputs -> labels."""
    predict: Callable[[Any, Any], Any] | None = None
    """(run, x) -> what the library's ``predict`` gives."""
    example: Any = None
    """One input as the library takes it."""

    # of Bayesian networks
    query: tuple[str, ...] | None = None
    evidence: Sequence[str] | None = None
    states: Mapping[str, Sequence[str]] | None = None
    """Variable -> names of its states."""
    largest_factor: int | None = None
    """Entries of the largest table."""
    arithmetic: str | None = None
    error_bound: float | None = None
    """How far a probability may be off, relatively."""

    # what was made of it
    quantization: Mapping[str, Any] | None = None
    """scheme, samples, and what else the scheme tells."""
    wire: Sequence[Mapping[str, Any]] | None = None
    """What is sent between two pieces: name, shape, type, scale, zero point."""
    part: str | None = None
    """Which piece it is."""
    rule: str | None = None
    """How a small model decides that it is sure."""
    exits: Sequence[Mapping[str, Any]] | None = None
    """For each way to an answer: after, threshold, share, accuracy, MACs."""
    exit_examples: Sequence[Any] | None = None
    """For each way, an input that takes it; None where no sample did."""
    exit_accuracy: Mapping[str, float] | None = None
    """With and without exits."""

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, name) if name in face_fields() else None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in face_fields() if getattr(self, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def with_(self, **changes: Any) -> Face:
        """A copy in which some fields are replaced; None takes one away."""
        return replace(self, **changes)

    def only(self, *names: str) -> Face:
        """A copy that knows nothing but these."""
        return Face(**{n: getattr(self, n) for n in names})

    def without(self, *names: str) -> Face:
        return replace(self, **dict.fromkeys(names))


@cache
def face_fields() -> tuple[str, ...]:
    """Names of all that a Face can tell."""
    return tuple(f.name for f in fields(Face))
