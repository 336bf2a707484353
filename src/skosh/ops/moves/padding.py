"""Operators that put something around x: pad, mirror_pad, and the batch and space exchange of dilated convolutions.

In TFLite Micro: kernels/internal/reference/{pad,space_to_batch_nd,batch_to_space_nd}.h and micro/kernels/mirror_pad.cc.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import SAME, Traits
from skosh.ops.common import check_rank, required
from skosh.ops.moves.strided import Box, copy, fill, whole

Pads = tuple[tuple[int, int], ...]
"""(before, after) of each axis."""


def check_pads(pads: Pads, shape: tuple[int, ...]) -> None:
    if len(pads) != len(shape) or any(n < 0 for pair in pads for n in pair):
        raise ModelError(f"there must be a pair of paddings >= 0 for each of the {len(shape)} axes, not {pads}")


def padded(shape: tuple[int, ...], pads: Pads) -> tuple[int, ...]:
    return tuple(n + before + after for n, (before, after) in zip(shape, pads, strict=True))


@dataclass(frozen=True)
class Pad(Op):
    """x with ``pads`` elements of ``value`` around it. value: as stored, so the zero point for a quantized zero."""

    pads: Pads
    value: int | float = 0
    kind = "pad"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_pads(self.pads, x.shape)
        if x.dtype.is_integer and not x.dtype.min <= self.value <= x.dtype.max:
            raise ModelError(f"the padding value {self.value} must fit {x.dtype}")
        return (Type(padded(x.shape, self.pads), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = np.asarray(values[0])
        return (np.pad(x, self.pads, constant_values=x.dtype.type(self.value)),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        calls: list[Call] = []
        inside = whole(y.shape)
        for axis, (before, after) in enumerate(self.pads):
            for start, count in ((0, before), (before + x.shape[axis], after)):
                calls.extend(fill(Out(0), inside.cut(axis, start, count), self.value, x.dtype))
            inside = inside.cut(axis, before, x.shape[axis])
        return (*calls, *copy(In(0), whole(x.shape), Out(0), inside, x.dtype))


@dataclass(frozen=True)
class MirrorPad(Op):
    """x with its mirror image around it; ``reflect``: the edge is not repeated (x[1], x[0], x[1]), else it is."""

    pads: Pads
    reflect: bool
    kind = "mirror_pad"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_pads(self.pads, x.shape)
        for n, pair in zip(x.shape, self.pads, strict=True):
            if max(pair) > n - self.reflect:
                raise ModelError(
                    f"a mirror image of {max(pair)} elements needs at least {max(pair) + self.reflect}, not {n}"
                )
        return (Type(padded(x.shape, self.pads), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.pad(np.asarray(values[0]), self.pads, mode="reflect" if self.reflect else "symmetric"),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        """One copy for each combination of (mirrored before, straight, mirrored after) along the axes."""
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        pieces = []
        for n, (before, after) in zip(x.shape, self.pads, strict=True):
            edge = int(self.reflect)
            axis = [(edge + before - 1, before, -1, 0), (0, n, 1, before), (n - 1 - edge, after, -1, before + n)]
            pieces.append([piece for piece in axis if piece[1]])
        calls: list[Call] = []
        for combination in itertools.product(*pieces):
            begin, size, step, at = zip(*combination, strict=True)
            target = whole(y.shape).window(at, size, (1,) * len(size))
            calls.extend(copy(In(0), whole(x.shape).window(begin, size, step), Out(0), target, x.dtype))
        return tuple(calls)


@dataclass(frozen=True)
class SpaceToBatch(Op):
    """Each block of pixels is dealt out to as many batches: y[(i*n + b), h, w, c] = padded x[b, h*s + i, w*t + j, c].

    block: (s, ...) for each axis after the batch that is dealt; value: what is padded, as stored.
    """

    block: tuple[int, ...]
    pads: Pads
    value: int | float = 0
    kind = "space_to_batch"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_rank(x, *range(len(self.block) + 1, 7))
        if len(self.pads) != len(self.block) or any(n < 0 for pair in self.pads for n in pair):
            raise ModelError(
                f"there must be a pair of paddings >= 0 for each of {len(self.block)} axes, not {self.pads}"
            )
        space = padded(x.shape[1 : 1 + len(self.block)], self.pads)
        if any(b < 1 or n % b for n, b in zip(space, self.block, strict=True)):
            raise ModelError(f"the padded size {space} must divide by the block {self.block}")
        batch = x.shape[0] * int(np.prod(self.block))
        small = (n // b for n, b in zip(space, self.block, strict=True))
        return (Type((batch, *small, *x.shape[1 + len(self.block) :]), x.dtype),)

    def all_pads(self, rank: int) -> Pads:
        return ((0, 0), *self.pads, *((0, 0),) * (rank - 1 - len(self.pads)))

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (y,) = required(outputs, 1)
        x = np.asarray(values[0])
        x = np.pad(x, self.all_pads(x.ndim), constant_values=x.dtype.type(self.value))
        dealt = [
            x[(slice(None), *(slice(start, None, step) for start, step in zip(starts, self.block, strict=True)))]
            for starts in itertools.product(*(range(b) for b in self.block))
        ]
        return (np.concatenate(dealt, axis=0).reshape(y.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        starts = tuple(before for before, _ in self.pads)
        calls = fill(Out(0), whole(y.shape), self.value, x.dtype) if any(map(any, self.pads)) else ()
        for big, small in dealt_pairs(whole(x.shape), whole(y.shape), self.block, starts):
            calls += copy(In(0), big, Out(0), small, x.dtype)
        return calls


@dataclass(frozen=True)
class BatchToSpace(Op):
    """The inverse of SpaceToBatch; ``crops`` elements are cut off around the result."""

    block: tuple[int, ...]
    crops: Pads
    kind = "batch_to_space"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_rank(x, *range(len(self.block) + 1, 7))
        batches = int(np.prod(self.block))
        if any(b < 1 for b in self.block) or x.shape[0] % batches:
            raise ModelError(f"a batch of {x.shape[0]} must divide by the block {self.block}")
        if len(self.crops) != len(self.block) or any(n < 0 for pair in self.crops for n in pair):
            raise ModelError(f"there must be a pair of crops >= 0 for each of {len(self.block)} axes, not {self.crops}")
        space = tuple(
            n * b - before - after
            for n, b, (before, after) in zip(x.shape[1 : 1 + len(self.block)], self.block, self.crops, strict=True)
        )
        if any(n < 1 for n in space):
            raise ModelError(f"the crops {self.crops} must leave something")
        return (Type((x.shape[0] // batches, *space, *x.shape[1 + len(self.block) :]), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (y,) = required(outputs, 1)
        x = np.asarray(values[0])
        space = (n * b for n, b in zip(x.shape[1:], self.block, strict=False))
        spread = np.zeros((y.shape[0], *space, *y.shape[1 + len(self.block) :]), x.dtype)
        for i, starts in enumerate(itertools.product(*(range(b) for b in self.block))):
            pixels = tuple(slice(start, None, step) for start, step in zip(starts, self.block, strict=True))
            spread[(slice(None), *pixels)] = x[i * y.shape[0] : (i + 1) * y.shape[0]]
        kept = (slice(before, before + n) for n, (before, _) in zip(y.shape[1:], self.crops, strict=False))
        return (spread[(slice(None), *kept)],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        calls: tuple[Call, ...] = ()
        for big, small in dealt_pairs(whole(y.shape), whole(x.shape), self.block, tuple(b for b, _ in self.crops)):
            calls += copy(In(0), small, Out(0), big, x.dtype)
        return calls


def dealt_pairs(big: Box, small: Box, block: Sequence[int], before: Sequence[int]) -> list[tuple[Box, Box]]:
    """For each place in the block, its pixels in the spatial tensor and where they lie in the batched one.

    ``before``: the spatial tensor begins so many pixels into the dealt-out area. Pixels outside of either are left out.
    """
    batch = big.shape[0]
    pairs = []
    for i, starts in enumerate(itertools.product(*(range(b) for b in block))):
        pixels, dealt = big, small.cut(0, i * batch, batch)
        for axis, (start, step, pad) in enumerate(zip(starts, block, before, strict=True), start=1):
            first = max(0, -(-(pad - start) // step))  # smallest index with index * step + start >= pad
            last = min(small.shape[axis] - 1, (big.shape[axis] - 1 + pad - start) // step)
            count = max(0, last - first + 1)
            pixels = pixels.cut(axis, first * step + start - pad if count else 0, count, step)
            dealt = dealt.cut(axis, first, count)
        pairs.append((pixels, dealt))
    return pairs
