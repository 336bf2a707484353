"""Reductions along axes: sum, mean, maximum, minimum, and where the largest or smallest element is.

The meaning is TFLite Micro's: kernels/internal/reference/{reduce,arg_min_max}.h. Floats are added in the order of memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skosh.base import arith
from skosh.base.dtypes import f32, i8, i16, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import FREE, SAME, Traits
from skosh.language import call, clamp, kernel, par, seq, widen, wrap
from skosh.ops.common import FLOAT_MAX, check_dtype, check_quant, required
from skosh.ops.layers.requantizing import one_rescaling
from skosh.ops.moves.movement import normal_axis

# ------------------------------------------------------------------------------------------------------------- kernels
# Each output (i, j) reduces the elements i*k0 + j*k1 + a*r0 + b*r1 of x, in the order of memory.


@kernel
def reduce_sum(
    x: T[X], y: T[K0 * K1], *, rescale: function, first, multiplier, shift, zy, lo, hi, R0, R1, k0, k1, r0, r1
):  # fmt: skip
    """y = rescale(first + sum of x) + zy, clamped to [lo, hi]."""
    for i, j in par(K0, K1):
        acc = first
        for a in seq(R0):
            p = i * k0 + j * k1 + a * r0
            for b in seq(R1):
                acc += widen(x[p + b * r1])
        y[i * K1 + j] = wrap(T, clamp(rescale(acc, multiplier, shift), lo - zy, hi - zy) + zy)


@kernel
def reduce_mean_f32(x: f32[X], y: f32[K0 * K1], count: f32, *, R0, R1, k0, k1, r0, r1):
    """y = sum of x / count."""
    for i, j in par(K0, K1):
        acc = 0.0
        for a in seq(R0):
            p = i * k0 + j * k1 + a * r0
            for b in seq(R1):
                acc += x[p + b * r1]
        y[i * K1 + j] = acc / count


@kernel
def reduce_max(x: T[X], y: T[K0 * K1], first: T, *, R0, R1, k0, k1, r0, r1):
    """y = the largest of first and x."""
    for i, j in par(K0, K1):
        best = first
        for a in seq(R0):
            p = i * k0 + j * k1 + a * r0
            for b in seq(R1):
                best = x[p + b * r1] if x[p + b * r1] > best else best
        y[i * K1 + j] = best


@kernel
def reduce_min(x: T[X], y: T[K0 * K1], first: T, *, R0, R1, k0, k1, r0, r1):
    """y = the smallest of first and x."""
    for i, j in par(K0, K1):
        best = first
        for a in seq(R0):
            p = i * k0 + j * k1 + a * r0
            for b in seq(R1):
                best = x[p + b * r1] if x[p + b * r1] < best else best
        y[i * K1 + j] = best


@kernel
def arg_max(x: T[O, A, N], y: i32[O, N]):
    """y[o, n] = the first a with the largest x[o, a, n]."""
    for o, n in par(O, N):
        best = x[o, 0, n]
        where = 0
        for a in seq(1, A):
            if x[o, a, n] > best:
                best = x[o, a, n]
                where = a
        y[o, n] = where


@kernel
def arg_min(x: T[O, A, N], y: i32[O, N]):
    """y[o, n] = the first a with the smallest x[o, a, n]."""
    for o, n in par(O, N):
        best = x[o, 0, n]
        where = 0
        for a in seq(1, A):
            if x[o, a, n] < best:
                best = x[o, a, n]
                where = a
        y[o, n] = where


# ----------------------------------------------------------------------------------------------------------- operators


@dataclass(frozen=True)
class Reduce(Op):
    """What reductions share. axes: which go; keep_dims: they stay with size 1."""

    axes: tuple[int, ...]
    keep_dims: bool = False

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        axes = self.normal(x)
        if sum(reduced for _, _, reduced in groups(x.shape, axes)) > LOOPS:
            raise ModelError(f"the reduced axes {axes} of {x.shape} must lie together in at most {LOOPS} groups")
        kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape) if self.keep_dims or a not in axes)
        return (Type(kept, x.dtype),)

    def normal(self, x: Tensor) -> tuple[int, ...]:
        """The axes counted from the front, each once, in order."""
        return tuple(sorted({normal_axis(a, len(x.shape)) for a in self.axes})) if x.shape else ()

    def count(self, x: Tensor) -> int:
        """How many elements become one."""
        return math.prod(x.shape[a] for a in self.normal(x))

    def rows(self, x: Tensor, value: Array | None) -> Array:
        """The value as [element of a reduction, output element], both in the order of memory."""
        axes = self.normal(x)
        order = (*axes, *(a for a in range(len(x.shape)) if a not in axes))
        return np.asarray(value).transpose(order).reshape(self.count(x), -1)

    def loops(self, x: Tensor) -> list[dict[str, In | Out | int]]:
        """What each kernel call is bound to: buffers, sizes and strides."""
        found = groups(x.shape, self.normal(x))
        kept = [(n, stride) for n, stride, reduced in found if not reduced]
        gone = [(n, stride) for n, stride, reduced in found if reduced]
        starts = [0]
        while len(kept) > LOOPS:  # more loops than a kernel has: the outermost is unrolled
            n, stride = kept.pop(0)
            starts = [s + k * stride for s in starts for k in range(n)]
        kept, gone = ([(1, 0)] * (LOOPS - len(part)) + part for part in (kept, gone))
        (kept0, k0), (kept1, k1) = kept
        (gone0, r0), (gone1, r1) = gone
        numbers = {"K0": kept0, "K1": kept1, "R0": gone0, "R1": gone1, "k0": k0, "k1": k1, "r0": r0, "r1": r1}
        return [
            {"x": In(0, start), "y": Out(0, i * kept0 * kept1), "X": x.size - start, **numbers}
            for i, start in enumerate(starts)
        ]


LOOPS = 2
"""Loops over kept and over reduced elements that the kernels have."""


def groups(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[tuple[int, int, bool]]:
    """(size, stride, reduced) of the axes, without those of size 1, neighbours of one kind merged."""
    found: list[tuple[int, int, bool]] = []
    for a, n in enumerate(shape):
        if n == 1:
            continue
        reduced, stride = a in axes, math.prod(shape[a + 1 :])
        if found and found[-1][2] == reduced:
            found[-1] = (found[-1][0] * n, stride, reduced)
        else:
            found.append((n, stride, reduced))
    return found


@dataclass(frozen=True)
class Sum(Reduce):
    """y = sum of x over the axes; int8 and int16 are requantized to the output's scale."""

    kind = "sum"
    traits = Traits(monotone=True, int8=FREE, int16=True)
    mean: ClassVar[bool] = False

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i8, i16)
        check_quant(x)
        if not x.dtype.is_float and self.count(x) * (x.dtype.max + 1) * 2 > i32.max:
            raise ModelError(f"a sum of {self.count(x)} {x.dtype} elements may overflow 32 bits")
        return super().infer(inputs)

    def factor(self, x: Tensor, y: Tensor) -> tuple[int, int]:
        """(multiplier, shift) of x.scale / y.scale, for a mean divided by the number of elements as TFLM does it."""
        check_quant(y)
        assert x.quant is not None and y.quant is not None, "checked by check_quant"
        real = x.quant.scale / y.quant.scale
        multiplier, shift = arith.quantize_multiplier(real)
        reach = (2 if x.dtype == i8 else 1) * (x.dtype.max + 1) * (1 if self.mean else self.count(x)) * real
        if reach > i32.max // 2:
            raise ModelError(
                f"the scale {y.quant.scale} of the output is too small for that of the input, {x.quant.scale}"
            )
        if self.mean:
            down = min(self.count(x).bit_length() - 1, 32, 31 + shift)
            return (multiplier << down) // self.count(x), shift - down
        return multiplier, shift

    def first(self, x: Tensor) -> int:
        """What takes the zero points out of the sum."""
        return -x.quant.zero_point * self.count(x) if x.quant is not None else 0

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        rows = self.rows(x, values[0])
        if x.dtype.is_float:
            total = np.zeros(rows.shape[1], np.float32)
            for row in rows:
                total = total + row
            return ((total / np.float32(self.count(x) if self.mean else 1)).reshape(y.shape),)
        assert y.quant is not None, "checked by factor"
        sums = rows.sum(axis=0, dtype=np.int64) + self.first(x)
        scaled = arith.requantize(sums, *self.factor(x, y))
        return (arith.saturate(scaled + y.quant.zero_point, y.dtype).astype(y.dtype.np).reshape(y.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        if x.dtype.is_float:
            count = float(self.count(x) if self.mean else 1)
            return tuple(call(reduce_mean_f32, count=count, **loops) for loops in self.loops(x))
        scaling = self.factor(x, y)
        assert y.quant is not None, "checked by factor"
        numbers = {"first": self.first(x), "zy": y.quant.zero_point, "lo": y.dtype.min, "hi": y.dtype.max}
        numbers |= one_rescaling(scaling, self.count(x) << x.dtype.bits)
        return tuple(call(reduce_sum, T=x.dtype, **numbers, **loops) for loops in self.loops(x))


@dataclass(frozen=True)
class Mean(Sum):
    """y = mean of x over the axes; int8 and int16 are requantized to the output's scale."""

    kind = "mean"
    mean = True


@dataclass(frozen=True)
class Extreme(Reduce):
    """y = the largest or smallest x over the axes. Quantized values keep their scale. NaN is passed over, as in TFLM.

    open: infinite where all floats are; else the finite end of the range, as in TFLM.
    """

    open: bool = False
    largest: ClassVar[bool]

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i8, i16, i32)
        return super().infer(inputs)

    def first(self, x: Tensor) -> int | float:
        """What no element is beyond: the end of the type's range. TFLM takes the finite end for floats."""
        if x.dtype.is_float:
            end = math.inf if self.open else FLOAT_MAX
            return -end if self.largest else end
        return x.dtype.min if self.largest else x.dtype.max

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        rows = self.rows(x, values[0])
        best = np.full(rows.shape[1], self.first(x), x.dtype.np)
        for row in rows:
            best = np.where(row > best if self.largest else row < best, row, best)
        return (best.reshape(y.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        made = reduce_max if self.largest else reduce_min
        return tuple(call(made, first=self.first(x), T=x.dtype, **loops) for loops in self.loops(x))


@dataclass(frozen=True)
class ReduceMax(Extreme):
    """y = the largest x over the axes."""

    kind = "reduce_max"
    traits = Traits(monotone=True, int8=SAME, int16=True)
    largest = True


@dataclass(frozen=True)
class ReduceMin(Extreme):
    """y = the smallest x over the axes."""

    kind = "reduce_min"
    traits = Traits(monotone=True, int8=SAME, int16=True)
    largest = False


@dataclass(frozen=True)
class ArgExtreme(Op):
    """The index along ``axis`` of the first largest or smallest element, as int32; that axis goes."""

    axis: int
    largest: ClassVar[bool]

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i8, i16, i32)
        axis = normal_axis(self.axis, len(x.shape))
        return (Type((*x.shape[:axis], *x.shape[axis + 1 :]), i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        rows = np.moveaxis(np.asarray(values[0]), self.axis, 0)
        best, where = rows[0], np.zeros(rows.shape[1:], np.int32)
        for index, row in enumerate(rows):
            better = row > best if self.largest else row < best
            best, where = np.where(better, row, best), np.where(better, np.int32(index), where)
        return (where,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        axis = normal_axis(self.axis, len(x.shape))
        sizes = {"O": math.prod(x.shape[:axis]), "A": x.shape[axis], "N": math.prod(x.shape[axis + 1 :])}
        return (call(arg_max if self.largest else arg_min, x=In(0), y=Out(0), T=x.dtype, **sizes),)


@dataclass(frozen=True)
class ArgMax(ArgExtreme):
    """The index of the first largest element along ``axis``."""

    kind = "arg_max"
    traits = Traits(int8=FREE, int16=True)
    largest = True


@dataclass(frozen=True)
class ArgMin(ArgExtreme):
    """The index of the first smallest element along ``axis``."""

    kind = "arg_min"
    traits = Traits(int8=FREE, int16=True)
    largest = False
