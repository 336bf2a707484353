"""The geometry of windows: strides, dilations and paddings of convolutions and pooling, over one axis or two."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.base.errors import ModelError
from skosh.importers.onnx.reader import Record
from skosh.ops.common import same_pads
from skosh.ops.layers.windows import MAX_NUMBER, Pads, Pair


@dataclass(frozen=True)
class Geometry:
    """For height and width; one axis of space is a width, of height 1."""

    size: Pair
    stride: Pair
    pads: Pads
    dilation: Pair


def geometry(record: Record, window: tuple[int, ...], space: tuple[int, ...], ceil: bool = False) -> Geometry:
    """ceil: windows may begin inside and end outside the input; said by larger pads."""
    n = len(space)
    if len(window) != n or any(not 1 <= k <= MAX_NUMBER for k in window):
        raise ModelError(f"the window must have {n} sizes >= 1, not {list(window)}")
    stride = _numbers(record, "strides", n)
    dilation = _numbers(record, "dilations", n)
    begin, end = _pads(record, window, space, stride, dilation)
    if ceil:
        for i, (size, k, s, d) in enumerate(zip(space, window, stride, dilation, strict=True)):
            room = size + begin[i] + end[i] - ((k - 1) * d + 1)
            steps = -(-room // s)
            if steps * s >= size + begin[i]:  # the last window must begin inside
                steps -= 1
            end[i] += max(0, steps * s - room)
    return Geometry(_pair(window, 1), _pair(stride, 1), _four(begin, end), _pair(dilation, 1))


def transposed_pads(record: Record, window: tuple[int, ...], space: tuple[int, ...]) -> tuple[Pair, Pads]:
    """(stride, what is cut from the whole result) of a transposed convolution."""
    n = len(space)
    stride = _numbers(record, "strides", n)
    extra = _numbers(record, "output_padding", n, 0)
    mode = record.attributes.get("auto_pad", "NOTSET")
    wanted = record.attributes.get("output_shape")
    begin, end = _explicit(record, n) if mode in ("NOTSET", "VALID") else ([0] * n, [0] * n)
    if wanted is not None or mode.startswith("SAME"):
        sizes = tuple(wanted)[-n:] if wanted is not None else tuple(i * s for i, s in zip(space, stride, strict=True))
        for i in range(n):
            total = (space[i] - 1) * stride[i] + extra[i] + window[i] - sizes[i]
            begin[i] = total // 2 if mode == "SAME_UPPER" else total - total // 2
            end[i] = total - begin[i]
    end = [e - x for e, x in zip(end, extra, strict=True)]
    return _pair(stride, 1), _four(begin, end)


def _pads(
    record: Record, window: tuple[int, ...], space: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    mode = record.attributes.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return _explicit(record, len(space))
    if mode == "VALID":
        return [0] * len(space), [0] * len(space)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f'auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not "{mode}"')
    pairs = [same_pads(*sizes) for sizes in zip(space, window, stride, dilation, strict=True)]
    before, after = [b for b, _ in pairs], [a for _, a in pairs]
    return (before, after) if mode == "SAME_UPPER" else (after, before)


def _explicit(record: Record, n: int) -> tuple[list[int], list[int]]:
    pads = record.attributes.get("pads", (0,) * (2 * n))
    if len(pads) != 2 * n or any(not 0 <= p <= MAX_NUMBER for p in pads):
        raise ModelError(f"pads must be {2 * n} numbers >= 0, not {list(pads)}")
    return list(pads[:n]), list(pads[n:])


def _numbers(record: Record, name: str, n: int, default: int = 1) -> tuple[int, ...]:
    found = tuple(record.attributes.get(name, (default,) * n))
    if len(found) != n or any(not default <= k <= MAX_NUMBER for k in found):
        raise ModelError(f"{name} must be {n} numbers >= {default}, not {list(found)}")
    return found


def _pair(numbers: tuple[int, ...], first: int) -> Pair:
    return (first, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _four(begin: list[int], end: list[int]) -> Pads:
    """(top, bottom, left, right)."""
    return (0, 0, begin[0], end[0]) if len(begin) == 1 else (begin[0], end[0], begin[1], end[1])
