"""Small random models of one operator: for every TFLite operator that skosh takes, every element type, several seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers import flexbuffers

from skosh.importers.tflite import load
from skosh.importers.tflite.families import FAMILIES, converters, expansions
from skosh.ir.graph import Graph, Tensor
from tests.importers.test_tflite_detection import model as detection_model
from tests.ops.layers import ACTIVATIONS, activation_tensor, bias_tensor, layer, output_scale, weights_tensor
from tests.ops.one_operator import constant, model, tensor
from tests.ops.test_convolution import conv_model, transpose_model
from tests.ops.test_recurrent import lstm, svdf
from tests.ops.test_signal import NOISE, numbers, plain, signal
from tests.support.agree import random_input
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

Array = npt.NDArray[Any]
Generator = np.random.Generator
Shape = tuple[int, ...]
Maker = Callable[[str, str, int], bytes]  # (operator, element type, seed) -> TFLite file

SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-42, -1e-40, 88.8, -88.8, -104.5, 0.5, 2.5)


@dataclass(frozen=True)
class Case:
    """One operator in a TFLite file. family: the importer's module that converts it."""

    code: str
    dtype: str
    seed: int
    family: str

    def __str__(self) -> str:
        return f"{self.code} {self.dtype} seed {self.seed}"

    @cached_property
    def file(self) -> bytes:
        return TABLE[self.code][1](self.code, self.dtype, self.seed)

    @cached_property
    def graph(self) -> Graph:
        return load(self.file, name=f"{self.code}_{self.dtype}_{self.seed}".lower())


def families() -> dict[str, str]:
    """TFLite operator -> family, for all that the importer makes nodes of."""
    made = {code: family for family in reversed(FAMILIES) for code in expansions(family) if code not in LEAVE_NOTHING}
    return made | {code: family for family in reversed(FAMILIES) for code in converters(family)}


LEAVE_NOTHING = ("WHILE", "IF", "DYNAMIC_UPDATE_SLICE")
"""Loops, branches and lists leave the operators of their steps in the graph: tests/importers/test_tflite_control.py."""


def cases(seeds: range, *, turns: bool = False) -> Iterator[Case]:
    """A case for each seed of each operator and element type; of those that only move elements, one for the rarer types.

    turns: only a third of these rarer types, another third as the seeds go up.
    """
    place = families()
    for row, (code, (dtypes, _)) in enumerate(TABLE.items()):
        for i, dtype in enumerate(dtypes.split()):
            moves = dtypes == ALL and code != "CAST" and dtype != "int8"
            if moves and turns and (row + i + seeds[0]) % 3:
                continue
            for seed in (seeds[i % len(seeds)],) if moves else seeds:
                yield Case(code, dtype, seed, place[code])


def make_input(t: Tensor, rng: Generator) -> Array:
    """Integers of the whole range, ends included; floats with all that is special among them."""
    x = random_input(t, rng)
    if t.dtype.is_float and t.size:
        x = (x * 10.0 ** rng.uniform(-2, 1.2, t.shape)).astype(np.float32)
        picked = rng.random(t.shape) < 0.15
        x = np.where(picked, rng.choice(np.array(SPECIAL, np.float32), t.shape), x).astype(np.float32)
    elif t.dtype.is_integer:
        picked = rng.random(t.shape) < 0.1
        ends = np.array([t.dtype.min, t.dtype.max, 0, 1, t.dtype.max - 1], t.dtype.np)
        x = np.where(picked, rng.choice(ends, t.shape), x)
    return np.asarray(x, t.dtype.np)


# ------------------------------------------------------------------------------------------------- shapes, types, scales


def generator(code: str, dtype: str, seed: int) -> Generator:
    return np.random.default_rng([seed, *code.encode(), *dtype.encode()])


def zero_point(dtype: str, rng: Generator) -> int:
    """The ends of the range now and then."""
    return (
        int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))], p=[0.2, 0.1, 0.1, 0.6])) if dtype == "int8" else 0
    )


