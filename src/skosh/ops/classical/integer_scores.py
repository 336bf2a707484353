"""Scores of classes in whole numbers: sums of products that nothing rounds, and the labels that they decide.

Zero points are folded into biases by whoever makes the operator; here integers are integers. Sums stay below 2^31 for every
input, which ``check_outputs`` proves from the constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from skosh.base.dtypes import DType, i8, i16, i32, u8, u16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, kernel, par, seq, widen
from skosh.ops.common import check_dtype, given, required

FEATURES = (i8, u8, i16)


@kernel
def integer_scores(x: X[K], w: W[N, K], bias: i32[N], y: i32[N]):
    """y[n] = bias[n] + sum over k of x[k] * w[n, k]."""
    for n in par(N):
        acc = bias[n]
        for k in seq(K):
            acc += widen(x[k]) * widen(w[n, k])
        y[n] = acc


@kernel
def integer_pairs(x: X[S], w: W[C - 1, S], bias: i32[P], start: i32[C + 1], y: i32[P]):
    """y[i, j] = bias + the support vectors of class i times row j - 1 of w + those of class j times row i."""
    for i in seq(C):
        for j in par(i + 1, C):
            p = i * C - i * (i + 1) // 2 + (j - i - 1)
            acc = bias[p]
            for s in seq(start[i], start[i + 1]):
                acc += widen(x[s]) * widen(w[j - 1, s])
            for s in seq(start[j], start[j + 1]):
                acc += widen(x[s]) * widen(w[i, s])
            y[p] = acc


@kernel
def integer_votes(x: i32[C * (C - 1) // 2], y: i32[C]):
    """y[c] = how many pairs decide for c; what isn't positive is for the second class of a pair."""
    for c in par(C):
        y[c] = 0
    p = 0
    for i in seq(C):
        for j in seq(i + 1, C):
            if x[p] > 0:
                y[i] += 1
            else:
                y[j] += 1
            p += 1


@kernel
def label_votes(label: T[J], y: i32[C]):
    """y[c] = how many labels are c."""
    for c in par(C):
        y[c] = 0
    for j in seq(J):
        y[i32(label[j])] += 1


@kernel
def above(x: i32[N], y: i32[N], *, limit):
    """y = 1 where x > limit, else 0."""
    for n in par(N):
        y[n] = 1 if x[n] > limit else 0


