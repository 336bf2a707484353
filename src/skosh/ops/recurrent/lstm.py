"""A layer of LSTM cells run over a sequence; its hidden and cell states live on between runs.

    gate[g] = f(W[g] x + b[g] + R[g] h), g: input, forget, cell, output; f: logistic, for the cell gate tanh
    c = gate[forget] * c + gate[input] * gate[cell], clipped;  h = gate[output] * tanh(c)

The meaning is TFLite Micro's "integer LSTM" (micro/kernels/lstm_eval.{h,cc}): the two products of a gate are rounded to
Q3.12 one by one, gates are Q0.15, c is int16 with a power of two as its scale. Kernels are in ``lstm_kernels``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base import arith, fixedpoint
from skosh.base.arith import Ints
from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, mathf, requantize, requantize_bounded, vectorized
from skosh.ops.common import check_dtype, check_rank, required
from skosh.ops.elements.activation_kernels import logistic_f32
from skosh.ops.layers.requantizing import is_short
from skosh.ops.layers.rescaling import MAX_WIDE, requantize_wide
from skosh.ops.recurrent.lstm_kernels import lstm_f32, lstm_integer

GATES = 4  # input, forget, cell, output
INPUT, FORGET, CELL, OUTPUT = range(GATES)
X, W, R, BIAS, HIDDEN, STATE = 0, 1, 5, 9, 13, 14  # inputs: x, 4 weights, 4 recurrent weights, 4 biases, h, c
Q3_12, Q0_15 = 2.0**-12, 2.0**-15


@dataclass(frozen=True)
class Lstm(Op):
    """y[b, t] = h after step t. x: [B, T, I], or [T, B, I] where ``time_major``; y: the same with S for I.

    Inputs: x, weights [S, I] and recurrent weights [S, S] of the four gates, biases [S], hidden state and cell state of
    B * S elements. Outputs: y, new hidden state, new cell state. Types: float32; int8 with int32 biases; int16 with
    int64 biases, both with int8 weights and int16 cell state. cell_clip: |c| at most, where > 0.
    """

    time_major: bool = False
    cell_clip: float = 0.0
    kind = "lstm"
    update = ((HIDDEN, 1), (STATE, 2))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        tensors = required(inputs, STATE + 1)
        x, hidden, cell = tensors[X], tensors[HIDDEN], tensors[STATE]
        check_rank(x, 3)
        check_dtype(x, f32, i8, i16)
        n = tensors[BIAS].size
        batch = x.shape[1 if self.time_major else 0]
        for t in tensors[W:R]:
            check_shape(t, (n, x.shape[2]))
        for t in tensors[R:BIAS]:
            check_shape(t, (n, n))
        for t in tensors[BIAS:HIDDEN]:
            check_shape(t, (n,))
        for t in (hidden, cell):
            if t.size != batch * n:
                raise ModelError(f'"{t.name}" must have {batch * n} elements, not {t.size}')
        weights, bias, state = (f32, f32, f32) if x.dtype == f32 else (i8, i32 if x.dtype == i8 else i64, i16)
        for t, want in zip(tensors[1:], [weights] * 8 + [bias] * 4 + [x.dtype, state], strict=True):
            check_dtype(t, want)
        if x.dtype != f32:
            self.check_quantization(tensors)
        return Type((*x.shape[:2], n), x.dtype), Type(hidden.shape, hidden.dtype), Type(cell.shape, cell.dtype)

    def check_quantization(self, tensors: Sequence[Tensor]) -> None:
        for t in (tensors[X], *tensors[W:BIAS], tensors[HIDDEN], tensors[STATE]):
            if t.quant is None or t.quant.per_channel:
                raise ModelError(f'"{t.name}" must have one scale')
            free = t.dtype == i8 and t in (tensors[X], tensors[HIDDEN])
            if t.quant.zero_point != 0 and not free:
                raise ModelError(f'"{t.name}" must have zero point 0, not {t.quant.zero_point}')
        power = log2_of(scale(tensors[STATE]))
        if not -15 - 16 <= power <= 0:
            raise ModelError(
                f'the scale of "{tensors[STATE].name}" must be from 2^-31 to 1, not {scale(tensors[STATE])}'
            )
        for t in tensors[W:HIDDEN]:
            if t.data is None:
                raise ModelError(f'"{t.name}" must be constant')

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        tensors = required(inputs, STATE + 1)
        steps = math.prod(tensors[X].shape[:2])
        return steps * sum(t.size for t in tensors[W:BIAS])

    # ------------------------------------------------------------------------------------------------------ reference

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        tensors = required(inputs, STATE + 1)
        given = [np.asarray(v) for v in values]
        x = given[X].swapaxes(0, 1) if self.time_major else given[X]
        batch, n = x.shape[0], tensors[BIAS].size
        h, c = given[HIDDEN].reshape(batch, n), given[STATE].reshape(batch, n)
        step = self.float_step if x.dtype == np.float32 else self.integer_step
        y = np.zeros((*x.shape[:2], n), x.dtype)
        for t in range(x.shape[1]):
            h, c = step(tensors, given, x[:, t], h, c)
            y[:, t] = h
        y = y.swapaxes(0, 1) if self.time_major else y
        return y, h.reshape(tensors[HIDDEN].shape), c.reshape(tensors[STATE].shape)

    def float_step(
        self, tensors: Sequence[Tensor], given: Sequence[Array], x: Array, h: Array, c: Array
    ) -> tuple[Array, Array]:
        """(h, c) after one step; x: [B, I], h and c: [B, S]. Sums go left to right."""
        gates = []
        for g in range(GATES):
            total = dot_f32(x, given[W + g]) + given[BIAS + g] + dot_f32(h, given[R + g])
            gates.append(vectorized.apply(mathf.tanh if g == CELL else logistic_f32, total))
        c = gates[FORGET] * c + gates[INPUT] * gates[CELL]
        if self.cell_clip > 0:
            c = np.clip(c, -np.float32(self.cell_clip), np.float32(self.cell_clip))
        return vectorized.apply(mathf.tanh, c) * gates[OUTPUT], c

    def integer_step(
        self, tensors: Sequence[Tensor], given: Sequence[Array], x: Array, h: Array, c: Array
    ) -> tuple[Array, Array]:
        """(h, c) after one step; x: [B, I], h: [B, S] as stored, c: [B, S] int16."""
        rescale = arith.requantize if x.dtype == np.int8 else arith.requantize_i64
        gates = []
        for g in range(GATES):
            total = np.zeros(h.shape, np.int64)
            for source, value, weight, bias in ((X, x, W + g, given[BIAS + g].astype(np.int64)), (HIDDEN, h, R + g, 0)):
                acc = (value.astype(np.int64) - zero(tensors[source])) @ given[weight].astype(np.int64).T + bias
                total += arith.saturate(rescale(acc, *gate_factor(tensors[source], tensors[weight])), i16)
            total = arith.saturate(total, i16)
            gates.append(fixedpoint.tanh_int16(total, 3, 0) if g == CELL else fixedpoint.logistic_int16(total, 3, 0))
        forget, add, out = (arith.quantize_multiplier(f) for f in self.factors(tensors))
        kept = arith.saturate(arith.requantize(gates[FORGET] * c.astype(np.int64), *forget), i16)
        added = arith.saturate(arith.requantize(gates[INPUT] * gates[CELL], *add), i16)
        cell = np.clip(kept + added, *self.bounds(tensors[STATE]))
        squashed = fixedpoint.tanh_int16(cell, *tanh_scaling(tensors[STATE]))
        hidden = arith.requantize(squashed * gates[OUTPUT], *out) + zero(tensors[HIDDEN])
        return arith.saturate(hidden, tensors[HIDDEN].dtype).astype(h.dtype), cell.astype(np.int16)

    def factors(self, tensors: Sequence[Tensor]) -> tuple[float, float, float]:
        """What the products forget * c, input * cell gate, output * tanh(c) are multiplied with."""
        c, h = scale(tensors[STATE]), scale(tensors[HIDDEN])
        return Q0_15 * c / c, Q0_15 * Q0_15 / c, Q0_15 * Q0_15 / h

    def bounds(self, cell: Tensor) -> tuple[int, int]:
        """The smallest and the largest c as stored."""
        if self.cell_clip <= 0:
            return i16.min, i16.max
        limit = int(min(float(np.float32(self.cell_clip)) / scale(cell), float(i16.max)))
        return -limit, limit

    # ---------------------------------------------------------------------------------------------------------- calls

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        tensors = required(inputs, STATE + 1)
        x, n = tensors[X], tensors[BIAS].size
        steps, batch = x.shape[:2] if self.time_major else (x.shape[1], x.shape[0])
        first, second = (1, batch) if self.time_major else (steps, 1)  # rows of x from one batch, one step to the next
        common: dict[str, Any] = {
            "x": In(X), "hidden": Out(1), "cell": Out(2), "y": Out(0), "B": batch, "I": x.shape[2], "S": n,
            "ROWS": batch * steps, "STEPS": steps, "batch_rows": first, "step_rows": second,
            "w": Const(stacked(tensors[W:R]), "weights"), "r": Const(stacked(tensors[R:BIAS]), "recurrent"),
        }  # fmt: skip
        if x.dtype == f32:
            clip = float(np.float32(self.cell_clip)) if self.cell_clip > 0 else math.inf
            bias, gates = Const(stacked(tensors[BIAS:HIDDEN]), "bias"), Scratch(GATES * n, f32, "gates")
            return (call(lstm_f32, bias=bias, gates=gates, clip=clip, **common),)
        (mf, sf), (ma, sa), (mo, so) = (arith.quantize_multiplier(f) for f in self.factors(tensors))
        # no product is beyond 2^15 * (2^15 - 1): gates are above -2^15
        short = all(is_short(s, i16.max << 15) for s in (sf, sa, so))
        sf, sa, so = (-s if short else s for s in (sf, sa, so))
        multiplier, right = tanh_scaling(tensors[STATE])
        low, high = self.bounds(tensors[STATE])
        numbers = {
            "multiply": requantize_bounded if short else requantize, "mf": mf, "sf": sf, "ma": ma, "sa": sa, "mo": mo,
            "so": so, "low": low, "high": high,
            "tanh_multiplier": multiplier, "tanh_half": (1 << right) >> 1, "tanh_right": right,
            "zh": zero(tensors[HIDDEN]), "lo": x.dtype.min, "hi": x.dtype.max,
        }  # fmt: skip
        table = Const(fixedpoint.sigmoid_table().astype(np.uint16), "sigmoid")
        gates = Scratch(GATES * n, i16, "gates")
        return (
            call(lstm_integer, T=x.dtype, table=table, gates=gates, **gate_constants(tensors), **numbers, **common),
        )


def check_shape(t: Tensor, want: tuple[int, ...]) -> None:
    if t.shape != want:
        raise ModelError(f'"{t.name}" must have shape {want}, not {t.shape}')


def scale(t: Tensor) -> float:
    assert t.quant is not None, "checked by infer"
    return t.quant.scale


def zero(t: Tensor) -> int:
    assert t.quant is not None, "checked by infer"
    return t.quant.zero_point


def stacked(tensors: Sequence[Tensor]) -> Array:
    """The four gates' constants, one after the other."""
    for t in tensors:
        if t.data is None:
            raise ModelError(f'"{t.name}" must be constant')
    return np.concatenate([t.data for t in tensors if t.data is not None])


