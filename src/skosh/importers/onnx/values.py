"""Where a value of the file lies in memory. ONNX's axes are an order of thought; memory has its own.

A stored tensor [N, H, W, C] is the file's [N, C, H, W] under axes ((0,), (3,), (1,), (2,)). Merged by a Flatten it is
[N, C*H*W] under ((0,), (3, 1, 2)). So transposes, and reshapes along the seams, need no node: they change ``axes`` alone, and
what reads the value may turn its weights instead of the activations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.ir.graph import Array

Axes = tuple[tuple[int, ...], ...]
Groups = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Value:
    """axes: for each of the file's axes the stored axes that make it up, slowest first; those of size 1 are left out."""

    tensor: str
    stored: tuple[int, ...]
    axes: Axes

    @property
    def shape(self) -> tuple[int, ...]:
        """As the file sees it."""
        return tuple(math.prod(self.stored[p] for p in parts) for parts in self.axes)

    def order(self, groups: Groups) -> tuple[int, ...]:
        """Stored axes, those of size 1 left out, in the order in which the file's axes are named."""
        return tuple(p for group in groups for axis in group for p in self.axes[axis])

    def stored_axis(self, axis: int) -> int | None:
        """The one stored axis that is the file's axis, if it is one."""
        return self.axes[axis][0] if len(self.axes[axis]) == 1 else None


def plain(tensor: str, shape: tuple[int, ...]) -> Value:
    """A value that is stored as the file sees it."""
    return grouped(tensor, shape, [(a,) for a in range(len(shape))], len(shape))


def grouped(tensor: str, stored: tuple[int, ...], groups: Groups, rank: int) -> Value:
    """A value with a stored axis for each group, which is one axis of the file or none (then of size 1)."""
    axes: list[tuple[int, ...]] = [()] * rank
    for p, group in enumerate(groups):
        assert len(group) <= 1, "a merged group can't be told apart"
        if group and stored[p] != 1:
            axes[group[0]] = (p,)
    return Value(tensor, stored, tuple(axes))


def groups_of(rank: int) -> Groups:
    """The file's own order."""
    return [(a,) for a in range(rank)]


def channels_last(rank: int) -> Groups:
    """[N, C, H, W] as [N, H, W, C]; [N, C, L] as [N, 1, L, C]."""
    assert rank in (3, 4), "an image has one axis of space or two"
    return [(0,), (2,), (3,), (1,)] if rank == 4 else [(0,), (), (2,), (1,)]


def regrouped(value: Value, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Axes] | None:
    """(stored shape, axes) of the value under another shape without moving a byte; None when that can't be.

    Stored axes may be split where the new shape has a seam inside them.
    """
    parts = [[n] for n in value.stored]  # how each stored axis is split so far
    queue = [(p, value.stored[p]) for p in value.order(groups_of(len(value.axes)))]
    found: list[list[tuple[int, int]]] = []  # (stored axis, which part of it)
    for n in shape:
        mine: list[tuple[int, int]] = []
        while n > 1:
            if not queue:
                return None
            p, size = queue.pop(0)
            take = math.gcd(n, size) if n < size else size
            if n % take or take != min(n, size):
                return None
            if take < size:
                parts[p][-1:] = [take, size // take]
                queue.insert(0, (p, size // take))
                mine.append((p, len(parts[p]) - 2))
            else:
                mine.append((p, len(parts[p]) - 1))
            n //= take
        found.append(mine)
    starts = [0, *np.cumsum([len(part) for part in parts]).tolist()]
    stored = tuple(n for part in parts for n in part)
    return stored, tuple(tuple(starts[p] + k for p, k in mine) for mine in found)


def laid_like(data: Array, value: Value) -> Array | None:
    """A constant that broadcasts to the value, re-laid so that it does to what is stored; None when it can't."""
    data = data.reshape((1,) * (len(value.axes) - data.ndim) + data.shape)
    if any(n not in (1, m) for n, m in zip(data.shape, value.shape, strict=True)):
        return None
    sizes: list[int] = []
    positions: list[int] = []
    for n, parts in zip(data.shape, value.axes, strict=True):
        sizes += [value.stored[p] if n > 1 else 1 for p in parts]
        positions += parts
    laid = data.reshape(sizes).transpose(np.argsort(positions, kind="stable"))
    shape = [1] * len(value.stored)
    for p, n in zip(sorted(positions), laid.shape, strict=True):
        shape[p] = n
    return laid.reshape(shape)
