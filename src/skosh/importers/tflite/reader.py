"""A TFLite file as frozen records: operators, subgraphs, the model; ``parser.read`` makes them. A converter reads a Record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from skosh.base.errors import Loc, ModelError
from skosh.importers.tflite.flatbuffer import left_over, options
from skosh.ir.graph import Array, Op, State, Tensor

NO_OPTIONS = "NONE"


@dataclass(frozen=True)
class Taken:
    """What a converter has read of a record: fields of its options, and inputs by number."""

    options: set[str] = field(default_factory=set)
    inputs: set[int] = field(default_factory=set)
    extras: set[str] = field(default_factory=set)  # "intermediates", "custom_options"


@dataclass(frozen=True)
class Record:
    """One operator of the file. ``code``: "CONV_2D", or "CUSTOM:name". Absent optional inputs are None.

    ``variables``: names of inputs that keep their value between runs and that the operator changes. ``taken``: what was
    read of it so far; what a converter leaves over is an obstacle (``untaken``). unsigned: its int8 tensors are uint8 in the
    file.
    """

    code: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    loc: Loc
    variables: frozenset[str] = frozenset()
    intermediates: tuple[Tensor, ...] = ()
    custom_options: bytes = b""
    options_name: str = NO_OPTIONS
    options_position: int | None = None
    file: bytes = field(default=b"", repr=False)
    taken: Taken = field(default_factory=Taken, compare=False, repr=False)
    unsigned: bool = False

    def options(self, cls: Any) -> Any:
        """The options as schema class ``cls``; defaults when the file has none."""
        if self.options_name not in (NO_OPTIONS, cls.__name__):
            raise ModelError(f"{self.code} must carry {cls.__name__}, not {self.options_name}")
        return options(cls, self.file, self.options_position, self.loc, self.taken.options)

    def input(self, i: int) -> Tensor:
        """Input number ``i``; a ModelError when it is absent."""
        tensor = self.inputs[i] if i < len(self.inputs) else None
        if tensor is None:
            raise ModelError(f"{self.code} must have an input number {i}")
        return tensor

    def output(self, i: int = 0) -> Tensor:
        """Output number ``i``; a ModelError when there are fewer."""
        if i >= len(self.outputs):
            raise ModelError(f"{self.code} must have an output number {i}")
        return self.outputs[i]

    def has(self, i: int) -> bool:
        """Whether input number ``i`` is there."""
        return i < len(self.inputs) and self.inputs[i] is not None

    def take(self, *inputs: int) -> None:
        """Say that these inputs have done their part, by their shape or type alone."""
        self.taken.inputs.update(inputs)

    def constant(self, i: int) -> Array:
        """The data of input number ``i``; a ModelError when it is computed at run time."""
        tensor = self.input(i)
        self.take(i)
        if tensor.data is None:
            raise ModelError(
                f'{self.code} needs a constant "{tensor.name}" (input {i}), but it is computed at run time',
                hint="make its value fixed when converting the model",
            )
        return tensor.data

    def numbers(self, i: int) -> tuple[int, ...]:
        """The elements of the constant integer input ``i``, a list of numbers or a single one."""
        data = self.constant(i)
        if data.dtype.kind not in "iu":
            raise ModelError(f'{self.code} needs integers in "{self.input(i).name}" (input {i}), not {data.dtype}')
        if data.ndim > 1 and data.size != max(data.shape):
            raise ModelError(f'{self.code} needs a list in "{self.input(i).name}" (input {i}), not {list(data.shape)}')
        return tuple(int(v) for v in data.reshape(-1))


def untaken(record: Record, kept: tuple[int, ...] | None) -> str | None:
    """What of a record neither its converter nor its node reads, and isn't at its default; None when all is read.

    kept: the inputs that go to the node; None for all.
    """
    for i, t in enumerate(record.inputs):
        if t is not None and kept is not None and i not in kept and i not in record.taken.inputs:
            return f'{record.code} must not have an input number {i} ("{t.name}"): it isn\'t read here'
    if record.intermediates and "intermediates" not in record.taken.extras:
        return f"{record.code} must not have intermediate tensors: they aren't read here"
    if record.custom_options and "custom_options" not in record.taken.extras:
        return f"{record.code} must not have custom options: they aren't read here"
    if record.options_position is None:
        return None
    module = f"tflite.{record.options_name}"
    if not record.options_name.isidentifier() or find_spec(module) is None:
        return f"{record.code} carries {record.options_name}, which isn't known here"
    cls = getattr(import_module(module), record.options_name)
    left = left_over(cls, record.file, record.options_position, record.taken.options, record.loc)
    if not left:
        return None
    name, value = next(iter(sorted(left.items())))
    shown = value.tolist() if isinstance(value, np.ndarray) else value
    return f"{record.code} has the option {_snake(name)} = {shown}, which isn't read here"


def _snake(name: str) -> str:
    """ "KeepDims" -> "keep_dims"."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


@dataclass(frozen=True)
class Converted:
    """What a record becomes: an operator, and what else it needs.

    inputs: which of the record's inputs the node keeps (None: all). states: memory that it keeps between runs; the node
    reads ``State.before`` (an input of the record, or a new tensor among ``more_inputs``) and makes ``State.after``.
    more_inputs, more_outputs: tensors of the node after those of the record, such as constants made at import.
    """

    op: Op
    inputs: tuple[int, ...] | None = None
    more_inputs: tuple[Tensor, ...] = ()
    more_outputs: tuple[Tensor, ...] = ()
    states: tuple[State, ...] = ()


Converter = Callable[[Record], "Op | Converted"]


@dataclass(frozen=True)
class Subgraph:
    """A graph of the file; ``tensors`` in the file's order, ``inputs`` and ``outputs`` among them."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Model:
    """A whole file. Tensor names are unique in it.

    resources: names of tensors that are handles of variables. problems: tensors that skosh can't hold, each with what is
    wrong and what to do; they are placeholders. open: tensors whose shape the file doesn't fix, as it is stated there, -1
    where it is open; their tensors have some shape that binds nobody. states, and called, the subgraphs that did nothing but
    give them their first values: once ``state.resolve_variables`` has found them.
    """

    file: str
    digest: str
    subgraphs: tuple[Subgraph, ...]
    description: str = ""
    resources: frozenset[str] = frozenset()
    problems: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    open: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    states: tuple[State, ...] = ()
    called: frozenset[int] = frozenset()
    content: bytes = field(default=b"", repr=False)
