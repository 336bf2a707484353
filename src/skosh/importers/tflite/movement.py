"""Operators that move elements: transpose, slices, concatenation, splits, padding, tiles, gather, block exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skosh.base.dtypes import i8
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Op, Tensor
from skosh.ops.moves.gather import Gather, GatherNd
from skosh.ops.moves.movement import (
    BroadcastTo,
    Concat,
    DepthToSpace,
    Pack,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    normal_axis,
)
from skosh.ops.moves.padding import BatchToSpace, MirrorPad, Pad, Pads, SpaceToBatch

# -------------------------------------------------------------------------------------------------- order, and pieces


def transpose(record: Record) -> Converted:
    rank = len(record.input(0).shape)
    return Converted(Transpose(tuple(normal_axis(p, rank) for p in record.numbers(1))), (0,))


def slice_(record: Record) -> Converted:
    return Converted(slice_spec(record), (0,))


def slice_spec(record: Record) -> Slice:
    """A size of -1 means up to the end."""
    x, begin = record.input(0), record.numbers(1)
    sizes = record.numbers(2)
    if not len(x.shape) == len(begin) == len(sizes):
        raise ModelError(f"SLICE of {len(x.shape)} axes needs as many beginnings and sizes")
    size = tuple(n - b if s == -1 else s for n, b, s in zip(x.shape, begin, sizes, strict=True))
    return Slice(begin, size, (1,) * len(begin), size)


def strided_slice(record: Record) -> Converted:
    return Converted(strided_slice_spec(record), (0,))


def strided_slice_spec(record: Record) -> Slice:
    """Masks are bits by axis of the specification; offsets count as Python's slices do."""
    from tflite.StridedSliceOptions import StridedSliceOptions

    options = record.options(StridedSliceOptions)
    if options.Offset():
        raise ModelError("STRIDED_SLICE whose end is relative to its beginning (offset) is not supported")
    return strided(
        record.input(0).shape,
        record.numbers(1),
        record.numbers(2),
        record.numbers(3),
        options.BeginMask(),
        options.EndMask(),
        options.EllipsisMask(),
        options.NewAxisMask(),
        options.ShrinkAxisMask(),
    )


def strided(
    shape: tuple[int, ...],
    begin: Sequence[int],
    end: Sequence[int],
    stride: Sequence[int],
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_mask: int,
) -> Slice:
    """The slice that a specification in TensorFlow's terms means on ``shape``."""
    if not len(begin) == len(end) == len(stride) or 0 in stride:
        raise ModelError("STRIDED_SLICE needs as many beginnings as ends and strides, and no stride of 0")

    def bit(mask: int, i: int) -> bool:
        return bool(mask >> i & 1)

    given = len(begin)
    named = sum(not bit(new_axis_mask, i) and not bit(ellipsis_mask, i) for i in range(given))
    if named > len(shape) or sum(bit(ellipsis_mask, i) for i in range(given)) > 1:
        raise ModelError(f"STRIDED_SLICE must name at most the {len(shape)} axes of its input, and one ellipsis")
    ranges: list[range] = []
    out: list[int] = []
    for i in range(given):
        if bit(ellipsis_mask, i):
            for n in shape[len(ranges) : len(ranges) + len(shape) - named]:
                ranges.append(range(n))
                out.append(n)
        elif bit(new_axis_mask, i):
            out.append(1)
        else:
            n, step = shape[len(ranges)], stride[i]
            first, last, _ = slice(
                None if bit(begin_mask, i) else begin[i], None if bit(end_mask, i) else end[i], step
            ).indices(n)
            if bit(shrink_mask, i):
                if not 0 <= first < n:
                    raise ModelError(f"STRIDED_SLICE picks index {begin[i]} of an axis of {n}")
                first, last, step = first, first + 1, 1
            else:
                out.append(len(range(first, last, step)))
            ranges.append(range(first, last, step))
    rest = shape[len(ranges) :]
    ranges += [range(n) for n in rest]
    if any(len(r) == 0 for r in ranges):
        raise ModelError("STRIDED_SLICE must leave at least one element")
    return Slice(
        tuple(r.start for r in ranges), tuple(len(r) for r in ranges), tuple(r.step for r in ranges), (*out, *rest)
    )


