"""SVDF: a dense layer split into a filter over features and a filter over time, whose past outputs are its state.

The meaning is TFLite Micro's: micro/kernels/svdf_common.cc. Shapes: x [B, I], feature weights [U * rank, I], time
weights [U * rank, M], bias [U], state [B, U * rank * M] (the last M results of each feature filter, oldest first),
y [B, U].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base import arith
from skosh.base.dtypes import f32, i8, i16, i32, u32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, clamp, kernel, par, sat, seq, widen, wrap
from skosh.ops.common import activation_range, check_dtype, check_quant, check_rank, clamp_float, optional, required
from skosh.ops.layers.requantizing import one_rescaling

# ------------------------------------------------------------------------------------------------------------- kernels


@kernel
def svdf_features(
    x: i8[B, I], w: i8[F, I], bias: i32[F], state: T[B, F, M], *, rescale: function, multiplier, shift, zs
):  # fmt: skip
    """Each filter's past moves on by one; its newest element is rescale(bias + x . w) + zs."""
    for b, f in par(B, F):
        acc = bias[f]
        for i in seq(I):
            acc += widen(x[b, i]) * widen(w[f, i])
        for m in seq(M - 1):
            state[b, f, m] = state[b, f, m + 1]
        state[b, f, M - 1] = wrap(T, widen(sat(T, rescale(acc, multiplier, shift))) + zs)


@kernel
def svdf_time(
    state: T[B, U * R, M], w: T[U * R, M], bias: i32[U], y: i8[B, U], *, rescale: function, multiplier, shift, zs, zy
):  # fmt: skip
    """y[u] = rescale(bias[u] + past . w, over the R filters of u) + zy; sums are modulo 2^32."""
    for b, u in par(B, U):
        acc = wrap(u32, bias[u])
        for f in seq(u * R, u * R + R):
            for m in seq(M):
                acc += wrap(u32, (widen(state[b, f, m]) - zs) * widen(w[f, m]))
        y[b, u] = wrap(i8, clamp(rescale(wrap(i32, acc), multiplier, shift), -128 - zy, 127 - zy) + zy)


@kernel
def svdf_features_f32(x: f32[B, I], w: f32[F, I], state: f32[B, F, M]):
    """Each filter's past moves on by one; its newest element is x . w."""
    for b, f in par(B, F):
        acc = 0.0
        for i in seq(I):
            acc += w[f, i] * x[b, i]
        for m in seq(M - 1):
            state[b, f, m] = state[b, f, m + 1]
        state[b, f, M - 1] = acc


@kernel
def svdf_time_f32(state: f32[B, U * R, M], w: f32[U * R, M], bias: f32[U], y: f32[B, U], lo: f32, hi: f32):
    """y[u] = bias[u] + past . w, over the R filters of u, clamped."""
    for b, u in par(B, U):
        acc = bias[u]
        for f in seq(u * R, u * R + R):
            one = 0.0
            for m in seq(M):
                one += w[f, m] * state[b, f, m]
            acc += one
        y[b, u] = max(lo, min(hi, acc))


# ------------------------------------------------------------------------------------------------------------ operator


