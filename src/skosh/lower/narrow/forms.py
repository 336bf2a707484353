"""Constants in as few bits as hold them: weights of 4 and 2 bits several to a byte, float32 that float16 can say in two bytes.

A graph says what the weights are, integers of an int8 tensor or float32 numbers; how they are stored is decided here, by
their values. A call of a kernel becomes one of a kernel that unpacks as it goes, and computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array, Operands
from skosh.language import call, made_from
from skosh.lower.form import Asked, Form, Made, weights_of
from skosh.lower.narrow.float16_kernels import conv2d_f16, dense_f16, depthwise_f16
from skosh.lower.narrow.kernels import (
    conv2d_packed,
    conv2d_packed_direct,
    crumb,
    matmul_packed,
    nibble,
    odd_crumb,
)
from skosh.lower.portable.schedules import ONE_ROW, wide
from skosh.ops.layers.float_kernels import conv2d_f32, dense_f32, depthwise_f32
from skosh.ops.layers.gemm import conv2d_direct, conv2d_patches, matmul
from skosh.schedule.answers import No
from skosh.schedule.draft import Draft

LEAST_SAVED = 48  # bytes; below, the code that unpacks costs more than the weights give
SAVED_BY_IMAGES = 128
"""Bytes that a convolution must save before it is packed, but for optimize="flash": a few weights that run over a whole image
cost time, not flash."""


@dataclass(frozen=True)
class Format:
    """How weights become fields of ``bits`` bits. A field f says the weight f, or 2 f + 1 when ``odd``."""

    bits: int
    odd: bool
    field: Any  # the function of the kernel language that reads one

    @property
    def per_byte(self) -> int:
        return 8 // self.bits

    @property
    def shift(self) -> int:
        """What is left of a byte, in bits, when the top field's weight is counted in its own units."""
        return 8 - self.bits - self.odd

    def fields(self, weights: Array) -> Array:
        """[...] unsigned fields of ``bits`` bits."""
        signed = (weights.astype(np.int64) - 1) // 2 if self.odd else weights.astype(np.int64)
        return signed & ((1 << self.bits) - 1)

    def holds(self, weights: Array) -> bool:
        signed = (weights.astype(np.int64) - 1) // 2 if self.odd else weights.astype(np.int64)
        low = -(1 << (self.bits - 1))
        whole = not self.odd or bool(np.all(weights % 2 == 1))
        return whole and bool(signed.min() >= low and signed.max() < -low)


FORMATS = (Format(2, False, crumb), Format(2, True, odd_crumb), Format(4, False, nibble))
"""The fewest bits first."""

_HALF: tuple[tuple[Any, Any], ...] = ((dense_f32, dense_f16), (conv2d_f32, conv2d_f16), (depthwise_f32, depthwise_f16))
"""Kernels with float32 weights, and the same with float16 ones: for machines that convert them in one instruction."""


def fitting(c: Call, inputs: Operands, optimize: str) -> tuple[Array, Format] | No:
    """The weights of a call and the fewest bits that hold them, where that saves enough."""
    weights = laid_weights(c, inputs)
    fit = next((f for f in FORMATS if f.holds(weights)), None)
    if fit is None:
        return No("the weights need more than 4 bits")
    images = not made_from(c.kernel, matmul)
    many = max(SAVED_BY_IMAGES, LEAST_SAVED) if images and optimize != "flash" else LEAST_SAVED
    saved = weights.size - weights.size // fit.per_byte
    return (weights, fit) if saved >= many else No(f"it would save {saved} bytes, less than {many}")


def laid_weights(c: Call, inputs: Operands) -> Array:
    """[N, K]: filters in rows; [N, KH, KW, D] for a convolution without scratch memory."""
    data = np.asarray(weights_of(c, inputs))
    if made_from(c.kernel, conv2d_direct):
        return data.reshape(tuple(int(c.numbers[n]) for n in ("N", "KH", "KW", "D")))
    return data.reshape(int(c.numbers["N"]), -1)


def _in_halves(asked: Asked) -> Made:
    """float16 where all weights are float16 numbers."""
    c = asked.call
    if asked.target is None or not asked.target.has_fpu:
        return No("the machine has no instruction that reads float16")
    weights = np.asarray(weights_of(c, asked.inputs))
    with np.errstate(over="ignore"):
        halves = weights.astype(np.float16)
    exact = np.array_equal(halves.astype(np.float32), weights) and bool(np.isfinite(weights).all())
    if not exact:
        return No("some weights are no float16 numbers")
    if 2 * weights.size < LEAST_SAVED:
        return No(f"it would save {2 * weights.size} bytes, less than {LEAST_SAVED}")
    stored = Const(halves.view(np.uint16), "weight")
    kernel = next(half for single, half in _HALF if made_from(c.kernel, single))
    return (call(kernel, **{**c.numbers, **c.buffers, **c.functions, "w": stored}),)


# ------------------------------------------------------------------------------------------------------- field by field


def _in_fields(asked: Asked) -> Made:
    c = asked.call
    found = fitting(c, asked.inputs, asked.optimize)
    if isinstance(found, No):
        return found
    weights, fit = found
    bytes_ = in_fields(weights, fit)
    bindings: dict[str, Any] = {
        **c.numbers, **c.buffers, **c.functions, "w": Const(bytes_, "weight"), "field": fit.field,
        "F": fit.per_byte, "B": bytes_.shape[-1],
    }  # fmt: skip
    if asked.is_a(matmul):
        return (call(matmul_packed, R=weights.shape[1] % fit.per_byte, **bindings),)
    if asked.is_a(conv2d_direct):
        return (call(conv2d_packed_direct, **bindings),)
    rows = int(c.numbers["T"])
    patch = Scratch(rows * fit.per_byte * bytes_.shape[-1], i8, "patch")
    return (call(conv2d_packed, **{**bindings, "patch": patch}),)


def in_fields(weights: Array, fit: Format) -> Array:
    """[..., K] weights as [..., ceil(K / per byte)] bytes, int8, the first in the lowest bits; the last filled up."""
    per = fit.per_byte
    *outer, depth = weights.shape
    whole = np.zeros((*outer, -(-depth // per) * per), np.int64)
    whole[..., :depth] = fit.fields(weights)
    parts = whole.reshape(*outer, -1, per) << (np.arange(per) * fit.bits)
    return np.asarray(parts.sum(axis=-1).astype(np.uint8).view(np.int8))


def packed(d: Draft) -> None:
    """As ``matmul``, a byte of weights at a time."""
    filters = 4 if d.reaches("n", 4) else 2 if d.reaches("n", 2) else 1
    if filters > 1:
        d.tile("n", filters)
        d.pack("w", filters)
    if not all(t == 1 for t in d.trips("m")):
        d.tile("m", 2)


HALVES = Form(
    "halves", _in_halves, of=tuple(single for single, _ in _HALF), schedules=((dense_f16, Schedule(wide)),)
)
FIELDS = Form(
    "fields", _in_fields, of=(matmul, conv2d_patches, conv2d_direct),
    schedules=(
        (matmul_packed, Schedule(packed, ("F",), shared=ONE_ROW)),
        (conv2d_packed, Schedule(packed, ("F",))),
        (conv2d_packed_direct, Schedule(fixed=("F",))),
    ),
)  # fmt: skip