def quantized(
    shape: Shape, dtype: str, rng: Generator, low: float = 0.004, high: float = 0.1, **more: Any
) -> TensorSpec:
    """A tensor with a random scale and zero point where its type has them."""
    if dtype not in ("int8", "int16"):
        return TensorSpec("", shape, dtype, **more)
    unit = 1.0 if dtype == "int8" else 1 / 256
    return TensorSpec(
        "", shape, dtype, float(np.exp(rng.uniform(np.log(low), np.log(high)))) * unit, zero_point(dtype, rng), **more
    )


def alike(t: TensorSpec, shape: Shape) -> TensorSpec:
    """A tensor of another shape with the same type and scale."""
    return replace(t, shape=tuple(int(n) for n in shape), data=None)


def random_shape(rng: Generator, low: int = 1, high: int = 4, largest: int = 5) -> Shape:
    return tuple(int(n) for n in rng.integers(1, largest + 1, int(rng.integers(low, high + 1))))


def any_values(t: TensorSpec, rng: Generator) -> Array:
    """Values for a constant: moderate floats, integers of the whole range."""
    if t.dtype == "float32":
        return rng.normal(0, 2, t.shape).astype(np.float32)
    if t.dtype == "bool":
        return rng.integers(0, 2, t.shape).astype(bool)
    info = np.iinfo(t.dtype)
    return rng.integers(info.min, info.max, t.shape, dtype=t.dtype, endpoint=True)


BROADCASTS: list[tuple[Shape, Shape]] = [
    ((2, 3, 5), (2, 3, 5)),
    ((2, 3, 5), (5,)),
    ((1,), (3, 4)),
    ((3, 4), ()),
    ((2, 1, 3, 1), (1, 4, 1, 2)),
    ((7,), (7,)),
    ((2, 1, 2, 1, 3), (1, 3, 2, 2, 1)),
    ((4, 1, 3), (2, 1, 5, 1)),
]


def binary(code: str, dtype: str, seed: int) -> bytes:
    """Two operands; every third case has a constant one, and an operand without axes is constant too."""
    rng = generator(code, dtype, seed)
    shapes = BROADCASTS[seed % len(BROADCASTS)]
    x, y = (quantized(s, dtype, rng) for s in shapes)
    if seed % 3 == 1 or not shapes[1]:
        y = replace(y, data=any_values(y, rng))
    comparison = code in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
    if comparison and dtype == "int16":  # which must have one scale
        y = replace(y, scales=x.scales)
    high = 2.0 if code == "SQUARED_DIFFERENCE" else 0.0156 if code == "DIV" else 0.1
    z = quantized(np.broadcast_shapes(*shapes), "bool" if comparison else dtype, rng, 0.005, high)
    options = {}
    if code in ("ADD", "SUB", "MUL", "DIV") and not (dtype == "int32" and code in ("ADD", "MUL")):
        options = {"fused_activation_function": ACTIVATIONS[seed % 4]}
    return model(code, [x, y], [z], options)


