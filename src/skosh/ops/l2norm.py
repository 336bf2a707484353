"""L2 normalization along the last axis: each row divided by its length.

The meaning is TFLite Micro's: kernels/internal/reference/l2normalization.h, integer_ops/l2normalization.h, and
GetInvSqrtQuantizedMultiplierExp of kernels/internal/common.h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base import arith
from skosh.base.arith import Ints, rounding_divide_by_pot, srdhm, wrap
from skosh.base.dtypes import f32, i8, i32
from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.program import Call, In, Out
from skosh.kernels import call, clamp, func, kernel, par, requantize, seq, sqrt, widen
from skosh.kernels import rounding_divide_by_pot as divide_by_pot  # noqa: F401  (read by the kernel language)
from skosh.kernels import srdhm as high_product  # noqa: F401  (read by the kernel language)
from skosh.kernels import wrap as wrapped  # noqa: F401  (read by the kernel language)
from skosh.ops.common import check_dtype, check_quant, required
from skosh.ops.fixed_point import leading_zeros, times_power_of_two

EPSILON = 1e-6
HALF_SQRT_2 = 1518500250  # sqrt(2) / 2 in Q0
ONE_AND_A_HALF = 402653184  # 1.5 in Q3


@func
def times_64_saturated(x: i32) -> i32:
    return clamp(x, -33554432, 33554431) * 64 if -33554432 <= x <= 33554431 else (2147483647 if x > 0 else -2147483648)


@func
def times_8_saturated(x: i32) -> i32:
    return clamp(x, -268435456, 268435455) * 8 if -268435456 <= x <= 268435455 else (2147483647 if x > 0 else -2147483648)
