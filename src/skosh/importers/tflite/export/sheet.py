"""The file while it is filled: tensors get their numbers when an operator first names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, i8
from skosh.base.errors import ModelError
from skosh.importers.tflite.export.writer import OperatorSpec, TensorSpec
from skosh.ir.graph import Array, Graph, Quant, Tensor

TYPES = {"i4": "int4"}
UNKNOWN = ("u4",)


class Sheet:
    """Tensors and operators of one file."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[TensorSpec] = []
        self.operators: list[OperatorSpec] = []
        self._numbers: dict[str, int] = {}

    def index(self, name: str) -> int:
        """A tensor's number; -1 for an operand that is absent."""
        if not name:
            return -1
        if name not in self._numbers:
            self._numbers[name] = self.add(spec(self.graph.tensors[name]))
        return self._numbers[name]

    def add(self, tensor: TensorSpec) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def fresh(self, like: Tensor, shape: Sequence[int], what: str) -> int:
        """A tensor between two operators that stand for one."""
        return self.add(spec(Tensor(f"{like.name}/{what}", tuple(shape), like.dtype, like.quant)))

    def constant(self, values: Any, what: str, *, quant: Quant | None = None, dtype: Any = np.int32) -> int:
        """Axes, sizes, paddings: what TFLite has as tensors and we as attributes."""
        data = np.asarray(values, dtype)
        return self.add(quantized(TensorSpec(what, data.shape, data.dtype, data=data), quant))

    def write(self, code: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """One operator; options by the names of TFLite's schema."""
        self.operators.append(OperatorSpec(code, inputs, outputs, options))


def spec(t: Tensor) -> TensorSpec:
    """A tensor as the file has it. ModelError for a type that TFLite lacks."""
    if t.dtype.name in UNKNOWN:
        raise ModelError(f'"{t.name}" has type {t.dtype}, which TFLite has not')
    kind = TYPES.get(t.dtype.name, t.dtype.np)
    made = TensorSpec(t.name, t.shape, kind, data=None if t.data is None else stored(t.data, t.dtype))
    return quantized(made, t.quant)


def quantized(tensor: TensorSpec, quant: Quant | None) -> TensorSpec:
    if quant is None:
        return tensor
    return replace(tensor, scales=quant.scales, zero_points=quant.zero_points, axis=quant.axis or 0)


def stored(data: Array, dtype: DType) -> Any:
    """Numbers of a constant; of 4 bits, two to a byte, the first in its lower half."""
    if not dtype.packed:
        return data
    flat = np.append(data.reshape(-1), np.zeros(data.size % 2, np.int8)).astype(np.uint8) & 15
    return (flat[::2] | flat[1::2] << 4).tobytes()


def zero_of(t: Tensor) -> int:
    """What stands for 0 in an int8 tensor; 0 in others."""
    return t.quant.zero_point if t.dtype == i8 and t.quant is not None else 0
