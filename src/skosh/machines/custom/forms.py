"""Int8 layers on the unit "lanes": which calls it takes, and the constants as it wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, Scratch
from skosh.ir.graph import Array
from skosh.language import call, typed
from skosh.lower.form import Asked, Form, Made, constant, weights_of
from skosh.machines.custom.instructions import CHANNELS, FILTER_ROWS, INPUT_ROWS
from skosh.machines.custom.kernels import (
    average_pool_lanes,
    conv2d_lanes,
    conv2d_padded_lanes,
    conv2d_quads,
    depthwise_lanes,
    matmul_lanes,
    matmul_quads,
)
from skosh.ops.layers.depthwise import depthwise, depthwise_rows
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.ops.layers.pooling_kernels import average_pool2d
from skosh.schedule.answers import No

PATCHES = 16
"""Output pixels that are gathered at a time."""

NARROW = 16
"""Elements in a row of a window up to which a copy with padding is worth its memory."""

LAID = "words of four elements, sixteen a row"


def _refused(asked: Asked, filters: int) -> str:
    """Why the unit can't take a layer, whatever its kind; "" when it can."""
    if asked.optimize == "ram":
        return "tensors may begin at any byte, and the unit is fed with words"
    if asked.call.functions["rescale"].name != "requantize_bounded":
        return "sums may reach 2^30, beyond the unit's requantization"
    if filters % 4:
        return f"outputs are stored four at a time, and there are {filters}"
    return ""


def outputs_word(c: Any) -> int:
    """Zero point and bounds of outputs, a byte each."""
    zy, lo, hi = (int(c.numbers[name]) & 255 for name in ("zy", "lo", "hi"))
    return zy | lo << 8 | hi << 16


