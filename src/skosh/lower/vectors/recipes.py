"""Recipes for targets with a vector machine: kernels whose lanes lie side by side, and marks on the loops of others.

A recipe asks a machine how it multiplies (``dot``), never its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, i8, i16
from skosh.ir.call import Call, Const, In, Scratch
from skosh.ir.graph import Array, Operands
from skosh.ir.kernel import Assign, For, Function, If, Kernel, Let, Store, walk
from skosh.language import call
from skosh.language.arithmetic import requantize_bounded_plus, requantize_doubled, requantize_plus
from skosh.lower.vectors.float_kernels import conv2d_f32_lanes, dense_f32_lanes, depthwise_f32_lanes
from skosh.lower.vectors.pair_kernels import conv2d_pair_lanes, depthwise_pair_lanes, matmul_pair_lanes, row_pair_lanes
from skosh.lower.vectors.window_kernels import conv2d_spread_lanes, transpose_conv_lanes
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


def floats(c: Call, inputs: Operands, target: Target) -> Call | None:
    """Layers of floats, with filters or channels as lanes."""
    if not target.simd or c.kernel.name not in ("dense_f32", "conv2d_f32", "depthwise_f32"):
        return None
    given: dict[str, Any] = {**c.numbers, **c.buffers}
    if c.kernel.name == "dense_f32":
        laid = weights_of(c, inputs, (given["N"], given["K"])).T
        return _float(dense_f32_lanes, "n", laid, given, target)
    if c.kernel.name == "depthwise_f32":
        if given.pop("D") != 1:
            return None
        laid = weights_of(c, inputs, (given["KH"], given["KW"], given["C"]))
        return _float(depthwise_f32_lanes, "c", laid, given, target)
    if given.pop("G") != given["N"] or given.pop("D") != given["C"]:
        return None  # filters in groups
    laid = weights_of(c, inputs, (given["N"], given["KH"], given["KW"], given["C"])).transpose(1, 2, 3, 0)
    return _float(conv2d_f32_lanes, "n", laid, given, target)


def _float(kernel: Any, loop: str, weights: Array, given: dict[str, Any], target: Target) -> Call:
    laid = Const(np.ascontiguousarray(weights), "weight")
    return _marked(call(kernel, **{**given, "w": laid}), loop, vector_machine(target.simd), 2)


def windows(c: Call, inputs: Operands, target: Target) -> Call | None:
    """int8 convolutions that gather nothing: transposed, and with a window spread out; filters are lanes."""
    if not target.simd or c.kernel.name not in ("transpose_conv_i32_i8", "conv2d_direct"):
        return None
    given: dict[str, Any] = {**c.numbers, **c.buffers, **c.functions}
    if c.kernel.name == "conv2d_direct" and (given.pop("G") != given["N"] or given.pop("D") != given["C"]):
        return None  # filters in groups
    laid = weights_of(c, inputs, (given["N"], given["KH"], given["KW"], given["C"])).transpose(1, 2, 3, 0)
    given["w"] = Const(np.ascontiguousarray(laid), "weight")
    kernel = conv2d_spread_lanes if c.kernel.name == "conv2d_direct" else transpose_conv_lanes
    return _marked(call(kernel, **given), "n", vector_machine(target.simd), 2)


def matrices(c: Call, inputs: Operands, target: Target) -> Call | None:
    """Products of two inputs, where elements of a row of the second one lie side by side."""
    if not target.simd or not c.kernel.name.startswith("batch_matmul") or c.numbers["bn"] != 1:
        return None
    return _marked(c, "n", vector_machine(target.simd), 2)


def filters_of_a_channel(c: Call, inputs: Operands, target: Target) -> Call | None:
    """Depthwise layers with several filters a channel: these are lanes."""
    if not target.simd or c.kernel.name not in ("depthwise", "depthwise_rows") or c.numbers["R"] < FEW_FILTERS:
        return None
    made = vectorize(c.kernel, "r", target.simd)
    return replace(c, kernel=replace(made, name=f"{made.name}_filters"))  # a schedule of its own name


def loops(c: Call, inputs: Operands, target: Target) -> Call | None:
    """Other kernels as they are, with lanes for channels (POOLING) or elements."""
    if not target.simd:
        return None
    pooling = c.kernel.name.startswith(POOLING)
    name = "c" if pooling else elements(c.kernel)
    return replace(c, kernel=vectorize(c.kernel, name, target.simd, 1 if pooling else 2)) if name else None


POOLING = ("average_pool2d", "max_pool2d", "l2_pool2d")


def elements(kernel: Kernel) -> str:
    """The innermost loop of a kernel that only goes over elements, all of them independent; "" of another kernel."""
    found, body = "", kernel.body
    while body and isinstance(body[-1], For) and all(isinstance(s, Let) for s in body[:-1]):
        if not body[-1].par or body[-1].vector:
            return ""
        found, body = body[-1].var, body[-1].body
    plain = all(isinstance(s, Let | Assign | If | Store) for s in walk(body))
    return found if plain else ""


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
    short = c.functions["rescale"].name == "requantize_bounded"
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
    weights = weights_of(c, inputs, (filters, depth))
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
    weights = weights_of(c, inputs, (n["N"] * n["KH"], n["KW"] * n["C"]))
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


def _depthwise(c: Call, inputs: Operands, machine: VectorMachine) -> Call | None:
    n = {name: int(value) for name, value in c.numbers.items()}
    height, width, channels = n["KH"], n["KW"], n["C"]
    weights = weights_of(c, inputs, (height, width, channels))
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
