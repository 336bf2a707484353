"""How sure a classifier is, fitted on samples: temperature scaling, a logistic decision; and either as a node of a graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import bool_, i8, i32
from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ops.choices.confidence import Sure, SureByMargin
from skosh.ops.reductions.softmax import Softmax

LARGEST = 20  # bits of the table's largest entry, fewer where there are very many classes


def scores_of(graph: Graph) -> str:
    """The tensor with a classifier's scores: what its last softmax reads, else its output. InputError: it has no int8 ones."""
    name = graph.outputs[0]
    last = graph.producer.get(name)
    if last is not None and isinstance(last.op, Softmax):
        name = last.inputs[0]
    t = graph.tensors[name]
    if (
        t.dtype != i8
        or t.quant is None
        or t.quant.per_channel
        or len(t.shape) < 2
        or t.shape[-1] < 2
        or t.size != t.shape[-1]
    ):
        raise InputError(
            f'"{name}" must be int8 scores of at least 2 classes, not {t.dtype}{list(t.shape)}', loc=graph.loc,
            hint="quantize the classifier first: skosh.quantize(graph, samples)",
        )  # fmt: skip
    return name


# --------------------------------------------------------------------------------------------------- temperature


@dataclass(frozen=True)
class Temperature:
    """Sure where the largest softmax(scores / temperature) is at least threshold."""

    temperature: float
    threshold: float

    kind = "temperature"

    def confidence(self, q: Array, scale: float) -> Array:
        """[samples] of int8 scores [samples, classes]."""
        d = (q.max(axis=1, keepdims=True).astype(np.float64) - q) * scale / self.temperature
        return np.asarray(1 / np.exp(-d).sum(axis=1))

    def nodes(self, graph: Graph, scores: str, made: str) -> tuple[list[Tensor], Node]:
        """The node that decides, and its tensors; ``made``: the name of its output."""
        t = graph.tensors[scores]
        assert t.quant is not None, "scores have a scale"
        table = exponentials(t.quant.scale / self.temperature, t.shape[-1])
        most = min(math.floor(int(table[0]) / max(self.threshold, 1e-9)), (1 << 31) - 1)
        tensors = [Tensor(f"{made}_table", (256,), i32, None, table), Tensor(made, (*t.shape[:-1], 1), bool_)]
        return tensors, Node(Sure(most), (scores, f"{made}_table"), (made,), made)

    def sure(self, q: Array, scale: float) -> Array:
        """[samples] of bool, by the very integers of the node."""
        table = exponentials(scale / self.temperature, q.shape[1]).astype(np.int64)
        d = q.max(axis=1, keepdims=True).astype(np.int64) - q
        return np.asarray(table[d].sum(axis=1) <= math.floor(int(table[0]) / max(self.threshold, 1e-9)))


def exponentials(step: float, classes: int) -> Array:
    """int32 [256]: exp(-step * d) in units in which sums of all classes stay below 2^31."""
    base = 1 << min(LARGEST, 30 - math.ceil(math.log2(classes)))
    return np.asarray(np.rint(base * np.exp(-step * np.arange(256))).astype(np.int32))


def fit_temperature(q: Array, scale: float, labels: Array) -> float:
    """The temperature with the least negative log likelihood: golden section over its logarithm, 1/100 to 100."""

    def loss(log_t: float) -> float:
        z = (q.astype(np.float64) - q.max(axis=1, keepdims=True)) * scale / math.exp(log_t)
        right = z[np.arange(len(q)), labels]
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - right))

    low, high, ratio = math.log(0.01), math.log(100.0), (math.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = loss(a), loss(b)
    for _ in range(40):
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(b)
    return math.exp((low + high) / 2)


# ------------------------------------------------------------------------------------------------------ logistic


@dataclass(frozen=True)
class Logistic:
    """Sure where first * best score + second * second best + every * sum + bias >= 0, whole numbers."""

    first: int
    second: int
    every: int
    bias: int

    kind = "logistic"

    def sums(self, q: Array) -> Array:
        ordered = np.sort(q.astype(np.int64), axis=1)
        return np.asarray(
            self.first * ordered[:, -1] + self.second * ordered[:, -2] + self.every * ordered.sum(axis=1) + self.bias
        )

    def sure(self, q: Array, scale: float) -> Array:
        return np.asarray(self.sums(q) >= 0)

    def nodes(self, graph: Graph, scores: str, made: str) -> tuple[list[Tensor], Node]:
        t = graph.tensors[scores]
        op = SureByMargin(self.first, self.second, self.every, self.bias)
        return [Tensor(made, (*t.shape[:-1], 1), bool_)], Node(op, (scores,), (made,), made)


def fit_logistic(q: Array, right: Array) -> tuple[Logistic, float]:
    """A logistic regression of "the answer is right" on the best score, the second best and the sum, as whole numbers.

    Newton's method with a small ridge; the bias is that of even odds, which a threshold then moves. With the rule comes its
    unit: sums / unit are the logarithm of the odds.
    """
    ordered = np.sort(q.astype(np.float64), axis=1)
    x = np.stack([ordered[:, -1], ordered[:, -2], ordered.sum(axis=1)], axis=1)
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    z = np.concatenate([(x - mean) / spread, np.ones((len(x), 1))], axis=1)
    w, y = np.zeros(4), right.astype(np.float64)
    ridge = np.diag([1e-2, 1e-2, 1e-2, 1e-6]) * len(z)
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(z @ w, -30, 30)))
        gradient = z.T @ (p - y) + ridge @ w
        hessian = (z * (p * (1 - p))[:, None]).T @ z + ridge
        w = w - np.linalg.solve(hessian, gradient)
    real = w[:3] / spread
    bias = float(w[3] - (real * mean).sum())
    bound = 128 * (abs(real[0]) + abs(real[1]) + q.shape[1] * abs(real[2])) + abs(bias) + 1e-12
    unit = 2.0**29 / bound  # half of what an int32 holds: a threshold moves the bias
    first, second, every = (round(float(v) * unit) for v in real)
    return Logistic(first, second, every, round(bias * unit)), unit