def in_words(rows: Array) -> Const:
    """[..., K] int8 as [..., D, 4] words of four elements; zeros fill up the last row of sixteen."""
    depth = -(-rows.shape[-1] // 16)
    whole = np.zeros((*rows.shape[:-1], 16 * depth), np.int8)
    whole[..., : rows.shape[-1]] = rows
    return Const(np.ascontiguousarray(whole).view("<u4").reshape(*rows.shape[:-1], depth, 4), "weight", LAID)


def _products(asked: Asked) -> Made:
    """``matmul`` and ``conv2d_patches``."""
    c = asked.call
    n = {name: int(v) for name, v in c.numbers.items()}
    refused = _refused(asked, n["N"])
    if refused:
        return No(refused)
    weights = np.asarray(weights_of(c, asked.inputs)).reshape(n["N"], -1).astype(np.int8)
    depth = -(-weights.shape[1] // 16)
    filters = min(FILTER_ROWS // depth, CHANNELS, n["N"]) // 4 * 4
    if filters == 0 or depth > INPUT_ROWS:
        return No(f"a filter has {weights.shape[1]} weights, and the unit holds {FILTER_ROWS * 16} in all")
    shared: dict[str, Any] = dict(
        w=in_words(weights), N=n["N"], P=n["P"], D=depth, F=filters, outputs=outputs_word(c),
        **{name: c.buffers[name] for name in ("x", "y", "bias", "multiplier", "right")},
    )  # fmt: skip
    if asked.is_a(matmul):
        if weights.shape[1] % 16:
            return No(f"rows must be multiples of 16 bytes, not {weights.shape[1]}")
        return (call(matmul_lanes, **shared, M=n["M"], K=n["K"], T=min(INPUT_ROWS // depth, n["M"])),)
    if n["KW"] * n["C"] <= NARROW:
        return (_padded(asked, n, shared, depth),)
    names = ("H", "W", "C", "KH", "KW", "OH", "OW", "stride_h", "stride_w", "dilation_h", "top", "left", "zx")
    pixels = max(1, min(INPUT_ROWS // depth, PATCHES, n["OH"] * n["OW"]))
    patch = Scratch(pixels * 16 * depth, i8, "patch")
    return (call(conv2d_lanes, **shared, **{name: n[name] for name in names}, T=pixels, patch=patch),)


def _padded(asked: Asked, n: dict[str, int], shared: dict[str, Any], depth: int) -> Call:
    """A convolution of a narrow window: from a copy of its input with the padding around it."""
    down = (n["OH"] - 1) * n["stride_h"] + (n["KH"] - 1) * n["dilation_h"] + 1
    across = (n["OW"] - 1) * n["stride_w"] + n["KW"]
    names = ("H", "W", "C", "KH", "KW", "OH", "OW", "stride_h", "stride_w", "dilation_h", "top", "left", "zx")
    places = dict(
        PH=down, PW=across, inside=min(n["H"], down - n["top"]),
        patch=Scratch(16 * depth, i8, "patch"), image=Scratch(down * across * n["C"], i8, "image"),
    )  # fmt: skip
    return call(conv2d_padded_lanes, **shared, **{name: n[name] for name in names}, **places)


def _depthwise(asked: Asked) -> Made:
    """``depthwise`` and ``depthwise_rows``, of one filter a channel."""
    c = asked.call
    n = {name: int(v) for name, v in c.numbers.items()}
    refused = _refused(asked, n["C"])
    if refused:
        return No(refused)
    if n["R"] != 1 or n["C"] % 16:
        return No("channels are taken by sixteen, with one filter each")
    if n["dilation_h"] != 1 or n["dilation_w"] != 1:
        return No("the window is dilated")
    held = INPUT_ROWS // n["W"]
    if held < n["KH"] or n["KW"] > 63 or n["KH"] * n["KW"] > 63:
        return No("the rows under a window, or its taps, are more than the unit holds")
    weights = np.asarray(weights_of(c, asked.inputs)).reshape(n["KH"] * n["KW"], n["C"]).astype(np.int8)
    zero = n.get("zx", 0)  # without padding it stays in the bias
    bias = constant(c, "bias").data.reshape(-1).astype(np.int64) + zero * weights.astype(np.int64).sum(axis=0)
    grouped = weights.reshape(weights.shape[0], -1, 16).transpose(1, 0, 2)
    words = Const(np.ascontiguousarray(grouped).view("<u4").reshape(n["C"] // 16, -1, 4), "weight", LAID)
    return (
        call(
            depthwise_lanes, x=c.buffers["x"], y=c.buffers["y"], w=words, bias=Const(bias.astype(np.int32), "bias"),
            multiplier=c.buffers["multiplier"], right=c.buffers["right"], G=n["C"] // 16,
            T=min((held - n["KH"]) // n["stride_h"] + 1, n["OH"]), top=n.get("top", 0), left=n.get("left", 0),
            offset=-zero & 0xFFFFFFFF, outputs=outputs_word(c),
            **{name: n[name] for name in ("H", "W", "C", "KH", "KW", "OH", "OW", "P", "stride_h", "stride_w")},
        ),
    )  # fmt: skip


def _pool(asked: Asked) -> Made:
    """Averages of whole groups of sixteen channels."""
    c = asked.call
    n = {name: int(v) for name, v in c.numbers.items()}
    if asked.optimize == "ram":
        return No("tensors may begin at any byte, and the unit is fed with words")
    if n["C"] % 16 or n["H"] * n["W"] > INPUT_ROWS or n["KH"] * n["KW"] > 255 or n["KW"] > 63:
        return No("channels are taken by sixteen, of images that the unit holds, 255 taps at the most")
    return (call(average_pool_lanes, **c.buffers, **c.numbers),)


def _quads(asked: Asked) -> Made:
    """``matmul`` and ``conv2d_patches`` on the small unit."""
    c = asked.call
    n = {name: int(v) for name, v in c.numbers.items()}
    refused = _refused(asked, 0)
    if refused:
        return No(refused)
    weights = np.asarray(weights_of(c, asked.inputs)).reshape(n["N"], -1).astype(np.int8)
    whole = np.zeros((n["N"], -(-weights.shape[1] // 4) * 4), np.int8)
    whole[:, : weights.shape[1]] = weights
    words = Const(whole.view("<u4"), "weight", "words of four elements")
    shared: dict[str, Any] = dict(
        w=words, N=n["N"], P=n["P"], outputs=outputs_word(c),
        **{name: c.buffers[name] for name in ("x", "y", "bias", "multiplier", "right")},
    )  # fmt: skip
    if asked.is_a(matmul):
        if weights.shape[1] % 4:
            return No(f"rows must be multiples of 4 bytes, not {weights.shape[1]}")
        return (call(matmul_quads, **shared, M=n["M"], K=n["K"]),)
    names = ("H", "W", "C", "KH", "KW", "OH", "OW", "stride_h", "stride_w", "dilation_h", "top", "left", "zx")
    patch = Scratch(whole.shape[1], i8, "patch")
    return (call(conv2d_quads, **shared, **{name: n[name] for name in names}, Q=whole.shape[1] // 4, patch=patch),)


QUAD_PRODUCTS = Form("quads", _quads, of=(matmul, conv2d_patches))
PRODUCTS = Form("lanes", _products, of=(matmul, conv2d_patches))
POOL = Form("lane_sums", _pool, of=(typed(average_pool2d, T=i8),))
DEPTHWISE = Form("lane_windows", _depthwise, of=(depthwise, depthwise_rows))