def dot_f32(x: Array, w: Array) -> Array:
    """x [B, K] . w [N, K] -> [B, N] in float32, added from the left."""
    total = np.zeros((x.shape[0], w.shape[0]), np.float32)
    for k in range(x.shape[1]):
        total = total + x[:, k : k + 1] * w[:, k]
    return total


def gate_factor(x: Tensor, w: Tensor) -> tuple[int, int]:
    """(multiplier, shift) from x . w to Q3.12; the product of the scales is rounded to float32, as in TFLM."""
    product = float(np.float32(scale(x)) * np.float32(scale(w)))
    return arith.quantize_multiplier(product / Q3_12)


def gate_constants(tensors: Sequence[Tensor]) -> dict[str, Any]:
    """Biases with zero points folded in and multipliers, for both products of the four gates; and how they are used.

    int8 inputs are summed in i32 and rounded twice; int16 ones in i64 and rounded once, with a 15-bit multiplier.
    """
    wide = tensors[X].dtype == i16
    biases: list[list[Ints]] = [[], []]
    scalings: list[list[tuple[int, int]]] = [[], []]
    short = True
    for g in range(GATES):
        own = np.asarray(tensors[BIAS + g].data, np.int64)
        for k, (source, weight, bias) in enumerate(((X, W + g, own), (HIDDEN, R + g, 0 * own))):
            w = np.asarray(tensors[weight].data, np.int64)
            biases[k].append(bias - zero(tensors[source]) * w.sum(axis=1))
            reach = np.abs(bias) + np.abs(w).sum(axis=1) * (1 << tensors[source].dtype.bits)
            if reach.max() >= (MAX_WIDE if wide else i32.max):
                raise ModelError(f'the sums of "{tensors[weight].name}" may overflow', hint="check the biases")
            multiplier, shift = gate_factor(tensors[source], tensors[weight])
            short &= is_short(shift, int(reach.max()))
            if wide:
                multiplier = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
                shift = 15 - shift
                if not 1 <= shift <= 46:
                    raise ModelError(f'the scale of "{tensors[weight].name}" is out of proportion')
            scalings[k].append((multiplier, shift))
    kind = np.int64 if wide else np.int32
    pairs = np.array(scalings, np.int32)
    pairs[:, :, 1] *= -1 if short and not wide else 1
    return {
        "A": i64 if wide else i32,
        "rescale": requantize_wide if wide else requantize_bounded if short else requantize,
        "bias": Const(np.concatenate(biases[0]).astype(kind), "bias"),
        "recurrent_bias": Const(np.concatenate(biases[1]).astype(kind), "recurrent_bias"),
        "scaling": Const(pairs[0], "scaling"),
        "recurrent_scaling": Const(pairs[1], "recurrent_scaling"),
    }


def log2_of(real: float) -> int:
    """The nearest power of two, by TFLM's way in float32."""
    log2 = np.log(np.float32(real)) * (np.float32(1) / np.log(np.float32(2)))
    return int(arith.round_half_away(log2))


def tanh_scaling(cell: Tensor) -> tuple[int, int]:
    """(multiplier, right shift) that take c to the table's units: 3 * 2^12 for 1.0, a quarter less than Q3.12."""
    left = log2_of(scale(cell)) + 12
    return (3 << left, 0) if left >= 0 else (3, -left)
