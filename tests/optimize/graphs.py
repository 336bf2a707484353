"""Building small graphs by hand, random ones by seed, and comparing what they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.dtypes import DType, from_numpy, i8, i16
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph, Node, Op, Quant, Tensor
from skosh.ir.interpret_graph import run_graph
from skosh.ops.elements.activations import LeakyRelu, Logistic, Relu
from skosh.ops.elements.elementwise import Add, Maximum, Minimum, Mul, Sub
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import Concat, Slice, Split, Tile, Transpose
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Reshape
from skosh.ops.moves.resize import ResizeBilinear, ResizeNearest
from skosh.ops.reductions.reductions import Mean
from skosh.optimize import optimize_graph
from tests.support.agree import random_input

Array = npt.NDArray[Any]
Generator = np.random.Generator


def quant(scale: float = 0.05, zero: int = 0) -> Quant:
    return Quant((float(np.float32(scale)),), (zero,))


class Builder:
    """Adds one node after the other; every method gives the name of what it made."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def add(self, tensor: Tensor) -> str:
        self.tensors[tensor.name] = tensor
        return tensor.name

    def fresh(self, stem: str) -> str:
        return f"{stem}{len(self.tensors)}"

    def input(self, shape: Sequence[int], dtype: DType = i8, q: Quant | None = None) -> str:
        name = self.add(Tensor(self.fresh("x"), tuple(shape), dtype, q))
        self.inputs.append(name)
        return name

    def constant(self, values: Any, q: Quant | None = None, dtype: Any = None) -> str:
        data = np.asarray(values, dtype)
        return self.add(Tensor(self.fresh("c"), data.shape, from_numpy(data.dtype), q, data))

    def node(self, op: Op, *inputs: str, q: Quant | None = None) -> Any:
        """The output's name, or a tuple of them; the first input's scale when none is given."""
        first = self[inputs[0]]
        types = op.infer([self.tensors[n] if n else None for n in inputs])
        outs = tuple(
            self.add(Tensor(self.fresh(op.kind), t.shape, t.dtype, first.quant if q is None else q)) for t in types
        )
        self.nodes.append(Node(op, inputs, outs))
        return outs if len(outs) > 1 else outs[0]

    def graph(self, *outputs: str) -> Graph:
        made = Graph("test", self.tensors, tuple(self.nodes), tuple(self.inputs), outputs).with_()
        check_graph(made)
        return made


def kinds(graph: Graph) -> list[str]:
    return [n.op.kind for n in graph.nodes]


def check_same(
    before: Graph, after: Graph, seed: int = 0, runs: int = 3, make: Callable[[Tensor, Generator], Array] = random_input
) -> None:
    """Both are legal and compute the same from the same inputs, bit for bit."""
    check_graph(after)
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    for name in (*before.inputs, *before.outputs):
        a, b = before.tensors[name], after.tensors[name]
        assert (a.shape, a.dtype, a.quant) == (b.shape, b.dtype, b.quant)
    rng = np.random.default_rng(seed)
    for _ in range(runs):
        values = [make(t, rng) for t in before.required(before.inputs)]
        want, got = run_graph(before, values), run_graph(after, values)
        for name in before.outputs:
            assert want.values[name].tobytes() == got.values[name].tobytes(), name


def optimized(graph: Graph, **more: Any) -> Graph:
    """The optimized graph, after the comparison."""
    after = optimize_graph(graph)
    check_same(graph, after, **more)
    return after


# ---------------------------------------------------------------------------------------------------------- random layers


ZEROS = (-128, -128, -60, -7, 0, 11)


