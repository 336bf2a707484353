"""Activations that bend smoothly: ELU, GELU, hard swish.

int8 is a table of 256 entries: ELU and GELU by way of float32, hard swish in the 16-bit integers of TensorFlow Lite
Micro (tensorflow/lite/kernels/internal/reference/hard_swish.h). float32 is computed by ``kernels.mathf``. GELU, which
TFLM lacks, means what TensorFlow Lite's does (internal/reference/gelu.h); in float32 it is within 5 units in the last
place, the worst of them where it nears 0 from below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.arith import quantize_multiplier, rounding_divide_by_pot
from skosh.base.dtypes import f32, i8, i16
from skosh.base.errors import ModelError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Tensor
from skosh.ir.traits import FREE, Traits
from skosh.ops.elements import activation_kernels as k
from skosh.ops.elements.unary import Unary, float_calls, float_values, quant_of, rounded, tabulated


@dataclass(frozen=True)
class Elu(Unary):
    """y = x, or e^x - 1 below 0. Types: int8, float32."""

    kind = "elu"
    traits = Traits(elementwise=True, unary=True, curve=True, int8=FREE)
    types = (i8, f32)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return float_values(k.elu_f32, v)
        return tabulated(x, y, v, lambda r: np.where(r < 0, rounded(np.exp)(r) - np.float32(1), r))

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        return float_calls(k.elu_f32, x, y)


@dataclass(frozen=True)
class Gelu(Unary):
    """y = x/2 (1 + erf(x / sqrt 2)), or with tanh when ``approximate``. Types: int8, float32."""

    approximate: bool = False
    kind = "gelu"
    traits = Traits(elementwise=True, unary=True, curve=True, int8=FREE)
    types = (i8, f32)

    @property
    def function(self) -> Any:
        """The scalar function of floats."""
        return k.gelu_tanh_f32 if self.approximate else k.gelu_f32

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return float_values(self.function, v)
        return tabulated(x, y, v, _gelu_tanh if self.approximate else _gelu)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        return float_calls(self.function, x, y)


def _gelu(v: Array) -> Array:
    erfc = rounded(np.vectorize(math.erfc, otypes=[np.float64]))
    return np.float32(0.5) * v * erfc(v * np.float32(-math.sqrt(0.5)))


def _gelu_tanh(v: Array) -> Array:
    inner = np.float32(math.sqrt(2 / math.pi)) * (v + np.float32(0.044715) * v * v * v)
    return np.float32(0.5) * v * (np.float32(1) + rounded(np.tanh)(inner))


@dataclass(frozen=True)
class HardSwish(Unary):
    """y = x * min(max(x + 3, 0), 6) / 6. Types: int8, float32."""

    kind = "hard_swish"
    traits = Traits(elementwise=True, unary=True, curve=True, int8=FREE)
    types = (i8, f32)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return v * np.fmin(np.fmax(v + np.float32(3), np.float32(0)), np.float32(6)) / np.float32(6)
        (sx, zx), (sy, zy) = quant_of(x), quant_of(y)
        out_multiplier, out_shift = quantize_multiplier(sx / 128 / sy)
        gate_multiplier, gate_shift = quantize_multiplier(sx / 128 / float(np.float32(3 / 32768)))
        if not -15 <= out_shift <= 0 or gate_shift > 15:
            raise ModelError("the scales of a hard swish must be nearer to each other", hint="quantize again")
        hires = (v.astype(np.int64) - zx) * 128
        preshift = _mul_i16(hires, _to_15_bits(out_multiplier))
        gate = _clip_i16(hires << max(gate_shift - 1, 0))
        gate = _mul_i16(gate, _to_15_bits(gate_multiplier))
        gate = _clip_i16(gate << 1) if gate_shift > 0 else rounding_divide_by_pot(gate, -gate_shift)
        gate = (gate + (1 << 15)) >> 1  # from [-1, 1] to [0, 1]
        product = gate * preshift
        value = np.where(product >= 0, product >> 15, -(-product >> 15))
        return np.clip(rounding_divide_by_pot(value, -out_shift) + zy, -128, 127)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        return float_calls(k.hard_swish_f32, x, y)


def _to_15_bits(multiplier: int) -> int:
    return 32767 if multiplier >= 2**31 - 1 - (1 << 15) else (multiplier + (1 << 15)) >> 16


def _clip_i16(v: Any) -> Any:
    return np.clip(v, i16.min, i16.max)


def _mul_i16(a: Any, b: int) -> Any:
    """Saturating rounding doubling high multiply of int16: round(a * b / 2^15), ties away from zero for positives."""
    product = a * b
    total = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.where(total >= 0, total >> 15, -(-total >> 15))