@dataclass(frozen=True)
class IntegerScores(Op):
    """y [1, N] int32 = bias [N] + w [N, K] times x [1, K]. x: int8, uint8 or int16; w: int8 or int16."""

    kind = "integer_scores"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w, bias = required(inputs, 3)
        check_dtype(x, *FEATURES)
        check_dtype(w, i8, i16)
        check_dtype(bias, i32)
        if len(w.shape) != 2 or x.shape != (1, w.shape[1]) or bias.shape != w.shape[:1]:
            raise ModelError(
                f"weights must be [N, {x.size}] and biases [N], not {list(w.shape)} and {list(bias.shape)}"
            )
        return (Type((1, w.shape[0]), i32),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        x, w, bias = required(inputs, 3)
        if w.data is not None and bias.data is not None:
            check_sums(sum_bound(x.dtype, w.data) + np.abs(bias.data.astype(np.int64)))

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w, bias = (given(values, i).astype(np.int64) for i in range(3))
        return ((x @ w.T + bias).astype(np.int32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 3)[1].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w, _ = required(inputs, 3)
        sizes = dict(zip("NK", w.shape, strict=True))
        return (call(integer_scores, x=In(0), w=In(1), bias=In(2), y=Out(0), X=x.dtype, W=w.dtype, **sizes),)


@dataclass(frozen=True)
class IntegerPairs(Op):
    """y [1, pairs] int32 from kernel values x [1, S], coefficients [classes - 1, S] and biases [pairs].

    support: how many support vectors each class has; they lie one class after another. See ``ops.svm.PairDecisions``.
    """

    support: tuple[int, ...]
    kind = "integer_pairs"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w, bias = required(inputs, 3)
        check_dtype(x, *FEATURES)
        check_dtype(w, i8, i16)
        check_dtype(bias, i32)
        classes, vectors = len(self.support), sum(self.support)
        pairs = classes * (classes - 1) // 2
        if classes < 2 or (x.shape, w.shape, bias.shape) != ((1, vectors), (classes - 1, vectors), (pairs,)):
            raise ModelError(
                f"{classes} classes with {vectors} support vectors must have values of shape [1, {vectors}], coefficients "
                f"[{classes - 1}, {vectors}] and {pairs} biases, not {list(x.shape)}, {list(w.shape)}, {list(bias.shape)}"
            )
        return (Type((1, pairs), i32),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        x, w, bias = required(inputs, 3)
        if w.data is not None and bias.data is not None:
            rows = np.stack([row for row, _ in self.rows(w.data)])
            check_sums(sum_bound(x.dtype, rows) + np.abs(bias.data.astype(np.int64)))

    def rows(self, w: Array) -> list[tuple[Array, tuple[int, int]]]:
        """For each pair of classes its weights of all support vectors [S], 0 where there is none."""
        start, found = self.starts(), []
        for i, j in combinations(range(len(self.support)), 2):
            row = np.zeros(w.shape[1], w.dtype)
            for own, k in ((i, j - 1), (j, i)):
                row[start[own] : start[own + 1]] = w[k, start[own] : start[own + 1]]
            found.append((row, (i, j)))
        return found

    def starts(self) -> Array:
        """[classes + 1]: where the support vectors of each class begin."""
        return np.concatenate([[0], np.cumsum(self.support)]).astype(np.int32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w, bias = (given(values, i).astype(np.int64) for i in range(3))
        return (np.array([[int(x[0] @ row) for row, _ in self.rows(w)] + bias]).reshape(1, -1).astype(np.int32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 3)[1].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w, bias = required(inputs, 3)
        bound = {"S": x.size, "C": len(self.support), "P": bias.size, "X": x.dtype, "W": w.dtype}
        start = Const(self.starts(), "start")
        return (call(integer_pairs, x=In(0), w=In(1), bias=In(2), start=start, y=Out(0), **bound),)


@dataclass(frozen=True)
class IntegerVotes(Op):
    """y [1, classes] int32: votes of decisions between pairs of classes, x [1, pairs] int32, as libsvm counts them."""

    classes: int
    kind = "integer_votes"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i32)
        pairs = self.classes * (self.classes - 1) // 2
        if x.shape != (1, pairs):
            raise ModelError(f"{self.classes} classes must have {pairs} decisions, not shape {list(x.shape)}")
        return (Type((1, self.classes), i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        votes = np.zeros((1, self.classes), np.int32)
        for v, (i, j) in zip(given(values, 0)[0], combinations(range(self.classes), 2), strict=True):
            votes[0, i if v > 0 else j] += 1
        return (votes,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        return (call(integer_votes, x=In(0), y=Out(0), C=self.classes),)


@dataclass(frozen=True)
class LabelVotes(Op):
    """y [1, classes] int32: how often each class stands among the labels [1, J]."""

    classes: int
    kind = "label_votes"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (labels,) = required(inputs, 1)
        check_dtype(labels, u8, u16, i32)
        if labels.shape != (1, labels.size):
            raise ModelError(f"labels must be one row, not shape {list(labels.shape)}")
        return (Type((1, self.classes), i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.bincount(given(values, 0)[0], minlength=self.classes)[None].astype(np.int32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (labels,) = required(inputs, 1)
        return (call(label_votes, label=In(0), y=Out(0), T=labels.dtype, J=labels.size, C=self.classes),)


@dataclass(frozen=True)
class Above(Op):
    """y int32 = 1 where x (int32) is above ``limit``, else 0."""

    limit: int
    kind = "above"
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i32)
        return (Type(x.shape, i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return ((given(values, 0) > self.limit).astype(np.int32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        return (call(above, x=In(0), y=Out(0), N=x.size, limit=self.limit),)


def sum_bound(x: DType, weights: Array) -> Array:
    """[N]: no sum of x * w exceeds this, whatever x of that type. weights: [N, K]."""
    return np.asarray(np.abs(weights.astype(np.int64)).sum(axis=1) * max(-x.min, x.max))


def check_sums(bound: Array) -> None:
    """A ModelError when a sum may not fit 32 bits."""
    if np.any(bound > i32.max):
        worst = int(np.argmax(bound))
        raise ModelError(f"sums must stay below 2^31, but number {worst} can reach {int(bound[worst])}")


def one_row(x: Tensor, *points: Tensor) -> None:
    """A ModelError unless x is [1, K] and each of the others [N, K], all integers of x's type."""
    check_dtype(x, *FEATURES)
    for p in points:
        check_dtype(p, x.dtype)
        if len(p.shape) != 2 or x.shape != (1, p.shape[1]):
            raise ModelError(f"a row must meet points as long, not {list(x.shape)} and {list(p.shape)}")
