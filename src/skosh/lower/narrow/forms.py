"""Constants in as few bits as hold them: weights of 4 and 2 bits several to a byte, float32 that float16 can say in two bytes.

A graph says what the weights are, integers of an int8 tensor or float32 numbers; how they are stored is decided here, by
their values. A call of a kernel becomes one of a kernel that unpacks as it goes, and computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.aims import Aim
from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array, Operands
from skosh.language import call, made_from
from skosh.lower.form import Asked, Form, Made, weights_of
from skosh.lower.narrow.float8_kernels import conv2d_f8, dense_f8, depthwise_f8
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
from skosh.targets.simd import vector_machine

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

_FLOATS: tuple[tuple[Any, Any, Any], ...] = (
    (dense_f32, dense_f16, dense_f8), (conv2d_f32, conv2d_f16, conv2d_f8), (depthwise_f32, depthwise_f16, depthwise_f8),
)  # fmt: skip
"""Kernels with float32 weights; the same with float16 ones, for machines that convert them in one instruction; with 8-bit
weights and scales."""


def fitting(c: Call, inputs: Operands, optimize: Aim) -> tuple[Array, Format] | No:
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


def _in_bytes(asked: Asked) -> Made:
    """8 bits where the weights are a scale for each filter, or for all, times integers up to 127."""
    c, machine = asked.call, asked.target
    if machine is None or not machine.has_fpu:
        return No("the machine has no instructions for floats")
    if asked.optimize == "speed" or (machine.simd and "f32" in vector_machine(machine.simd).types):
        return No("weights as they are take fewer instructions")
    weights = np.asarray(weights_of(c, asked.inputs))
    axis = weights.ndim - 1 if asked.is_a(depthwise_f32) else 0
    found = in_bytes(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1))
    if found is None:
        return No("the weights aren't integers of 8 bits times a scale")
    steps, scales = found
    saved = 3 * weights.size - 4 * scales.size
    if saved < LEAST_SAVED:
        return No(f"it would save {saved} bytes, less than {LEAST_SAVED}")
    moved = steps.reshape(weights.shape[axis], *(n for a, n in enumerate(weights.shape) if a != axis))
    stored = np.ascontiguousarray(np.moveaxis(moved, 0, axis))
    kernel = next(byte for single, _, byte in _FLOATS if asked.is_a(single))
    more: dict[str, Any] = {"w": Const(stored, "weight"), "scale": Const(scales, "scale"), "P": int(scales.size > 1)}
    return (call(kernel, **{**c.numbers, **c.buffers, **c.functions, **more}),)


def in_bytes(weights: Array) -> tuple[Array, Array] | None:
    """([F, K] int8, [1] or [F] float32 scales) whose float32 products are the weights [F, K], bit for bit; None: none are.

    A converter's scale is the largest weight / 127, and that weight 127 times the scale, each rounded to float32: so the scale
    is within two floats of the quotient.
    """
    if not weights.size or not np.isfinite(weights).all() or not weights.any():
        return None
    for groups in (weights.reshape(1, -1), weights):
        peaks = np.abs(groups).max(axis=1)
        near = (peaks / np.float32(127)).astype(np.float32)
        near[peaks == 0] = 1
        best, done = np.zeros(groups.shape, np.int8), peaks == 0
        scales = near.copy()
        for offset in (0, 1, -1, 2, -2):
            tried = (near.view(np.int32) + offset).view(np.float32)
            if not np.all((tried > 0) & np.isfinite(tried)):
                continue
            steps = np.rint(groups / tried[:, None])
            exact = (
                np.all((np.abs(steps) <= 127) & (steps.astype(np.float32) * tried[:, None] == groups), axis=1) & ~done
            )
            best[exact], scales[exact] = steps[exact].astype(np.int8), tried[exact]
            done |= exact
        if done.all():
            return best.reshape(weights.shape), scales
    return None


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
    kernel = next(half for single, half, _ in _FLOATS if asked.is_a(single))
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


BYTES = Form(
    "bytes", _in_bytes, of=tuple(single for single, *_ in _FLOATS), schedules=((dense_f8, Schedule(wide)),)
)
HALVES = Form(
    "halves", _in_halves, of=tuple(single for single, *_ in _FLOATS), schedules=((dense_f16, Schedule(wide)),)
)
FIELDS = Form(
    "fields", _in_fields, of=(matmul, conv2d_patches, conv2d_direct),
    schedules=(
        (matmul_packed, Schedule(packed, ("F",), shared=ONE_ROW)),
        (conv2d_packed, Schedule(packed, ("F",))),
        (conv2d_packed_direct, Schedule(fixed=("F",))),
    ),
)  # fmt: skip
