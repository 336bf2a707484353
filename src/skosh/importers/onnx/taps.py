"""Windows of any rank, with dilation or rounded up, a place of the window at a time: maxima, means, and powers of means."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Array
from skosh.ops.common import same_pads

MAX_TAPS = 128
LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class Window:
    """For each axis of space. beyond: what lies behind the padding's end, where windows are rounded up."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    beyond: tuple[int, ...]
    out: tuple[int, ...]


def window_of(record: Record, space: tuple[int, ...]) -> Window:
    a, n = record.attributes, len(space)
    size = tuple(a.get("kernel_shape", space))
    stride, dilation = (tuple(a.get(name, (1,) * n)) for name in ("strides", "dilations"))
    pads, mode = tuple(a.get("pads", (0,) * 2 * n)), str(a.get("auto_pad", "NOTSET"))
    if not len(size) == len(stride) == len(dilation) == n or len(pads) != 2 * n or min(*size, *stride, *dilation, 1) < 1:
        raise ModelError(f"a window must have {n} sizes, strides and dilations of 1 or more")
    if math.prod(size) > MAX_TAPS or min(pads) < 0:
        raise ModelError(f"a window must have at most {MAX_TAPS} places, and pads of 0 or more")
    if mode.startswith("SAME"):
        pairs = [same_pads(*numbers) for numbers in zip(space, size, stride, dilation, strict=True)]
        pairs = pairs if mode == "SAME_UPPER" else [(e, b) for b, e in pairs]
        pads = (*(b for b, _ in pairs), *(e for _, e in pairs))
    elif mode == "VALID":
        pads = (0,) * 2 * n
    before, after, beyond, out = pads[:n], pads[n:], [], []
    for i, (length, k, s, d) in enumerate(zip(space, size, stride, dilation, strict=True)):
        room = length + before[i] + after[i] - ((k - 1) * d + 1)
        count = (-(-room // s) if a.get("ceil_mode", 0) else room // s) + 1
        if a.get("ceil_mode", 0) and (count - 1) * s >= length + before[i]:  # the last window must begin inside
            count -= 1
        if count < 1:
            raise ModelError(f"a window of {list(size)} must fit the padded input of {list(space)}")
        out.append(count)
        beyond.append(max(0, (count - 1) * s - room))
    return Window(size, stride, dilation, before, after, tuple(beyond), tuple(out))


def taps(b: Body, x: str, w: Window, fill: float) -> list[str]:
    """For each place of the window, what it sees: [N, C, out...]."""
    n = len(w.size)
    ends = [e + o for e, o in zip(w.after, w.beyond, strict=True)]
    if any((*w.before, *ends)):
        x = b.of("Pad", x, (0, 0, *w.before, 0, 0, *ends), np.asarray(fill, np.float32))
    found = []
    for place in itertools.product(*(range(k) for k in w.size)):
        start = [p * d for p, d in zip(place, w.dilation, strict=True)]
        end = [s + (m - 1) * t + 1 for s, m, t in zip(start, w.out, w.stride, strict=True)]
        found.append(b.of("Slice", x, start, end, list(range(2, 2 + n)), list(w.stride)))
    return found


def counts(w: Window, space: tuple[int, ...], padding: bool) -> Array:
    """[out...]: how many places of each window count: those inside the input, or its padding too."""
    total: Array = np.ones(())
    for i, length in enumerate(space):
        at = np.arange(w.out[i])[:, None] * w.stride[i] + np.arange(w.size[i]) * w.dilation[i] - w.before[i]
        inside = (at >= -w.before[i]) & (at < length + w.after[i]) if padding else (at >= 0) & (at < length)
        total = np.multiply.outer(total, inside.sum(1))
    return total


def maximum(b: Body, record: Record) -> str:
    """MaxPool; what pads never wins."""
    x = b.of("Cast", record.inputs[0], to=1)
    found = taps(b, x, window_of(record, b.shape(x)[2:]), LOWEST)
    return found[0] if len(found) == 1 else b.of("Max", *found)


def average(b: Body, record: Record) -> str:
    x = record.inputs[0]
    w = window_of(record, b.shape(x)[2:])
    found = taps(b, x, w, 0.0)
    total = found[0] if len(found) == 1 else b.of("Sum", *found)
    number = counts(w, b.shape(x)[2:], bool(record.attributes.get("count_include_pad", 0)))
    return b.of("Mul", total, (1.0 / np.maximum(number, 1)).astype(np.float32))


def power_mean(b: Body, record: Record) -> str:
    """LpPool: the p-th root of the sum of p-th powers of absolutes."""
    p = float(record.attributes.get("p", 2))
    x = b.of("Abs", record.inputs[0])
    x = b.of("Pow", x, np.asarray(p, np.float32)) if p != 1 else x
    found = taps(b, x, window_of(record, b.shape(x)[2:]), 0.0)
    total = found[0] if len(found) == 1 else b.of("Sum", *found)
    return b.of("Pow", total, np.asarray(1 / p, np.float32)) if p != 1 else total


def global_power(b: Body, record: Record) -> str:
    p = float(record.attributes.get("p", 2))
    x = b.of("Pow", b.of("Abs", record.inputs[0]), np.asarray(p, np.float32))
    total = b.of("ReduceSum", x, list(range(2, len(b.shape(x)))))
    return b.of("Pow", total, np.asarray(1 / p, np.float32))


CONVERTERS: dict[str, Any] = {"LpPool": body(power_mean), "GlobalLpPool": body(global_power)}
