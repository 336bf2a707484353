"""Recipes for Helium: products of rows and filters with 16 lanes along the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array, Operands
from skosh.language import call, requantize_bounded
from skosh.lower.form import Asked, Form, Made
from skosh.machines.helium import schedules
from skosh.machines.helium.kernels import (
    conv2d_patch_sums,
    conv2d_row_sums,
    depthwise_columns,
    matmul_short_sums,
    matmul_sums,
    requantize_leftward,
)
from skosh.machines.vectors.forms import shaped_weights
from skosh.ops.layers.depthwise import depthwise, depthwise_rows
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.schedule.answers import No

LANES = 16
MANY_ROWS = 4
"""From so many short rows on, filters stay in registers while rows pass."""
MOST_FOURS = 32
"""Filters whose sums are collected at once, on the stack, by fours."""


def _sums(asked: Asked) -> Made:
    """Dense layers and convolutions with 16 products an instruction."""
    c, inputs = asked.call, asked.inputs
    if asked.is_a(matmul):
        return (_matmul(c, inputs),)
    if asked.is_a(conv2d_patches):
        return (_conv2d(c, inputs),)
    return (_depthwise(c, inputs),) if c.numbers["dilation_w"] == 1 else No("the window is spread")


def _matmul(c: Call, inputs: Operands) -> Call:
    filters, depth = int(c.numbers["N"]), int(c.numbers["K"])
    laid = by_fours(shaped_weights(c, inputs, (filters, depth)))
    given = _common(c, filters) | {"w": Const(laid, "weight")}
    if depth <= LANES and int(c.numbers["M"]) >= MANY_ROWS:
        del given["S"]
        return call(matmul_short_sums, **{**given, "even": int(filters % 4 == 0)})
    return call(matmul_sums, **given, Q=laid.shape[1], R=depth % LANES)


def _conv2d(c: Call, inputs: Operands) -> Call:
    n = {name: int(value) for name, value in c.numbers.items()}
    filters, height, run = n["N"], n["KH"], n["KW"] * n["C"]
    weights = shaped_weights(c, inputs, (filters, height, run))
    given = _common(c, filters) | staging(n, (n["OW"] - 1) * n["stride_w"] + n["KW"])
    for name in ("patch", "T"):
        del given[name]
    by_rows, whole = height * -(-run // LANES), -(-height * run // LANES)
    if by_rows <= whole + whole // 8:
        laid = by_fours(weights)
        return call(conv2d_row_sums, **given, w=Const(laid, "weight"), Q=laid.shape[2], R=run % LANES)
    laid = by_fours(weights.reshape(filters, -1))
    return call(conv2d_patch_sums, **given, w=Const(laid, "weight"), Q=laid.shape[1])


def _depthwise(c: Call, inputs: Operands) -> Call:
    n = {name: int(value) for name, value in c.numbers.items()}
    height, width, filters = n["KH"], n["KW"], n["C"] * n["R"]
    columns = shaped_weights(c, inputs, (height, width, filters)).transpose(2, 1, 0).reshape(filters, -1)
    laid = np.pad(columns, ((0, 0), (0, -columns.shape[1] % LANES)))
    given: dict[str, Any] = {**c.numbers, **c.buffers, **c.functions, **leftward(c)}
    given |= staging(n, (n["OW"] - 1) * n["stride_w"] + width)
    for name in ("right", "KW", "dilation_w", "kept", "rows"):
        del given[name]
    size = n["C"] * given["PW"] * height + laid.shape[1]
    scratch = {"columns": Scratch(size, i8, "columns"), "sums": Scratch(n["OW"], i32, "sums")}
    return call(depthwise_columns, **{**given, **scratch, "w": Const(laid, "weight"), "KP": laid.shape[1]})


def staging(n: dict[str, int], reach: int) -> dict[str, Any]:
    """The bindings of staged rows that windows reach ``reach`` pixels of; ``kept`` of them stay when the window moves down."""
    left = min(n.get("left", 0), reach)
    return {
        "PW": reach, "left": left, "inside": min(n["W"], reach - left), "top": n.get("top", 0), "zx": n.get("zx", 0),
        "kept": max(n["KH"] - n["stride_h"], 0) if n["dilation_h"] == 1 else 0,
        "rows": Scratch(n["KH"] * reach * n["C"], i8, "rows"),
    }  # fmt: skip


def _common(c: Call, filters: int) -> dict[str, Any]:
    """The bindings that these kernels share, the weights left out."""
    given: dict[str, Any] = {**c.numbers, **c.buffers, **c.functions, **leftward(c)}
    del given["w"], given["right"]
    fours = -(-filters // 4)
    size = fours if fours <= MOST_FOURS else next(s for s in range(MOST_FOURS, 0, -1) if fours % s == 0 or s == 16)
    bias = c.buffers["bias"]
    assert isinstance(bias, Const), "a bias is constant"
    full = replace(bias, data=np.pad(bias.data[:filters], (0, 4 * fours - filters)))
    return given | {"G": fours, "S": size, "even": int(fours % size == 0 and filters == 4 * fours), "bias": full}


def leftward(c: Call) -> dict[str, Any]:
    """Requantization as vector shifts want it, to the left by a negative number."""
    right = c.buffers["right"]
    assert isinstance(right, Const), "requantization is made of constants"
    if c.functions["rescale"] != requantize_bounded:
        return {"shift": right}
    return {"shift": replace(right, data=-right.data), "rescale": requantize_leftward}


def by_fours(weights: Array) -> Array:
    """[N, ..., K] filters as [N / 4, ..., K / 16, 4, 16], zeros where there are no filters or elements."""
    filters, *middle, depth = weights.shape
    fill = [(0, -filters % 4), *((0, 0) for _ in middle), (0, -depth % LANES)]
    whole = np.pad(weights, fill)
    parts = whole.reshape(whole.shape[0] // 4, 4, *middle, -1, LANES)
    return np.ascontiguousarray(np.moveaxis(parts, 1, -2))


SUMS = Form(
    "sums", _sums, of=(matmul, conv2d_patches, depthwise, depthwise_rows),
    schedules=(
        (matmul_sums, Schedule(schedules.sums, ("R", "P", "even"))),
        (matmul_short_sums, Schedule(schedules.sums, ("K", "P", "even"))),
        (conv2d_row_sums, Schedule(schedules.sums, ("R", "P", "even", "KH"))),
        (conv2d_patch_sums, Schedule(schedules.sums, ("P", "even", "KH", "KW", "C"))),
        (depthwise_columns, Schedule(schedules.columns, ("KP", "P", "R", "KH", "stride_w"))),
    ),
)  # fmt: skip
"""Fixed numbers: with a known rest of a row, only the last vector is masked."""
