"""Small ONNX models of every operator that skosh reads, with what an input looks like and how exact the answer must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.importers.onnx_models import node, random


@dataclass(frozen=True)
class Case:
    """terms: how many products are summed; each addition may round differently, as libraries choose their own order."""

    nodes: Sequence[Any]
    shape: Sequence[int]
    constants: dict[str, Any] = field(default_factory=dict)
    terms: int = 1
    opset: int = 20
    low: float | None = None  # inputs are |x| + low where given
    outputs: Sequence[str] = ("y",)
    types: dict[str, int] = field(default_factory=dict)


def r(*shape: int, seed: int = 1) -> Any:
    return random(shape, seed, 0.5)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


IMAGE = (1, 6, 8, 7)
BN = {"g": r(8) + 1, "b": r(8, seed=2), "m": r(8, seed=3), "v": np.abs(r(8, seed=4)) + 0.1}

CASES: dict[str, Case] = {
    "global_lp_pool": Case([node("GlobalLpPool", "x", p=2)], IMAGE, terms=112),
    "conv": Case([node("Conv", "x w b", pads=[1, 1, 1, 1])], IMAGE, {"w": r(8, 6, 3, 3), "b": r(8)}, 54),
    "conv_strided": Case([node("Conv", "x w", strides=[2, 3], pads=[0, 1, 1, 2])], IMAGE, {"w": r(8, 6, 3, 3)}, 54),
    "conv_dilated": Case([node("Conv", "x w", dilations=[2, 1])], IMAGE, {"w": r(8, 6, 3, 2)}, 36),
    "conv_same_upper": Case(
        [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])], IMAGE, {"w": r(8, 6, 3, 4)}, 72
    ),
    "conv_same_lower": Case(
        [node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 2])], IMAGE, {"w": r(8, 6, 3, 4)}, 72
    ),
    "conv_valid": Case([node("Conv", "x w", auto_pad="VALID")], IMAGE, {"w": r(8, 6, 2, 2)}, 24),
    "conv_grouped": Case([node("Conv", "x w b", group=2)], IMAGE, {"w": r(8, 3, 3, 3), "b": r(8)}, 27),
    "conv_depthwise": Case(
        [node("Conv", "x w b", group=6, pads=[1, 1, 1, 1])], IMAGE, {"w": r(12, 1, 3, 3), "b": r(12)}, 9
    ),
    "conv_1d": Case([node("Conv", "x w b", pads=[2, 1], strides=[2])], (1, 6, 20), {"w": r(8, 6, 5), "b": r(8)}, 30),
    "conv_1d_depthwise": Case([node("Conv", "x w", group=6, dilations=[2])], (1, 6, 20), {"w": r(6, 1, 3)}, 3),
    "conv_batch_norm": Case(
        [node("Conv", "x w b", "c"), node("BatchNormalization", "c g b m v", "n"), node("Relu", "n")],
        IMAGE,
        {"w": r(8, 6, 3, 3), **BN},
        54,
    ),
    "conv_scaled": Case(
        [node("Conv", "x w", "c"), node("Mul", "c s", "d"), node("Sub", "t d", "e"), node("Div", "e two")],
        IMAGE,
        {"w": r(8, 6, 3, 3), "s": r(8, 1, 1), "t": r(1, 8, 1, 1, seed=5), "two": np.float32(2)},
        54,
    ),
    "conv_transpose": Case(
        [node("ConvTranspose", "x w b", strides=[2, 2], pads=[1, 0, 1, 1], output_padding=[1, 0])],
        IMAGE,
        {"w": r(6, 5, 3, 3), "b": r(5)},
        54,
    ),
    "conv_transpose_1d": Case([node("ConvTranspose", "x w", strides=[3])], (1, 4, 9), {"w": r(4, 5, 4)}, 16),
    "conv_transpose_same": Case(
        [node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_UPPER")], IMAGE, {"w": r(6, 5, 3, 3)}, 54
    ),
    "gemm": Case([node("Gemm", "x w b", transB=1)], (1, 10), {"w": r(7, 10), "b": r(7)}, 10),
    "gemm_scaled": Case([node("Gemm", "x w b", alpha=0.5, beta=2.0)], (3, 10), {"w": r(10, 7), "b": r(1, 7)}, 10),
    "gemm_turned": Case([node("Gemm", "x w b", transA=1)], (10, 3), {"w": r(10, 7), "b": r(7)}, 10),
    "gemm_matrix_bias": Case([node("Gemm", "x w b")], (3, 10), {"w": r(10, 7), "b": r(3, 7)}, 10),
    "gemm_batch_norm": Case(
        [node("Gemm", "x w", "c"), node("BatchNormalization", "c g b m v")], (2, 10), {"w": r(10, 8), **BN}, 10
    ),
    "matmul_add": Case([node("MatMul", "x w", "c"), node("Add", "b c")], (1, 4, 10), {"w": r(10, 7), "b": r(7)}, 10),
    "matmul_batched": Case([node("MatMul", "x w")], (2, 4, 10), {"w": r(2, 10, 7)}, 10),
    "attention": Case(
        [
            node("MatMul", "x wq", "q0"),
            node("Reshape", "q0 heads", "q1"),
            node("Transpose", "q1", "q", perm=[0, 2, 1, 3]),
            node("MatMul", "x wk", "k0"),
            node("Reshape", "k0 heads", "k1"),
            node("Transpose", "k1", "k", perm=[0, 2, 3, 1]),
            node("MatMul", "x wv", "v0"),
            node("Reshape", "v0 heads", "v1"),
            node("Transpose", "v1", "v", perm=[0, 2, 1, 3]),
            node("MatMul", "q k", "s0"),
            node("Mul", "s0 root", "s"),
            node("Softmax", "s", "p"),
            node("MatMul", "p v", "o0"),
            node("Transpose", "o0", "o1", perm=[0, 2, 1, 3]),
            node("Reshape", "o1 back"),
        ],
        (1, 5, 8),
        {
            "wq": r(8, 8),
            "wk": r(8, 8, seed=2),
            "wv": r(8, 8, seed=3),
            "heads": ints(0, 0, 2, 4),
            "back": ints(1, 5, 8),
            "root": np.float32(0.5),
        },
        24,
    ),
    "batch_norm_alone": Case([node("BatchNormalization", "x g b m v")], (1, 8, 5, 4), BN),
    "relu": Case([node("Relu", "x")], IMAGE),
    "leaky_relu": Case([node("LeakyRelu", "x", alpha=0.2)], IMAGE),
    "prelu": Case([node("PRelu", "x s")], IMAGE, {"s": r(6, 1, 1)}),
    "prelu_one": Case([node("PRelu", "x s")], IMAGE, {"s": r(1)}),
    "clip_relu6": Case([node("Clip", "x lo hi")], IMAGE, {"lo": np.float32(0), "hi": np.float32(6)}),
    "clip_odd": Case([node("Clip", "x lo hi")], IMAGE, {"lo": np.float32(-0.25), "hi": np.float32(0.7)}),
    "clip_below": Case([node("Clip", "x _ hi")], IMAGE, {"hi": np.float32(0.7)}),
    "clip_old": Case([node("Clip", "x", min=-1.0, max=1.0)], IMAGE, opset=9),
    "hard_swish": Case([node("HardSwish", "x")], IMAGE),
    "hard_sigmoid": Case([node("HardSigmoid", "x", alpha=0.3)], IMAGE),
    "hard_swish_in_parts": Case([node("HardSigmoid", "x", "h", alpha=1 / 6), node("Mul", "x h")], IMAGE),
    "sigmoid": Case([node("Sigmoid", "x")], IMAGE, terms=4),
    "tanh": Case([node("Tanh", "x")], IMAGE, terms=4),
    "elu": Case([node("Elu", "x")], IMAGE, terms=4),
    "gelu": Case([node("Gelu", "x")], IMAGE, terms=8),
    "gelu_tanh": Case([node("Gelu", "x", approximate="tanh")], IMAGE, terms=8),
    "gelu_in_parts": Case(
        [
            node("Div", "x root", "d"),
            node("Erf", "d", "e"),
            node("Add", "e one", "f"),
            node("Mul", "x f", "m"),
            node("Mul", "m half"),
        ],
        IMAGE,
        {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
        8,
    ),
    "softmax": Case([node("Softmax", "x")], (1, 10), terms=10),
    "softmax_channels": Case([node("Softmax", "x", axis=1)], IMAGE, terms=10),
    "softmax_old": Case([node("Softmax", "x", axis=1)], (1, 3, 4), terms=12, opset=11),
    "log_softmax": Case([node("LogSoftmax", "x", axis=-1)], (2, 10), terms=10),
    "sqrt": Case([node("Sqrt", "x")], IMAGE, low=0.1),
    "exp": Case([node("Exp", "x")], IMAGE, terms=4),
    "log": Case([node("Log", "x")], IMAGE, terms=4, low=0.1),
    "abs_neg": Case([node("Abs", "x", "a"), node("Neg", "a")], IMAGE),
    "pow": Case([node("Pow", "x n")], IMAGE, {"n": np.float32(2)}),
    "reciprocal": Case([node("Reciprocal", "x")], IMAGE, low=0.1),
    "min_max": Case(
        [node("Max", "x a b", "m"), node("Min", "m c")], IMAGE, {"a": r(7), "b": r(6, 1, 1), "c": np.float32(0.9)}
    ),
    "arithmetic": Case(
        [node("Add", "x a", "p"), node("Sub", "b p", "q"), node("Mul", "q q", "s"), node("Div", "s c")],
        IMAGE,
        {"a": r(1, 6, 1, 1), "b": r(8, 7), "c": np.abs(r(6, 8, 1)) + 0.5},
        4,
    ),
    "residual": Case(
        [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("Add", "x c", "s"), node("Relu", "s")],
        IMAGE,
        {"w": r(6, 6, 3, 3)},
        54,
    ),
    "squeeze_excite": Case(
        [
            node("Conv", "x w", "c"),
            node("GlobalAveragePool", "c", "a"),
            node("Conv", "a v", "e"),
            node("Sigmoid", "e", "g"),
            node("Mul", "c g"),
        ],
        IMAGE,
        {"w": r(6, 6, 1, 1), "v": r(6, 6, 1, 1, seed=3)},
        64,
    ),
    "max_pool": Case([node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])], IMAGE),
    "max_pool_ceil": Case([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], IMAGE),
    "max_pool_1d": Case([node("MaxPool", "x", kernel_shape=[3], strides=[3])], (1, 4, 20)),
    "average_pool": Case([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], IMAGE, terms=9),
    "average_pool_counting": Case(
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], IMAGE, terms=9
    ),
    "global_average": Case([node("GlobalAveragePool", "x")], IMAGE, terms=56),
    "global_max": Case([node("GlobalMaxPool", "x")], IMAGE),
    "reduce_mean": Case([node("ReduceMean", "x axes", keepdims=0)], IMAGE, {"axes": ints(2, 3)}, 56),
    "reduce_mean_old": Case([node("ReduceMean", "x", axes=[1])], IMAGE, terms=6, opset=13),
    "reduce_sum": Case([node("ReduceSum", "x axes", keepdims=0)], IMAGE, {"axes": ints(-1)}, 7),
    "reduce_max": Case([node("ReduceMax", "x axes")], IMAGE, {"axes": ints(1)}),
    "reduce_min_all": Case([node("ReduceMin", "x")], IMAGE),
    "reduce_after_conv": Case(
        [node("Conv", "x w", "c"), node("ReduceMax", "c axes", keepdims=0)],
        IMAGE,
        {"w": r(6, 6, 1, 1), "axes": ints(1, 3)},
        6,
    ),
    "arg_max": Case([node("ArgMax", "x", axis=1, keepdims=0)], (2, 10), types={"y": 7}),
    "arg_max_channels": Case(
        [node("Conv", "x w", "c"), node("ArgMax", "c", axis=1)], IMAGE, {"w": r(6, 6, 1, 1)}, types={"y": 7}
    ),
    "flatten_gemm": Case(
        [node("Conv", "x w", "c"), node("Relu", "c", "d"), node("Flatten", "d", "f"), node("Gemm", "f v")],
        IMAGE,
        {"w": r(4, 6, 3, 3), "v": r(120, 5)},
        120,
    ),
    "reshape_split": Case(
        [node("Conv", "x w", "c"), node("Reshape", "c s")], IMAGE, {"w": r(4, 6, 1, 1), "s": ints(2, 2, -1)}, 6
    ),
    "reshape_odd": Case(
        [node("Conv", "x w", "c"), node("Reshape", "c s")], IMAGE, {"w": r(6, 6, 1, 1), "s": ints(4, 12, 7)}, 6
    ),
    "channel_shuffle": Case(
        [
            node("Conv", "x w", "c"),
            node("Reshape", "c s", "d"),
            node("Transpose", "d", "e", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "e t", "f"),
            node("Conv", "f w"),
        ],
        IMAGE,
        {"w": r(6, 6, 1, 1), "s": ints(1, 2, 3, 8, 7), "t": ints(1, 6, 8, 7)},
        12,
    ),
    "squeeze": Case([node("GlobalAveragePool", "x", "a"), node("Squeeze", "a axes")], IMAGE, {"axes": ints(2, 3)}, 56),
    "unsqueeze": Case([node("Unsqueeze", "x axes")], (3, 4), {"axes": ints(0, -1)}),
    "transpose": Case([node("Transpose", "x", perm=[0, 3, 1, 2])], IMAGE),
    "pad": Case(
        [node("Conv", "x w", "c"), node("Pad", "c p v")],
        IMAGE,
        {"w": r(6, 6, 1, 1), "p": ints(0, 1, 2, 0, 0, 0, 1, 3), "v": np.float32(0.5)},
        6,
    ),
    "pad_reflect": Case([node("Pad", "x p", mode="reflect")], IMAGE, {"p": ints(0, 0, 2, 1, 0, 0, 1, 3)}),
    "concat": Case(
        [node("Conv", "x w", "c"), node("Relu", "x", "d"), node("Concat", "c d x", axis=1)],
        IMAGE,
        {"w": r(4, 6, 1, 1)},
        6,
    ),
    "concat_constant": Case([node("Concat", "t x", axis=1)], (1, 4, 3), {"t": r(1, 1, 3)}),
    "split": Case(
        [node("Conv", "x w", "c"), node("Split", "c s", "a b", axis=1), node("Mul", "a b")],
        IMAGE,
        {"w": r(6, 6, 1, 1), "s": ints(3, 3)},
        12,
    ),
    "slice": Case(
        [node("Conv", "x w", "c"), node("Slice", "c st en ax sp")],
        IMAGE,
        {"w": r(6, 6, 1, 1), "st": ints(1, -1), "en": ints(5, -9), "ax": ints(1, 2), "sp": ints(2, -2)},
        6,
    ),
    "gather_one": Case([node("Gather", "x i", axis=2)], IMAGE, {"i": np.int64(-2)}),
    "gather_several": Case([node("Gather", "x i", axis=1)], IMAGE, {"i": ints(0, -1, 2)}),
    "expand": Case([node("Expand", "x s")], (1, 4, 1), {"s": ints(2, 4, 3)}),
    "resize_nearest": Case(
        [node("Resize", "x _ s", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
        IMAGE,
        {"s": np.array([1, 1, 2, 2], np.float32)},
    ),
    "resize_nearest_half": Case([node("Resize", "x _ _ n", mode="nearest")], IMAGE, {"n": ints(1, 6, 16, 21)}),
    "resize_linear": Case(
        [node("Resize", "x _ s", mode="linear")], IMAGE, {"s": np.array([1, 1, 2, 2], np.float32)}, 8
    ),
    "resize_aligned": Case(
        [node("Resize", "x _ _ n", mode="linear", coordinate_transformation_mode="align_corners")],
        IMAGE,
        {"n": ints(1, 6, 15, 9)},
        16,
    ),
    "upsample": Case(
        [node("Upsample", "x s", mode="nearest")], IMAGE, {"s": np.array([1, 1, 2, 3], np.float32)}, opset=9
    ),
    "depth_to_space": Case([node("DepthToSpace", "x", blocksize=2)], (1, 12, 3, 4)),
    "depth_to_space_crd": Case([node("DepthToSpace", "x", blocksize=2, mode="CRD")], (1, 12, 3, 4)),
    "space_to_depth": Case([node("SpaceToDepth", "x", blocksize=2)], (1, 3, 4, 6)),
    "layer_norm": Case([node("LayerNormalization", "x g b")], (1, 5, 8), {"g": r(8) + 1, "b": r(8)}, 32),
    "layer_norm_two_axes": Case([node("LayerNormalization", "x g", axis=-2)], (2, 5, 8), {"g": r(5, 8) + 1}, 80),
    "shape_arithmetic": Case(
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n"),
            node("Unsqueeze", "n axes", "n1"),
            node("Concat", "n1 rest", "t", axis=0),
            node("Reshape", "x t", "f"),
            node("Gemm", "f w"),
        ],
        (2, 3, 4),
        {"zero": np.int64(0), "axes": ints(0), "rest": ints(-1), "w": r(12, 5)},
        12,
    ),
    "identity_dropout": Case([node("Identity", "x", "a"), node("Dropout", "a", "d"), node("Cast", "d", to=1)], IMAGE),
    "sum": Case([node("Sum", "x a x")], IMAGE, {"a": r(6, 1, 1)}, 2),
    "rounding": Case(
        [
            node("Floor", "x", "f"),
            node("Ceil", "x", "c"),
            node("Add", "f c", "s"),
            node("Sin", "s", "t"),
            node("Cos", "t"),
        ],
        IMAGE,
        terms=4,
    ),
}

HALF = {"k": np.float32(0.3), "z": np.float32(0)}
LETTERS = (1, 5, 8)

CASES |= {
    "elu_alpha": Case([node("Elu", "x", alpha=0.4)], IMAGE, terms=4),
    "selu": Case([node("Selu", "x")], IMAGE, terms=6),
    "celu": Case([node("Celu", "x", alpha=0.7)], IMAGE, terms=6),
    "softplus": Case([node("Softplus", "x")], IMAGE, terms=6),
    "mish": Case([node("Mish", "x")], IMAGE, terms=10),
    "softsign": Case([node("Softsign", "x")], IMAGE, terms=3),
    "sign": Case([node("Sign", "x")], IMAGE),
    "thresholded_relu": Case([node("ThresholdedRelu", "x", alpha=0.3)], IMAGE),
    "shrink": Case([node("Shrink", "x", lambd=0.4, bias=0.2)], IMAGE, terms=2),
    "soft_shrink": Case([node("Shrink", "x", lambd=0.4, bias=0.4)], IMAGE, terms=2),
    "erf_alone": Case([node("Erf", "x")], IMAGE, terms=8),
    "where": Case([node("Greater", "x k", "g"), node("Where", "g x z")], IMAGE, HALF),
    "where_by_channel": Case(
        [node("LessOrEqual", "x k", "g"), node("Where", "g x s")], IMAGE, {"k": np.float32(0.3), "s": r(6, 1, 1)}
    ),
    "logic": Case(
        [
            node("Less", "x k", "a"), node("GreaterOrEqual", "x z", "b"), node("And", "a b", "c"), node("Not", "c", "d"),
            node("Equal", "x z", "e"), node("Or", "d e", "f"), node("Where", "f x k"),
        ],
        IMAGE,
        HALF,
    ),
    "trilu": Case([node("Trilu", "x k", upper=0)], (1, 3, 5, 5), {"k": np.array(1, np.int64)}),
    "trilu_upper": Case([node("Trilu", "x")], (1, 3, 4, 5)),
    "power_whole": Case([node("Pow", "x five")], IMAGE, {"five": np.float32(5)}, terms=8),
    "power_negative": Case([node("Pow", "x two")], IMAGE, {"two": np.float32(-2)}, terms=6, low=0.3),
    "power_broken": Case([node("Pow", "x e")], IMAGE, {"e": np.float32(1.7)}, terms=16, low=0.1),
    "rms_norm": Case([node("RMSNormalization", "x s")], (1, 5, 8), {"s": r(8)}, 16, opset=23),
    "instance_norm": Case([node("InstanceNormalization", "x s b")], IMAGE, {"s": r(6) + 1, "b": r(6, seed=2)}, 60),
    "instance_norm_behind_conv": Case(
        [node("Conv", "x w", "c"), node("InstanceNormalization", "c s b")],
        IMAGE,
        {"w": r(4, 6, 3, 3), "s": r(4) + 1, "b": r(4, seed=2)},
        200,
    ),
    "group_norm": Case(
        [node("GroupNormalization", "x s b", num_groups=3)], IMAGE, {"s": r(6) + 1, "b": r(6, seed=2)}, 200, opset=21
    ),
    "lp_norm": Case([node("LpNormalization", "x", axis=2)], (1, 5, 8), terms=12),
    "lp_norm_1": Case([node("LpNormalization", "x", axis=1, p=1)], (1, 5, 8), terms=12),
    "reduce_l1": Case([node("ReduceL1", "x axes")], IMAGE, {"axes": ints(2, 3)}, 60),
    "reduce_l2": Case([node("ReduceL2", "x axes", keepdims=0)], IMAGE, {"axes": ints(1)}, 12),
    "reduce_squares": Case([node("ReduceSumSquare", "x axes")], IMAGE, {"axes": ints(1)}, 12),
    "reduce_log_sum": Case([node("ReduceLogSum", "x axes")], IMAGE, {"axes": ints(1)}, 12, low=0.1),
    "reduce_log_sum_exp": Case([node("ReduceLogSumExp", "x axes")], IMAGE, {"axes": ints(2)}, 16),
    "cumsum": Case([node("CumSum", "x axis")], IMAGE, {"axis": np.array(2, np.int64)}, 16),
    "cumsum_reverse": Case([node("CumSum", "x axis", reverse=1, exclusive=1)], (1, 4, 7), {"axis": np.array(1, np.int64)}, 12),
    "gather_spaced": Case([node("Gather", "x i", axis=1)], IMAGE, {"i": ints(5, 3, 1)}),
    "gather_behind_conv": Case(
        [node("Conv", "x w", "c"), node("Gather", "c i", axis=1)], IMAGE, {"w": r(8, 6, 3, 3), "i": ints(5, 0, 0, 7)}, 54
    ),
    "gather_nd": Case([node("GatherND", "x i")], (4, 5, 3), {"i": np.array([[0, 1], [3, 4], [2, -1]], np.int64)}),
    "gather_nd_grid": Case([node("GatherND", "x i")], (4, 5, 3), {"i": np.array([[[0], [3]], [[1], [1]]], np.int64)}),
    "tile": Case([node("Tile", "x n")], IMAGE, {"n": ints(1, 2, 1, 3)}),
    "tile_behind_conv": Case(
        [node("Conv", "x w", "c"), node("Tile", "c n")], IMAGE, {"w": r(4, 6, 3, 3), "n": ints(1, 2, 3, 1)}, 54
    ),
    "pad_edge": Case([node("Pad", "x p", mode="edge")], IMAGE, {"p": ints(0, 0, 1, 2, 0, 0, 0, 3)}),
    "pad_wrap": Case([node("Pad", "x p", mode="wrap")], IMAGE, {"p": ints(0, 1, 1, 2, 0, 0, 0, 3)}, opset=19),
    "conv_transpose_grouped": Case(
        [node("ConvTranspose", "x w b", strides=[2, 2], group=3)], IMAGE, {"w": r(6, 2, 3, 3), "b": r(6)}, 30
    ),
    "conv_transpose_dilated": Case(
        [node("ConvTranspose", "x w", dilations=[2, 3], pads=[1, 1, 1, 1])], IMAGE, {"w": r(6, 5, 3, 2)}, 54
    ),
    "average_pool_ceil": Case(
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1)], IMAGE, terms=9
    ),
    "einsum": Case([node("Einsum", "x x", equation="bij,bkj->bik")], LETTERS, terms=16),
    "einsum_turned": Case([node("Einsum", "x w", equation="bij,jkl->lbki")], LETTERS, {"w": r(8, 3, 2)}, 16),
    "attention_operator": Case(
        [node("Attention", "x x x", q_num_heads=2, kv_num_heads=2, is_causal=1)], LETTERS, terms=40, opset=23
    ),
    "attention_with_mask": Case(
        [node("Split", "x", "q k v", axis=1, num_outputs=3), node("Attention", "q k v m", scale=0.3)],
        (1, 6, 5, 4),
        {"m": np.array([[True, True, False, True, False]] * 5)},
        40,
        opset=23,
    ),
    "scores_scaled_twice": Case(
        [
            node("Mul", "x half", "q"), node("Transpose", "x", "t", perm=[0, 2, 1]), node("Mul", "t half", "k"),
            node("MatMul", "q k", "s"), node("Div", "s two", "d"), node("Add", "d mask", "m"), node("Softmax", "m"),
        ],
        LETTERS,
        {"half": np.float32(0.7), "two": np.float32(1.7), "mask": np.triu(np.full((5, 5), -np.inf, np.float32), 1)},
        60,
    ),
}  # fmt: skip