def select(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    shapes = [((6,), (6,), (6,)), ((2, 3), (1,), (2, 3)), ((1, 3, 1), (4, 1, 2), (3, 2))][seed % 3]
    if code == "SELECT":
        shapes = [((6,), (6,), (6,)), ((2,), (2, 3), (2, 3)), ((), (4, 2), (4, 2))][seed % 3]
    x = quantized(shapes[1], dtype, rng)
    out = alike(x, shapes[2] if code == "SELECT" else np.broadcast_shapes(*shapes))
    return model(code, [tensor(shapes[0], "bool"), x, alike(x, shapes[2])], [out])


def unary(code: str, dtype: str, seed: int) -> bytes:
    """One tensor in, one out; sigmoids have the output scale that TFLite prescribes."""
    rng = generator(code, dtype, seed)
    shape = [(300,), (3, 5, 2), (1,)][seed % 3]
    x = quantized(shape, dtype, rng, 0.005, 0.2)
    y = quantized(shape, dtype, rng, 0.01, 0.1)
    fixed = {("LOGISTIC", "int8"): (1 / 256, -128), ("TANH", "int8"): (1 / 128, 0)}
    fixed |= {(c, "int16"): (1 / 32768, 0) for c in ("LOGISTIC", "TANH")}
    if (code, dtype) in fixed:
        y = TensorSpec("", shape, dtype, *fixed[code, dtype])
    if code == "RSQRT" and dtype == "int8":
        x = replace(x, zero_points=-128)
    options = {"alpha": float(rng.uniform(-0.5, 1.5))} if code == "LEAKY_RELU" else {}
    if code == "GELU":
        options = {"approximate": bool(seed % 2)}
    return model(code, [x], [y], options)


def prelu(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    shape, small = [((1, 4, 3, 5), (1, 1, 5)), ((6, 8), (1,)), ((2, 3, 4), (3, 1))][seed % 3]
    alpha = quantized(small, "float32" if dtype == "float32" else "int8", rng)
    alpha = replace(alpha, data=any_values(alpha, rng))
    return model(code, [quantized(shape, dtype, rng), alpha], [quantized(shape, dtype, rng)])


# ------------------------------------------------------------------------------------------------------- layers, windows


def convolution(code: str, dtype: str, seed: int) -> bytes:
    if code == "CONV_3D":
        return volume(seed)
    if code == "TRANSPOSE_CONV":
        return transpose_model(500 + seed, dtype)
    return conv_model(700 + seed, dtype, depthwise=code == "DEPTHWISE_CONV_2D")


def volume(seed: int) -> bytes:
    """A small 3D convolution of floats."""
    rng = np.random.default_rng(seed)
    w = tensor((2, 2, 3, 2, 3), "float32", data=rng.normal(0, 1, (2, 2, 3, 2, 3)).astype(np.float32))
    same = seed % 2 == 0
    options = {"padding": "SAME" if same else "VALID", "stride_d": 1, "stride_h": 1, "stride_w": 1}
    options |= {"dilation_d_factor": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    y = (1, 3, 4, 5, 3) if same else (1, 2, 3, 3, 3)
    return model("CONV_3D", [tensor((1, 3, 4, 5, 2), "float32"), w], [tensor(y, "float32")], options)


def detector(code: str, dtype: str, seed: int) -> bytes:
    return detection_model(8 + seed, background=seed % 2)


def signal_case(code: str, dtype: str, seed: int) -> bytes:
    """An operator of the signal library; what takes uint32 gets it from a cast, so that its input is int32."""
    rng, name = generator(code, dtype, seed), code.removeprefix("CUSTOM:Signal")
    size = int(rng.integers(9, 32))
    match name:
        case "Window":
            x, y = plain((2, size), np.int16), plain((2, size), np.int16)
            return signal(name, [x, numbers(rng.integers(-4096, 4097, size))], [y], {"shift": 12})
        case "FftAutoScale":
            return signal(name, [plain((size,), np.int16)], [plain((size,), np.int16), plain((), np.int32)])
        case "Rfft":
            length = (32, 64, 128)[seed % 3]
            y = plain((2, length + 2), np.int16)
            return signal(name, [plain((2, size), np.int16)], [y], {"T": 7, "fft_length": length})
        case "Energy":
            options = {"end_index": size - 1, "start_index": seed % 3}
            return signal(name, [plain((2 * size,), np.int16)], [plain((size,), np.uint32)], options)
        case "FilterBankSquareRoot":
            y = plain((size,), np.uint32)
            return signal(name, [plain((size,), np.uint64), plain((), np.int32)], [y])
    more: list[TensorSpec] = []
    outputs, options = [plain((size,), np.uint32)], {"snr_shift": 6}
    reads = [1]
    if name == "FilterBank":
        more = [numbers(v) for v in (*rng.integers(0, 4097, (2, 9)), [0, 4, 6], [0, 4, 6], [4, 2, 3])]
        outputs, options = [plain((2,), np.uint64)], {"num_channels": 2}
    elif name == "FilterBankSpectralSubtraction":
        outputs, options = outputs * 2, NOISE | {"num_channels": size, "clamping": seed % 2 == 1}
    elif name == "PCAN":
        reads, more = [1, 1], [numbers(rng.integers(-3000, 32768, 125))]
    else:
        outputs, options = [plain((size,), np.int16)], {"input_correction_bits": 3, "output_scale": 64}
    tensors = [plain((size,), np.int32), plain((size,), np.uint32), *more, *outputs]
    named = [replace(t, name=f"t{i}") for i, t in enumerate(tensors)]
    reads = [*reads, *range(2, 2 + len(more))]
    made = list(range(2 + len(more), len(tensors)))
    custom = bytes(flexbuffers.Dumps(options))
    last = OperatorSpec("CUSTOM", reads, made, custom_code=f"Signal{name}", custom_options=custom)
    return model_bytes(named, [OperatorSpec("CAST", [0], [1]), last], [0], made)


def dense(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    depth, units = int(rng.integers(1, 24)), int(rng.integers(1, 14))
    shape = ((1, depth), (3, depth), (2, 2, depth), (depth,))[seed % 4]
    keep = seed % 4 == 2
    x = replace(activation_tensor("x", shape, dtype, rng), zero_points=zero_point(dtype, rng) if dtype == "int8" else 0)
    x = x if dtype != "float32" else replace(x, zero_points=())
    w = weights_tensor("w", (units, depth), dtype, rng, 0, seed % 2 == 0)
    y = activation_tensor("y", (*shape[:-1], units) if keep else (-(-int(np.prod(shape)) // depth), units), dtype, rng,
                          output_scale(x, w, depth, rng))  # fmt: skip
    bias = {"int8": ("int32", None), "int16": ("int64", "int32"), "float32": ("float32", None)}[dtype][seed // 2 % 2]
    tensors = [x, w] if bias is None else [x, w, bias_tensor("b", units, bias, rng, 1.0 if dtype == "float32" else
               float(np.max(x.scales) * np.max(w.scales)))]  # fmt: skip
    options = {"fused_activation_function": ACTIVATIONS[seed % 4], "keep_num_dims": keep}
    return layer(code, [*tensors, y], options)


def batch_matmul(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    m, k, n = (int(v) for v in rng.integers(1, 7, 3))
    adj_x, adj_y = bool(seed & 1), bool(seed & 2)
    batch_a, batch_b = [((2,), (2,)), ((3,), (1,)), ((2, 1), (1, 3)), ((), ()), ((2,), ())][seed % 5]
    a = activation_tensor("a", (*batch_a, *((k, m) if adj_x else (m, k))), dtype, rng)
    b = activation_tensor("b", (*batch_b, *((n, k) if adj_y else (k, n))), dtype, rng)
    spread = 73 if dtype == "int8" else 18900
    scale = 1.0 if dtype == "float32" else float(np.max(a.scales) * np.max(b.scales) * spread * np.sqrt(k))
    y = activation_tensor("y", (*np.broadcast_shapes(batch_a, batch_b), m, n), dtype, rng, scale)
    return layer(code, [a, b, y], {"adj_x": adj_x, "adj_y": adj_y}, inputs=[0, 1])


def pooling(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    window, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    same = seed % 2 == 0
    size = rng.integers(np.ones(2, int) if same else window, window + 6)
    out = -(-size // stride) if same else (size - window) // stride + 1
    batch, channels = 1 + seed % 2, int(rng.integers(1, 6))
    x = quantized((batch, *map(int, size), channels), dtype, rng)
    options = {
        "padding": "SAME" if same else "VALID", "stride_h": int(stride[0]), "stride_w": int(stride[1]),
        "filter_height": int(window[0]), "filter_width": int(window[1]),
        "fused_activation_function": ACTIVATIONS[seed % 4],
    }  # fmt: skip
    return model(code, [x], [alike(x, (batch, *out, channels))], options, options_class="Pool2DOptions")


def softmax(code: str, dtype: str, seed: int) -> bytes:
    """int8 to int16 too, every third time."""
    rng = generator(code, dtype, seed)
    shape = [(2, 12), (1, 3, 40), (1, 1)][seed % 3]
    if code == "LOG_SOFTMAX":
        out = TensorSpec("", shape, dtype, 16 / 256 if dtype == "int8" else (), 127 if dtype == "int8" else ())
        return model(code, [quantized(shape, dtype, rng, 0.01, 1)], [out])
    scale = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}.get(dtype, ((), ()))
    out = TensorSpec("", shape, dtype, *scale)
    if dtype == "int8" and seed % 3 == 1:
        out = TensorSpec("", shape, "int16", 1 / 65536, -32768)
    return model(code, [quantized(shape, dtype, rng, 0.01, 1)], [out], {"beta": float(rng.choice([1.0, 0.5, 3.0]))})


def recurrent(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    if code == "SVDF":
        sizes = tuple(int(rng.integers(1, n)) for n in (3, 6, 4, 3, 5))
        past = np.float32 if dtype == "float32" else (np.int8, np.int16)[seed % 2]
        zeros = (zero_point(dtype, rng), 5 if past == np.int8 else 0, zero_point(dtype, rng))
        return svdf(sizes, np.dtype(dtype).type, past, zeros, "NONE" if dtype == "float32" else "RELU")  # type: ignore[arg-type]
    sizes = tuple(int(rng.integers(1, 5)) for _ in range(4))
    zero = int(rng.integers(-60, 60)) if dtype == "int8" else 0
    clip = (0.0, 0.5, 10.0)[seed % 3]
    return lstm(sizes, np.dtype(dtype).type, seed % 2 == 1, clip, int(rng.integers(-15, -9)), zero)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ reductions and resizing


def reduction(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    shape = random_shape(rng, 2, 4)
    arg = code.startswith("ARG")
    keep = seed % 2 == 0 and not arg
    count = 1 if arg else int(rng.integers(1, len(shape) + 1))
    first = int(rng.integers(0, len(shape) - count + 1))
    axes = list(range(first, first + count))
    out = tuple(1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes)
    x = quantized(shape, dtype, rng)
    if arg:
        return model(code, [x, constant(axes[0])], [TensorSpec("", out, "int32")], {"output_type": "INT32"})
    y = quantized(out, dtype, rng, 0.01, 0.4) if code in ("MEAN", "SUM") else alike(x, out)
    return model(code, [x, constant(axes)], [y], {"keep_dims": keep})


def l2_normalization(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    shape = random_shape(rng, 1, 3, 9)
    y = TensorSpec("", shape, dtype, *((1 / 128, 0) if dtype == "int8" else ((), ())))
    return model(code, [quantized(shape, dtype, rng)], [y])


def resize(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    old, new = (tuple(int(n) for n in rng.integers(1, 7, 2)) for _ in range(2))
    x = quantized((1 + seed % 2, *old, 3), dtype, rng)
    options = ({}, {"align_corners": True}, {"half_pixel_centers": True})[seed % 3]
    return model(code, [x, constant(new)], [alike(x, (1 + seed % 2, *new, 3))], options)


# --------------------------------------------------------------------------------------------------------------- movement


def reshaping(code: str, dtype: str, seed: int) -> bytes:
    rng = generator(code, dtype, seed)
    if code == "RESHAPE":
        x = quantized((2, 3, 4), dtype, rng)
        out = [(6, 4), (24,), (2, 1, 12)][seed % 3]
        return model(code, [x, constant(out)], [alike(x, out)], {"new_shape": out})
    if code == "SQUEEZE":
        x = quantized((1, 3, 1, 2), dtype, rng)
        return model(
            code, [x], [alike(x, (3, 2) if seed % 2 else (3, 1, 2))], {"squeeze_dims": [] if seed % 2 else [0]}
        )
    x = quantized((2, 3), dtype, rng)
    axis = (0, -1, 1)[seed % 3]
    return model(code, [x, constant(axis)], [alike(x, np.expand_dims(np.empty(x.shape), axis).shape)])


def movement(code: str, dtype: str, seed: int) -> bytes:
    """x -> a permutation, a piece, a repetition or a padded copy of x."""
    rng = generator(code, dtype, seed)
    x = quantized(random_shape(rng, 2, 4, 4), dtype, rng)
    rank, shape = len(x.shape), x.shape
    match code:
        case "TRANSPOSE":
            perm = [int(p) for p in rng.permutation(rank)]
            return model(code, [x, constant(perm)], [alike(x, [shape[p] for p in perm])])
        case "SLICE":
            begin = [int(rng.integers(0, n)) for n in shape]
            size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
            return model(code, [x, constant(begin), constant(size)], [alike(x, size)])
        case "STRIDED_SLICE":
            slices = [
                (slice(None, None, -1), slice(1, None, 2), slice(0, -1, 1))[int(rng.integers(0, 3))] for _ in shape
            ]
            slices = [s if n > 1 else slice(0, 1, 1) for s, n in zip(slices, shape, strict=True)]
            bounds = [s.indices(n) for s, n in zip(slices, shape, strict=True)]
            masks = {"begin_mask": sum((s.start is None) << i for i, s in enumerate(slices)),
                     "end_mask": sum((s.stop is None) << i for i, s in enumerate(slices))}  # fmt: skip
            spec = [constant([b[i] for b in bounds]) for i in range(3)]
            return model(code, [x, *spec], [alike(x, np.empty(shape)[tuple(slices)].shape)], masks)
        case "REVERSE_V2":
            return model(code, [x, constant([int(rng.integers(-rank, rank))])], [x])
        case "TILE":
            multiples = [int(m) for m in rng.integers(1, 4, rank)]
            return model(code, [x, constant(multiples)], [alike(x, np.multiply(shape, multiples))])
        case "BROADCAST_TO":
            small = alike(x, [n if rng.random() < 0.5 else 1 for n in shape[seed % 2 :]])
            return model(code, [small, constant(shape)], [x])
        case "PAD" | "PADV2" | "MIRROR_PAD":
            return padding(code, x, rng, seed)
        case "FILL":
            value = TensorSpec("", (), dtype, x.scales, x.zero_points)
            return model(code, [constant(shape), value], [x])
    raise AssertionError(f"no case of {code}")


def padding(code: str, x: TensorSpec, rng: Generator, seed: int) -> bytes:
    limit = [n - seed % 2 for n in x.shape] if code == "MIRROR_PAD" else [3] * len(x.shape)
    pads = [[int(rng.integers(0, n + 1)) for _ in range(2)] for n in limit]
    y = alike(x, [n + sum(p) for n, p in zip(x.shape, pads, strict=True)])
    if code == "MIRROR_PAD":
        return model(code, [x, constant(pads)], [y], {"mode": "REFLECT" if seed % 2 else "SYMMETRIC"})
    value = TensorSpec("", (), x.dtype, x.scales, x.zero_points)
    more = [replace(value, data=any_values(value, rng))] if code == "PADV2" else []
    return model(code, [x, constant(pads), *more], [y])


def joins(code: str, dtype: str, seed: int) -> bytes:
    """One of several, or several of one."""
    rng = generator(code, dtype, seed)
    x = quantized(random_shape(rng, 1, 4, 4), dtype, rng)
    axis, shape = int(rng.integers(0, len(x.shape))), x.shape
    count = 1 + (seed + 1) % 3
    sizes = [int(n) for n in rng.integers(1, 4, count)]

    def along(n: int) -> TensorSpec:
        return alike(x, (*shape[:axis], n, *shape[axis + 1 :]))

    match code:
        case "CONCATENATION":
            return model(code, [along(n) for n in sizes], [along(sum(sizes))], {"axis": axis - len(shape)})
        case "PACK":
            return model(code, [x] * count, [alike(x, (*shape[:axis], count, *shape[axis:]))],
                         {"axis": axis, "values_count": count})  # fmt: skip
        case "UNPACK":
            outs = [alike(x, (*shape[:axis], *shape[axis + 1 :]))] * shape[axis]
            return model(code, [x], outs, {"axis": axis, "num": shape[axis]})
        case "SPLIT":
            return model(code, [constant(axis), along(count * 2)], [along(2)] * count, {"num_splits": count})
        case "SPLIT_V":
            inputs = [along(sum(sizes)), constant(sizes), constant(axis)]
            return model(code, inputs, [along(n) for n in sizes], {"num_splits": count})
    raise AssertionError(f"no case of {code}")


def gathers(code: str, dtype: str, seed: int) -> bytes:
    """Indices are constant, or come as an input, where they may lie outside."""
    rng = generator(code, dtype, seed)
    x = quantized((3, 4, 2), dtype, rng)
    if code == "GATHER":
        axis, batch, index = [(0, 0, (5,)), (1, 1, (3, 2)), (2, 0, (2, 2))][seed % 3]
        picks = constant(rng.integers(0, x.shape[axis], index))
        out = alike(x, (*x.shape[:axis], *index[batch:], *x.shape[axis + 1 :]))
        return model(
            code, [x, replace(picks, data=None) if seed % 2 else picks], [out], {"axis": axis, "batch_dims": batch}
        )
    depth = 1 + seed % 3
    picks = constant(rng.integers(0, x.shape[:depth], (2, 3, depth)))
    return model(code, [x, replace(picks, data=None) if seed % 2 else picks], [alike(x, (2, 3, *x.shape[depth:]))])


def blocks(code: str, dtype: str, seed: int) -> bytes:
    """Blocks of pixels into depth or batch, and back."""
    rng = generator(code, dtype, seed)
    block = 1 + (seed + 1) % 3
    x = quantized((2, 2, 3, 2), dtype, rng)
    if "DEPTH" in code:
        deep, wide = alike(x, (2, 2, 3, 2 * block * block)), alike(x, (2, 2 * block, 3 * block, 2))
        pair = [deep, wide] if code == "DEPTH_TO_SPACE" else [wide, deep]
        return model(code, pair[:1], pair[1:], {"block_size": block})
    pads = [[0, 1], [1, 0]] if seed % 2 else [[0, 0], [1, 1]]
    sizes = (3, 2)
    space = [n * block - sum(p) + (0 if n * block > sum(p) else block) for n, p in zip(sizes, pads, strict=True)]
    sizes = tuple((s + sum(p)) // block for s, p in zip(space, pads, strict=True))
    spatial, dealt = alike(x, (1, *space, 2)), alike(x, (block * block, *sizes, 2))
    if code == "SPACE_TO_BATCH_ND":
        return model(code, [spatial, constant([block, block]), constant(pads)], [dealt])
    return model(code, [dealt, constant([block, block]), constant(pads)], [spatial])


QUANTIZED = {
    "float32": ("int8", "int16"), "int8": ("int8", "int16", "int32", "uint8"), "uint8": ("int8",),
    "int16": ("int8", "int32", "int16"), "int32": ("int8", "int16"),
}  # fmt: skip


def quantization(code: str, dtype: str, seed: int) -> bytes:
    """QUANTIZE to each type that the input's can become, CAST to each other type, DEQUANTIZE."""
    rng = generator(code, dtype, seed)
    shape = random_shape(rng, 1, 3)
    if code == "CAST":
        others = [t for t in DTYPES if t != dtype]
        return model(code, [TensorSpec("", shape, dtype)], [TensorSpec("", shape, others[seed % len(others)])], {})
    to = "float32" if code == "DEQUANTIZE" else QUANTIZED[dtype][seed % len(QUANTIZED[dtype])]
    return model(code, [with_scale(shape, dtype, rng)], [with_scale(shape, to, rng)])


def with_scale(shape: Shape, dtype: str, rng: Generator) -> TensorSpec:
    """Every integer type has a scale here."""
    if dtype == "uint8":
        return TensorSpec("", shape, dtype, float(rng.uniform(0.01, 0.1)), int(rng.integers(0, 256)))
    if dtype == "int32":
        return TensorSpec("", shape, dtype, float(rng.uniform(1e-9, 1e-8)), 0)
    return quantized(shape, dtype, rng)


# ------------------------------------------------------------------------------------------------------------- the table

NUMBERS = "int8 int16 int32 float32"
ALL = "int8 int16 int32 int64 float32 bool uint8"

TABLE: dict[str, tuple[str, Maker]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"), ("int8 int16 float32", convolution)),
    "FULLY_CONNECTED": ("int8 int16 float32", dense),
    "BATCH_MATMUL": ("int8 int16 float32", batch_matmul),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), ("int8 int16 float32", pooling)),
    "L2_POOL_2D": ("float32", pooling),
    "SOFTMAX": ("int8 int16 float32", softmax),
    "LOG_SOFTMAX": ("int8 float32", softmax),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), (ALL, reshaping)),
    **dict.fromkeys(("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"), (NUMBERS, binary)),
    "DIV": ("int8 int32 float32", binary),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), ("int8 int16 int32 int64 float32", binary)),
    **dict.fromkeys(("LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"), ("int8 int16 int32 int64 float32", binary)),
    **dict.fromkeys(("EQUAL", "NOT_EQUAL"), ("int8 int16 int32 int64 float32 bool", binary)),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_OR"), ("bool", binary)),
    "LOGICAL_NOT": ("bool", unary),
    **dict.fromkeys(("SELECT", "SELECT_V2"), (ALL, select)),
    **dict.fromkeys(("FLOOR_DIV", "FLOOR_MOD"), ("int32", binary)),
    "CONV_3D": ("float32", convolution),
    "CUSTOM:TFLite_Detection_PostProcess": ("float32", detector),
    **{f"CUSTOM:Signal{n}": ("int16", signal_case) for n in ("Window", "FftAutoScale", "Rfft", "Energy")},
    "CUSTOM:SignalFilterBankSquareRoot": ("int32", signal_case),
    **{
        f"CUSTOM:SignalFilterBank{n}": ("int32", signal_case) for n in ("", "SpectralSubtraction", "Log")
    },
    "CUSTOM:SignalPCAN": ("int32", signal_case),
    **dict.fromkeys(
        ("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "LOGISTIC", "TANH"), ("int8 int16 float32", unary)
    ),
    "PRELU": ("int8 int16 float32", prelu),
    **dict.fromkeys(("ELU", "GELU", "HARD_SWISH", "EXP", "LOG", "SQRT", "RSQRT"), ("int8 float32", unary)),
    "ABS": (NUMBERS, unary),
    "NEG": ("int32 int64 float32", unary),
    **dict.fromkeys(("SQUARE", "SIN", "COS", "CEIL", "FLOOR", "ROUND"), ("float32", unary)),
    **dict.fromkeys(("MEAN", "SUM"), ("int8 int16 float32", reduction)),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "ARG_MIN"), (NUMBERS, reduction)),
    "L2_NORMALIZATION": ("int8 float32", l2_normalization),
    "RESIZE_NEAREST_NEIGHBOR": (ALL, resize),
    "RESIZE_BILINEAR": ("int8 float32", resize),
    **dict.fromkeys(
        ("TRANSPOSE", "SLICE", "STRIDED_SLICE", "REVERSE_V2", "TILE", "BROADCAST_TO", "PAD", "PADV2", "MIRROR_PAD",
         "FILL"), (ALL, movement),
    ),
    **dict.fromkeys(("CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V"), (ALL, joins)),
    **dict.fromkeys(("GATHER", "GATHER_ND"), (ALL, gathers)),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"), (ALL, blocks)),
    "QUANTIZE": ("int8 int16 int32 uint8 float32", quantization),
    "DEQUANTIZE": ("int8 int16 uint8", quantization),
    "CAST": (ALL, quantization),
    "SVDF": ("int8 float32", recurrent),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("int8 int16 float32", recurrent),
}  # fmt: skip

DTYPES = ("int8", "int16", "int32", "int64", "float32", "bool", "uint8")