def reverse(record: Record) -> Converted:
    """The named axes run backward."""
    shape = record.input(0).shape
    axes = {normal_axis(a, len(shape)) for a in record.numbers(1)}
    begin = tuple(n - 1 if a in axes else 0 for a, n in enumerate(shape))
    step = tuple(-1 if a in axes else 1 for a in range(len(shape)))
    return Converted(Slice(begin, shape, step, shape), (0,))


# --------------------------------------------------------------------------------------------------- joins and splits


def concatenation(record: Record) -> Op:
    from tflite.ConcatenationOptions import ConcatenationOptions

    options = record.options(ConcatenationOptions)
    if activation(options.FusedActivationFunction()) != "none":
        raise ModelError("CONCATENATION must not have a fused activation")
    check_joined(record)
    return Concat(normal_axis(int(options.Axis()), len(record.input(0).shape)))


def pack(record: Record) -> Op:
    from tflite.PackOptions import PackOptions

    options = record.options(PackOptions)
    if int(options.ValuesCount()) not in (0, len(record.inputs)):
        raise ModelError(f"PACK must have {options.ValuesCount()} inputs, as its options say, not {len(record.inputs)}")
    return Pack(normal_axis(int(options.Axis()), len(record.input(0).shape) + 1))


def check_joined(record: Record) -> None:
    """int8 inputs must have the output's scale and zero point, since bytes are copied; TFLite Micro asks the same."""
    y = record.output()
    for t in record.inputs:
        if y.dtype == i8 and t is not None and t.quant != y.quant:
            raise ModelError(
                f'input "{t.name}" of {record.code} must have the scale and zero point of its output',
                hint="requantize it before it is joined, or quantize the model again",
            )


