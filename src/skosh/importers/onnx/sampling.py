"""What reads images between their pixels: every kind of Resize as products with small matrices, GridSample by its corners.

Resize is separable: along each axis, each new place is a sum of a few old ones, with weights that hang on sizes alone. So an
axis is a product with a constant matrix [new, old]; kinds that only pick places are gathers.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Array

MAX_WEIGHTS = 1 << 20
"""Numbers that the matrix of one axis may have."""


# ---------------------------------------------------------------------------------------------------------------- resize


def resized(
    ctx: Context, record: Record, sizes: tuple[int, ...], scales: tuple[float, ...], where: str, roi: Array | None
) -> None:
    """The record's first input at other sizes, one axis after the other. scales: new / old, as the file says them."""
    b, a = Body(ctx, record), record.attributes
    mode = str(a.get("mode", "nearest"))
    y, shape = record.inputs[0], ctx.shape(record.inputs[0])
    outside = np.zeros(sizes, bool)
    for axis, (old, new, scale) in enumerate(zip(shape, sizes, scales, strict=True)):
        ends = (float(roi[axis]), float(roi[axis + len(shape)])) if roi is not None else (0.0, 1.0)
        if old == new and scale == 1.0 and where != "tf_crop_and_resize":
            continue
        x = places(old, new, scale, where, ends)
        if where == "tf_crop_and_resize":
            beyond = (x < 0) | (x > old - 1)
            outside |= beyond.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        if mode == "nearest":
            picked = rounded(x, str(a.get("nearest_mode", "round_prefer_floor"))).clip(0, old - 1)
            y = b.of("Gather", y, picked.astype(np.int64), axis=axis)
            continue
        m = matrix(record, x, old, scale, mode)
        if m.size > MAX_WEIGHTS:
            raise ModelError(f"a {mode} resize of {old} to {new} must be smaller")
        y = along(b, y, m, axis, len(shape))
    if outside.any():
        y = b.of("Where", outside, float(a.get("extrapolation_value", 0.0)), y)
    b.end(y)


