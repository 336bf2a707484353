"""Support vector machines: one decision for each pair of classes, and their votes. Kernels are made of other operators.

The order of pairs is that of libsvm: (0, 1), (0, 2), ..., (1, 2), ...; a positive decision is for the first of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import Traits
from skosh.language import call, kernel, par, seq
from skosh.ops.classical.distances import sum_in_order
from skosh.ops.common import check_dtype, given, required


@kernel
def pair_decisions(x: f32[S], w: f32[C - 1, S], bias: f32[P], start: i32[C + 1], y: f32[P]):
    """y[i, j] = bias + the support vectors of class i times row j - 1 of w + those of class j times row i."""
    for i in seq(C):
        for j in par(i + 1, C):
            acc = 0.0
            for s in seq(start[i], start[i + 1]):
                acc += x[s] * w[j - 1, s]
            for s in seq(start[j], start[j + 1]):
                acc += x[s] * w[i, s]
            p = i * C - i * (i + 1) // 2 + (j - i - 1)
            y[p] = acc + bias[p]


@kernel
def pair_votes(x: f32[C * (C - 1) // 2], y: f32[C]):
    """y[c] = how many pairs decide for c; what isn't positive is for the second class of a pair."""
    for c in par(C):
        y[c] = 0.0
    p = 0
    for i in seq(C):
        for j in seq(i + 1, C):
            if x[p] > 0.0:
                y[i] += 1.0
            else:
                y[j] += 1.0
            p += 1


