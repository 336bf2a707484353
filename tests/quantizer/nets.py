"""Random float networks of every operator that quantization takes, with inputs to calibrate them on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Array, Graph
from skosh.ops.elements.activations import LeakyRelu, Logistic, Relu, Tanh
from skosh.ops.elements.elementwise import Add, Maximum, Mul, Sub
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import Concat, Transpose
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean
from skosh.ops.reductions.softmax import Softmax

Rng = np.random.Generator
Step = Callable[[Rng, Builder, str], str]


def shape(b: Builder, x: str) -> tuple[int, ...]:
    return b.tensors[x].shape


def conv2d(rng: Rng, b: Builder, x: str) -> str:
    c, f, k = shape(b, x)[3], int(rng.integers(1, 6)), int(rng.integers(1, 3))
    w = b.constant("w", rng.normal(0, rng.uniform(0.1, 1) / np.sqrt(c * k * k), (f, k, k, c)))
    bias = b.constant("b", rng.normal(0, 0.2, f))
    pad = int(rng.integers(0, 2))
    act = str(rng.choice(["none", "relu", "relu6"]))
    return b.apply(Conv2D((1, 1), (pad, pad, pad, pad), activation=act), x, w, bias, name="conv")


def depthwise(rng: Rng, b: Builder, x: str) -> str:
    c = shape(b, x)[3]
    w = b.constant("w", rng.normal(0, 0.5, (1, 2, 2, c)))
    return b.apply(
        DepthwiseConv2D((1, 1), (1, 0, 1, 0)), x, w, b.constant("b", rng.normal(0, 0.2, c)), name="depthwise"
    )


def average_pool(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(AveragePool2D((2, 2), (1, 1), (0, 1, 0, 1)), x, name="average")


def max_pool(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(MaxPool2D((2, 2), (1, 1), (0, 1, 0, 1)), x, name="largest")


def relu(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(Relu(str(rng.choice(["relu", "relu6", "relu_n1_to_1"]))), x, name="relu")


def leaky(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(LeakyRelu(0.125), x, name="leaky")


def sigmoid(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(Logistic() if rng.integers(2) else Tanh(), x, name="sigmoid")


def residual(rng: Rng, b: Builder, x: str) -> str:
    y = b.apply(Tanh(), x, name="branch")
    return b.apply(Add() if rng.integers(2) else Sub(), x, y, name="sum")


def scaled(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(
        Mul(), x, b.constant("factor", rng.uniform(0.2, 1.5, (1, *[1] * (len(shape(b, x)) - 1)))), name="product"
    )


def joined(rng: Rng, b: Builder, x: str) -> str:
    y = b.apply(Relu("relu"), x, name="half")
    z = b.apply(Logistic(), x, name="other") if rng.integers(2) else x
    return b.apply(Concat(len(shape(b, x)) - 1), y, z, name="joined")


def larger(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(Maximum(), x, b.constant("floor", np.full((1,) * len(shape(b, x)), -0.5)), name="larger")


def padded(rng: Rng, b: Builder, x: str) -> str:
    if len(shape(b, x)) != 4:
        return x
    return b.apply(Pad(((0, 0), (1, 0), (0, 1), (0, 0)), float(rng.choice([0.0, -0.75]))), x, name="padded")


def swapped(rng: Rng, b: Builder, x: str) -> str:
    return b.apply(Transpose((0, 2, 1, 3)), x, name="swapped")


IMAGE: list[Step] = [
    conv2d, conv2d, depthwise, average_pool, max_pool, relu, leaky, sigmoid, residual, scaled, joined, larger, padded, swapped,
]  # fmt: skip
ROW: list[Step] = [relu, leaky, sigmoid, residual, scaled, joined, larger]


def network(seed: int, depth: int = 4) -> tuple[Graph, Array]:
    """An image network that ends in classes, and 24 samples for it."""
    rng = np.random.default_rng(seed)
    b = Builder("<random>")
    x = b.input("image", (1, 5, 4, 2))
    for _ in range(int(rng.integers(1, depth + 1))):
        x = IMAGE[int(rng.integers(len(IMAGE)))](rng, b, x)
    if rng.integers(2):
        x = b.apply(Mean((1, 2)), x, name="mean")
    else:
        x = b.apply(Reshape((1, int(np.prod(shape(b, x))))), x, name="flat")
    for _ in range(int(rng.integers(0, 3))):
        x = ROW[int(rng.integers(len(ROW)))](rng, b, x)
    k = shape(b, x)[1]
    x = b.apply(
        Dense(),
        x,
        b.constant("w", rng.normal(0, 1 / np.sqrt(k), (3, k))),
        b.constant("b", [0.1, 0, -0.1]),
        name="classes",
    )
    if rng.integers(2):
        x = b.apply(Softmax(), x, name="probabilities")
    return b.graph("net", x), rng.normal(0, 1, (24, 5, 4, 2)).astype(np.float32)
