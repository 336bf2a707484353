"""Constants in as few bits as hold them: weights of 4 and 2 bits several to a byte, float32 that float16 can say in two bytes.

A graph says what the weights are, integers of an int8 tensor or float32 numbers; how they are stored is decided here, by
their values. A call of a kernel becomes one of a kernel that unpacks as it goes, and computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, In, Scratch
from skosh.ir.graph import Array, Operands
from skosh.language import call
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
from skosh.lower.narrow.pair_kernels import conv2d_packed_pairs, matmul_packed_pairs
from skosh.targets import Target

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

HALVES: dict[str, Any] = {"dense_f32": dense_f16, "conv2d_f32": conv2d_f16, "depthwise_f32": depthwise_f16}
"""Kernels with float32 weights, and the same with float16 ones: for machines that convert them in one instruction."""


EIGHTHS: dict[str, Any] = {"dense_f32": dense_f8, "conv2d_f32": conv2d_f8, "depthwise_f32": depthwise_f8}
"""The same with 8-bit weights and scales, for machines that compute floats one by one."""


def packed(c: Call, inputs: Operands, target: Target | None, optimize: str = "balanced") -> Call:
    """The call with its weights in the fewest bits that hold them; itself where that saves little, or nothing."""
    if c.kernel.name in HALVES and target is not None and target.has_fpu:
        single = optimize != "speed" and (not target.simd or target.has_helium)  # Helium's vectors are of integers
        return (_in_bytes(c, inputs) if single else None) or _in_halves(c, inputs)
    if c.kernel.name not in ("matmul", "conv2d_patches", "conv2d_direct"):
        return c
    weights = _weights(c, inputs)
    fit = next((f for f in FORMATS if f.holds(weights)), None)
    many = max(SAVED_BY_IMAGES, LEAST_SAVED) if c.kernel.name != "matmul" and optimize != "flash" else LEAST_SAVED
    if fit is None or weights.size - weights.size // fit.per_byte < many:
        return c
    if c.kernel.name != "conv2d_direct" and target is not None and target.has_dsp and _has_room(c, weights, fit):
        return _in_pairs(c, weights, fit)
    return _in_fields(c, weights, fit)


def _weights(c: Call, inputs: Operands) -> Array:
    """[N, K]: filters in rows; [N, KH, KW, D] for a convolution without scratch memory."""
    data = _constant(c, inputs)
    if c.kernel.name == "conv2d_direct":
        return data.reshape(tuple(int(c.numbers[n]) for n in ("N", "KH", "KW", "D")))
    return data.reshape(int(c.numbers["N"]), -1)


def _constant(c: Call, inputs: Operands) -> Array:
    given = c.buffers["w"]
    assert isinstance(given, In) and given.offset == 0, "filters are an input of the node"
    tensor = inputs[given.index]
    assert tensor is not None and tensor.data is not None, "filters are constant"
    return np.asarray(tensor.data)


def _in_bytes(c: Call, inputs: Operands) -> Call | None:
    """8 bits where the weights are a scale for each filter, or for all, times integers up to 127."""
    weights = _constant(c, inputs)
    axis = weights.ndim - 1 if c.kernel.name == "depthwise_f32" else 0
    found = in_bytes(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1))
    if found is None or 3 * weights.size - 4 * found[1].size < LEAST_SAVED:
        return None
    steps, scales = found
    moved = steps.reshape(weights.shape[axis], *(n for a, n in enumerate(weights.shape) if a != axis))
    stored = np.ascontiguousarray(np.moveaxis(moved, 0, axis))
    more: dict[str, Any] = {"w": Const(stored, "weight"), "scale": Const(scales, "scale"), "P": int(scales.size > 1)}
    return call(EIGHTHS[c.kernel.name], **{**c.numbers, **c.buffers, **c.functions, **more})


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


def _in_halves(c: Call, inputs: Operands) -> Call:
    """float16 where all weights are float16 numbers."""
    weights = _constant(c, inputs)
    with np.errstate(over="ignore"):
        halves = weights.astype(np.float16)
    exact = np.array_equal(halves.astype(np.float32), weights) and bool(np.isfinite(weights).all())
    if not exact or 2 * weights.size < LEAST_SAVED:
        return c
    stored = Const(halves.view(np.uint16), "weight")
    return call(HALVES[c.kernel.name], **{**c.numbers, **c.buffers, **c.functions, "w": stored})


# ------------------------------------------------------------------------------------------------------- field by field


def _in_fields(c: Call, weights: Array, fit: Format) -> Call:
    bytes_ = in_fields(weights, fit)
    bindings: dict[str, Any] = {
        **c.numbers, **c.buffers, **c.functions, "w": Const(bytes_, "weight"), "field": fit.field,
        "F": fit.per_byte, "B": bytes_.shape[-1],
    }  # fmt: skip
    if c.kernel.name == "matmul":
        return call(matmul_packed, R=weights.shape[1] % fit.per_byte, **bindings)
    if c.kernel.name == "conv2d_direct":
        return call(conv2d_packed_direct, **bindings)
    rows = int(c.numbers["T"])
    return call(conv2d_packed, **{**bindings, "patch": Scratch(rows * fit.per_byte * bytes_.shape[-1], i8, "patch")})


def in_fields(weights: Array, fit: Format) -> Array:
    """[..., K] weights as [..., ceil(K / per byte)] bytes, int8, the first in the lowest bits; the last filled up."""
    per = fit.per_byte
    *outer, depth = weights.shape
    whole = np.zeros((*outer, -(-depth // per) * per), np.int64)
    whole[..., :depth] = fit.fields(weights)
    parts = whole.reshape(*outer, -1, per) << (np.arange(per) * fit.bits)
    return np.asarray(parts.sum(axis=-1).astype(np.uint8).view(np.int8))


# ------------------------------------------------------------------------------------------------------------- in pairs


def _has_room(c: Call, weights: Array, fit: Format) -> bool:
    """Whether sums that are 2^shift times as large fit 31 bits, whatever the inputs."""
    bias = c.buffers["bias"]
    assert isinstance(bias, Const), "a bias is constant"
    bound = np.abs(bias.data.astype(np.int64)) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    return bool((bound.max() << fit.shift) < 1 << 31)


def _in_pairs(c: Call, weights: Array, fit: Format) -> Call:
    filters = len(weights)
    words = in_words(weights, fit)
    pairs, quads, _ = words.shape
    fields = fit.per_byte // 2  # groups of four elements in a word
    top = ((0xFF << (8 - fit.bits)) & 0xFF) * 0x01010101
    half = (1 << (fit.shift)) * 0x01010101 if fit.odd else 0
    bias = c.buffers["bias"]
    assert isinstance(bias, Const), "a bias is constant"
    raised = replace(bias, data=(bias.data.astype(np.int64) << fit.shift).astype(np.int32))
    constants = {"bias": raised, "multiplier": c.buffers["multiplier"], "right": c.buffers["right"]}
    bindings: dict[str, Any] = {
        **{n: v for n, v in c.numbers.items() if n != "T"}, **c.buffers, **c.functions, "w": Const(words, "weight"),
        "N2": pairs, "Q": quads, "even": 1 - filters % 2, "BITS": fit.bits, "J": fields, "S": fit.shift,
        "mask": top, "half": half, **{n: _padded(b, 2 * pairs, filters) for n, b in constants.items()},
    }  # fmt: skip
    if c.kernel.name == "matmul":
        return call(matmul_packed_pairs, R=weights.shape[1] % (4 * fields), **bindings)
    rows = int(c.numbers["T"])
    bindings |= {"T": rows, "patch": Scratch(rows * 4 * fields * quads, i8, "patch")}
    return call(conv2d_packed_pairs, **bindings)


def in_words(weights: Array, fit: Format) -> Array:
    """[N, K] filters as [N / 2, Q, 4] bytes: of two filters a, b the bytes are a0 b0 a2 b2, and below them a1 b1 a3 b3.

    With 2 bits, elements 4 to 7 follow in the lower half of each byte.
    """
    filters, depth = weights.shape
    size = 2 * fit.per_byte  # elements of each filter in a word
    whole = np.zeros((-(-filters // 2) * 2, -(-depth // size) * size), np.int64)
    whole[:filters, :depth] = fit.fields(weights)
    parts = whole.reshape(
        len(whole) // 2, 2, -1, fit.per_byte // 2, 2, 2
    )  # pair, filter, word, four, half of it, parity
    lanes = parts.transpose(0, 2, 3, 5, 4, 1).reshape(len(whole) // 2, -1, fit.per_byte, 4)  # ..., place, byte
    places = (fit.per_byte - 1 - np.arange(fit.per_byte)) * fit.bits
    words = (lanes << places[:, None]).sum(axis=2)
    return np.ascontiguousarray(words.astype(np.uint8).view(np.int8))


def _padded(b: Any, count: int, filters: int) -> Const:
    """A per-filter constant, long enough for an odd last pair."""
    assert isinstance(b, Const), "requantization is made of constants"
    if b.data.size < filters or b.data.size == count:
        return b
    return replace(b, data=np.concatenate([b.data, b.data[-1:]]))
