"""Hierarchical inference: a small model always, the large one when the small one is unsure.

What unsure means is fitted on samples: by temperature scaling and a threshold, or by a logistic decision on the scores;
whichever costs less, a sample sent costing ``cost_ratio`` of a wrong answer. It becomes a node of the small model's graph, so
that the node's C gives the answer and whether it is sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph
from skosh.place.confidence import Logistic, Temperature, fit_logistic, fit_temperature, scores_of
from skosh.place.exits import SEED, checked, collect, scale_of

SURE = "sure"
RULES = ("temperature", "logistic")


@dataclass(frozen=True)
class Hierarchy:
    """graph: the small model with a second output, bool: is it sure. large: asked where it isn't.

    rule: how that is decided. sent: share of samples that go up. accuracy: of both together; accuracy_small, accuracy_large:
    of each alone; cost: cost_ratio * sent + wrong answers, a sample. All on the half of the samples that fitted nothing.
    """

    graph: Graph
    large: Graph
    rule: Temperature | Logistic
    cost_ratio: float
    sent: float
    accuracy: float
    accuracy_small: float
    accuracy_large: float
    cost: float

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule.kind, **vars(self.rule), "cost_ratio": self.cost_ratio, "sent": self.sent,
            "accuracy": self.accuracy, "accuracy_small": self.accuracy_small, "accuracy_large": self.accuracy_large,
            "cost": self.cost,
        }  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"Hierarchy({self.graph.name} asks {self.large.name} for {100 * self.sent:.1f} %, by {self.rule.kind}; "
            f"accuracy {self.accuracy:.4f}, alone {self.accuracy_small:.4f} and {self.accuracy_large:.4f})"
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """What both models say to the samples: int8 scores of the small one, classes of both, labels; which half fits."""

    scores: Array
    scale: float
    small: Array
    large: Array
    labels: Array
    fit: Array
    test: Array

    @property
    def wrong(self) -> Array:
        """Of the fitting half: is the large model wrong, 0 or 1."""
        return np.asarray((self.large[self.fit] != self.labels[self.fit]).astype(np.float64))

    def cost(self, sure: Array, rows: Array, ratio: float) -> float:
        answers = np.where(sure, self.small, self.large)
        return float(np.mean(ratio * ~sure[rows] + (answers[rows] != self.labels[rows])))


def hierarchy(
    small: Graph, large: Graph, samples: Any, labels: Any, *, cost_ratio: float = 0.1, rules: Sequence[str] = RULES
) -> Hierarchy:  # fmt: skip
    """A small classifier that knows when to ask the large one.

    samples: real numbers, which each model quantizes as its input says, or integers of the large model's input. labels:
    indices of classes. cost_ratio: what sending a sample costs, a wrong answer costing 1. Raises InputError when they don't
    fit.
    """
    if not 0 <= cost_ratio <= 1:
        raise InputError(f"cost_ratio must be from 0 to 1, not {cost_ratio}")
    strange = [r for r in rules if r not in RULES]
    if strange or not rules:
        raise InputError(f'rules must be "temperature" or "logistic", not {strange or "none"}')
    seen = _seen(small, large, samples, labels)
    fitted: dict[str, Callable[[_Seen, float], Temperature | Logistic]]
    fitted = {"temperature": _temperature, "logistic": _logistic}
    tried = [fitted[r](seen, cost_ratio) for r in rules]
    rule = min(tried, key=lambda r: seen.cost(r.sure(seen.scores, seen.scale), seen.test, cost_ratio))
    sure = rule.sure(seen.scores, seen.scale)
    answers = np.where(sure, seen.small, seen.large)
    test, y = seen.test, seen.labels
    return Hierarchy(
        with_rule(small, rule), large, rule, cost_ratio, float(np.mean(~sure[test])), float(np.mean(answers[test] == y[test])),
        float(np.mean(seen.small[test] == y[test])), float(np.mean(seen.large[test] == y[test])),
        seen.cost(sure, test, cost_ratio),
    )  # fmt: skip


def _seen(small: Graph, large: Graph, samples: Any, labels: Any) -> _Seen:
    name = scores_of(small)
    given = _real(large, samples)
    x, y = checked(small, given, labels)
    asked, _ = checked(large, samples, labels)
    scores = collect(small, x, [name])[name].reshape(len(x), -1)
    top = scores_of(large)
    says = collect(large, asked, [top])[top].reshape(len(x), -1).argmax(axis=1)
    order = np.random.default_rng(SEED).permutation(len(x))
    half = len(x) // 2
    return _Seen(scores, scale_of(small, name), scores.argmax(axis=1), says, y, order[:half], order[half:])


def _real(large: Graph, samples: Any) -> Any:
    """Integers of the large model's input as the real numbers that they stand for, so that the small one can read them."""
    x, t = np.asarray(samples), large.tensors[large.inputs[0]]
    if x.dtype.kind == "f" or t.quant is None or t.quant.per_channel:
        return x
    return ((x.astype(np.float64) - t.quant.zero_point) * t.quant.scale).astype(np.float32)


def _temperature(seen: _Seen, ratio: float) -> Temperature:
    """The threshold with the least expected cost."""
    q = seen.scores[seen.fit]
    t = fit_temperature(q, seen.scale, seen.labels[seen.fit])
    confidence = Temperature(t, 0.5).confidence(q, seen.scale)
    return Temperature(t, max(_threshold(confidence, seen.wrong, ratio), 1e-6))


def _logistic(seen: _Seen, ratio: float) -> Logistic:
    """A logistic regression on the scores, its bias moved to the probability with the least expected cost."""
    q = seen.scores[seen.fit]
    base, unit = fit_logistic(q, seen.small[seen.fit] == seen.labels[seen.fit])
    odds = np.clip(base.sums(q) / unit, -500, 500)
    limit = _threshold(1 / (1 + np.exp(-odds)), seen.wrong, ratio)
    wanted = math.log(max(limit, 1e-12) / max(1 - limit, 1e-12))
    shift = int(np.clip(round(wanted * unit), -(1 << 29) + 1, (1 << 29) - 1))
    return replace(base, bias=base.bias - shift)


def _threshold(confidence: Array, wrong: Array, ratio: float) -> float:
    """Keep what has at least this confidence: the cost that is expected then is the least.

    confidence: probability that the small model is right, which fitting has made true. wrong: is the large one wrong. Kept
    samples cost 1 - confidence, others ``ratio``, and 1 where the large model is wrong.
    """
    order = np.argsort(-confidence, kind="stable")
    kept = np.concatenate([[0.0], np.cumsum(1 - confidence[order])])
    sent = ratio + wrong[order]
    rest = np.concatenate([np.cumsum(sent[::-1])[::-1], [0.0]])
    best = int(np.argmin(kept + rest))
    return 1.0 if best == 0 else float(confidence[order[best - 1]])


def with_rule(small: Graph, rule: Temperature | Logistic) -> Graph:
    """The small model with an output more, ``sure``: a bool."""
    name = scores_of(small)
    tensors, node = rule.nodes(small, name, SURE)
    notes = small.notes.with_(predict=None, rule=rule.kind)
    made = replace(
        small, tensors={**small.tensors, **{t.name: t for t in tensors}}, nodes=(*small.nodes, node),
        outputs=(*small.outputs, SURE), notes=notes, name=f"{small.name}_sure",
    )  # fmt: skip
    check_graph(made)
    return made
