"""Cortex-M4, M7 and M33: int8 layers as register tiles in assembly, with widened, interleaved rows and filters.

Each layer falls back to the recipe after this one where its shape or its requantization doesn't fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8, u32
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array
from skosh.language import call, requantize_bounded
from skosh.lower.form import Asked, Form, Made, moved, values, weights_of
from skosh.machines.arm_m.tile_kernels import (
    conv2d_byte_tiles,
    conv2d_tiles,
    conv2d_word_tiles,
    dense_tiles,
    depthwise_planes,
    depthwise_tiles,
    matmul_tiles,
)
from skosh.ops.layers.depthwise import depthwise, depthwise_rows
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.schedule.answers import No
from skosh.schedule.draft import Draft

DSP = "thumb-dsp"
ROWS = 4  # rows of a tile: with two filters, eight accumulators
LARGEST_SHIFT = 22  # 2^30 + (128 << 22) and its half stay below 2^31


def _tiles(asked: Asked) -> Made:
    """The call in assembly tiles."""
    c = asked.call
    if not asked.machine.has_assembly:
        return No("assembly isn't wanted")
    if asked.optimize == "flash":
        return No("assembly and the C beside it take more flash")
    rescale = c.functions.get("rescale")
    if rescale is None or rescale != requantize_bounded or values(c, "right").max() > LARGEST_SHIFT:
        return No("sums are too large for the requantization of tiles")
    maker = _matmul if asked.is_a(matmul) else _conv2d if asked.is_a(conv2d_patches) else _depthwise
    return maker(c, np.asarray(weights_of(c, asked.inputs)))


def _matmul(c: Call, weights: Array) -> Made:
    rows, depth, filters = (int(c.numbers[n]) for n in ("M", "K", "N"))
    if depth % 4:
        return No("the length of a row isn't a multiple of 4")
    if rows == 1 and filters % 4 == 0:
        blocks, quads = filters // 4, depth // 4
        words = _words(weights.reshape(blocks, 4, quads, 4).transpose(0, 2, 1, 3))
        return (
            call(
                dense_tiles, x=c.buffers["x"], w=Const(words, "weight", DENSE),
                scale=Const(_scale(c, filters).reshape(blocks, 4, 4).transpose(0, 2, 1), "scale"),
                y=c.buffers["y"], wide=Scratch(2 * quads, u32, "wide"), Q=quads, N4=blocks, **_bounds(c),
            ),
        )  # fmt: skip
    if filters % 2:
        return No("the number of filters is odd")
    numbers = dict(_filters(c, weights), Q=depth // 4)
    return tuple(
        call(
            matmul_tiles, x=moved(c.buffers["x"], first * depth), y=moved(c.buffers["y"], first * filters),
            patch=Scratch(depth // 2 * height, u32, "patch"), B=count, T=height, **numbers,
        )
        for first, count, height in _blocks(rows)
    )  # fmt: skip


def _conv2d(c: Call, weights: Array) -> Made:
    n = {name: int(v) for name, v in c.numbers.items()}
    if n["N"] % 2:
        return No("the number of filters is odd")
    depth = n["KH"] * n["KW"] * n["C"]
    quads = -(-depth // 4)
    shared = dict(
        _filters(c, weights), x=c.buffers["x"], KH=n["KH"], KW=n["KW"], OW=n["OW"], H=n["H"], W=n["W"],
        **{name: n[name] for name in ("stride_h", "stride_w", "dilation_h", "top", "left")},
    )  # fmt: skip
    out = []
    for first, count, height in _blocks(n["OH"] * n["OW"]):
        place: dict[str, Any] = dict(
            y=moved(c.buffers["y"], first * n["N"]),
            patch=Scratch(2 * quads * height, u32, "patch"),
            B=count,
            T=height,
            start=first,
        )
        if n["C"] % 4 == 0:
            pair = (n["zx"] & 0xFFFF) * 0x10001
            out.append(call(conv2d_tiles, **shared, **place, C4=n["C"] // 4, zx=_signed(pair)))
        elif n["KW"] * n["C"] % 4 == 0:
            line = Scratch(depth, i8, "line")
            out.append(
                call(conv2d_word_tiles, **shared, **place, line=line, C=n["C"], R4=n["KW"] * n["C"] // 4, zx=n["zx"])
            )
        else:
            line = Scratch(4 * quads, i8, "line")
            out.append(call(conv2d_byte_tiles, **shared, **place, line=line, C=n["C"], Q=quads, zx=n["zx"]))
    return tuple(out)


def _depthwise(c: Call, weights: Array) -> Made:
    n = {name: int(v) for name, v in c.numbers.items()}
    if n["C"] == 1 and n["dilation_w"] == 1:  # every filter sees the one channel: a convolution
        return _conv2d(
            replace(c, numbers={"top": 0, "left": 0, "zx": 0, **c.numbers, "N": n["R"]}), weights.reshape(-1, n["R"]).T
        )
    if n["R"] != 1 or n["C"] % 4:
        return No("filters aren't one a channel, in fours of channels")
    if n["KH"] * n["KW"] > 25 or n["dilation_h"] != 1 or n["dilation_w"] != 1:
        return No("the window is spread, or larger than 25")
    n = {"top": 0, "left": 0, "zx": 0, "PW": (n["OW"] - 1) * n["stride_w"] + n["KW"], **n}
    n.setdefault("inside", min(n["PW"], n["W"]))
    if n["KH"] == 3 and n["stride_h"] == n["stride_w"] == 1 and n["OH"] > 1:
        whole = _planes(c, n, weights, 0, n["OH"] // 2)
        # an odd last row is computed together with the one before it, again
        return (whole, _planes(c, n, weights, n["OH"] - 2, 1)) if n["OH"] % 2 else (whole,)
    return (_row_tiles(c, n, weights),)


def _planes(c: Call, n: dict[str, int], weights: Array, first: int, pairs: int) -> Call:
    """2 * pairs output rows from ``first`` on, two at a time."""
    taps = weights.reshape(3, n["KW"], n["C"]).astype(np.int16).transpose(2, 1, 0)  # [C, KW, 3]
    both = np.ascontiguousarray(np.stack([taps[..., :2], taps[..., 1:]], axis=2))  # (w0, w1), (w1, w2)
    return call(
        depthwise_planes, x=c.buffers["x"], y=moved(c.buffers["y"], first * n["OW"] * n["C"]),
        w=Const(both.view(np.uint32)[..., 0], "weight", PLANES),
        scale=Const(_scale(c, n["C"]), "scale"), rows=Scratch(n["C"] * n["PW"] * 2, u32, "rows"), H=n["H"], W=n["W"],
        C4=n["C"] // 4, KW=n["KW"], O=pairs, OW=n["OW"], PW=n["PW"], inside=n["inside"], top=n["top"] - first, left=n["left"],
        zx=_signed((n["zx"] & 0xFF) * 0x01010101), **_bounds(c),
    )  # fmt: skip


def _row_tiles(c: Call, n: dict[str, int], weights: Array) -> Call:
    """One output row at a time, for any stride."""
    height, across, words = n["KH"], n["KW"], n["C"] // 4
    taps = weights.reshape(height, across, words, 4).astype(np.int16)
    packed = np.zeros((2, words, across, height, 2), np.int16)
    for odd in (0, 1):
        for k, channel in enumerate((odd, odd + 2)):  # the two channels of a word that one spread takes out
            column = taps[:, :, :, channel].transpose(2, 1, 0)  # [words, across, height]
            for p in range(height // 2):
                packed[odd, :, :, 2 * p + k] = column[:, :, 2 * p : 2 * p + 2]
            if height % 2:
                packed[odd, :, :, height - 1, k] = column[:, :, height - 1]
    scale = _scale(c, n["C"]).reshape(words, 4, 4)
    both = np.stack([np.concatenate(_pair(scale[:, odd], scale[:, odd + 2]), axis=1) for odd in (0, 1)])
    return call(
        depthwise_tiles, x=c.buffers["x"], y=c.buffers["y"], w=Const(packed.view(np.uint32)[..., 0], "weight", DEPTHWISE),
        scale=Const(both, "scale"),
        rows=Scratch(height * n["PW"] * words, u32, "rows"), H=n["H"], W=n["W"], C4=words, KH=height, KW=across,
        OH=n["OH"], OW=n["OW"], PW=n["PW"], inside=n["inside"], stride_h=n["stride_h"], stride_w=n["stride_w"],
        top=n["top"], left=n["left"], zx=_signed((n["zx"] & 0xFF) * 0x01010101), **_bounds(c),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ constants

DENSE = "a word has four int8 elements of one filter, the first in its lowest byte; four filters take turns"
PLANES = "a word has two int16 rows of a filter's column, the upper one in its lower half: rows 0 and 1, then rows 1 and 2"
DEPTHWISE = (
    "a word has two int16 rows of one channel, the upper one in its lower half; channels 4i and 4i + 2 take turns in the first "
    "half of the array, 4i + 1 and 4i + 3 in the second; an odd last row's word has both channels"
)
FILTERS = "of filters a, b and elements 0 to 3 two words have, from the lowest byte on, a0 b0 a2 b2 and a1 b1 a3 b3"
"""How weights lie, as the C tells it."""





def _filters(c: Call, weights: Array) -> dict[str, Any]:
    """w and scale of ``tile``, two filters at a time."""
    filters = int(c.numbers["N"])
    flat = weights.reshape(filters, -1)
    depth = -(-flat.shape[1] // 4) * 4
    whole = np.zeros((filters, depth), np.int8)
    whole[:, : flat.shape[1]] = flat
    steps = whole.reshape(filters // 2, 2, depth // 4, 4)[:, :, :, [0, 2, 1, 3]].reshape(filters // 2, 2, depth // 2, 2)
    scale = _scale(c, filters).reshape(filters // 2, 2, 4)
    both = np.concatenate(_pair(scale[:, 0], scale[:, 1]), axis=1)
    return dict(
        w=Const(_words(steps.transpose(0, 2, 3, 1)), "weight", FILTERS),
        scale=Const(both, "scale"),
        N2=filters // 2,
        **_bounds(c),
    )


def _pair(a: Array, b: Array) -> tuple[Array, ...]:
    """Two filters' (bias, multiplier, rounding, right) [.., 4] in the order in which a tile reads them."""
    return a[:, :1], b[:, :1], a[:, 1:2], a[:, 2:3], a[:, 3:4], b[:, 3:4], b[:, 1:2], b[:, 2:3]


