"""Features of a classical model: by which numbers each was moved and stretched, and what the samples say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph, Node, Quant
from skosh.ops.classical.taming import Tamed
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul, Sub
from skosh.ops.elements.quantization import Cast
from skosh.quantizer.study.batch import runs

UNUSUAL = 2e-4
ALIKE = 4.0
"""How much wider than usual the range of a feature may be before features get a scale each."""


@dataclass(frozen=True, eq=False)
class Affine:
    """A tensor [1, K] as factor * source + offset, each [K]. Clipping is left out: integers saturate anyway."""

    source: str
    factor: Array
    offset: Array

    @property
    def is_identity(self) -> bool:
        return bool(np.all(self.factor == 1) and not self.offset.any())


def affine(graph: Graph, name: str) -> Affine:
    """How a tensor comes from the model's input, or from the nearest tensor that isn't just moved and stretched."""
    columns = graph.tensors[name].size
    node = graph.producer.get(name)
    whole = Affine(name, np.ones(columns), np.zeros(columns))
    if node is None:
        return whole
    if isinstance(node.op, Cast) and node.inputs[0] in graph.inputs:
        return Affine(node.inputs[0], whole.factor, whole.offset)
    if isinstance(node.op, Tamed):  # rows out of reach: integers saturate
        return affine(graph, node.inputs[0])
    if not isinstance(node.op, Add | Sub | Mul | Div | Maximum | Minimum) or len(node.inputs) != 2:
        return whole
    left, right = (graph.tensors[n].data for n in node.inputs)
    if (left is None) == (right is None) or getattr(node.op, "activation", "none") != "none":
        return whole
    constant, x = (right, node.inputs[0]) if left is None else (left, node.inputs[1])
    if graph.tensors[x].size != columns or (left is not None and isinstance(node.op, Div)):
        return whole
    assert constant is not None, "one side is constant"
    numbers = np.broadcast_to(constant.astype(np.float64).reshape(-1), columns)
    inner = affine(graph, x)
    return _moved(inner, node, numbers, turned=left is not None)


def _moved(inner: Affine, node: Node, c: Array, turned: bool) -> Affine:
    factor, offset = inner.factor, inner.offset
    if type(node.op) is Add:
        return Affine(inner.source, factor, offset + c)
    if isinstance(node.op, Sub):
        return Affine(inner.source, -factor, c - offset) if turned else Affine(inner.source, factor, offset - c)
    if isinstance(node.op, Mul | Div):
        by = c if isinstance(node.op, Mul) else 1 / c
        return Affine(inner.source, factor * by, offset * by)
    return inner


@dataclass(frozen=True, eq=False)
class Seen:
    """What the float graph gave on the samples. None are needed where features are integers: ``exact``."""

    graph: Graph
    samples: Sequence[Sequence[Array]] = field(default=())

    @property
    def exact(self) -> bool:
        return not any(self.graph.tensors[n].dtype.is_float for n in self.graph.inputs)

    @cached_property
    def values(self) -> dict[str, Array]:
        """[samples, elements] of each float tensor."""
        parts: dict[str, list[Array]] = {}
        for values in runs(self.graph, self.samples):
            for name, value in values.items():
                t = self.graph.tensors[name]
                if not t.is_constant and t.dtype.is_float:
                    parts.setdefault(name, []).append(np.asarray(value, np.float64).reshape(-1, t.size))
        return {name: np.concatenate(p) for name, p in parts.items()}

    def of(self, name: str) -> Array:
        if not self.samples:
            raise InputError(
                f'there must be samples to find the range of "{name}"',
                loc=self.graph.loc,
                hint="quantize(graph, samples)",
            )
        return self.values[name]

    def usual(self, name: str) -> tuple[float, float]:
        """The range of all elements but the outermost, one in five thousand: what a table of a steep function is for."""
        low, high = np.quantile(self.of(name), [UNUSUAL / 2, 1 - UNUSUAL / 2])
        return float(low), float(high)

    def mean(self, name: str) -> Array:
        return np.asarray(self.of(name).mean(axis=0))

    def middle(self, name: str, found: Affine, default: Array) -> Array:
        """The mean of integer features over the samples, or a default where there are none."""
        return (self.mean(name) - found.offset) / found.factor if self.samples else default


# ------------------------------------------------------------------------------------------------- from reals to steps


@dataclass(frozen=True, eq=False)
class Steps:
    """How features [K] become integers: x / scale + zero. quant: of a model's input that takes them so; None when they
    become integers inside. exact: they were such numbers before."""

    scale: Array
    zero: Array
    quant: Quant | None
    exact: bool = False


def steps_of(values: Array, low: int, top: int, plain: bool, common: bool, symmetric: bool) -> Steps:
    """The steps for features in [low, top], from samples [samples, K]. plain: they are the model's input as it comes.

    Whole numbers that fit stay as they are. Else the range of all is spread over the integers where all have about as wide
    a one, or must have one scale (common); else each has its own. symmetric: one scale, and 0 stays 0.
    """
    lo, hi = values.min(axis=0), values.max(axis=0)
    if (lo == hi).all():
        raise InputError("features must vary over the samples", hint="give samples like those that the model will see")
    one = np.ones(lo.shape)
    if plain and low <= min(lo.min(), 0) and hi.max() <= top and np.array_equal(values, np.rint(values)):
        return Steps(one, 0 * one, Quant((1.0,), (0,)), exact=True)
    if symmetric:
        scale = _single(one * max(-lo.min(), hi.max()) / top)
        return Steps(scale, 0 * one, Quant((float(scale[0]),), (0,)) if plain else None)
    wide = np.maximum(hi - lo, float(np.median(hi - lo)) / 16)
    wide = np.maximum(wide, float(wide.max()) * 1e-6)
    if common or float(wide.max()) <= ALIKE * float(np.median(wide)):
        if not plain:
            scale = _single(wide / (top - low) if not common else one * wide.max() / (top - low))
            return Steps(scale, (low + top) / 2 - (lo + hi) / 2 / scale, None)
        lo, hi = one * min(lo.min(), 0.0), one * max(hi.max(), 0.0)
        scale = _single((hi - lo) / (top - low))
        zero = np.clip(np.rint(low - lo / scale), low, top)
        return Steps(scale, zero, Quant((float(scale[0]),), (int(zero[0]),)))
    with_zero = np.maximum(hi, 0.0) - np.minimum(lo, 0.0)
    if plain and (with_zero <= 2 * wide).all():  # an input's zero point is one of its integers
        wide = np.maximum(with_zero, wide)
        scale = _single(wide / (top - low))
        zero = np.clip(np.rint(low - np.minimum(lo, 0.0) / scale), low, top)
        return Steps(scale, zero, Quant(tuple(scale.tolist()), tuple(int(z) for z in zero), 1))
    scale = _single(wide / (top - low))
    return Steps(scale, (low + top) / 2 - (lo + hi) / 2 / scale, None)


def _single(scale: Array) -> Array:
    """Scales are numbers of float32."""
    return np.asarray(scale.astype(np.float32).astype(np.float64))
