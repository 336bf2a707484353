"""Recipes for machines that add up four products of int8 a lane (NEON, SVE), or one (RVV): filters, or channels, as lanes.

A recipe asks a machine how it multiplies (``dot``), never its name. Nothing depends on the length of a vector.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, Scratch
from skosh.ir.graph import Operands
from skosh.language import call
from skosh.lower.vectors.dot_kernels import conv2d_lanes, conv2d_quad_lanes, matmul_lanes, matmul_quad_lanes
from skosh.lower.vectors.recipes import interleaved, weights_of
from skosh.schedule import loops
from skosh.schedule.lanes import vectorize
from skosh.targets import Target
from skosh.targets.simd import VectorMachine, vector_machine

SIDE_BY_SIDE = {
    "depthwise": "c", "depthwise_rows": "c", "average_pool2d_i8": "c", "max_pool2d_i8": "c", "add_i8": "i",
}  # fmt: skip
"""Kernels that do as they are, with lanes along this loop."""


def lanes(c: Call, inputs: Operands, target: Target) -> Call | None:
    """The call with filters or channels as lanes; None for other machines and kernels."""
    if not target.simd or target.has_helium or vector_machine(target.simd).dot not in (1, 4):
        return None
    machine = vector_machine(target.simd)
    match c.kernel.name:
        case "matmul":
            return _matmul(c, inputs, machine)
        case "conv2d_patches":
            return _conv2d(c, inputs, machine, {name: int(value) for name, value in c.numbers.items()})
        case "depthwise" | "depthwise_rows" if c.numbers["R"] != 1:
            return None
        case name if name in SIDE_BY_SIDE:
            return _marked(c, SIDE_BY_SIDE[name], machine, 1)
    return None


def _matmul(c: Call, inputs: Operands, machine: VectorMachine) -> Call:
    rows, depth, filters = (int(c.numbers[n]) for n in ("M", "K", "N"))
    weights = weights_of(c, inputs, (filters, depth))
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
    weights = weights_of(c, inputs, (filters, height, run))
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