def _scale(c: Call, filters: int) -> Array:
    """[filters, 4]: bias, multiplier, rounding (half a unit and the zero point, before the shift), shift to the right."""
    right = np.broadcast_to(values(c, "right").astype(np.int64), (filters,))
    multiplier = np.broadcast_to(values(c, "multiplier").astype(np.int64), (filters,))
    rounding = (1 << (right - 1)) + (int(c.numbers["zy"]) << right)
    return np.stack([values(c, "bias").astype(np.int64), multiplier, rounding, right], axis=1).astype(np.int32)


def _words(data: Array) -> Array:
    """The last axis, of four bytes (or what makes four), as one word."""
    flat = np.ascontiguousarray(data, np.int8)
    return flat.reshape(*flat.shape[:2], -1, 4).view(np.uint32)[..., 0]


def _bounds(c: Call) -> dict[str, Any]:
    return {"lo": int(c.numbers["lo"]), "hi": int(c.numbers["hi"])}


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def _blocks(rows: int) -> list[tuple[int, int, int]]:
    """(first row, blocks, rows a block): whole tiles, then what is left, row by row."""
    whole = rows // ROWS
    blocks = [(0, whole, ROWS), (whole * ROWS, rows - whole * ROWS, 1)]
    return [b for b in blocks if b[1]]


