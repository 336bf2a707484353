"""What operators share: fused activations, padding, multipliers, and the small letters of their complaints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skosh.base.arith import Ints, quantize_multiplier, requantize, requantize_i64, round_half_away
from skosh.base.dtypes import DType, f32, i8, i16
from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Operands, Quant, Tensor

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")

_REAL_RANGES: dict[str, tuple[float | None, float | None]] = {
    "none": (None, None),
    "relu": (0.0, None),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}

FLOAT_MAX = float(np.finfo(np.float32).max)


def activation_range(activation: str, quant: Quant | None, dtype: DType) -> tuple[Any, Any]:
    """(lo, hi) that a fused activation clamps to: of ints for an integer ``dtype``, of floats for float32.

    Integers: q(x) = zero_point + round(x / scale) in float32, clamped to the type's range, as TFLM's
    CalculateActivationRangeQuantized. Floats: without a bound it is the largest finite float32.
    """
    lo, hi = _REAL_RANGES[activation]
    if dtype.is_float:
        return (-FLOAT_MAX if lo is None else lo), (FLOAT_MAX if hi is None else hi)
    if activation == "none" or quant is None:
        assert activation == "none", "a fused activation on integers needs the output's quantization"
        return dtype.min, dtype.max
    return (
        dtype.min if lo is None else max(dtype.min, quantized(lo, quant)),
        dtype.max if hi is None else min(dtype.max, quantized(hi, quant)),
    )


def quantized(real: float, quant: Quant) -> int:
    """zero_point + round(real / scale), the division in float32, ties away from zero."""
    with np.errstate(over="ignore"):
        steps = float(round_half_away(np.float32(real) / np.float32(quant.scale)))
    if not -(2.0**31) <= steps <= 2.0**31:
        raise ModelError(f"scale {quant.scale!r} is too small to hold {real:g} in 32 bits")
    return quant.zero_point + int(steps)


def clamp_float(x: Array, activation: str) -> Array:
    """min(max(x, lo), hi) in float32; NaN stays NaN, infinities become the largest finite number."""
    lo, hi = activation_range(activation, None, f32)
    return np.minimum(np.maximum(x, np.float32(lo)), np.float32(hi))


# ---------------------------------------------------------------------------------------------------------- requantizing


def multipliers(reals: Sequence[float] | float) -> tuple[Ints, Ints]:
    """(multiplier, shift) arrays of real factors; see ``base.arith.quantize_multiplier``.

    A ModelError when a factor is 2^30 or more: no 32-bit arithmetic shifts that far.
    """
    reals = [float(r) for r in np.atleast_1d(reals)]
    for real in reals:
        if not abs(real) < 2.0**30:
            raise ModelError(f"a requantization factor must be below 2^30, not {real:g}", hint="check the scales")
    pairs = [quantize_multiplier(r) for r in reals]
    return np.array([m for m, _ in pairs], dtype=np.int64), np.array([s for _, s in pairs], dtype=np.int64)


def product_multipliers(x: Tensor, w: Tensor, y: Tensor, channels: int) -> tuple[Ints, Ints]:
    """[channels] (multiplier, shift) of x.scale * w.scale[c] / y.scale, in double; a single w.scale serves all channels."""
    assert x.quant is not None and w.quant is not None and y.quant is not None, "checked by infer"
    m, s = multipliers([x.quant.scale * scale / y.quant.scale for scale in w.quant.scales])
    return np.broadcast_to(m, channels).copy(), np.broadcast_to(s, channels).copy()


def float_product_multiplier(x: Tensor, w: Tensor, y: Tensor) -> tuple[Ints, Ints]:
    """[1] (multiplier, shift) of x.scale * w.scale / y.scale, the product rounded to float32 first.

    TFLM's GetQuantizedConvolutionMultipler, which per-tensor dense layers and matrix products use.
    """
    assert x.quant is not None and w.quant is not None and y.quant is not None, "checked by infer"
    with np.errstate(over="ignore", under="ignore"):
        product = np.float32(x.quant.scale) * np.float32(w.quant.scale)
    return multipliers(float(product) / y.quant.scale)


def finish(acc: Ints, scaling: tuple[Ints, Ints], y: Tensor, activation: str, wide: bool) -> Array:
    """Accumulators [..., channels] to the output's type: requantized, zero point added, clamped.

    wide: 64-bit accumulators are rounded once (TFLM's int64 form); 32-bit ones, which wrap, twice.
    """
    assert y.quant is not None, "checked by infer"
    if wide:
        scaled = requantize_i64(acc, *scaling)
    else:
        scaled = requantize(acc.astype(np.int32), *scaling)
    lo, hi = activation_range(activation, y.quant, y.dtype)
    return np.clip(scaled + y.quant.zero_point, lo, hi).astype(y.dtype.np)


# --------------------------------------------------------------------------------------------------------------- padding


def out_size(padding: str, size: int, window: int, stride: int, dilation: int = 1) -> int:
    """Number of window positions along one axis; padding is "same" or "valid". 0 when the window doesn't fit."""
    if padding == "same":
        return -(-size // stride)
    return max(0, (size + stride - ((window - 1) * dilation + 1)) // stride)


def same_pads(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(before, after) that "same" padding adds along one axis: the odd element goes after."""
    total = max(0, (out_size("same", size, window, stride) - 1) * stride + (window - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def window_pads(
    padding: str,
    size: tuple[int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of "same" or "valid" padding; all pairs are (height, width)."""
    if padding == "valid":
        return 0, 0, 0, 0
    top, bottom = same_pads(size[0], window[0], stride[0], dilation[0])
    left, right = same_pads(size[1], window[1], stride[1], dilation[1])
    return top, bottom, left, right


# ------------------------------------------------------------------------------------------------------------ broadcast


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all broadcast to, numpy's rule; a ModelError when they don't."""
    try:
        return tuple(int(n) for n in np.broadcast_shapes(*shapes))
    except ValueError:
        text = " and ".join(str(s) for s in shapes)
        raise ModelError(f"shapes {text} don't broadcast to each other") from None


# --------------------------------------------------------------------------------------------------------------- checks


def required(inputs: Operands, count: int, at_most: int | None = None) -> tuple[Tensor, ...]:
    """The first ``count`` inputs, which must be there; a ModelError when there are fewer or too many."""
    most = count if at_most is None else at_most
    if not count <= len(inputs) <= most:
        want = str(count) if most == count else f"{count} to {most}"
        raise ModelError(f"must have {want} inputs, not {len(inputs)}")
    found = [t for t in inputs[:count] if t is not None]
    if len(found) != count:
        raise ModelError(f"the first {count} inputs must be there, but one is absent")
    return tuple(found)


def optional(inputs: Operands, index: int) -> Tensor | None:
    """Input number ``index``, or None when it is absent."""
    return inputs[index] if index < len(inputs) else None


def given(values: Sequence[Array | None], index: int) -> Array:
    """The value number ``index``, which infer has found to be there."""
    value = values[index]
    assert value is not None, f"operand {index} is absent"
    return value


def check_same_dtype(*tensors: Tensor) -> None:
    """A ModelError unless all have the first one's element type."""
    for t in tensors[1:]:
        check_dtype(t, tensors[0].dtype)


def check_constant(tensor: Tensor) -> None:
    """A ModelError unless the tensor is constant."""
    if not tensor.is_constant:
        raise ModelError(f'"{tensor.name}" must be constant', hint="freeze the weights when converting the model")


def check_dtype(tensor: Tensor, *allowed: DType) -> None:
    """A ModelError unless the tensor's element type is one of ``allowed``."""
    if tensor.dtype not in allowed:
        names = " or ".join(t.name for t in allowed)
        raise ModelError(f'"{tensor.name}" must be {names}, not {tensor.dtype.name}')


def check_rank(tensor: Tensor, *allowed: int) -> None:
    """A ModelError unless the tensor's rank is one of ``allowed``."""
    if len(tensor.shape) not in allowed:
        ranks = " or ".join(str(r) for r in allowed)
        raise ModelError(f'"{tensor.name}" must have {ranks} dimensions, not {len(tensor.shape)}')


def check_quant(*tensors: Tensor) -> None:
    """A ModelError unless each int8 or int16 tensor has one scale and one zero point (0 for int16)."""
    for t in tensors:
        if t.dtype not in (i8, i16):
            continue
        if t.quant is None:
            raise ModelError(f'"{t.name}" is {t.dtype.name} but has no scale')
        if len(t.quant.scales) != 1:
            raise ModelError(f'"{t.name}" must have one scale, not {len(t.quant.scales)}')
        if t.dtype == i16 and t.quant.zero_point != 0:
            raise ModelError(f'"{t.name}" is i16, so its zero point must be 0, not {t.quant.zero_point}')
