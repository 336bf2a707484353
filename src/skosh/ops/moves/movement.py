"""Operators that rearrange elements: transpose, slice, concat, split, tile, depth_to_space and their kin.

They copy bit patterns, so they take every element type, and quantized values keep their scale and zero point. In TFLite
Micro: kernels/internal/reference/{transpose,slice,strided_slice,concatenation,depth_to_space,...}.h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import SAME, Traits
from skosh.ops.common import check_rank, required
from skosh.ops.moves.strided import Box, copy, whole


def normal_axis(axis: int, rank: int) -> int:
    """A negative axis counts from the end; a ModelError when there is no such axis."""
    if not -rank <= axis < rank:
        raise ModelError(f"the axis must be in [{-rank}, {rank}), not {axis}")
    return axis % rank


def all_present(inputs: Operands) -> tuple[Tensor, ...]:
    """All inputs; a ModelError when there is none, or one is absent."""
    return required(inputs, max(1, len(inputs)))


def check_same_quant(tensors: Sequence[Tensor]) -> None:
    """A ModelError unless all quantized tensors have one scale and zero point, so that their bytes can be mixed."""
    first = tensors[0]
    for t in tensors[1:]:
        if t.dtype != first.dtype:
            raise ModelError(f'"{t.name}" must be {first.dtype} as "{first.name}" is, not {t.dtype}')
        if t.quant is not None and first.quant is not None and t.quant != first.quant:
            raise ModelError(
                f'"{t.name}" must have the scale and zero point of "{first.name}"',
                hint="requantize it before it is joined",
            )


@dataclass(frozen=True)
class Transpose(Op):
    """Axis ``i`` of y is axis ``perm[i]`` of x."""

    perm: tuple[int, ...]
    kind = "transpose"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        if sorted(self.perm) != list(range(len(x.shape))):
            raise ModelError(f"the permutation must name each of the {len(x.shape)} axes once, not {self.perm}")
        return (Type(tuple(x.shape[p] for p in self.perm), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.transpose(np.asarray(values[0]), self.perm),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        source = whole(x.shape).transpose(self.perm)
        return copy(In(0), source, Out(0), whole(source.shape), x.dtype)


@dataclass(frozen=True)
class Slice(Op):
    """y[i, ...] = x[begin[0] + i * step[0], ...], then seen under ``shape``: axes of size 1 may go or come.

    begin, size, step: one number for each axis of x; a step may be negative.
    """

    begin: tuple[int, ...]
    size: tuple[int, ...]
    step: tuple[int, ...]
    shape: tuple[int, ...]
    kind = "slice"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        if not len(x.shape) == len(self.begin) == len(self.size) == len(self.step):
            raise ModelError(f"a slice of {len(x.shape)} axes needs as many beginnings, sizes and steps")
        for n, b, s, step in zip(x.shape, self.begin, self.size, self.step, strict=True):
            if s < 1 or not 0 <= b < n or not 0 <= b + (s - 1) * step < n:
                raise ModelError(f"a slice of {s} elements from {b} in steps of {step} must lie within {n}")
        if math.prod(self.shape) != math.prod(self.size):
            raise ModelError(f"a slice of {self.size} can't have shape {self.shape}")
        return (Type(self.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        picked = [b + np.arange(s) * t for b, s, t in zip(self.begin, self.size, self.step, strict=True)]
        return (np.asarray(values[0])[np.ix_(*picked)].reshape(self.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        source = whole(x.shape).window(self.begin, self.size, self.step)
        return copy(In(0), source, Out(0), whole(self.size), x.dtype)


@dataclass(frozen=True)
class Concat(Op):
    """The inputs one after the other along ``axis``. Quantized inputs must have one scale and zero point."""

    axis: int
    kind = "concat"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        tensors = all_present(inputs)
        check_same_quant(tensors)
        shape = tensors[0].shape
        axis = normal_axis(self.axis, len(shape))
        for t in tensors:
            if (*t.shape[:axis], *t.shape[axis + 1 :]) != (*shape[:axis], *shape[axis + 1 :]):
                raise ModelError(f'"{t.name}" of shape {t.shape} must fit {shape} in all axes but axis {axis}')
        total = sum(t.shape[axis] for t in tensors)
        return (Type((*shape[:axis], total, *shape[axis + 1 :]), tensors[0].dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.concatenate([np.asarray(v) for v in values], axis=self.axis),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        tensors, (y,) = all_present(inputs), required(outputs, 1)
        axis = normal_axis(self.axis, len(y.shape))
        calls: list[Call] = []
        start = 0
        for i, t in enumerate(tensors):
            target = whole(y.shape).cut(axis, start, t.shape[axis])
            calls.extend(copy(In(i), whole(t.shape), Out(0), target, y.dtype))
            start += t.shape[axis]
        return tuple(calls)


@dataclass(frozen=True)
class Pack(Op):
    """The inputs, all of one shape, stacked along a new ``axis``."""

    axis: int
    kind = "pack"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        tensors = all_present(inputs)
        check_same_quant(tensors)
        shape = tensors[0].shape
        axis = normal_axis(self.axis, len(shape) + 1)
        for t in tensors:
            if t.shape != shape:
                raise ModelError(f'"{t.name}" must have shape {shape} as the others, not {t.shape}')
        return (Type((*shape[:axis], len(tensors), *shape[axis:]), tensors[0].dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.stack([np.asarray(v) for v in values], axis=self.axis),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        tensors, (y,) = all_present(inputs), required(outputs, 1)
        axis = normal_axis(self.axis, len(y.shape))
        calls: list[Call] = []
        for i, t in enumerate(tensors):
            source = whole(t.shape).repeat(axis, 1)
            calls.extend(copy(In(i), source, Out(0), whole(y.shape).cut(axis, i, 1), y.dtype))
        return tuple(calls)


@dataclass(frozen=True)
class Split(Op):
    """x cut along ``axis`` into pieces of ``sizes``; ``drop``: each of size 1, and that axis goes (TFLite's UNPACK)."""

    axis: int
    sizes: tuple[int, ...]
    drop: bool = False
    kind = "split"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        axis = normal_axis(self.axis, len(x.shape))
        if sum(self.sizes) != x.shape[axis] or any(n < 1 for n in self.sizes):
            raise ModelError(f"the pieces {self.sizes} must make up the {x.shape[axis]} of axis {axis}")
        assert not self.drop or set(self.sizes) == {1}, "only an axis of size 1 can go"
        head, tail = x.shape[:axis], x.shape[axis + 1 :]
        return tuple(Type((*head, *(() if self.drop else (n,)), *tail), x.dtype) for n in self.sizes)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        pieces = np.split(np.asarray(values[0]), np.cumsum(self.sizes)[:-1], axis=self.axis)
        return tuple(np.squeeze(p, self.axis) if self.drop else p for p in pieces)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        axis = normal_axis(self.axis, len(x.shape))
        calls: list[Call] = []
        start = 0
        for i, n in enumerate(self.sizes):
            source = whole(x.shape).cut(axis, start, n)
            calls.extend(copy(In(0), source, Out(i), whole(source.shape), x.dtype))
            start += n
        return tuple(calls)


@dataclass(frozen=True)
class Tile(Op):
    """x repeated ``multiples[i]`` times along axis ``i``."""

    multiples: tuple[int, ...]
    kind = "tile"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        if len(self.multiples) != len(x.shape) or any(m < 1 for m in self.multiples):
            raise ModelError(f"there must be a multiple >= 1 for each of the {len(x.shape)} axes, not {self.multiples}")
        return (Type(tuple(n * m for n, m in zip(x.shape, self.multiples, strict=True)), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.tile(np.asarray(values[0]), self.multiples),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        source = whole(x.shape)
        for axis in reversed(range(len(x.shape))):
            source = source.repeat(axis, self.multiples[axis])
        return copy(In(0), source, Out(0), whole(source.shape), x.dtype)


@dataclass(frozen=True)
class BroadcastTo(Op):
    """x stretched to ``shape`` by numpy's rule: new axes in front, axes of size 1 repeat. TFLite's FILL is this too."""

    shape: tuple[int, ...]
    kind = "broadcast_to"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        tail = self.shape[len(self.shape) - len(x.shape) :]
        if len(x.shape) > len(self.shape) or any(n not in (1, m) for n, m in zip(x.shape, tail, strict=True)):
            raise ModelError(f"{x.shape} doesn't broadcast to {self.shape}")
        return (Type(self.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.array(np.broadcast_to(np.asarray(values[0]), self.shape)),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        source = stretched(whole(x.shape), self.shape)
        return copy(In(0), source, Out(0), whole(self.shape), x.dtype)


def stretched(box: Box, shape: tuple[int, ...]) -> Box:
    """The box under ``shape``, where repeated axes have stride 0."""
    new = len(shape) - len(box.shape)
    strides = tuple(0 if n == 1 else s for n, s in zip(box.shape, box.strides, strict=True))
    return Box(box.total, shape, (*(0 for _ in range(new)), *strides), box.offset)


@dataclass(frozen=True)
class DepthToSpace(Op):
    """Channels move into block x block pixels: y[b, h*s + i, w*s + j, c] = x[b, h, w, (i*s + j)*C + c], s = block."""

    block: int
    kind = "depth_to_space"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_rank(x, 4)
        b, h, w, c = x.shape
        if self.block < 1 or c % (self.block * self.block):
            raise ModelError(f"{c} channels must divide by block^2, block = {self.block}")
        return (Type((b, h * self.block, w * self.block, c // (self.block * self.block)), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        b, h, w, _ = x.shape
        blocks = np.asarray(values[0]).reshape(b, h, w, self.block, self.block, y.shape[3])
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(y.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        blocks = whole(x.shape).split(3, self.block, self.block, y.shape[3]).transpose((0, 1, 3, 2, 4, 5))
        return copy(In(0), blocks, Out(0), whole(blocks.shape), x.dtype)


@dataclass(frozen=True)
class SpaceToDepth(Op):
    """block x block pixels move into channels: the inverse of DepthToSpace."""

    block: int
    kind = "space_to_depth"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_rank(x, 4)
        b, h, w, c = x.shape
        if self.block < 1 or h % self.block or w % self.block:
            raise ModelError(f"{h} x {w} pixels must divide by the block, {self.block}")
        return (Type((b, h // self.block, w // self.block, c * self.block * self.block), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        b, h, w, _ = y.shape
        blocks = np.asarray(values[0]).reshape(b, h, self.block, w, self.block, x.shape[3])
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(y.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        _, h, w, _ = y.shape
        blocks = whole(x.shape).split(2, w, self.block).split(1, h, self.block).transpose((0, 1, 3, 2, 4, 5))
        return copy(In(0), blocks, Out(0), whole(blocks.shape), x.dtype)