# ------------------------------------------------------------------------------------------------ schedules


def _tile(d: Draft) -> None:
    """Rows of a tile side by side, by two filters, in assembly."""
    d.tile("t", 4)
    steps = set(d.trips("s"))
    most = 16 if d.optimize == "speed" else 8
    whole = [f for f in range(4, most + 1) if all(t is not None and t % f == 0 for t in steps)]
    d.unroll("s", max(whole, default=4))
    d.assemble("n", DSP)


def matmul_tile(d: Draft) -> None:
    """A tile, and the rows that it gathers."""
    _tile(d)
    d.unroll("q", 4)
    d.assemble("t0", DSP)


def gathered_tile(d: Draft) -> None:
    """A tile, and the rows of its windows."""
    _tile(d)
    d.unroll("i", 4)
    d.assemble("v", DSP)


def byte_tile(d: Draft) -> None:
    """A tile, and its windows byte by byte."""
    _tile(d)
    for loop in ("g", "h", "q"):
        count = d.trips(loop)[0]
        if count is not None and 1 < count <= 16:
            d.unroll(loop, count)
    d.assemble("v", DSP)


def dense_tile(d: Draft) -> None:
    """Four filters side by side, in assembly."""
    d.tile("f", 4)
    d.unroll("q", 4)
    d.assemble("n", DSP)
    d.unroll("i", 4)
    d.assemble("i", DSP)


def depthwise_tile(d: Draft) -> None:
    """Windows unrolled whole, two pixels side by side, in assembly."""
    d.tile("ow", 2)
    for loop in ("p#1", "p#2", "kw"):  # pairs of rows, the row that an odd number leaves, columns
        count = d.trips(loop)[0]
        if count is not None and count > 1:
            d.unroll(loop, count)
    d.assemble("c", DSP)
    d.unroll("m", 8 if d.optimize == "speed" else 4)
    d.assemble("k", DSP)


def depthwise_plane(d: Draft) -> None:
    """Two pixels of two rows side by side, in assembly."""
    d.tile("ow", 2)
    count = d.trips("kw")[0]
    if count is not None and count > 1:
        d.unroll("kw", count)
    d.unroll("i", 8 if d.optimize == "speed" else 4)
    if d.optimize == "speed":
        d.unroll("m#*", 2)
    for loop in ("c", "i", "m#*"):
        d.assemble(loop, DSP)


FIXED = ("T", "lo", "hi")

TILES = Form(
    "tiles", _tiles, of=(matmul, conv2d_patches, depthwise, depthwise_rows),
    schedules=(
        (matmul_tiles, Schedule(matmul_tile, FIXED)),
        (conv2d_tiles, Schedule(gathered_tile, FIXED)),
        (conv2d_word_tiles, Schedule(gathered_tile, FIXED)),
        (conv2d_byte_tiles, Schedule(byte_tile, FIXED)),
        (dense_tiles, Schedule(dense_tile, ("lo", "hi"))),
        (depthwise_tiles, Schedule(depthwise_tile, ("KH", "KW", "stride_w", "lo", "hi"))),
        (depthwise_planes, Schedule(depthwise_plane, ("KW", "lo", "hi"))),
    ),
)  # fmt: skip