def split(record: Record) -> Converted:
    from tflite.SplitOptions import SplitOptions

    count = int(record.options(SplitOptions).NumSplits())
    axis = normal_axis(_one(record, 0), len(record.input(1).shape))
    size = record.input(1).shape[axis]
    if count != len(record.outputs) or size % count:
        raise ModelError(f"SPLIT of {size} elements into {count} must leave no rest and have {count} outputs")
    return Converted(Split(axis, (size // count,) * count), (1,))


def split_v(record: Record) -> Converted:
    """One size may be -1: what is left."""
    from tflite.SplitVOptions import SplitVOptions

    count = int(record.options(SplitVOptions).NumSplits())
    if count not in (0, len(record.outputs)):
        raise ModelError(f"SPLIT_V must have {count} outputs, as its options say, not {len(record.outputs)}")
    axis = normal_axis(_one(record, 2), len(record.input(0).shape))
    sizes = record.numbers(1)
    if sum(s == -1 for s in sizes) > 1 or len(sizes) != len(record.outputs):
        raise ModelError(f"SPLIT_V must have at most one size of -1 and {len(record.outputs)} sizes, not {sizes}")
    left = record.input(0).shape[axis] - sum(s for s in sizes if s != -1)
    return Converted(Split(axis, tuple(left if s == -1 else s for s in sizes)), (0,))


def unpack(record: Record) -> Op:
    from tflite.UnpackOptions import UnpackOptions

    options = record.options(UnpackOptions)
    axis = normal_axis(int(options.Axis()), len(record.input(0).shape))
    return Split(axis, (1,) * int(options.Num()), drop=True)


def _one(record: Record, i: int) -> int:
    numbers = record.numbers(i)
    if len(numbers) != 1:
        raise ModelError(f"{record.code} must name one axis, not {len(numbers)}")
    return numbers[0]


# ------------------------------------------------------------------------------------------------------------- padding


def pad(record: Record) -> Converted:
    """PAD puts zeros (for int8 the output's zero point), PADV2 a constant of the input's type."""
    x = record.input(0)
    value = quantized_zero(record.output())
    if record.has(2):
        constant = record.constant(2).reshape(-1)
        if constant.size != 1 or record.input(2).dtype != x.dtype:
            raise ModelError(f"{record.code} must have one padding value of type {x.dtype}")
        if x.dtype == i8 and record.input(2).quant != record.output().quant:
            raise ModelError(f"the padding value of {record.code} must have the scale and zero point of the output")
        value = constant[0].item()
    return Converted(Pad(_pairs(record, 1), value), (0,))


def quantized_zero(y: Tensor) -> int:
    """The stored value that stands for 0 in an int8 tensor; 0 in others."""
    return y.quant.zero_point if y.dtype == i8 and y.quant is not None else 0


def mirror_pad(record: Record) -> Converted:
    from tflite.MirrorPadOptions import MirrorPadOptions

    return Converted(MirrorPad(_pairs(record, 1), record.options(MirrorPadOptions).Mode() == 0), (0,))


def space_to_batch(record: Record) -> Converted:
    """Padded with the zero point, as TFLite does; TFLite Micro leaves that to chance (it never sets output_offset)."""
    return Converted(SpaceToBatch(record.numbers(1), _pairs(record, 2), quantized_zero(record.output())), (0,))


def batch_to_space(record: Record) -> Converted:
    return Converted(BatchToSpace(record.numbers(1), _pairs(record, 2)), (0,))


def _pairs(record: Record, i: int) -> Pads:
    """Input ``i`` as (before, after) pairs."""
    pairs = record.constant(i)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ModelError(f"{record.code} must have a list of pairs of paddings, not {pairs.dtype}{list(pairs.shape)}")
    return tuple((int(before), int(after)) for before, after in pairs)


# ---------------------------------------------------------------------------------------------- repetition and indices


def tile(record: Record) -> Converted:
    return Converted(Tile(record.numbers(1)), (0,))


def broadcast_to(record: Record) -> Converted:
    return Converted(BroadcastTo(record.numbers(1)), (0,))


def fill(record: Record) -> Converted:
    return Converted(BroadcastTo(record.numbers(0)), (1,))


def gather(record: Record) -> Op:
    from tflite.GatherOptions import GatherOptions

    options = record.options(GatherOptions)
    return Gather(int(options.Axis()), int(options.BatchDims()))


def gather_nd(record: Record) -> Op:
    return GatherNd()


def depth_to_space(record: Record) -> Op:
    from tflite.DepthToSpaceOptions import DepthToSpaceOptions

    return DepthToSpace(_block(record, DepthToSpaceOptions))


def space_to_depth(record: Record) -> Op:
    from tflite.SpaceToDepthOptions import SpaceToDepthOptions

    return SpaceToDepth(_block(record, SpaceToDepthOptions))


def _block(record: Record, options: Any) -> int:
    return int(record.options(options).BlockSize())


CONVERTERS: dict[str, Converter] = {
    "TRANSPOSE": transpose, "SLICE": slice_, "STRIDED_SLICE": strided_slice, "REVERSE_V2": reverse,
    "CONCATENATION": concatenation, "PACK": pack, "SPLIT": split, "SPLIT_V": split_v, "UNPACK": unpack,
    "PAD": pad, "PADV2": pad, "MIRROR_PAD": mirror_pad, "SPACE_TO_BATCH_ND": space_to_batch,
    "BATCH_TO_SPACE_ND": batch_to_space, "TILE": tile, "BROADCAST_TO": broadcast_to, "FILL": fill,
    "GATHER": gather, "GATHER_ND": gather_nd, "DEPTH_TO_SPACE": depth_to_space, "SPACE_TO_DEPTH": space_to_depth,
}  # fmt: skip