def places(old: int, new: int, scale: float, where: str, roi: tuple[float, float]) -> Array:
    """Where each new pixel lies among the old ones."""
    i = np.arange(new, dtype=np.float64)
    match where:
        case "half_pixel":
            return (i + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (i + 0.5) / scale - 0.5 if new > 1 else np.zeros(1)
        case "half_pixel_symmetric":
            adjustment = new / (scale * old)
            centre = old / 2
            return centre * (1 - adjustment) + (i + 0.5) / scale - 0.5
        case "align_corners":
            whole = new if abs(old * scale - new) < 1e-4 else old * scale  # the size before it is cut off, as ONNX has it
            return i * (old - 1) / (whole - 1) if new > 1 else np.zeros(1)
        case "asymmetric":
            return i / scale
        case "tf_crop_and_resize":
            start, end = roi
            if new > 1:
                return start * (old - 1) + i * (end - start) * (old - 1) / (new - 1)
            return np.full(1, 0.5 * (start + end) * (old - 1))
    raise ModelError(f"a place can't be found by {where}")


def rounded(x: Array, mode: str) -> Array:
    match mode:
        case "floor":
            return np.floor(x)
        case "ceil":
            return np.ceil(x)
        case "round_prefer_floor":
            return np.ceil(x - 0.5)
        case "round_prefer_ceil":
            return np.floor(x + 0.5)
    raise ModelError(f"nearest_mode must be floor, ceil, round_prefer_floor or round_prefer_ceil, not {mode}")


def matrix(record: Record, x: Array, old: int, scale: float, mode: str) -> Array:
    """[new, old]: what each old pixel gives to each new one."""
    a = record.attributes
    wide = max(1.0, 1.0 / scale) if a.get("antialias", 0) else 1.0
    reach = {"linear": 1.0, "cubic": 2.0}[mode]
    curve = float(a.get("cubic_coeff_a", -0.75)) if mode == "cubic" else 0.0
    m = np.zeros((len(x), old))
    for row, at in enumerate(x):
        first, last = math.floor(at - reach * wide) + 1, math.ceil(at + reach * wide)
        taps = np.arange(first, last)
        weights = hat((taps - at) / wide) if mode == "linear" else cubic((taps - at) / wide, curve)
        if a.get("exclude_outside", 0) or wide > 1.0:
            if a.get("exclude_outside", 0):
                weights = np.where((taps < 0) | (taps >= old), 0.0, weights)
            weights = weights / weights.sum()
        np.add.at(m[row], taps.clip(0, old - 1), weights)
    return m.astype(np.float32)


def hat(x: Array) -> Array:
    return np.maximum(0.0, 1.0 - np.abs(x))


def cubic(x: Array, a: float) -> Array:
    """Keys' interpolation (1981): (a + 2)|x|^3 - (a + 3)|x|^2 + 1, then a|x|^3 - 5a|x|^2 + 8a|x| - 4a up to 2."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def along(b: Body, x: str, m: Array, axis: int, rank: int) -> str:
    """m x along one axis."""
    back = [k for k in range(rank) if k != axis] + [axis]
    y = b.of("Transpose", x, perm=tuple(back))
    y = b.of("MatMul", y, np.ascontiguousarray(m.T))
    return b.of("Transpose", y, perm=tuple(int(k) for k in np.argsort(back)))


# ----------------------------------------------------------------------------------------------------------- grid sample


def grid_sample(b: Body, record: Record) -> str:
    """x: [N, C, places...]; grid: [N, new places..., axes], from -1 to 1, the last axis first."""
    x, grid = record.inputs
    a = record.attributes
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(str(a.get("mode", "linear")), str(a.get("mode", "linear")))
    padding, aligned = str(a.get("padding_mode", "zeros")), bool(a.get("align_corners", 0))
    shape, out = b.shape(x), b.shape(grid)[1:-1]
    axes = len(shape) - 2
    if axes < 1 or b.shape(grid)[-1] != axes or b.shape(grid)[0] != shape[0]:
        raise ModelError(f"the grid must be [{shape[0]}, ..., {axes}], not {list(b.shape(grid))}")
    if mode not in ("linear", "nearest", "cubic") or padding not in ("zeros", "border", "reflection"):
        raise ModelError(f"a grid can't be sampled by {mode} with {padding}")
    if mode == "cubic" and axes != 2:
        raise ModelError("cubic sampling must be of two axes")
    last = b.of("Transpose", x, perm=(0, *range(2, 2 + axes), 1))  # channels last: one row is one pixel
    taps, weights = [], []  # for each axis: whole places as floats, and their weights
    for k in range(axes):
        n = shape[2 + k]
        part = b.of("Squeeze", b.of("Slice", grid, [axes - 1 - k], [axes - k], [-1]), [-1])  # [N, new places...]
        u = b.of("Add", part, 1.0)
        if aligned:
            u = b.of("Mul", u, (n - 1) / 2)
        else:
            u = b.of("Mul", b.of("Sub", b.of("Mul", u, float(n)), 1.0), 0.5)
        if mode != "cubic":
            u = bordered(b, u, n, padding, aligned)
        if mode == "nearest":
            taps.append([b.of("Round", u)])
            weights.append([""])
            continue
        floor = b.of("Floor", u)
        t = b.of("Sub", u, floor)
        if mode == "linear":
            taps.append([floor, b.of("Add", floor, 1.0)])
            weights.append([b.of("Sub", 1.0, t), t])
        else:
            taps.append([floor if d == 0 else b.of("Add", floor, float(d)) for d in (-1, 0, 1, 2)])
            weights.append([cubic_weight(b, t, d) for d in (-1, 0, 1, 2)])
    total = ""
    for corner in itertools.product(*(range(len(t)) for t in taps)):
        value, weight = pixel(b, last, [taps[k][c] for k, c in enumerate(corner)], shape, out, padding, aligned), ""
        for k, c in enumerate(corner):
            w = weights[k][c]
            weight = w if not weight else weight if not w else b.of("Mul", weight, w)
        term = b.of("Mul", value, b.of("Unsqueeze", weight, [-1])) if weight else value
        total = term if not total else b.of("Add", total, term)
    return b.of("Transpose", total, perm=(0, axes + 1, *range(1, axes + 1)))


def bordered(b: Body, u: str, n: int, padding: str, aligned: bool) -> str:
    """A place outside, moved inside: to the border, or mirrored at it."""
    if padding == "border":
        return b.of("Clip", u, np.asarray(0, np.float32), np.asarray(n - 1, np.float32))
    if padding == "zeros":
        return u
    low, high = (0.0, n - 1.0) if aligned else (-0.5, n - 0.5)
    span = high - low
    if span == 0:
        return b.of("Mul", u, 0.0)
    # a wave of period 2 span: |((u - low) mod 2 span) - span| counted from the far end
    v = b.of("Div", b.of("Sub", u, low), 2 * span)
    v = b.of("Sub", v, b.of("Floor", v))
    v = b.of("Sub", 1.0, b.of("Abs", b.of("Sub", b.of("Mul", v, 2.0), 1.0)))
    v = b.of("Add", b.of("Mul", v, span), low)
    return b.of("Clip", v, np.asarray(0, np.float32), np.asarray(n - 1, np.float32)) if not aligned else v


def cubic_weight(b: Body, t: str, d: int) -> str:
    """The weight of the pixel d places from the floor, a = -3/4."""
    a = -0.75
    x = {-1: b.of("Add", t, 1.0), 0: t, 1: b.of("Sub", 1.0, t), 2: b.of("Sub", 2.0, t)}[d]
    if d in (0, 1):
        y = b.of("Sub", b.of("Mul", x, a + 2), a + 3)
        return b.of("Add", b.of("Mul", b.of("Mul", y, x), x), 1.0)
    y = b.of("Add", b.of("Mul", b.of("Sub", x, 5.0), x), 8.0)
    return b.of("Sub", b.of("Mul", b.of("Mul", y, x), a), 4 * a)


def pixel(b: Body, x: str, at: list[str], shape: tuple[int, ...], out: tuple[int, ...], padding: str, aligned: bool) -> str:
    """x[n, at...] as [N, new places..., C]; zeros outside where the padding is so."""
    inside, parts = "", []
    for k, place in enumerate(at):
        n = shape[2 + k]
        if padding == "reflection":
            place = bordered(b, place, n, padding, aligned)
        if padding == "zeros":
            low, high = b.of("GreaterOrEqual", place, 0.0), b.of("LessOrEqual", place, float(n - 1))
            fits = b.of("And", low, high)
            inside = fits if not inside else b.of("And", inside, fits)
        held = b.of("Clip", place, np.asarray(0, np.float32), np.asarray(n - 1, np.float32))
        parts.append(b.of("Unsqueeze", b.of("Cast", b.of("Round", held), to=7), [-1]))
    batch = np.broadcast_to(np.arange(shape[0], dtype=np.int64).reshape(-1, *(1,) * (len(out) + 1)), (shape[0], *out, 1))
    value = b.of("GatherND", x, b.of("Concat", np.ascontiguousarray(batch), *parts, axis=-1))
    return b.of("Where", b.of("Unsqueeze", inside, [-1]), value, 0.0) if inside else value


# -------------------------------------------------------------------------------------------------------- pieces of axes


def local_response(b: Body, record: Record) -> str:
    """LRN: x / (bias + alpha / size * the sum of squares over size neighbouring channels) ^ beta."""
    a, x = record.attributes, record.inputs[0]
    size, shape = int(a.get("size", 0)), b.shape(x)
    if size < 1 or len(shape) < 3:
        raise ModelError("the size must be 1 or more, and there must be axes of space")
    c = shape[1]
    before, after = (size - 1) // 2, size // 2
    offset = np.subtract.outer(np.arange(c), np.arange(c))  # [new, old]
    m = ((offset <= before) & (-offset <= after)).astype(np.float32)
    total = along(b, b.of("Mul", x, x), m, 1, len(shape))
    under = b.of("Add", b.of("Mul", total, float(a.get("alpha", 1e-4)) / size), float(a.get("bias", 1.0)))
    return b.of("Div", x, b.of("Pow", under, np.asarray(a.get("beta", 0.75), np.float32)))


CONVERTERS: dict[str, Any] = {"GridSample": body(grid_sample), "LRN": body(local_response)}
