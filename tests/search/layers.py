"""Small graphs of int8 layers, with random weights."""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.ir.graph import Graph, Node, Op, Quant, Tensor
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape


class Chain:
    """Layers one after the other. Each has random filters; shapes follow by themselves."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors = {"x": Tensor("x", shape, i8, Quant((0.05,), (3,)))}
        self.nodes: list[Node] = []
        self.last = "x"

    def layer(self, op: Op, filters: tuple[int, ...], bias: int) -> Chain:
        """A layer with constant filters; ``bias``: how many of them there are."""
        k = len(self.nodes)
        weights = self.rng.integers(-127, 128, filters).astype(np.int8)
        biases = self.rng.integers(-2000, 2000, bias).astype(np.int32)
        self.tensors[f"w{k}"] = Tensor(f"w{k}", filters, i8, Quant((0.01,), (0,)), weights)
        self.tensors[f"b{k}"] = Tensor(f"b{k}", (bias,), i32, Quant((0.0005,), (0,)), biases)
        return self.node(op, f"w{k}", f"b{k}")

    def node(self, op: Op, *constants: str) -> Chain:
        name, inputs = f"y{len(self.nodes)}", (self.last, *constants)
        (made,) = op.infer([self.tensors[n] for n in inputs])
        same = self.tensors[self.last].quant if op.view else Quant((0.1,), (-5,))
        self.tensors[name] = Tensor(name, made.shape, made.dtype, same)
        self.nodes.append(Node(op, inputs, (name,), f"layer {len(self.nodes)}"))
        self.last = name
        return self

    def graph(self) -> Graph:
        return Graph("chain", self.tensors, tuple(self.nodes), ("x",), (self.last,))


def small_network() -> Graph:
    """Convolution 3x3, depthwise 3x3, convolution 1x1, dense: 8 channels on 4 x 4 pixels."""
    chain = Chain((1, 4, 4, 4))
    chain.layer(Conv2D((1, 1), (1, 1, 1, 1)), (8, 3, 3, 4), 8)
    chain.layer(DepthwiseConv2D((1, 1), (1, 1, 1, 1)), (1, 3, 3, 8), 8)
    chain.layer(Conv2D((1, 1), (0, 0, 0, 0)), (8, 1, 1, 8), 8)
    chain.node(Reshape((1, 128)))
    return chain.layer(Dense(), (4, 128), 4).graph()


def twin_network() -> Graph:
    """Two equal convolutions 1x1 around a depthwise 3x3: 4 channels on 4 x 4 pixels."""
    chain = Chain((1, 4, 4, 4), seed=1)
    chain.layer(Conv2D((1, 1), (0, 0, 0, 0)), (4, 1, 1, 4), 4)
    chain.layer(DepthwiseConv2D((1, 1), (1, 1, 1, 1)), (1, 3, 3, 4), 4)
    return chain.layer(Conv2D((1, 1), (0, 0, 0, 0)), (4, 1, 1, 4), 4).graph()
