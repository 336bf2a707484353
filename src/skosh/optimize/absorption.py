"""What a convolution or dense layer can take into its bias: input channels that add the same to every output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import DType, i32, i64
from skosh.ops.layers.dense import Dense
from skosh.optimize.columns import Mask
from skosh.optimize.linear import Linear, accumulate
from skosh.optimize.ranges import Range, uniform_columns


@dataclass(frozen=True, eq=False)
class Absorbed:
    """mask [C]: the columns of x that can go; added [C, F]: what each then adds to the bias (0 where mask is False)."""

    mask: Mask
    added: Ints


def bias_type(layer: Linear) -> DType:
    """The bias' element type; what it would be when there is none."""
    return layer.bias.dtype if layer.bias is not None else (i64 if layer.wide else i32)


def absorbable(layer: Linear, r: Range) -> Absorbed:
    """Columns of an ungrouped convolution's or dense layer's input that can go, exactly.

    Those that meet only zero weights; constants, where the window never leaves the input; and known columns whose part of
    the sum is the same at every position, as that of the zero point is. The new bias must fit its type.
    """
    found = _of_dense(layer, r) if isinstance(layer.op, Dense) else _of_convolution(layer, r)
    limit = bias_type(layer)
    reach = np.abs(found.added).sum(axis=0) + np.abs(layer.addend)
    if np.any(reach > limit.max >> 1):
        found = Absorbed(found.mask & ~found.added.any(axis=1), np.zeros_like(found.added))
    return found


def _of_dense(layer: Linear, r: Range) -> Absorbed:
    """x: [..., C] read as rows of K, a multiple of C; the weights k, k + C, ... meet column k."""
    units, depth = layer.w.shape
    w, columns = layer.weights.astype(np.int64), layer.x.shape[-1]
    known, value = uniform_columns(Range(r.lo.reshape(-1, depth), r.hi.reshape(-1, depth)))
    mask: Mask = np.logical_or(known, ~w.any(axis=0))
    added = np.where(known[:, None], (value - layer.zx)[:, None] * w.T, 0)
    whole = np.asarray(mask.reshape(-1, columns).all(axis=0))
    return _masked(whole, added.reshape(-1, columns, units).sum(axis=0))


def _of_convolution(layer: Linear, r: Range) -> Absorbed:
    """w: [F, KH, KW, C]."""
    assert not isinstance(layer.op, Dense), "dense layers have their own rule"
    w = layer.weights.astype(np.int64)
    sums = w.sum(axis=(1, 2)).T  # [C, F]
    unread = ~w.any(axis=(0, 1, 2))
    known, value = uniform_columns(r)
    window = layer.op.window(layer.w)
    inside = [tap for tap in window.taps(*layer.x.shape[1:3]) if _everywhere(tap.out, layer.y.shape[1:3])]
    if len(inside) < w.shape[1] * w.shape[2]:
        known = known & (value == layer.zx)
    mask: Mask = np.logical_or(known, unread)
    added = np.where(known[:, None], (value - layer.zx)[:, None] * sums, 0)
    for c in np.flatnonzero(~mask & r.known.reshape(-1, mask.size).all(axis=0)):
        part = accumulate(
            layer, (r.lo[..., c : c + 1] - layer.zx).astype(np.float64), w[..., c : c + 1].astype(np.float64)
        )
        part = part.reshape(-1, part.shape[-1])
        if np.all(part == part[0]):
            mask[c], added[c] = True, part[0].astype(np.int64)
    return _masked(mask, added)


def _everywhere(out: tuple[slice, slice], size: tuple[int, ...]) -> bool:
    return all((s.start, s.stop) == (0, n) for s, n in zip(out, size, strict=True))


def _masked(mask: Mask, added: Ints) -> Absorbed:
    return Absorbed(mask, np.where(mask[:, None], added, 0))
