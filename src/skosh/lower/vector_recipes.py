"""Recipes for targets with a vector machine: kernels whose lanes lie side by side, and marks on the loops of others.

A recipe asks a machine how it multiplies (``dot``), never its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, i8, i16
from skosh.ir.graph import Array, Operands
from skosh.ir.program import Call, Const, In, Scratch
from skosh.kernels import call
from skosh.kernels.lanes import vectorize
from skosh.lower.vector_kernels import conv2d_pair_lanes, depthwise_pair_lanes, matmul_pair_lanes, row_pair_lanes
from skosh.targets import Target
from skosh.targets.simd import VectorMachine, vector_machine

FEW_ROWS = 2
"""With so many rows or fewer, a product of rows and filters reads its weights so seldom that their size counts."""

STAGED = 16384
"""Bytes of widened input that should stay in the first cache."""


def products(c: Call, inputs: Operands, target: Target) -> Call | None:
    """Dense layers and convolutions on machines that multiply pairs of i16."""
    if not target.simd or vector_machine(target.simd).dot != 2:
        return None
    machine = vector_machine(target.simd)
    match c.kernel.name:
        case "matmul":
            return _matmul(c, inputs, machine)
        case "conv2d_patches":
            return _conv2d(c, inputs, machine)
        case "depthwise" | "depthwise_rows" if c.numbers["R"] == 1:
            return _depthwise(c, inputs, machine)
    return None


def loops(c: Call, inputs: Operands, target: Target) -> Call | None:
    """Other kernels as they are, with lanes for the loop that LOOPS names."""
    if not target.simd or c.kernel.name not in LOOPS:
        return None
    name, vectors = LOOPS[c.kernel.name]
    return replace(c, kernel=vectorize(c.kernel, name, target.simd, vectors))


LOOPS: Mapping[str, tuple[str, int]] = {}


def weights_of(c: Call, inputs: Operands, shape: tuple[int, ...]) -> Array:
    """The constant that a call's w is, in this shape."""
    given = c.buffers["w"]
    if isinstance(given, Const):
        return np.asarray(given.data).reshape(shape)
    assert isinstance(given, In) and given.offset == 0, "filters are an input of the node"
    tensor = inputs[given.index]
    assert tensor is not None and tensor.data is not None, "filters are constant"
    return np.asarray(tensor.data).reshape(shape)


def interleaved(weights: Array, group: int, dtype: DType) -> Array:
    """[N, K] filters as [K / group, N, group], zeros to fill up: lane n reads ``group`` elements of filter n."""
    filters, depth = weights.shape
    whole = np.zeros((filters, -(-depth // group) * group), dtype.np)
    whole[:, :depth] = weights
    return np.ascontiguousarray(whole.reshape(filters, -1, group).transpose(1, 0, 2))


def _matmul(c: Call, inputs: Operands, machine: VectorMachine) -> Call:
    rows, depth, filters = (int(c.numbers[n]) for n in ("M", "K", "N"))
    weights = weights_of(c, inputs, (filters, depth))
    given: dict[str, Any] = {**c.numbers, **c.buffers, **c.functions}
    if rows <= FEW_ROWS:
        quads = interleaved(weights, 4, i8)
        given |= {"w": Const(quads, "weight"), "Q": len(quads), "wide": Scratch(rows * 4 * len(quads), i16, "wide")}
        return _marked(call(row_pair_lanes, **given), "n", machine, 4 if rows == 1 else 2)
    pairs = interleaved(weights, 2, i16)
    staged = rows_at_a_time(rows, 4 * len(pairs))
    given |= {"w": Const(pairs, "weight"), "K2": len(pairs), "T": staged}
    given |= {"wide": Scratch(staged * 2 * len(pairs), i16, "wide")}
    return _marked(call(matmul_pair_lanes, **given), "n", machine, 2)


def rows_at_a_time(rows: int, row_bytes: int) -> int:
    """The largest divisor of ``rows`` that keeps within STAGED; all rows where only small ones would."""
    fitting = [t for t in range(1, rows + 1) if rows % t == 0 and t * row_bytes <= STAGED]
    best = max(fitting, default=1)
    return best if best >= min(rows, 8) else rows


def _conv2d(c: Call, inputs: Operands, machine: VectorMachine) -> Call:
    n = {name: int(value) for name, value in c.numbers.items()}
    weights = weights_of(c, inputs, (n["N"] * n["KH"], n["KW"] * n["C"]))
    pairs = interleaved(weights, 2, i16)  # [S, N * KH, 2]
    laid = np.ascontiguousarray(pairs.reshape(-1, n["N"], n["KH"], 2).transpose(2, 0, 1, 3))
    reach = (n["OW"] - 1) * n["stride_w"] + n["KW"]
    left = min(n["left"], reach)
    given: dict[str, Any] = {
        **{name: value for name, value in n.items() if name not in ("KW", "T")}, **c.buffers, **c.functions,
        "w": Const(laid, "weight"), "S": laid.shape[1], "PW": reach, "left": left,
        "inside": min(n["W"], reach - left), "rows": Scratch(n["KH"] * (reach * n["C"] + 1), i16, "rows"),
    }  # fmt: skip
    del given["patch"]
    return _marked(call(conv2d_pair_lanes, **given), "n", machine, 2)


def _depthwise(c: Call, inputs: Operands, machine: VectorMachine) -> Call | None:
    n = {name: int(value) for name, value in c.numbers.items()}
    height, width, channels = n["KH"], n["KW"], n["C"]
    weights = weights_of(c, inputs, (height, width, channels))
    whole = np.zeros((-(-height // 2) * 2, width, channels), np.int16)
    whole[:height] = weights
    laid = np.ascontiguousarray(whole.reshape(-1, 2, width, channels).transpose(0, 2, 3, 1))
    reach = (n["OW"] - 1) * n["stride_w"] + (width - 1) * n["dilation_w"] + 1
    left = min(n.get("left", 0), reach)
    given: dict[str, Any] = {
        "top": 0, "zx": 0, **{name: value for name, value in n.items() if name not in ("R", "KH")},
        **c.buffers, **c.functions, "w": Const(laid, "weight"), "K2": len(laid), "PW": reach, "left": left,
        "inside": min(n["W"], reach - left), "rows": Scratch(len(laid) * reach * channels * 2, i16, "rows"),
    }  # fmt: skip
    made = _marked(call(depthwise_pair_lanes, **given), "c", machine, 1)
    return replace(made, kernel=vectorize(made.kernel, "i", machine.name))


def _marked(c: Call, loop: str, machine: VectorMachine, vectors: int) -> Call:
    return replace(c, kernel=vectorize(c.kernel, loop, machine.name, vectors))
