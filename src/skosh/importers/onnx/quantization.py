"""QuantizeLinear and DequantizeLinear: between operators on integers of 8 bits they leave nothing behind.

Other kinds (16 bits, a scale for each channel or block, scales found at run time) are computed in float32 as the file means
them: round, clamp, and back. So are products of integers whose scales come later (``MatMulInteger``, ``ConvInteger``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context, dequantized
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Array, Quant
from skosh.ops.moves.movement import normal_axis

RANGES = {2: (0, 255), 3: (-128, 127), 4: (0, 65535), 5: (-32768, 32767)}
"""ONNX's type -> what quantizing clamps to."""


def quantize(ctx: Context, record: Record) -> None:
    """Real numbers as int8: nothing to do where an operator made them so."""
    x, quant = ctx.value(record.inputs[0]), ctx.scale_of(record)
    if quant is None:
        b = Body(ctx, record)
        b.end(in_floats(b, record))
        return
    if not ctx.is_real(x.tensor):
        raise ModelError(f"what is quantized must be float, not {ctx.tensors[x.tensor].dtype}")
    ctx.values[record.outputs[0]] = ctx.kept(x, ctx.requantized(x.tensor, quant))


def in_floats(b: Body, record: Record) -> str:
    """clamp(round(x / scale) + zero point), as int32 (ONNX's 16 bits without a sign have no type here), or their own type."""
    ctx, zero = b.ctx, record.input(2)
    if zero in ctx.model.fours:
        raise ModelError("activations must have 8 or 16 bits, not 4")
    kind = int(record.attributes.get("output_dtype", 0))
    if zero:
        dtype = ctx.constants[zero].dtype if zero in ctx.constants else ctx.tensors[ctx.value(zero).tensor].dtype.np
        kind = {"uint8": 2, "int8": 3, "uint16": 4, "int16": 5}.get(np.dtype(dtype).name, -1)
    if (kind or 2) not in RANGES:
        raise ModelError("activations must be integers of 8 or 16 bits")
    low, high = RANGES[kind or 2]
    x, scale = b.of("Cast", record.inputs[0], to=1), spread(b, record, record.inputs[1], record.inputs[0])
    y = b.of("Round", b.of("Div", x, scale))
    if zero:
        y = b.of("Add", y, b.of("Cast", spread(b, record, zero, record.inputs[0]), to=1))
    y = b.of("Clip", y, np.asarray(low, np.float32), np.asarray(high, np.float32))
    return b.of("Cast", y, to={4: 6}.get(kind or 2, kind or 2))


