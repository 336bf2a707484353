"""Let the window reach over the edge, instead of copying its input into a frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skosh.ir.graph import Graph, Node, Tensor
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.pooling import MaxPool2D
from skosh.ops.layers.windows import Pads
from skosh.ops.moves.padding import Pad


def pad_fusion(graph: Graph) -> Graph:
    """Move a ``Pad`` of rows and columns into the convolution or maximum pooling that reads it.

    Needs: padding with what counts for nothing there, the zero point (or 0.0, with finite weights) for a convolution, the
    least number of the type for a maximum; and a window that is larger than the padding. An average pool counts only
    what is inside, so it keeps its pad. Leaves: explicit pads; the Pad dies when all its readers have taken it.

        p = pad x, rows (1, 1), columns (1, 1); y = conv2d p, pads 0      ->      y = conv2d x, pads 1
    """
    nodes = tuple(_fused(graph, node) for node in graph.nodes)
    changed = any(new is not old for new, old in zip(nodes, graph.nodes, strict=True))
    return graph.with_(nodes=nodes) if changed else graph


def _fused(graph: Graph, node: Node) -> Node:
    if not isinstance(node.op, (Conv2D, DepthwiseConv2D, MaxPool2D)) or node.inputs[0] not in graph.producer:
        return node
    pad = graph.producer[node.inputs[0]]
    if not isinstance(pad.op, Pad) or len(pad.op.pads) != 4 or any(map(any, (pad.op.pads[0], pad.op.pads[3]))):
        return node
    x, padded = graph.tensors[pad.inputs[0]], graph.tensors[node.inputs[0]]
    if x.quant != padded.quant:
        return node
    ins = graph.operands(node.inputs)
    (above, below), (before, after) = pad.op.pads[1], pad.op.pads[2]
    top, bottom, left, right = node.op.pads
    pads = (top + above, bottom + below, left + before, right + after)
    if isinstance(node.op, MaxPool2D):
        fits = _counts_for_nothing_in_maximum(padded, pad.op.value) and _within(pads, node.op.window.reach)
    else:
        w = ins[1]
        assert w is not None and w.data is not None, "checked by infer"
        fits = _counts_for_nothing_in_sum(padded, w, pad.op.value) and _within(pads, node.op.window(w).reach)
    if not fits:
        return node
    return replace(node, op=replace(node.op, pads=pads), inputs=(pad.inputs[0], *node.inputs[1:]))


def _within(pads: Pads, reach: tuple[int, int]) -> bool:
    return max(pads[:2]) < reach[0] and max(pads[2:]) < reach[1]


def _counts_for_nothing_in_sum(x: Tensor, w: Tensor, value: int | float) -> bool:
    if x.dtype.is_float:  # a sum that starts at +0.0 is not changed by zeros of either sign
        return value == 0 and w.data is not None and bool(np.all(np.isfinite(w.data)))
    return x.quant is not None and value == x.quant.zero_point


def _counts_for_nothing_in_maximum(x: Tensor, value: int | float) -> bool:
    return bool(value <= (np.finfo(np.float32).min if x.dtype.is_float else x.dtype.min))