class Random(Builder):
    """Layers with random numbers: many filters of zeros, many unread channels, biases that saturate."""

    def __init__(self, seed: int, dtype: DType = i8) -> None:
        super().__init__()
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        self.quants = [self.new_quant() for _ in range(2)]

    def new_quant(self) -> Quant:
        return quant(self.rng.uniform(0.02, 0.06), int(self.rng.choice(ZEROS)) if self.dtype == i8 else 0)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def any_quant(self) -> Quant:
        return self.quants[int(self.rng.integers(2))]

    def weights(self, shape: tuple[int, ...], axis: int, reads: int | None, scale: float) -> str:
        """axis: of output channels; reads: of input channels. In many layers some of both are zeros, but never all."""
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        for where, share in ((axis, self.pick(0, 0.3, 0.6)), *(((reads, self.pick(0, 0, 0.3)),) if reads else ())):
            gone = self.rng.random(shape[where]) < share
            gone[int(self.rng.integers(shape[where]))] = False
            data[(slice(None),) * where + (gone,)] = 0
        n = shape[axis]
        scales = self.rng.uniform(0.5, 2, n if self.rng.random() < 0.5 else 1) * scale
        return self.constant(data, Quant(tuple(float(np.float32(s)) for s in scales), (0,) * len(scales), axis))

    def bias(self, n: int, reach: float) -> tuple[str, ...]:
        if self.rng.random() < 0.15:
            return ()
        values = self.rng.normal(0, reach, n) * np.where(self.rng.random(n) < 0.1, 10, 0.1)
        return (self.constant(values.astype(np.int64 if self.dtype == i16 else np.int32)),)

    def layer(self, op: Any, x: str, shape: tuple[int, ...], axis: int, reads: int | None) -> str:
        q = self.any_quant()
        terms = int(np.prod(shape)) // shape[axis]
        span = 80 if self.dtype == i8 else 15000
        scale = q.scale * (120 if self.dtype == i8 else 20000) / (self[x].quant.scale * span * 70 * np.sqrt(terms))  # type: ignore[union-attr]
        w = self.weights(shape, axis, reads, scale)
        return str(self.node(op, x, w, *self.bias(shape[axis], span * 70 * np.sqrt(terms)), q=q))

    def activation(self) -> str:
        return str(self.pick("none", "none", "relu", "relu6", "relu_n1_to_1"))

    def window(self, x: str) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
        _, h, w, _ = self[x].shape
        size = (self.pick(1, 1, 2, 3), self.pick(1, 1, 2, 3))
        dilation = (self.pick(1, 1, 2), self.pick(1, 1, 2))
        need = [max(0, (k - 1) * d + 1 - n) for k, d, n in zip(size, dilation, (h, w), strict=True)]
        pads = (need[0], self.pick(0, 1) if size[0] > 1 else 0, need[1], self.pick(0, 1) if size[1] > 1 else 0)
        if min(size) > 1 and self.rng.random() < 0.4:
            pads = (pads[0] + 1, pads[1], pads[2] + 1, pads[3])
        return size, (self.pick(1, 1, 2), self.pick(1, 1, 2)), pads, dilation

    def conv(self, x: str, filters: int | None = None) -> str:
        size, stride, pads, dilation = ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1)) if filters else self.window(x)
        n, c = filters or int(self.rng.integers(2, 9)), self[x].shape[3]
        return self.layer(Conv2D(stride, pads, dilation, self.activation()), x, (n, *size, c), 0, 3)

    def depthwise(self, x: str) -> str:
        size, stride, pads, dilation = self.window(x)
        filters = self[x].shape[3] * (self.pick(1, 1, 2) if self[x].shape[3] < 9 else 1)
        return self.layer(DepthwiseConv2D(stride, pads, dilation, self.activation()), x, (1, *size, filters), 3, None)

    def dense(self, x: str) -> str:
        depth = int(np.prod(self[x].shape[1:]))
        return self.layer(Dense(self.activation()), x, (int(self.rng.integers(1, 7)), depth), 0, 1)

    def residual(self, x: str) -> str:
        y = self.conv(x, self[x].shape[3])
        op = self.pick(Add(self.activation()), Sub(), Mul(), Maximum(), Minimum())
        if isinstance(op, Maximum) and self[x].quant != self[y].quant:
            op = Add()
        return str(
            self.node(op, *self.pick((x, y), (y, x)), q=self[x].quant if isinstance(op, Maximum) else self.any_quant())
        )

    def with_constant(self, x: str) -> str:
        shape = self.pick((1,), self[x].shape[3:], self[x].shape[1:])
        c = self.constant(self.rng.integers(-100, 100, shape).astype(self.dtype.np), self.any_quant())
        return str(self.node(self.pick(Add(), Mul()), x, c, q=self.any_quant()))

    def function(self, x: str) -> str:
        if self.dtype == i8 and self.rng.random() < 0.4:
            op = self.pick(Logistic(), LeakyRelu(0.1))
            return str(self.node(op, x, q=quant(1 / 256, -128) if isinstance(op, Logistic) else self.any_quant()))
        q = self.pick(self[x].quant, self.any_quant()) if self.dtype == i8 else self[x].quant
        return str(self.node(Relu(self.pick("relu", "relu6", "relu_n1_to_1")), x, q=q))

    def pool(self, x: str) -> str:
        size = tuple(self.pick(1, min(2, n), n) for n in self[x].shape[1:3])
        pads = (self.pick(0, int(size[0] > 1)), 0, 0, self.pick(0, int(size[1] > 1)))
        return str(
            self.node(self.pick(AveragePool2D, MaxPool2D)(size, (self.pick(1, 2), 1), pads, self.activation()), x)
        )

    def concat(self, x: str) -> str:
        y = self.conv(x, int(self.rng.integers(1, 5)))
        if self[x].quant != self[y].quant:
            y = str(self.node(self.pick(MaxPool2D, AveragePool2D)((1, 1), (1, 1), (0, 0, 0, 0)), x))
        return (
            str(self.node(Concat(self.pick(3, 3, -1, 1)), x, y))
            if self[x].shape == self[y].shape
            else str(self.node(Concat(3), *self.pick((x, y), (y, x))))
        )

    def move(self, x: str) -> str:
        """Things that only rearrange."""
        n, h, w, c = self[x].shape
        zero = self.pick(self[x].quant.zero_point, 3)  # type: ignore[union-attr]
        start = int(self.rng.integers(0, c))
        count = int(self.rng.integers(1, c - start + 1))
        begin, size = (0, 0, 0, start), (n, h, w, count)
        op = self.pick(
            Pad(((0, 0), (self.pick(0, 1), 1), (1, 0), self.pick((0, 0), (1, 2))), zero),
            Slice(begin, size, (1, 1, 1, 1), size),
            Transpose((0, 2, 1, 3)), Transpose((0, 1, 2, 3)),
            Reshape((n, w, h, c)), Reshape((n, 1, h * w, c)),
            Tile((1, 1, self.pick(1, 2), 1)), ResizeNearest((h + 1, w)), Mean((1, 2), True),
        )  # fmt: skip
        if self.dtype == i8 and self.rng.random() < 0.1:
            op = ResizeBilinear((h + 1, w + 2))
        return str(self.node(op, x, q=self.any_quant() if isinstance(op, Mean) else None))

    def split(self, x: str) -> str:
        c = self[x].shape[3]
        if c < 2:
            return x
        at = int(self.rng.integers(1, c))
        a, b = self.node(Split(3, (at, c - at)), x)
        a = str(self.node(Relu("relu"), a)) if self.rng.random() < 0.5 else a
        return str(self.node(Concat(3), *self.pick((a, b), (b, a))))


def random_network(seed: int, dtype: DType = i8, layers: int = 8) -> Graph:
    """A chain of random layers with side branches, ended by a dense layer or not."""
    b = Random(seed, dtype)
    h, w, c = (int(n) for n in b.rng.integers((2, 2, 1), (6, 6, 5)))
    x = b.input((b.pick(1, 1, 2), h, w, c), dtype, b.any_quant())
    steps: list[Callable[[str], str]] = [
        b.conv, b.conv, b.conv, b.depthwise, b.depthwise, b.residual, b.residual, b.function, b.pool, b.concat, b.move,
        b.with_constant, b.split,
    ]  # fmt: skip
    for _ in range(layers):
        step = steps[int(b.rng.integers(len(steps)))]
        if b[x].size > 600 and step in (b.concat, b.move, b.residual):
            step = b.pool
        x = step(x)
    outputs = [x]
    if b.rng.random() < 0.3:
        outputs.append(b.conv(x))
    if b.rng.random() < 0.7:
        if b.rng.random() < 0.5:
            n = b[x].shape[0]
            x = b.node(Reshape((n, b[x].size // n)), x)
        x = b.dense(x)
        outputs = [b.dense(x), *outputs[1:]]
    return b.graph(*dict.fromkeys(outputs))
