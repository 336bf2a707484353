"""Recipes for machines that add up four products of int8 a lane (NEON, SVE), or one (RVV): filters, or channels, as lanes.

A recipe asks a machine how it multiplies (``dot``), never its name. Nothing depends on the length of a vector.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Operands
from skosh.language import call, typed
from skosh.lower.form import Asked, Form, Made
from skosh.machines.vectors import dot_schedules
from skosh.machines.vectors.dot_kernels import conv2d_lanes, conv2d_quad_lanes, matmul_lanes, matmul_quad_lanes
from skosh.machines.vectors.forms import interleaved, shaped_weights
from skosh.ops.layers.depthwise import depthwise, depthwise_rows
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.ops.layers.pooling_kernels import average_pool2d, max_pool2d
from skosh.schedule import loops
from skosh.schedule.answers import No
from skosh.schedule.lanes import vectorize
from skosh.targets.simd import VectorMachine, vector_machine


def _lanes(asked: Asked) -> Made:
    """The call with filters or channels as lanes."""
    c, machine = asked.call, vector_machine(asked.machine.simd)
    if machine.dot not in (1, 4):
        return No("the machine adds up pairs of products")
    if asked.is_a(matmul):
        return (_matmul(c, asked.inputs, machine),)
    if asked.is_a(conv2d_patches):
        return (_conv2d(c, asked.inputs, machine, {name: int(value) for name, value in c.numbers.items()}),)
    if asked.is_a(depthwise, depthwise_rows) and c.numbers["R"] != 1:
        return No("a channel has several filters")
    return (_marked(c, "c", machine, 1),)


def _matmul(c: Call, inputs: Operands, machine: VectorMachine) -> Call:
    rows, depth, filters = (int(c.numbers[n]) for n in ("M", "K", "N"))
    weights = shaped_weights(c, inputs, (filters, depth))
    given: dict[str, Any] = {**c.numbers, **c.buffers, **c.functions}
    if machine.dot == 1:
        given["w"] = Const(np.ascontiguousarray(weights.T), "weight")
        return _marked(call(matmul_lanes, **given), "n", machine, 2)
    if depth % 4 == 0:
        quads = interleaved(weights, 4, i8)
        del given["K"]
        given |= {"w": Const(quads, "weight"), "Q": len(quads)}
        return _marked(call(matmul_quad_lanes, **given), "n", machine, 2)
    window = {  # each row is an image of one pixel
        "H": rows, "W": 1, "C": depth, "OH": rows, "OW": 1, "KH": 1, "KW": 1, "N": filters, "stride_h": 1, "stride_w": 1,
        "dilation_h": 1, "top": 0, "left": 0, "zx": 0,
    }  # fmt: skip
    return _conv2d(c, inputs, machine, {n: int(v) for n, v in c.numbers.items() if n not in ("M", "K")} | window)


def _conv2d(c: Call, inputs: Operands, machine: VectorMachine, n: dict[str, int]) -> Call:
    filters, height, run = n["N"], n["KH"], n["KW"] * n["C"]
    weights = shaped_weights(c, inputs, (filters, height, run))
    reach = (n["OW"] - 1) * n["stride_w"] + n["KW"]
    left = min(n["left"], reach)
    given: dict[str, Any] = {
        **{name: value for name, value in n.items() if name not in ("KW", "T")}, **c.buffers, **c.functions,
        "PW": reach, "left": left, "inside": min(n["W"], reach - left),
        "kept": max(height - n["stride_h"], 0) if n["dilation_h"] == 1 else 0,
    }  # fmt: skip
    given.pop("patch", None)
    if machine.dot == 1:
        given |= {"w": Const(np.ascontiguousarray(weights.transpose(1, 2, 0)), "weight"), "K": run}
        given["rows"] = Scratch(height * reach * n["C"], i8, "rows")
        return _marked(call(conv2d_lanes, **given), "n", machine, 2)
    by_row = interleaved(weights.reshape(filters * height, run), 4, i8)  # [Q, N * KH, 4]
    laid = np.ascontiguousarray(by_row.reshape(-1, filters, height, 4).transpose(2, 0, 1, 3))
    given |= {"w": Const(laid, "weight"), "Q": laid.shape[1]}
    given["rows"] = Scratch(height * (reach * n["C"] + 3), i8, "rows")
    return _marked(call(conv2d_quad_lanes, **given), "n", machine, 2)


def _marked(c: Call, loop: str, machine: VectorMachine, vectors: int) -> Call:
    """Lanes along ``loop``, and along the copies of rows."""
    made = vectorize(c.kernel, loop, machine.name, vectors)
    if loop != "i" and loops(made, "i"):
        made = vectorize(made, "i#*", machine.name)
    return replace(c, kernel=made)


LANES = Form(
    "lanes", _lanes,
    of=(matmul, conv2d_patches, depthwise, depthwise_rows, typed(average_pool2d, T=i8), typed(max_pool2d, T=i8)),
    schedules=(
        (matmul_quad_lanes, Schedule(dot_schedules.products, ("M", "N", "P", "Q"))),
        (matmul_lanes, Schedule(dot_schedules.plain_products, ("M", "N", "P"))),
        (conv2d_quad_lanes, Schedule(dot_schedules.products, ("N", "OW", "P", "Q", "stride_w"))),
        (conv2d_lanes, Schedule(dot_schedules.plain_products, ("N", "OW", "P", "stride_w"))),
    ),
)  # fmt: skip
