"""Is a classifier sure? Decided on its int8 scores, in whole numbers; and the gate behind which nothing need be computed.

    sure = Sure(scores)              temperature scaling: the largest softmax(scores / T) is at least a threshold
    sure = SureByMargin(scores)      a logistic decision: a weighted sum of the two best scores and of all is at least 0
    rest = Gate(x, sure, early)      x; where ``sure`` is chosen by a Select later, C skips what lies between

The largest of softmax(s / T) is 1 / sum of exp((s - max) / T), so that it is at least t where that sum is at most 1 / t: the
exponentials of differences of int8 are a table of 256 whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import bool_, i8, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, kernel, par, seq
from skosh.ops.common import check_constant, check_dtype, check_quant, given, required
from skosh.ops.moves.reshape import copy


@kernel
def sure(x: i8[R, C], table: i32[256], y: bool[R], *, most):
    """y = sum of table[largest x - x] <= most, for each row."""
    for r in par(R):
        top = i32(x[r, 0])
        for c in seq(1, C):
            top = max(top, i32(x[r, c]))
        total = 0
        for c in seq(C):
            total += table[clamp(top - i32(x[r, c]), 0, 255)]
        y[r] = total <= most


@kernel
def sure_by_margin(x: i8[R, C], y: bool[R], *, first, second, every, bias):
    """y = bias + first * largest x + second * second largest + every * sum of x >= 0, for each row."""
    for r in par(R):
        top = i32(x[r, 0])
        next = -128
        total = top
        for c in seq(1, C):
            v = i32(x[r, c])
            total += v
            if v > top:
                next = top
                top = v
            else:
                next = max(next, v)
        y[r] = bias + first * top + second * next + every * total >= 0


def check_scores(x: Tensor) -> None:
    """int8 scores of at least two classes along the last axis."""
    check_dtype(x, i8)
    check_quant(x)
    if len(x.shape) < 2 or x.shape[-1] < 2:
        raise ModelError(f"scores must be [rows, classes] of at least 2 classes, not {list(x.shape)}")


def rows_of(x: Tensor) -> tuple[int, int]:
    return x.size // x.shape[-1], x.shape[-1]


@dataclass(frozen=True)
class Sure(Op):
    """y[r] = sum over classes of table[max - x] <= ``most``: a bool for each row of scores. Inputs: scores, int32 table[256].

    ``check_outputs`` proves from the table that the sum stays below 2^31.
    """

    most: int
    kind = "sure"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, table = required(inputs, 2)
        check_scores(x)
        check_dtype(table, i32)
        check_constant(table)
        if table.shape != (256,):
            raise ModelError(f"a table must have 256 entries, not shape {list(table.shape)}")
        return (Type((*x.shape[:-1], 1), bool_),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        x, table = required(inputs, 2)
        assert table.data is not None, "infer has seen that it is constant"
        if table.data.min() < 0 or int(table.data.max()) * x.shape[-1] >= 1 << 31:
            raise ModelError(f"sums of {x.shape[-1]} entries of the table must lie from 0 to 2^31 - 1")

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, table = given(values, 0).astype(np.int64), given(values, 1).astype(np.int64)
        return (table[x.max(axis=-1, keepdims=True) - x].sum(axis=-1, keepdims=True) <= self.most,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        rows, classes = rows_of(required(inputs, 2)[0])
        return (call(sure, x=In(0), table=In(1), y=Out(0), most=self.most, R=rows, C=classes),)


@dataclass(frozen=True)
class SureByMargin(Op):
    """y[r] = bias + first * largest + second * second largest + every * sum of all >= 0: a bool for each row of scores."""

    first: int
    second: int
    every: int
    bias: int
    kind = "sure_by_margin"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_scores(x)
        largest = abs(self.bias) + 128 * (abs(self.first) + abs(self.second) + abs(self.every) * x.shape[-1])
        if largest >= 1 << 31:
            raise ModelError(f"the weighted sum must stay below 2^31, not reach {largest:,}")
        return (Type((*x.shape[:-1], 1), bool_),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0).astype(np.int64)
        ordered = np.sort(x, axis=-1)
        total = self.bias + self.first * ordered[..., -1:] + self.second * ordered[..., -2:-1]
        return (total + self.every * x.sum(axis=-1, keepdims=True) >= 0,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        rows, classes = rows_of(required(inputs, 1)[0])
        numbers = {"first": self.first, "second": self.second, "every": self.every, "bias": self.bias}
        return (call(sure_by_margin, x=In(0), y=Out(0), R=rows, C=classes, **numbers),)


@dataclass(frozen=True)
class Gate(Op):
    """y = x, whatever ``sure`` is. Inputs: x, sure (bool), early: what a later Select takes where ``sure`` is true.

    The operands say that ``sure`` and ``early`` come first; so C may jump from here to that Select (``lower.exits``).
    """

    kind = "gate"
    view = True

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, decided, _ = required(inputs, 3)
        check_dtype(decided, bool_)
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.array(values[0]),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        """A copy, for the rare view that must have memory of its own."""
        (y,) = required(outputs, 1)
        return (call(copy, x=In(0), y=Out(0), N=y.size, T=y.dtype),)
