"""Recipes for targets with a vector machine: kernels whose lanes lie side by side, and marks on the loops of others.

A recipe asks a machine how it multiplies (``dot``), never its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, i8, i16, i32
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array, Operands
from skosh.ir.kernel import Assign, For, Function, If, Kernel, Let, Store, walk
from skosh.language import call, requantize_bounded, typed
from skosh.language.arithmetic import requantize_bounded_plus, requantize_doubled, requantize_plus
from skosh.lower.form import Asked, Form, Made, weights_of
from skosh.machines.vectors import schedules
from skosh.machines.vectors.float_kernels import conv2d_f32_lanes, dense_f32_lanes, depthwise_f32_lanes
from skosh.machines.vectors.pair_kernels import (
    conv2d_pair_lanes,
    depthwise_pair_lanes,
    matmul_pair_lanes,
    row_pair_lanes,
)
from skosh.machines.vectors.window_kernels import conv2d_spread_lanes, transpose_conv_lanes
from skosh.ops.layers.depthwise import depthwise, depthwise_rows
from skosh.ops.layers.float_kernels import batch_matmul_f32, conv2d_f32, dense_f32, depthwise_f32
from skosh.ops.layers.gemm import conv2d_direct, conv2d_patches, matmul
from skosh.ops.layers.pooling_kernels import (
    average_pool2d,
    average_pool2d_f32,
    l2_pool2d_f32,
    max_pool2d,
    max_pool2d_f32,
)
from skosh.ops.layers.windows_kernels import batch_matmul, transpose_conv
from skosh.schedule.answers import No
from skosh.schedule.lanes import vectorize
from skosh.targets import Target
from skosh.targets.simd import VectorMachine, vector_machine

FEW_ROWS = 2
"""With so many rows or fewer, a product of rows and filters reads its weights so seldom that their size counts."""

FEW_FILTERS = 4
"""With fewer filters a channel, lanes would stay empty."""

LARGEST_SHIFT = 22
"""Above, the constants of ``requantize_doubled`` might not fit 32 bits."""

STAGED = 16384
"""Bytes of widened input that should stay in the first cache."""


def _products(asked: Asked) -> Made:
    """Dense layers and convolutions on machines that multiply pairs of i16."""
    c, inputs, machine = asked.call, asked.inputs, vector_machine(asked.machine.simd)
    if machine.dot != 2:
        return No("the machine doesn't multiply pairs of int16")
    if asked.is_a(matmul):
        return (_matmul(c, inputs, machine),)
    if asked.is_a(conv2d_patches):
        return (_conv2d(c, inputs, machine),)
    return (_depthwise(c, inputs, machine),) if c.numbers["R"] == 1 else No("a channel has several filters")


def _floats(asked: Asked) -> Made:
    """Layers of floats, with filters or channels as lanes."""
    c, inputs, machine = asked.call, asked.inputs, asked.machine
    given: dict[str, Any] = {**c.numbers, **c.buffers}
    if asked.is_a(dense_f32):
        laid = shaped_weights(c, inputs, (given["N"], given["K"])).T
        return (_float(dense_f32_lanes, "n", laid, given, machine),)
    if asked.is_a(depthwise_f32):
        if given.pop("D") != 1:
            return No("a channel has several filters")
        laid = shaped_weights(c, inputs, (given["KH"], given["KW"], given["C"]))
        return (_float(depthwise_f32_lanes, "c", laid, given, machine),)
    if given.pop("G") != given["N"] or given.pop("D") != given["C"]:
        return No("filters are in groups")
    laid = shaped_weights(c, inputs, (given["N"], given["KH"], given["KW"], given["C"])).transpose(1, 2, 3, 0)
    return (_float(conv2d_f32_lanes, "n", laid, given, machine),)


def _float(kernel: Any, loop: str, weights: Array, given: dict[str, Any], target: Target) -> Call:
    laid = Const(np.ascontiguousarray(weights), "weight")
    return _marked(call(kernel, **{**given, "w": laid}), loop, vector_machine(target.simd), 2)


def _windows(asked: Asked) -> Made:
    """int8 convolutions that gather nothing: transposed, and with a window spread out; filters are lanes."""
    c = asked.call
    given: dict[str, Any] = {**c.numbers, **c.buffers, **c.functions}
    direct = asked.is_a(conv2d_direct)
    if direct and (given.pop("G") != given["N"] or given.pop("D") != given["C"]):
        return No("filters are in groups")
    shape = (given["N"], given["KH"], given["KW"], given["C"])
    laid = shaped_weights(c, asked.inputs, shape).transpose(1, 2, 3, 0)
    given["w"] = Const(np.ascontiguousarray(laid), "weight")
    kernel = conv2d_spread_lanes if direct else transpose_conv_lanes
    return (_marked(call(kernel, **given), "n", vector_machine(asked.machine.simd), 2),)


def _matrices(asked: Asked) -> Made:
    """Products of two inputs, where elements of a row of the second one lie side by side."""
    if asked.call.numbers["bn"] != 1:
        return No("elements of a row don't lie side by side")
    return (_marked(asked.call, "n", vector_machine(asked.machine.simd), 2),)


def _filters_of_a_channel(asked: Asked) -> Made:
    """Depthwise layers with several filters a channel: these are lanes."""
    c = asked.call
    if c.numbers["R"] < FEW_FILTERS:
        return No(f"a channel has fewer than {FEW_FILTERS} filters")
    made = vectorize(c.kernel, "r", asked.machine.simd)
    return (replace(c, kernel=replace(made, name=f"{made.name}_filters")),)


def _loops(asked: Asked) -> Made:
    """Other kernels as they are, with lanes for channels (pooling) or elements."""
    c = asked.call
    pooling = asked.is_a(*POOLING)
    name = "c" if pooling else elements(c.kernel)
    if not name:
        return No("it has no loop whose rounds are elements side by side")
    return (replace(c, kernel=vectorize(c.kernel, name, asked.machine.simd, 1 if pooling else 2)),)


POOLING = (average_pool2d, average_pool2d_f32, max_pool2d, max_pool2d_f32, l2_pool2d_f32)


def elements(kernel: Kernel) -> str:
    """The innermost loop of a kernel that only goes over elements, all of them independent; "" of another kernel."""
    found, body = "", kernel.body
    while body and isinstance(body[-1], For) and all(isinstance(s, Let) for s in body[:-1]):
        if not body[-1].par or body[-1].vector:
            return ""
        found, body = body[-1].var, body[-1].body
    plain = all(isinstance(s, Let | Assign | If | Store) for s in walk(body))
    return found if plain else ""


def shaped_weights(c: Call, inputs: Operands, shape: tuple[int, ...]) -> Array:
    """The constant that a call's w is, in this shape."""
    return np.asarray(weights_of(c, inputs)).reshape(shape)