def spread(b: Body, record: Record, name: str, x: str) -> str:
    """A scale or zero points so that they broadcast to x: one, one for each place of an axis, or for each block along it."""
    shape, own = b.shape(x), b.shape(name)
    block, axis = int(record.attributes.get("block_size", 0)), int(record.attributes.get("axis", 1))
    if own in ((), (1,)):
        return b.of("Reshape", name, [1] * len(shape)) if shape else b.of("Reshape", name, [])
    axis = normal_axis(axis, len(shape))
    if len(own) == 1 and not block:
        if own[0] != shape[axis]:
            raise ModelError(f"{own[0]} scales must be those of axis {axis} of {list(shape)}")
        return b.of("Reshape", name, [-1 if k == axis else 1 for k in range(len(shape))])
    if len(own) != len(shape) or block < 1 or -(-shape[axis] // block) != own[axis]:
        raise ModelError(f"scales of shape {list(own)} must be blocks of {block} along axis {axis} of {list(shape)}")
    places = np.arange(shape[axis]) // block
    return b.of("Gather", name, places.astype(np.int64), axis=axis)


def dequantize(ctx: Context, record: Record) -> None:
    """int8 as real numbers, still int8 in memory; what can't compute on them makes them floats."""
    x, quant = ctx.value(record.inputs[0]), ctx.scale_of(record)
    t = ctx.tensors[x.tensor]
    if t.quant is None and t.dtype == i8 and quant is not None:  # an input of the model
        ctx.tensors[x.tensor] = t = replace(t, quant=quant)
    if quant is None or t.quant != quant:
        if t.quant is not None:
            raise ModelError(
                "activations must be dequantized with the one scale by which they were quantized",
                hint="let the model's inputs be float, or int8 with one scale",
            )
        b = Body(ctx, record)
        y = b.of("Cast", record.inputs[0], to=1)
        if record.input(2):
            y = b.of("Sub", y, b.of("Cast", spread(b, record, record.input(2), record.inputs[0]), to=1))
        b.end(b.of("Mul", y, spread(b, record, record.inputs[1], record.inputs[0])))
        return
    ctx.values[record.outputs[0]] = x


def dequantize_constant(ctx: Context, record: Record) -> None:
    """Weights and biases: the integers and their scales are kept, beside the floats that they stand for."""
    data, scale = (ctx.constants[n] for n in record.inputs[:2])
    zero = ctx.constants[record.input(2)] if record.input(2) else np.zeros(scale.shape, data.dtype)
    if data.dtype.kind not in "iu":
        raise ModelError(f"what is dequantized must be integers, not {data.dtype}")
    if scale.size != zero.size or not scale.all() or not np.isfinite(scale).all():
        raise ModelError("scales must be finite and not 0, each with a zero point")
    axis = int(record.attributes.get("axis", 1))
    kept_as_it_is = data.dtype in (np.int8, np.uint8, np.int32) and scale.ndim < 2 and bool((scale > 0).all())
    if record.attributes.get("block_size", 0) or not kept_as_it_is:
        b = Body(ctx, record)  # as floats only
        parts = [ctx.constants[spread(b, record, n, record.inputs[0])] for n in record.inputs[1:] if n]
        moved = data.astype(np.int64) - (parts[1].astype(np.int64) if len(parts) > 1 else 0)
        ctx.constants[record.outputs[0]] = (moved.astype(np.float32) * parts[0]).astype(np.float32)
        return
    several = scale.size > 1
    if several and not (-data.ndim <= axis < data.ndim and data.shape[axis] == scale.size):
        raise ModelError(f"{scale.size} scales must be those of axis {axis} of {list(data.shape)}")
    move = 128 if data.dtype == np.uint8 else 0
    kept = (data.astype(np.int64) - move).astype(np.int8) if move else data
    scales = tuple(float(np.float32(s)) for s in scale.reshape(-1))
    quant = Quant(scales, tuple(int(z) - move for z in zero.reshape(-1)), axis % data.ndim if several else None)
    ctx.constants[record.outputs[0]] = dequantized(kept, quant)
    ctx.quants[record.outputs[0]] = (kept, quant)


# ------------------------------------------------------------------------------------------- products without their scales


def centred(b: Body, name: str, zero: str, axis: int) -> str:
    """The integers less their zero points, as floats. Several zero points are along an axis."""
    x = b.of("Cast", name, to=1)
    if not zero:
        return x
    z, shape = b.of("Cast", zero, to=1), b.shape(name)
    if len(b.shape(zero)) == 1 and b.shape(zero)[0] > 1:
        z = b.of("Reshape", z, [-1 if k == axis % len(shape) else 1 for k in range(len(shape))])
    return b.of("Sub", x, z if len(b.shape(z)) != 1 else b.of("Reshape", z, [1] * len(shape)))


def product_of_integers(b: Body, record: Record) -> str:
    """MatMulInteger: int32. Sums beyond 2^24 are rounded to float32's 24 bits."""
    a, w = record.inputs[:2]
    left, right = centred(b, a, record.input(2), -2), centred(b, w, record.input(3), -1)
    return b.of("Cast", b.of("MatMul", left, right), to=6)


def convolution_of_integers(b: Body, record: Record) -> str:
    """ConvInteger: int32, as ``product_of_integers``."""
    x, w = record.inputs[:2]
    left, right = centred(b, x, record.input(2), 1), centred(b, w, record.input(3), 0)
    return b.of("Cast", b.of("Conv", left, right, **dict(record.attributes.items())), to=6)


def product_of_few_bits(b: Body, record: Record) -> str:
    """com.microsoft.MatMulNBits: weights [N, blocks, bytes] of 4 or 8 bits with a scale for each block, as floats."""
    ctx, a = b.ctx, record.attributes
    a.get("accuracy_level", 0)
    k, n, bits, block = (int(a.get(name, 0)) for name in ("K", "N", "bits", "block_size"))
    if bits not in (4, 8) or block < 1 or k < 1 or n < 1 or record.input(4):
        raise ModelError("it must have weights of 4 or 8 bits in blocks, in their own order")
    packed, scales = (ctx.known(record, i, "the weights") for i in (1, 2))
    zeros, bias = ctx.known(record, 3, "the zero points"), record.input(5)
    blocks = -(-k // block)
    assert packed is not None and scales is not None, "checked before"
    if packed.size * 8 != n * blocks * block * bits or scales.size != n * blocks or packed.dtype != np.uint8:
        raise ModelError(f"weights and scales must be those of [{n}, {k}] in blocks of {block}")
    q = unpacked(packed.reshape(n, blocks, -1), bits, block).astype(np.float32)
    if zeros is None:
        z: Array = np.full((n, blocks), float(1 << (bits - 1)), np.float32)
    elif zeros.dtype == np.uint8:
        z = unpacked(zeros.reshape(n, -1), bits, blocks).astype(np.float32)
    else:
        z = zeros.reshape(n, blocks).astype(np.float32)
    w = (q - z[..., None]) * scales.reshape(n, blocks, 1).astype(np.float32)
    w = np.ascontiguousarray(w.reshape(n, blocks * block)[:, :k].T.astype(np.float32))
    y = b.of("MatMul", record.inputs[0], w)
    return b.of("Add", y, bias) if bias else y


def unpacked(data: Array, bits: int, count: int) -> Array:
    """The first ``count`` numbers of each row of bytes; of two in a byte the lower half comes first."""
    if bits == 8:
        return data[..., :count]
    both = np.stack([data & 15, data >> 4], -1)
    return both.reshape(*data.shape[:-1], -1)[..., :count]


CONVERTERS: dict[str, Any] = {
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "MatMulInteger": body(product_of_integers),
    "ConvInteger": body(convolution_of_integers), "com.microsoft.MatMulNBits": body(product_of_few_bits),
}  # fmt: skip
