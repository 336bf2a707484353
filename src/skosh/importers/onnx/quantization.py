"""QuantizeLinear and DequantizeLinear: between operators on integers they leave nothing behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context, dequantized
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Quant


def quantize(ctx: Context, record: Record) -> None:
    """Real numbers as int8: nothing to do where an operator made them so."""
    x, quant = ctx.value(record.inputs[0]), ctx.scale_of(record)
    if quant is None:
        raise ModelError(
            "activations must be int8 or uint8 with one constant scale",
            hint="quantize activations per tensor, to 8 bits",
        )
    if not ctx.is_real(x.tensor):
        raise ModelError(f"what is quantized must be float, not {ctx.tensors[x.tensor].dtype}")
    ctx.values[record.outputs[0]] = ctx.kept(x, ctx.requantized(x.tensor, quant))


def dequantize(ctx: Context, record: Record) -> None:
    """int8 as real numbers, still int8 in memory; what can't compute on them makes them floats."""
    x, quant = ctx.value(record.inputs[0]), ctx.scale_of(record)
    t = ctx.tensors[x.tensor]
    if t.quant is None and t.dtype == i8 and quant is not None:  # an input of the model
        ctx.tensors[x.tensor] = t = replace(t, quant=quant)
    if quant is None or t.quant != quant:
        raise ModelError(
            "activations must be dequantized with the one scale by which they were quantized",
            hint="let the model's inputs be float, or int8 with one scale",
        )
    ctx.values[record.outputs[0]] = x


def dequantize_constant(ctx: Context, record: Record) -> None:
    """Weights and biases: the integers and their scales are kept, beside the floats that they stand for."""
    data, scale = (ctx.constants[n] for n in record.inputs[:2])
    zero = (
        ctx.constants[record.inputs[2]]
        if len(record.inputs) > 2 and record.inputs[2]
        else np.zeros(scale.shape, data.dtype)
    )
    if data.dtype not in (np.int8, np.uint8, np.int32) or record.attributes.get("block_size", 0) or scale.ndim > 1:
        raise ModelError(
            f"constants must be int8, uint8 or int32 with a scale for each channel at most, not {data.dtype}"
        )
    axis = int(record.attributes.get("axis", 1))
    several = scale.size > 1
    if scale.size != zero.size or not (scale > 0).all() or not np.isfinite(scale).all():
        raise ModelError("scales must be > 0 and finite, each with a zero point")
    if several and not (-data.ndim <= axis < data.ndim and data.shape[axis] == scale.size):
        raise ModelError(f"{scale.size} scales must be those of axis {axis} of {list(data.shape)}")
    move = 128 if data.dtype == np.uint8 else 0
    kept = (data.astype(np.int64) - move).astype(np.int8) if move else data
    scales = tuple(float(np.float32(s)) for s in scale.reshape(-1))
    quant = Quant(scales, tuple(int(z) - move for z in zero.reshape(-1)), axis % data.ndim if several else None)
    ctx.constants[record.outputs[0]] = dequantized(kept, quant)
    ctx.quants[record.outputs[0]] = (kept, quant)


CONVERTERS: dict[str, Any] = {"QuantizeLinear": quantize, "DequantizeLinear": dequantize}