@dataclass(frozen=True)
class Svdf(Op):
    """y[u] = bias[u] + sum over the rank filters of u and M past steps of time weight * (feature weights . x).

    Inputs: x, feature weights, time weights, bias or absent, state. Outputs: y, new state. Types: float32; int8 with
    int8 or int16 time weights and state. ``activation`` is for floats; integers are only clamped to int8, as in TFLM.
    """

    rank: int
    activation: str = "none"
    kind = "svdf"
    update = ((4, 1),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, features, time, bias, state = self.operands(inputs)
        check_rank(x, 2)
        check_rank(features, 2)
        check_rank(time, 2)
        (batch, depth), (filters, memory) = x.shape, time.shape
        if self.rank < 1 or filters % self.rank:
            raise ModelError(f"{filters} filters must divide by the rank, {self.rank}")
        if features.shape != (filters, depth):
            raise ModelError(f'"{features.name}" must have shape {(filters, depth)}, not {features.shape}')
        if state.size != batch * filters * memory:
            raise ModelError(f'"{state.name}" must have {batch * filters * memory} elements, not {state.size}')
        if bias is not None and bias.shape != (filters // self.rank,):
            raise ModelError(f'"{bias.name}" must have shape {(filters // self.rank,)}, not {bias.shape}')
        check_dtype(x, f32, i8)
        check_dtype(features, x.dtype)
        check_dtype(time, *((f32,) if x.dtype == f32 else (i8, i16)))
        check_dtype(state, time.dtype)
        if bias is not None:
            check_dtype(bias, f32 if x.dtype == f32 else i32)
        if x.dtype == i8:
            check_quant(x, features, time)
            self.scales(x, features, time, state)
            for weights in (features, time):
                if weights.quant is not None and weights.quant.zero_point != 0:
                    raise ModelError(f'"{weights.name}" must have zero point 0, not {weights.quant.zero_point}')
        return Type((batch, filters // self.rank), x.dtype), Type(state.shape, state.dtype)

    @staticmethod
    def operands(inputs: Operands) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
        x, features, time = required(inputs[:3], 3)
        state = optional(inputs, 4)
        if state is None:
            raise ModelError("there must be a state (input 4)")
        return x, features, time, optional(inputs, 3), state

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        y, _ = required(outputs, 2)
        check_quant(y)

    def scales(self, *tensors: Tensor) -> tuple[np.float32, ...]:
        for t in tensors:
            if t.quant is None or t.quant.per_channel:
                raise ModelError(f'"{t.name}" must have one scale')
        return tuple(np.float32(t.quant.scale) for t in tensors if t.quant is not None)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, features, time, _, _ = self.operands(inputs)
        return x.shape[0] * (features.size + time.size)

    def factors(self, inputs: Operands, y: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """(multiplier, shift) into the state, and from there to y. The reals are float32 products, as in TFLM."""
        x, features, time, _, state = self.operands(inputs)
        sx, sf, st, ss, sy = self.scales(x, features, time, state, y)
        return arith.quantize_multiplier(float(sx * sf / ss)), arith.quantize_multiplier(float(ss * st / sy))

    def zeros(self, inputs: Operands, y: Tensor) -> tuple[int, int, int]:
        """Zero points of x, state and y."""
        x, _, _, _, state = self.operands(inputs)
        return tuple(t.quant.zero_point if t.quant is not None else 0 for t in (x, state, y))  # type: ignore[return-value]

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, _, time, _, state = self.operands(inputs)
        y, _ = required(outputs, 2)
        past = np.asarray(values[4]).reshape(x.shape[0], *time.shape)
        bias = np.zeros(y.shape[1], y.dtype.np) if len(values) < 4 or values[3] is None else np.asarray(values[3])
        if x.dtype == f32:
            newest, y_value = np.zeros(past.shape[:2], np.float32), np.broadcast_to(bias, y.shape)
            for i in range(x.shape[1]):
                newest = newest + np.asarray(values[1])[:, i] * np.asarray(values[0])[:, i : i + 1]
            past = np.concatenate([past[:, :, 1:], newest[:, :, None]], axis=2)
            filtered = np.zeros(past.shape[:2], np.float32)
            for m in range(time.shape[1]):
                filtered = filtered + np.asarray(values[2])[:, m] * past[:, :, m]
            for r in range(self.rank):
                y_value = y_value + filtered[:, r :: self.rank]
            return clamp_float(y_value, self.activation), past.reshape(state.shape)
        zx, zs, zy = self.zeros(inputs, y)
        into, out = self.factors(inputs, y)
        dots = (np.asarray(values[0]).astype(np.int64) - zx) @ np.asarray(values[1]).astype(np.int64).T
        latest = arith.saturate(arith.requantize(dots, *into), state.dtype) + zs
        past = np.concatenate([past[:, :, 1:], latest.astype(state.dtype.np)[:, :, None]], axis=2)
        sums = np.sum((past.astype(np.int64) - zs) * np.asarray(values[2]), axis=2)
        total = arith.wrap(sums.reshape(*y.shape, self.rank).sum(axis=2) + bias, i32)
        y_int = arith.saturate(arith.requantize(total, *out) + zy, i8)
        return y_int.astype(np.int8), past.reshape(state.shape)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, features, time, bias, state = self.operands(inputs)
        y, _ = required(outputs, 2)
        (b, i), (f, m), u = x.shape, time.shape, y.shape[1]
        past = {"state": Out(1), "B": b, "M": m}
        none = Const(np.zeros(u, np.float32 if x.dtype == f32 else np.int32), "bias")
        bias_buffer = none if bias is None else In(3)
        if x.dtype == f32:
            lo, hi = activation_range(self.activation, None, f32)
            return (
                call(svdf_features_f32, x=In(0), w=In(1), I=i, F=f, **past),
                call(svdf_time_f32, w=In(2), bias=bias_buffer, y=Out(0), U=u, R=self.rank, lo=lo, hi=hi, **past),
            )
        zx, zs, zy = self.zeros(inputs, y)
        into, out = self.factors(inputs, y)
        folded = -zx * rows_of(features).sum(axis=1)
        most_features = int(np.abs(rows_of(features)).sum(axis=1).max()) << x.dtype.bits
        most_bias = 0 if bias is None else int(np.abs(rows_of(bias)).max())
        most_time = self.rank * int(np.abs(rows_of(time)).sum(axis=1).max()) << state.dtype.bits
        return (
            call(
                svdf_features, x=In(0), w=In(1), bias=Const(folded.astype(np.int32), "feature_bias"), T=state.dtype,
                I=i, F=f, zs=zs, **one_rescaling(into, most_features), **past,
            ),
            call(
                svdf_time, w=In(2), bias=bias_buffer, y=Out(0), T=state.dtype, U=u, R=self.rank, zs=zs,
                zy=zy, **one_rescaling(out, most_time + most_bias), **past,
            ),
        )  # fmt: skip


def rows_of(weights: Tensor) -> Array:
    """Constant weights as int64."""
    if weights.data is None:
        raise ModelError(f'"{weights.name}" must be constant')
    return weights.data.astype(np.int64)
