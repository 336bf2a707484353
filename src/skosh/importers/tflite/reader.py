"""A TFLite file as frozen records: operators, subgraphs, the model; ``parser.read`` makes them. A converter reads a Record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skosh.base.errors import Loc, ModelError
from skosh.importers.tflite.flatbuffer import options
from skosh.ir.graph import Array, Op, State, Tensor

NO_OPTIONS = "NONE"


@dataclass(frozen=True)
class Record:
    """One operator of the file. ``code``: "CONV_2D", or "CUSTOM:name". Absent optional inputs are None.

    ``variables``: names of inputs that keep their value between runs and that the operator changes.
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

    def options(self, cls: Any) -> Any:
        """The options as schema class ``cls``; defaults when the file has none."""
        if self.options_name not in (NO_OPTIONS, cls.__name__):
            raise ModelError(f"{self.code} must carry {cls.__name__}, not {self.options_name}")
        return options(cls, self.file, self.options_position, self.loc)

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

    def constant(self, i: int) -> Array:
        """The data of input number ``i``; a ModelError when it is computed at run time."""
        tensor = self.input(i)
        if tensor.data is None:
            raise ModelError(
                f'{self.code} needs a constant "{tensor.name}" (input {i}), but it is computed at run time',
                hint="make its value fixed when converting the model",
            )
        return tensor.data

    def numbers(self, i: int) -> tuple[int, ...]:
        """The elements of the constant integer input ``i``, flat."""
        data = self.constant(i)
        if data.dtype.kind not in "iu":
            raise ModelError(f'{self.code} needs integers in "{self.input(i).name}" (input {i}), not {data.dtype}')
        return tuple(int(v) for v in data.reshape(-1))


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
    wrong and what to do; they are placeholders. states: variables, once ``state.resolve_variables`` has found them.
    """

    file: str
    digest: str
    subgraphs: tuple[Subgraph, ...]
    description: str = ""
    resources: frozenset[str] = frozenset()
    problems: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    states: tuple[State, ...] = ()
    content: bytes = field(default=b"", repr=False)
