"""How the columns of a node's tensors hang together: which must go at the same time, and what the node becomes then.

A column is an index of a tensor's last axis: a channel. For each operator that can do with fewer columns there are two
answers: ``Coupling``, who shares whose fate, and ``shrunk``, the operator without them. Operators not listed here keep all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from skosh.ir.graph import Op, Tensor
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import Pool2D
from skosh.ops.moves.movement import BroadcastTo, Concat, Pack, Slice, Split, Tile, Transpose, normal_axis
from skosh.ops.moves.padding import BatchToSpace, MirrorPad, Pad, SpaceToBatch
from skosh.ops.moves.reshape import Copy, Reshape
from skosh.ops.moves.resize import Resize
from skosh.ops.reductions.reductions import Reduce

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Link:
    """Column inputs[i] of input ``of`` and column outputs[i] of output ``to`` go together, for every i."""

    of: int
    inputs: Index
    to: int
    outputs: Index


@dataclass(frozen=True, eq=False)
class Coupling:
    """open_inputs, open_outputs: operands that may lose columns at all; of these, linked ones only together."""

    links: tuple[Link, ...] = ()
    open_inputs: frozenset[int] = frozenset()
    open_outputs: frozenset[int] = frozenset()


CLOSED = Coupling()


def coupling(op: Op, ins: Sequence[Tensor | None], outs: Sequence[Tensor]) -> Coupling:
    """Who shares whose fate at this node. Constants follow; their columns are never linked."""
    present = [t for t in ins if t is not None]
    if not present or not all(t.shape for t in (*outs, present[0])):
        return CLOSED
    x, y = present[0], outs[0]
    c, width = x.shape[-1], y.shape[-1]
    if isinstance(op, Conv2D):
        grouped = present[1].shape[3] != c
        return CLOSED if grouped else Coupling((), frozenset({0}), frozenset({0}))
    if isinstance(op, Dense):
        whole = present[1].shape[1] % c == 0
        return Coupling((), frozenset({0} if whole else ()), frozenset({0}))
    if isinstance(op, DepthwiseConv2D):
        return _linked(Link(0, np.arange(width) // (width // c), 0, np.arange(width)))
    if isinstance(op, Reshape):
        if width % c and c % width:
            return CLOSED
        return _linked(Link(0, np.arange(max(c, width)) % c, 0, np.arange(max(c, width)) % width))
    if isinstance(op, Concat) and normal_axis(op.axis, len(x.shape)) == len(x.shape) - 1:
        starts = np.cumsum([0, *(t.shape[-1] for t in present)])
        return _linked(*(Link(i, np.arange(n), 0, starts[i] + np.arange(n)) for i, n in enumerate(np.diff(starts))))
    if isinstance(op, Split) and normal_axis(op.axis, len(x.shape)) == len(x.shape) - 1:
        starts = np.cumsum([0, *op.sizes])
        pieces = (Link(0, starts[i] + np.arange(n), i, np.arange(n)) for i, n in enumerate(op.sizes))
        return CLOSED if op.drop else _linked(*pieces)
    if isinstance(op, Slice):
        if op.size[-1] != width or (op.step[-1] != 1 and width > 1):
            return CLOSED
        return _linked(Link(0, op.begin[-1] + np.arange(width), 0, np.arange(width)))
    if isinstance(op, Pad):
        return _linked(Link(0, np.arange(c), 0, op.pads[-1][0] + np.arange(c)))
    if _by_column(op, x) and all(t.shape[-1] == c for t in outs):
        same = [i for i, t in enumerate(ins) if t is not None and t.shape and t.shape[-1] == c]
        return _linked(*(Link(i, np.arange(c), o, np.arange(c)) for i in same for o in range(len(outs))))
    if op.traits.elementwise and len(outs) == 1:
        full = [i for i, t in enumerate(ins) if t is not None and t.shape and t.shape[-1] == width]
        return _linked(*(Link(i, np.arange(width), 0, np.arange(width)) for i in full))
    return CLOSED


def _linked(*links: Link) -> Coupling:
    return Coupling(links, frozenset(link.of for link in links), frozenset(link.to for link in links))


def _by_column(op: Op, x: Tensor) -> bool:
    """Whether the operator does the same to each column, whatever their number."""
    last = len(x.shape) - 1
    if isinstance(op, (Copy, Pool2D, Resize)):
        return True
    if isinstance(op, (SpaceToBatch, BatchToSpace)):
        return len(op.block) < last
    if isinstance(op, Reduce):
        return last not in op.normal(x)
    if isinstance(op, Transpose):
        return op.perm[-1] == last
    if isinstance(op, Tile):
        return op.multiples[-1] == 1
    if isinstance(op, BroadcastTo):
        return op.shape[-1] == x.shape[-1]
    if isinstance(op, MirrorPad):
        return op.pads[-1] == (0, 0)
    if isinstance(op, (Concat, Split)):
        return normal_axis(op.axis, last + 1) != last
    return isinstance(op, Pack) and normal_axis(op.axis, last + 2) != last + 1


# ------------------------------------------------------------------------------------------------- the smaller operator


def shrunk(op: Op, x: Tensor, kept: Mask, outs: Sequence[Mask]) -> Op:
    """The operator when only the ``kept`` columns of its first input x, and those marked of its outputs, stay."""
    if isinstance(op, (Reshape, BroadcastTo)):
        return replace(op, shape=(*op.shape[:-1], _count(outs[0])))
    if isinstance(op, Split) and normal_axis(op.axis, len(x.shape)) == len(x.shape) - 1:
        return replace(op, sizes=tuple(_count(m) for m in outs))
    if isinstance(op, Slice):
        first, size = _count(kept[: op.begin[-1]]), _count(outs[0])
        return replace(
            op, begin=(*op.begin[:-1], first), size=(*op.size[:-1], size), shape=(*op.shape[:-1], size),
            step=(*op.step[:-1], 1),
        )  # fmt: skip
    if isinstance(op, Pad):
        before, after = op.pads[-1]
        last = (_count(outs[0][:before]), _count(outs[0][outs[0].size - after :]))
        return replace(op, pads=(*op.pads[:-1], last))
    return op


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def cut(tensor: Tensor, axis: int, keep: Mask) -> Tensor:
    """A constant with the marked indices of ``axis`` only; its scales too, if it has one for each."""
    assert tensor.data is not None, "only constants are cut"
    quant = tensor.quant
    if quant is not None and quant.per_channel and quant.axis is not None and quant.axis % len(tensor.shape) == axis:
        zeros = quant.zero_points if len(quant.zero_points) == 1 else _picked(quant.zero_points, keep)
        quant = replace(quant, scales=_picked(quant.scales, keep), zero_points=zeros)
    data = np.ascontiguousarray(np.compress(keep, tensor.data, axis=axis))
    return replace(tensor, shape=data.shape, quant=quant, data=data)


def _picked(values: tuple[_T, ...], keep: Mask) -> tuple[_T, ...]:
    return tuple(v for v, k in zip(values, keep.tolist(), strict=True) if k)
