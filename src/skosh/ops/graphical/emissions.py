"""What an observation says about the state of a hidden chain: scores [T, K], their sums over mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call
from skosh.language.mathf import exp, log
from skosh.language.vectorized import apply
from skosh.ops.classical.distances import sum_in_order
from skosh.ops.common import check_dtype, check_rank, given, required
from skosh.ops.graphical import chain_kernels as k

LOG_ZERO = -1e30
"""The logarithm of 0 in float32: sums of a few of it stay finite."""
NOTHING = -1e29
"""What isn't above it is the logarithm of 0."""


@dataclass(frozen=True)
class IndexedScores(Op):
    """y[t, k] = the sum over f of weight[index[t, f], k], times value[t, f] where there are values; and a status [1].

    Inputs: index int32 [T, F], -1 for none; perhaps values float32 [T, F]; weights float32 [A, K]. An index out of range
    counts as none, and the status is then ``bad``.
    """

    bad: int
    kind = "indexed_scores"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        index, *values, weight = required(inputs, len(inputs))
        check_dtype(index, i32)
        for t in (*values, weight):
            check_dtype(t, f32)
        for t in (index, weight):
            check_rank(t, 2)
        if values and values[0].shape != index.shape:
            raise ModelError(f"there must be a value for each index {list(index.shape)}, not {list(values[0].shape)}")
        return Type((index.shape[0], weight.shape[1]), f32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        index, weight = given(values, 0), given(values, len(values) - 1)
        known = (index >= 0) & (index < len(weight))
        y = np.zeros((len(index), weight.shape[1]), np.float32)
        for f in range(index.shape[1]):
            row = weight[np.where(known[:, f], index[:, f], 0)]
            if len(values) == 3:
                row = given(values, 1)[:, f, None] * row
            y = np.where(known[:, f, None], y + row, y)
        wrong = bool((~known & (index != -1)).any())
        return y, np.array([self.bad if wrong else 0], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        index, *_, weight = required(inputs, len(inputs))
        return index.size * weight.shape[1]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        index, *values, weight = required(inputs, len(inputs))
        bound: dict[str, Any] = {"index": In(0), "weight": In(len(inputs) - 1), "y": Out(0), "status": Out(1), "bad": self.bad}
        bound |= {**dict(zip("TF", index.shape, strict=True)), **dict(zip("AK", weight.shape, strict=True))}
        return (call(k.weighted_scores, value=In(1), **bound),) if values else (call(k.indexed_scores, **bound),)


@dataclass(frozen=True)
class GroupedLogSums(Op):
    """y[t, k] = the logarithm of the sum of exp(x[t, k * M + m]) over m: a mixture's density from its components'."""

    groups: int
    kind = "grouped_log_sums"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        check_rank(x, 2)
        if x.shape[1] % self.groups:
            raise ModelError(f"{x.shape[1]} columns must make {self.groups} groups of one size")
        return (Type((x.shape[0], self.groups), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        x = x.reshape(len(x), self.groups, -1)
        largest = largest_of_row(x)
        total = sum_in_order(apply(exp, x - largest[..., None]))
        return (np.where(total > 0, largest + apply(log, total), largest),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        sizes = {"T": x.shape[0], "K": self.groups, "M": x.shape[1] // self.groups}
        return (call(k.grouped_log_sums, x=In(0), y=Out(0), **sizes),)


def largest_of_row(x: Array) -> Array:
    """The largest along the last axis; NaN wins only in the first place."""
    largest = x[..., 0]
    for i in range(1, x.shape[-1]):
        largest = np.where(x[..., i] > largest, x[..., i], largest)
    return largest