@kernel
def pair_scores(x: f32[C * (C - 1) // 2], y: f32[C]):
    """y[c] = votes for c + t / (3 (|t| + 1)), t: the sum of the decisions for c; a decision of 0 is for the first."""
    for c in par(C):
        y[c] = 0.0
    p = 0
    for i in seq(C):
        for j in seq(i + 1, C):
            y[i] += x[p]
            y[j] -= x[p]
            p += 1
    for c in seq(C):
        t = y[c]
        size = -t if t < 0.0 else t
        votes = 0
        p = 0
        for i in seq(C):
            for j in seq(i + 1, C):
                if i == c:
                    votes += 0 if x[p] < 0.0 else 1
                elif j == c:
                    votes += 1 if x[p] < 0.0 else 0
                p += 1
        y[c] = f32(votes) + t / (3.0 * (size + 1.0))


@dataclass(frozen=True)
class PairDecisions(Op):
    """y [1, pairs] from kernel values x [1, S], coefficients [classes - 1, S] and biases [pairs].

    support: how many support vectors each class has; they lie one class after another. libsvm, svm.cpp,
    svm_predict_values.
    """

    support: tuple[int, ...]
    kind = "pair_decisions"
    traits = Traits(classical=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w, bias = required(inputs, 3)
        check_dtype(x, f32)
        classes, vectors = len(self.support), sum(self.support)
        pairs = classes * (classes - 1) // 2
        if classes < 2 or (x.shape, w.shape, bias.shape) != ((1, vectors), (classes - 1, vectors), (pairs,)):
            raise ModelError(
                f"{classes} classes with {vectors} support vectors must have values of shape [1, {vectors}], coefficients "
                f"[{classes - 1}, {vectors}] and {pairs} biases, not {list(x.shape)}, {list(w.shape)}, {list(bias.shape)}"
            )
        return (Type((1, pairs), f32),)

    def starts(self) -> Array:
        """[classes + 1]: where the support vectors of each class begin."""
        return np.concatenate([[0], np.cumsum(self.support)]).astype(np.int32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w, bias = given(values, 0)[0], given(values, 1), given(values, 2)
        start, out = self.starts(), []
        with np.errstate(over="ignore", invalid="ignore"):
            for p, (i, j) in enumerate(combinations(range(len(self.support)), 2)):
                mine, other = slice(start[i], start[i + 1]), slice(start[j], start[j + 1])
                terms = [np.zeros(1, np.float32), x[mine] * w[j - 1, mine], x[other] * w[i, other]]
                out.append(sum_in_order(np.concatenate(terms)) + bias[p])
        return (np.array([out], np.float32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 3)[1].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _, bias = required(inputs, 3)
        sizes = {"S": x.size, "C": len(self.support), "P": bias.size}
        start = Const(self.starts(), "start")
        return (call(pair_decisions, x=In(0), w=In(1), bias=In(2), start=start, y=Out(0), **sizes),)


@dataclass(frozen=True)
class PairVotes(Op):
    """y [1, classes] from decisions [1, pairs]: votes, as libsvm counts them to predict.

    scores: scikit-learn's one-versus-rest decisions instead, votes plus something below 1/2 that breaks their ties
    (sklearn/utils/multiclass.py, _ovr_decision_function).
    """

    classes: int
    scores: bool = False
    kind = "pair_votes"
    traits = Traits(classical=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        pairs = self.classes * (self.classes - 1) // 2
        if x.shape != (1, pairs):
            raise ModelError(f"{self.classes} classes must have {pairs} decisions, not shape {list(x.shape)}")
        return (Type((1, self.classes), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)[0]
        votes, sums = np.zeros(self.classes, np.float32), np.zeros(self.classes, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for p, (i, j) in enumerate(combinations(range(self.classes), 2)):
                votes[(j if x[p] < 0 else i) if self.scores else (i if x[p] > 0 else j)] += 1
                sums[i] += x[p]
                sums[j] -= x[p]
            if self.scores:
                votes += sums / (np.float32(3) * (np.abs(sums) + np.float32(1)))
        return (votes[None],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        return (call(pair_scores if self.scores else pair_votes, x=In(0), y=Out(0), C=self.classes),)


# --------------------------------------------------------------------------------------------------- probabilities

LEAST = 1e-7
"""Probabilities between two classes are kept so far from 0 and 1, as libsvm does."""


@kernel
def couple_pairs(r: f32[C, C], q: f32[C, C], step: f32[C], p: f32[C], *, rounds):
    """p from r[i, j], the probability of i if it is i or j: Wu, Lin, Weng 2004, second approach, algorithm 2.

    q: their matrix Q, q[t, t] = sum over j of r[j, t]^2 and q[t, j] = -r[j, t] r[t, j]. The rounds end where no component
    of Q p is farther than 0.005 / C from p'Q p, which decides when libsvm stops and so what it gives.
    """
    for t in seq(C):
        p[t] = 1.0 / f32(C)
        q[t, t] = 0.0
        for j in seq(C):
            if j != t:
                q[t, t] += r[j, t] * r[j, t]
                q[t, j] = -r[j, t] * r[t, j]
    limit = f32(0.005) / f32(C)
    going = 1
    for _round in seq(rounds):
        if going != 0:
            total = 0.0
            for t in seq(C):
                acc = 0.0
                for j in seq(C):
                    acc += q[t, j] * p[j]
                step[t] = acc
                total += p[t] * acc
            farthest = 0.0
            for t in seq(C):
                d = step[t] - total
                d = -d if d < 0.0 else d
                farthest = d if d > farthest else farthest
            if farthest < limit:
                going = 0
            else:
                for t in seq(C):
                    d = (total - step[t]) / q[t, t]
                    scale = d + 1.0
                    total = (total + d * (d * q[t, t] + 2.0 * step[t])) / scale / scale
                    p[t] += d
                    for j in seq(C):
                        step[j] = (step[j] + d * q[t, j]) / scale
                        p[j] = p[j] / scale


@kernel
def square_pairs(x: f32[P], r: f32[C, C], least: f32, most: f32):
    """r[i, j] = x of the pair (i, j), kept inside [least, most]; r[j, i] = 1 - r[i, j]."""
    p = 0
    for i in seq(C):
        r[i, i] = 0.0
        for j in seq(i + 1, C):
            v = x[p] if x[p] > least else least
            v = v if v < most else most
            r[i, j] = v
            r[j, i] = 1.0 - v
            p += 1


@dataclass(frozen=True)
class PairProbabilities(Op):
    """y [1, classes]: probabilities of classes from those within pairs, x [1, pairs], each of the first of the two."""

    classes: int
    kind = "pair_probabilities"

    @property
    def rounds(self) -> int:
        """After which the iteration ends anyway."""
        return max(100, self.classes)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        pairs = self.classes * (self.classes - 1) // 2
        if self.classes < 2 or x.shape != (1, pairs):
            raise ModelError(f"{self.classes} classes must have {pairs} probabilities, not shape {list(x.shape)}")
        return (Type((1, self.classes), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, count, one = given(values, 0)[0], self.classes, np.float32(1)
        r = np.zeros((count, count), np.float32)
        low, high = np.float32(LEAST), np.float32(1 - LEAST)
        for (i, j), v in zip(combinations(range(count), 2), x, strict=True):
            v = v if v > low else low
            r[i, j] = v if v < high else high
            r[j, i] = one - r[i, j]
        q = -r.T * r
        np.fill_diagonal(q, [sum_in_order(np.delete(r[:, t], t) ** 2) for t in range(count)])
        p = np.full(count, one / np.float32(count), np.float32)
        limit = np.float32(0.005) / np.float32(count)
        for _ in range(self.rounds):
            step = sum_in_order(q * p)
            total = sum_in_order(p * step)
            if not np.abs(step - total).max() >= limit:
                break
            for t in range(count):
                d = (total - step[t]) / q[t, t]
                scale = d + one
                total = (total + d * (d * q[t, t] + np.float32(2) * step[t])) / scale / scale
                p[t] += d
                step = (step + d * q[t]) / scale
                p = p / scale
        return (p[None],)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return self.classes**2

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        c = self.classes
        r, q, step = (Scratch(n, f32, name) for n, name in ((c * c, "between"), (c * c, "matrix"), (c, "step")))
        low, high = float(np.float32(LEAST)), float(np.float32(1 - LEAST))
        return (
            call(square_pairs, x=In(0), r=r, C=c, P=c * (c - 1) // 2, least=low, most=high),
            call(couple_pairs, r=r, q=q, step=step, p=Out(0), C=c, rounds=self.rounds),
        )
