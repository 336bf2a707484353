"""Machines without instructions on pairs: int8 layers with two filters' products in each multiplication.

Filters are sorted by how many products in a row their weights allow (``fitting``), so that four of a kind share the groups
of a call; a layer may become several calls, each for some of its filters. Twice the flash for weights: not for "flash".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array
from skosh.language import call, requantize_bounded
from skosh.lower.form import Asked, Form, Made, moved, values, weights_of
from skosh.machines.words.staircase import SIGNED, SPLIT, WIDE, Requantization, Staircase, cheapest
from skosh.machines.words.twin_kernels import conv2d_twins, matmul_twins, signed_rescaled, split_rescaled, wide_rescaled
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.schedule import unwrap
from skosh.schedule.answers import No
from skosh.schedule.draft import Draft

ROOM = 255  # of sums of |w|: 128 * 255 < 2^15
LONGEST = 16  # products in a group: what is unrolled whole
RESCALED = {SPLIT: split_rescaled, SIGNED: signed_rescaled, WIDE: wide_rescaled}
STEP, SPLITTING, GATHERING = 6, 10, 3  # instructions: four products, taking two words apart, widening an element


def _twins(asked: Asked) -> Made:
    """The call with two products a multiplication."""
    c, inputs, target = asked.call, asked.inputs, asked.machine
    if asked.optimize == "flash":
        return No("weights would take twice the flash")
    n = {name: int(v) for name, v in c.numbers.items()}
    filters = n["N"]
    weights = np.asarray(weights_of(c, inputs)).reshape(filters, -1).astype(np.int64)
    form = cheapest(staircase_of(c, weights))
    if form is None:
        return No("no requantization in 32 bits is exact for these filters")
    if filters < 4:
        return No("it takes four filters")
    if asked.is_a(matmul):
        rows, pixels = n["M"], {"K": n["K"]}
    else:
        rows = n["OH"] * n["OW"]
        names = ("KH", "KW", "OW", "H", "W", "C", "stride_h", "stride_w", "dilation_h", "top", "left", "zx")
        pixels = {name: n[name] for name in names}
    out = []
    for members, length in _classes(weights):
        shared = dict(_constants(c, weights, members, length, form), **pixels, N=filters)
        depth = shared["B"] * length
        for first, count, height in _blocks(rows, target.twin_rows):
            place: dict[str, Any] = dict(
                y=moved(c.buffers["y"], first * filters), patch=Scratch(depth * height, i32, "patch"), M=count, T=height
            )
            if asked.is_a(matmul):
                out.append(call(matmul_twins, x=moved(c.buffers["x"], first * n["K"]), **shared, **place))
            else:
                out.append(call(conv2d_twins, x=c.buffers["x"], start=first, **shared, **place))
    return tuple(out)


# ------------------------------------------------------------------------------------------------ groups


def fitting(weights: Array) -> Array:
    """[N, LONGEST] bool: may groups have 1, 2, .. products, for each filter? weights: [N, K].

    Groups begin at multiples of their length, so a longer one may fit where a shorter one doesn't.
    """
    sizes = np.abs(weights)
    return np.stack([_group_sums(sizes, g).max(axis=1) <= ROOM for g in range(1, LONGEST + 1)], axis=1)


def _group_sums(sizes: Array, length: int) -> Array:
    """[N, groups]: sums over aligned groups."""
    padded = np.pad(sizes, ((0, 0), (0, -sizes.shape[1] % length)))
    return np.asarray(padded.reshape(sizes.shape[0], -1, length).sum(axis=2))


def _classes(weights: Array) -> list[tuple[Array, int]]:
    """(filters, a multiple of four, some perhaps twice; products in a group) for each call, at the least cost."""
    depth = weights.shape[1]
    fits = fitting(weights)
    costs = np.array([-(-depth // g) * (STEP * g + SPLITTING) for g in range(1, LONGEST + 1)])  # of a quad
    order = np.argsort(np.where(fits, costs, costs.max()).min(axis=1), kind="stable")
    order = np.concatenate([order, np.repeat(order[-1:], -order.size % 4)])
    quads = order.reshape(-1, 4)
    together: Array = np.all(fits[quads], axis=1)
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # for the first i quads: cost, where the last class begins, its length
    for end in range(1, len(quads) + 1):
        choices = []
        allowed = np.ones(LONGEST, bool)
        for begin in range(end - 1, -1, -1):
            allowed = allowed & together[begin]
            length = 1 + int(np.argmin(np.where(allowed, costs, costs.max() + 1)))
            each = int(costs[length - 1])
            choices.append((best[begin][0] + each * (end - begin) + GATHERING * depth, begin, length))
        best.append(min(choices))
    out, end = [], len(quads)
    while end:
        _, begin, length = best[end]
        out.append((quads[begin:end].reshape(-1), length))
        end = begin
    return out[::-1]


# ------------------------------------------------------------------------------------------------ constants


def _constants(c: Call, weights: Array, members: Array, length: int, form: Requantization) -> dict[str, Any]:
    """w, scale and the numbers of ``quads``, for these filters in this order."""
    chosen = weights[members]
    groups = -(-chosen.shape[1] // length)
    padded = np.pad(chosen, ((0, 0), (0, groups * length - chosen.shape[1])))
    assert np.abs(padded).reshape(len(members), groups, length).sum(axis=2).max() <= ROOM, "halves of words overflow"
    pairs = padded.reshape(-1, 2, 2, groups, length)  # quad, word, half
    words = (pairs[:, :, 0] + (pairs[:, :, 1] << 16)).transpose(0, 2, 3, 1)
    quads = len(members) // 4
    bias = values(c, "bias").astype(np.int64)[members].reshape(quads, 4)
    each = np.concatenate([form.words[members], members[:, None]], axis=1)
    return dict(
        w=Const(np.ascontiguousarray(words.astype(np.int32)), "weight", "weight a + 65536 * weight b of two filters"),
        bias=Const(bias.astype(np.int32), "bias"),
        scale=Const(each.reshape(quads, -1).astype(np.int32), "scale"),
        N4=quads, B=groups, G=length, F=form.words.shape[1], low_bits=form.low_bits,
        rescale=RESCALED[form.kind],
        lo=int(c.numbers["lo"]), hi=int(c.numbers["hi"]),
    )  # fmt: skip


def staircase_of(c: Call, weights: Array) -> Staircase:
    """weights: [N, K]. Padding is a value that an input may have, so it is within these bounds too."""
    filters = weights.shape[0]
    bias = values(c, "bias").astype(np.int64)
    reach = np.where(weights > 0, weights * i8.max, weights * i8.min).sum(axis=1)
    depth = np.where(weights > 0, weights * i8.min, weights * i8.max).sum(axis=1)
    return Staircase(
        np.broadcast_to(values(c, "multiplier").astype(np.int64), (filters,)),
        np.broadcast_to(_right(c), (filters,)),
        int(c.numbers["zy"]), int(c.numbers["lo"]), int(c.numbers["hi"]), depth + bias, reach + bias,
    )  # fmt: skip


def _right(c: Call) -> Array:
    """Shifts to the right; ``requantize`` names those to the left."""
    right = values(c, "right").astype(np.int64)
    return right if c.functions["rescale"] == requantize_bounded else -right


def _blocks(rows: int, most: int) -> list[tuple[int, int, int]]:
    """(first row, blocks, rows a block): whole tiles, then what is left, row by row."""
    whole = rows // most
    blocks = [(0, whole, most), (whole * most, rows - whole * most, 1)]
    return [b for b in blocks if b[1]]


def twins(d: Draft) -> None:
    """Groups unrolled whole, rows of a tile side by side."""
    count = d.trips("g")[0]
    if count is not None and count > 1:
        d.unroll("g", count)
    d.tile("t", 2)
    d.unroll("k", 8)
    if all(c["T"] == 1 for c in d.cases):
        d.kernel = unwrap(d.kernel)  # one row is no loop
        d.assemble("n", "thumb-1")
        d.assemble("k", "thumb-1")


FIXED = ("T", "G", "F", "low_bits", "lo", "hi")

TWINS = Form(
    "twins", _twins, of=(matmul, conv2d_patches),
    schedules=((matmul_twins, Schedule(twins, FIXED)), (conv2d_twins, Schedule(twins, FIXED))),
)  # fmt: skip
