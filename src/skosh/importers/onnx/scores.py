"""The factors of attention scores, 1 / sqrt(depth) mostly, taken out of what comes before a softmax: it has a factor itself."""

from __future__ import annotations

import math

import numpy as np

from skosh.base.dtypes import f32
from skosh.importers.onnx.context import Context
from skosh.ir.graph import Node
from skosh.ops.elements.elementwise import Add, Div, Mul
from skosh.ops.layers.dense import BatchMatMul
from skosh.ops.moves.movement import Transpose
from skosh.ops.moves.reshape import Reshape

MASKED = -1e30
"""What is below stands for -inf."""


def without_factor(ctx: Context, tensor: str) -> tuple[str, float]:
    """(another tensor, f > 0) with f * the other = this one; (this one, 1) where no constant factor can be taken out.

    softmax(reshape(q * 0.5) (k * 0.5)) -> softmax(reshape(q) k, factor 0.25)
    """
    node = next((n for n in reversed(ctx.nodes) if tensor in n.outputs), None)
    if node is None or ctx.tensors[tensor].dtype != f32:
        return tensor, 1.0
    op, name = node.op, f"{tensor}_whole"
    if isinstance(op, (Mul, Div)) and op.activation == "none":
        return _factor(ctx, node, tensor)
    if isinstance(op, (Transpose, Reshape)):
        inner, factor = without_factor(ctx, node.inputs[0])
        return (ctx.once(op, inner, name), factor) if factor != 1.0 else (tensor, 1.0)
    if isinstance(op, BatchMatMul):
        (a, fa), (b, fb) = (without_factor(ctx, n) for n in node.inputs)
        return (ctx.apply(op, (a, b), name)[0], fa * fb) if fa * fb != 1.0 else (tensor, 1.0)
    if isinstance(op, Add) and op.activation == "none" and (mask := _mask(ctx, node)) is not None:
        inner, factor = without_factor(ctx, node.inputs[1 - mask])
        if factor != 1.0:
            inputs = (inner, node.inputs[1]) if mask == 1 else (node.inputs[0], inner)
            return ctx.apply(op, inputs, name)[0], factor
    return tensor, 1.0


def _factor(ctx: Context, node: Node, tensor: str) -> tuple[str, float]:
    for k in (1, 0) if isinstance(node.op, Mul) else (1,):
        data, other = ctx.tensors[node.inputs[k]].data, node.inputs[1 - k]
        if data is None or data.size != 1 or ctx.tensors[other].shape != ctx.tensors[tensor].shape:
            continue
        number = float(data.reshape(()))
        factor = number if isinstance(node.op, Mul) else 1 / number if number else math.inf
        if 0 < factor < math.inf:
            inner, rest = without_factor(ctx, other)
            return inner, rest * factor
    return tensor, 1.0


def _mask(ctx: Context, node: Node) -> int | None:
    """Which input is a constant of zeros and -inf (or what exporters put for it), which no factor changes."""
    for k in (0, 1):
        data = ctx.tensors[node.inputs[k]].data
        if data is not None and bool(np.all((data == 0) | (data <= MASKED))):
            return k
    return None