def interleaved(weights: Array, group: int, dtype: DType) -> Array:
    """[N, K] filters as [K / group, N, group], zeros to fill up: lane n reads ``group`` elements of filter n."""
    filters, depth = weights.shape
    whole = np.zeros((filters, -(-depth // group) * group), dtype.np)
    whole[:, :depth] = weights
    return np.ascontiguousarray(whole.reshape(filters, -1, group).transpose(1, 0, 2))


@dataclass(frozen=True)
class Rescaling:
    """How a vector kernel rescales its sums. ``factor``: what the sums are multiplied by, in advance."""

    function: Function
    factor: int
    bias: Const
    offset: Const

    @property
    def given(self) -> dict[str, Any]:
        return {"rescale": self.function, "bias": self.bias, "offset": self.offset}


def rescaling(c: Call) -> Rescaling:
    """A call's requantization with the zero point in it: the shortest form that is exact.

    That of doubled sums needs |sum| < 2^30, as ``requantize_bounded`` does, and shifts up to 22.
    """
    bias, right, zy = c.buffers["bias"], c.buffers["right"], int(c.numbers["zy"])
    assert isinstance(bias, Const) and isinstance(right, Const), "requantization is made of constants"
    shifts = right.data.astype(np.int64)
    short = c.functions["rescale"] == requantize_bounded
    if short and shifts.max() <= LARGEST_SHIFT:
        offset = (1 << (shifts - 1)) + (zy << shifts)
        return Rescaling(
            _function(requantize_doubled),
            2,
            replace(bias, data=bias.data * 2),
            Const(offset.astype(np.int32), "offset"),
        )
    function = _function(requantize_bounded_plus if short else requantize_plus)
    return Rescaling(function, 1, bias, Const(np.full(shifts.shape, zy, np.int32), "offset"))


def _function(function: object) -> Function:
    assert isinstance(function, Function), "not a function of the kernel language"
    return function


def _matmul(c: Call, inputs: Operands, machine: VectorMachine) -> Call:
    rows, depth, filters = (int(c.numbers[n]) for n in ("M", "K", "N"))
    weights = shaped_weights(c, inputs, (filters, depth))
    rescale = rescaling(c)
    given: dict[str, Any] = {**_without(c.numbers, "zy"), **c.buffers, **rescale.given}
    if rows <= FEW_ROWS:
        vectors = 8 if rows == 1 else 2
        block = (machine.width or 16) * vectors
        block = block if filters % block == 0 else filters
        pairs = np.stack([interleaved(w, 2, i8) for w in weights.reshape(-1, block, depth)])
        given |= {"w": Const(pairs, "weight"), "K2": pairs.shape[1], "B": block, "factor": rescale.factor}
        given |= {"wide": Scratch(rows * 2 * pairs.shape[1], i16, "wide")}
        return _marked(call(row_pair_lanes, **given), "f", machine, vectors)
    pairs = interleaved(weights, 2, i16) * np.int16(rescale.factor)
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
    weights = shaped_weights(c, inputs, (n["N"] * n["KH"], n["KW"] * n["C"]))
    pairs = interleaved(weights, 2, i16)  # [S, N * KH, 2]
    laid = np.ascontiguousarray(pairs.reshape(-1, n["N"], n["KH"], 2).transpose(2, 0, 1, 3))
    reach = (n["OW"] - 1) * n["stride_w"] + n["KW"]
    left = min(n["left"], reach)
    rescale = rescaling(c)
    given: dict[str, Any] = {
        **_without(n, "KW", "T", "zy"), **c.buffers, **rescale.given,
        "w": Const(laid * np.int16(rescale.factor), "weight"), "S": laid.shape[1], "PW": reach, "left": left,
        "inside": min(n["W"], reach - left), "rows": Scratch(n["KH"] * (reach * n["C"] + 1), i16, "rows"),
    }  # fmt: skip
    del given["patch"]
    return _marked(call(conv2d_pair_lanes, **given), "n", machine, 2)


def _depthwise(c: Call, inputs: Operands, machine: VectorMachine) -> Call:
    n = {name: int(value) for name, value in c.numbers.items()}
    height, width, channels = n["KH"], n["KW"], n["C"]
    weights = shaped_weights(c, inputs, (height, width, channels))
    whole = np.zeros((-(-height // 2) * 2, width, channels), np.int16)
    whole[:height] = weights
    laid = np.ascontiguousarray(whole.reshape(-1, 2, width, channels).transpose(0, 2, 3, 1))
    reach = (n["OW"] - 1) * n["stride_w"] + (width - 1) * n["dilation_w"] + 1
    left = min(n.get("left", 0), reach)
    rescale = rescaling(c)
    places, again = turns(len(laid), n["stride_h"], n["dilation_h"], n["OH"])
    given: dict[str, Any] = {
        "top": 0, "zx": 0, **_without(n, "R", "KH", "zy"), **c.buffers, **rescale.given,
        "w": Const(laid * np.int16(rescale.factor), "weight"), "K2": len(laid), "PW": reach, "left": left,
        "inside": min(n["W"], reach - left), "R": places, "again": again,
        "rows": Scratch(places * reach * channels * 2, i16, "rows"),
    }  # fmt: skip
    made = _marked(call(depthwise_pair_lanes, **given), "c", machine, 1)
    return replace(made, kernel=vectorize(made.kernel, "i#*", machine.name))


def turns(pairs: int, stride: int, dilation: int, rows: int) -> tuple[int, int]:
    """(R, again) of ``depthwise_pair_lanes``: places for staged pairs, and after how many output rows one is used again.

    Pair j of output row oh begins at row oh * stride + 2 * j * dilation: pair j - 1 of the row 2 * dilation / stride later.
    Where that isn't whole, or there is one pair only, each output row stages all of its own.
    """
    if pairs > 1 and 2 * dilation % stride == 0:
        return 2 * dilation * (pairs - 1) + 1, 2 * dilation // stride
    return 2 * dilation * (pairs - 1) + 1, rows


def _without(numbers: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in numbers.items() if name not in names}


def _marked(c: Call, loop: str, machine: VectorMachine, vectors: int) -> Call:
    return replace(c, kernel=vectorize(c.kernel, loop, machine.name, vectors))


# ------------------------------------------------------------------------------------------------ forms

PRODUCTS = Form(
    "products", _products, of=(matmul, conv2d_patches, depthwise, depthwise_rows),
    schedules=(
        (matmul_pair_lanes, Schedule(schedules.products, ("M", "N", "K", "K2", "T", "P", "lo", "hi"))),
        (row_pair_lanes, Schedule(schedules.row_products, ("M", "N", "K", "K2", "B", "P", "factor", "lo", "hi"))),
        (conv2d_pair_lanes, Schedule(schedules.products, (
            "H", "W", "C", "N", "OH", "OW", "KH", "S", "PW", "P", "lo", "hi", "stride_w", "left", "inside",
        ))),
        (depthwise_pair_lanes, Schedule(schedules.depthwise, (
            "H", "W", "C", "OH", "OW", "K2", "KW", "PW", "P", "lo", "hi", "stride_w", "left", "inside", "dilation_w",
        ))),
    ),
)  # fmt: skip
"""Fixed numbers, here and below: with known counts, what is left over is a vector too."""
FLOATS = Form(
    "floats", _floats, of=(dense_f32, conv2d_f32, depthwise_f32),
    schedules=(
        (dense_f32_lanes, Schedule(schedules.floats, ("M", "N", "K"))),
        (conv2d_f32_lanes, Schedule(fixed=("N", "C"))),
        (depthwise_f32_lanes, Schedule(fixed=("C",))),
    ),
)  # fmt: skip
WINDOWS = Form(
    "windows", _windows, of=(typed(transpose_conv, A=i32, X=i8), conv2d_direct),
    schedules=(
        (transpose_conv_lanes, Schedule(fixed=("C", "N", "P", "lo", "hi"))),
        (conv2d_spread_lanes, Schedule(fixed=("C", "N", "P", "lo", "hi"))),
    ),
)  # fmt: skip
MATRICES = Form("matrices", _matrices, of=(batch_matmul, batch_matmul_f32))
FILTERS_OF_A_CHANNEL = Form(
    "filters_of_a_channel", _filters_of_a_channel, of=(depthwise, depthwise_rows),
    schedules=tuple((k, Schedule(fixed=("KH", "KW", "C", "R", "P", "lo", "hi"))) for k in (depthwise, depthwise_rows)),
)  # fmt: skip
LOOPS = Form("loops", _loops)
