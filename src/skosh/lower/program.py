"""What lowering leaves for the emitter: functions, constant data and layers, all addresses decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skosh.base.dtypes import DType
from skosh.ir.graph import Array, Graph, Node
from skosh.ir.kernel import Kernel, Var
from skosh.plan import Plan


@dataclass(frozen=True)
class Routine:
    """A kernel as it will be one C function. ``restrict``: no call passes it overlapping memory.

    ``numbers``: those that its code depends on, its parameters after the buffers.
    """

    name: str
    kernel: Kernel
    numbers: tuple[Var, ...]
    restrict: bool


@dataclass(frozen=True, eq=False)
class Data:
    """A constant array of the weights unit, flat, in the layout its kernel reads.

    bits: its integers are those of float32 numbers, in the same order.
    """

    name: str
    dtype: DType
    values: Array
    comment: str
    bits: bool = False

    @property
    def nbytes(self) -> int:
        return int(self.values.size) * self.dtype.bytes


@dataclass(frozen=True)
class ArenaPointer:
    """A place in the arena, in bytes."""

    offset: int
    dtype: DType


@dataclass(frozen=True)
class DataPointer:
    """An element of a constant array."""

    data: str
    offset: int  # elements


@dataclass(frozen=True)
class Number:
    value: int | float
    dtype: DType


Argument = ArenaPointer | DataPointer | Number


@dataclass(frozen=True)
class LayerCall:
    routine: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Layer:
    """One graph node in execution order. A view has no calls, and no function in C."""

    index: int
    name: str
    node: Node
    calls: tuple[LayerCall, ...]
    comment: str


@dataclass(frozen=True, eq=False)
class Program:
    """A model, ready to be written as C."""

    name: str
    graph: Graph
    plan: Plan
    routines: tuple[Routine, ...]
    data: tuple[Data, ...]
    layers: tuple[Layer, ...]
    initial: Mapping[str, str]  # states that don't begin as zeros: state name -> data name

    def routine(self, name: str) -> Routine:
        return next(r for r in self.routines if r.name == name)
