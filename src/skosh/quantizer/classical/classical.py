"""Integer forms of classical models: linear ones, support vectors, neighbours, centroids, Gaussians.

These are not networks: their layers have no activations that a calibrated scale could be given to. What they have is features,
which become integers once, exact sums of those, and a decision. So their graph is rebuilt from its outputs backwards: scores
become int32 that nothing rounds, whatever only moves or stretches features goes into the constants, functions of one sum
become tables. What is left over (probabilities, weights by distance) goes on in floats.

    x -> sub center -> mul scale -> distances -> mul -gamma -> exp -> pair_decisions -> pair_votes -> arg_max
    x -> integer_features -> curves (table) -> integer_pairs -> integer_votes -> arg_max
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, from_numpy, i8, i16, i32, u8
from skosh.base.errors import InputError, Loc
from skosh.ir.graph import Array, Graph, Node, Op, Tensor
from skosh.ops.classical.distances import Distances, TriangularQuadratics
from skosh.ops.classical.integer_features import IntegerFeatures
from skosh.ops.classical.integer_gaussians import IntegerGaussians, IntegerQuadratics
from skosh.ops.classical.integer_points import IntegerDistances, IntegerNearest, reach_of
from skosh.ops.classical.integer_scores import Above, IntegerPairs, IntegerScores, IntegerVotes, LabelVotes
from skosh.ops.classical.neighbors import Nearest, Votes
from skosh.ops.classical.precise import PreciseDense
from skosh.ops.classical.svm import PairDecisions, PairVotes
from skosh.ops.classical.taming import Tamed
from skosh.ops.elements.activations import Tanh
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Maximum, Minimum, Mul, Sub
from skosh.ops.elements.functions import Exp, Square
from skosh.ops.elements.quantization import Cast
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import ArgMax
from skosh.quantizer.classical import whole
from skosh.quantizer.classical.features import Affine, Seen, affine, steps_of
from skosh.quantizer.classical.whole import Features, one_scale
from skosh.quantizer.networks.boundary import unused

BESIDE = (Dense, PreciseDense, Add, Sub, Mul, Maximum, Minimum, Tamed)
"""Those that a layer of weights may have beside it."""

CURVES: dict[type[Op], Callable[..., Array]] = {
    Exp: np.exp, Tanh: np.tanh, Square: np.square, Mul: np.multiply, Add: np.add, Sub: np.subtract,
}  # fmt: skip
"""Operators of which functions of one sum are made."""


def is_classical(graph: Graph) -> bool:
    """Whether this is the way for it: it has such an operator, or one layer of weights that decides, or gives a number.

    A layer whose sums are the output of a network of one layer is for ``post_training``, as other networks are.
    """
    if any(n.op.traits.classical for n in graph.nodes):
        return True
    layers = [(n, n.op) for n in graph.nodes if isinstance(n.op, Dense | PreciseDense)]
    if len(layers) != 1:
        return False
    ((node, op),) = layers
    if getattr(op, "activation", "none") != "none" or graph.tensors[node.inputs[0]].shape[:1] != (1,):
        return False
    after = [n.op for n in graph.nodes if not isinstance(n.op, BESIDE)]
    plain = bool(after) or graph.notes.output == "decision"
    if any(isinstance(n.op, Reshape) and n.op.shape != (1,) for n in graph.nodes):
        return False
    return plain and all(isinstance(op, ArgMax | Compare | Cast | Reshape | Select | Exp) for op in after)


@dataclass(frozen=True)
class Score:
    """An int32 tensor [1, N] of scores: real ones are ``scale`` times these."""

    name: str
    scale: float


@dataclass(frozen=True)
class Curved:
    """A tensor of functions of sums: the operator, the node that makes the sums, the function of one of them."""

    source: Node
    function: Callable[[Array], Array]


def integer_form(graph: Graph, seen: Seen, wide: bool) -> Graph:
    """The graph in integers. wide: int16 features in place of 8 bits."""
    return _Form(graph, seen, wide).graph()


class _Form:
    """The new graph under construction, from the outputs backwards. ``pull`` gives the tensor that stands for an old one."""

    def __init__(self, graph: Graph, seen: Seen, wide: bool) -> None:
        self.old, self.seen, self.wide = graph, seen, wide
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.pulled: dict[str, str] = {}
        self.scored: dict[str, Score | None] = {}
        self.features: dict[tuple[str, str], Features] = {}
        self.loc: Loc = graph.loc

    def graph(self) -> Graph:
        for name in self.old.inputs:
            self.tensors[name] = self.old.tensors[name]
            self.pulled[name] = name
        outputs = tuple(self.output(name) for name in self.old.outputs)
        self.narrow_input()
        meaning = {n: _meaning(self.tensors[n]) for n in self.old.inputs if self.tensors[n].quant is not None}
        notes = self.old.notes.with_(meaning={**(self.old.notes.meaning or {}), **meaning})
        return self.old.with_(tensors=self.tensors, nodes=tuple(self.nodes), outputs=outputs, notes=notes)

    def output(self, name: str) -> str:
        """Scores at the end stay integers, with their scale."""
        score = self.score(name)
        if score is None:
            return self.pull(name)
        self.tensors[score.name] = replace(self.tensors[score.name], quant=one_scale(score.scale))
        return score.name

    # ------------------------------------------------------------------------------------------------------- building

    def constant(self, name: str, data: Array) -> str:
        made = unused(self.tensors, name)
        self.tensors[made] = Tensor(made, data.shape, from_numpy(data.dtype), data=np.ascontiguousarray(data))
        return made

    def apply(self, op: Op, *inputs: str, names: tuple[str, ...], node: Node) -> tuple[str, ...]:
        made = tuple(unused(self.tensors, n) for n in names)
        for name, t in zip(made, op.infer([self.tensors[n] for n in inputs]), strict=True):
            self.tensors[name] = Tensor(name, t.shape, t.dtype)
        self.nodes.append(Node(op, inputs, made, made[0], node.loc))
        return made

    def one(self, op: Op, *inputs: str, name: str, node: Node) -> str:
        return self.apply(op, *inputs, names=(name,), node=node)[0]

    def data(self, name: str) -> Array:
        values = self.old.tensors[name].data
        assert values is not None, f"{name} is constant"
        return values.astype(np.float64) if values.dtype == np.float32 else values

    # -------------------------------------------------------------------------------------------------------- pulling

    def pull(self, name: str) -> str:
        """The tensor that stands for an old one, of the same type: scores are floats again."""
        if name not in self.pulled:
            self.pulled[name] = self._pull(name)
        return self.pulled[name]

    def _pull(self, name: str) -> str:
        old = self.old.tensors[name]
        if old.is_constant:
            self.tensors[name] = old
            return name
        node = self.old.producer[name]
        if isinstance(node.op, Nearest):
            made = self.neighbors(node)[0]
            if name == node.outputs[0]:
                return made
        elif (label := self.label(node)) is not None:
            return label
        score = self.score(name)
        if score is not None:
            y = self.one(Cast(f32), score.name, name=f"{name}_real", node=node)
            step = self.constant(f"{name}_scale", np.full((1,) * len(old.shape), score.scale, np.float32))
            return self.one(Mul(), y, step, name=f"{name}_scaled", node=node)
        inputs = tuple(self.pull(n) if n else "" for n in node.inputs)
        for made in node.outputs:
            self.tensors[made] = self.old.tensors[made]
            self.pulled[made] = made
        self.nodes.append(replace(node, inputs=inputs))
        return name

    def label(self, node: Node) -> str | None:
        """Decisions about scores: the largest, the nearest, the sign."""
        kind = node.op.kind
        if kind == "arg_max" and (score := self.score(node.inputs[0])) is not None:
            return self.one(ArgMax(1), score.name, name=node.outputs[0], node=node)
        if kind == "arg_min":
            return self.nearest_center(node)
        if isinstance(node.op, Cast) and node.op.to == i32:
            return self.sign(node)
        return None

    def sign(self, node: Node) -> str | None:
        """cast(score > 0), cast(score >= 0)."""
        compare = self.old.producer.get(node.inputs[0])
        if compare is None or not isinstance(compare.op, Compare) or compare.op.op not in (">", ">="):
            return None
        level = self.old.tensors[compare.inputs[1]].data
        score = self.score(compare.inputs[0]) if level is not None and not level.any() else None
        if score is None:
            return None
        return self.one(Above(0 if compare.op.op == ">" else -1), score.name, name=node.outputs[0], node=node)

    def nearest_center(self, node: Node) -> str | None:
        """The nearest of few centers: of |x - c|^2 all but 2 c.x - |c|^2 is the same for all, so they are scores."""
        made = self.old.producer.get(node.inputs[0])
        if made is None or not isinstance(made.op, Distances) or len(made.inputs) != 2:
            return None
        centers = self.data(made.inputs[1])
        if made.op.metric == "manhattan":
            return self.nearest_by_sums(node, made, centers)
        weights, bias = centers - centers.mean(axis=0), -0.5 * (centers**2).sum(axis=1)
        features = self.ints(made.inputs[0], i8)
        scores = self.products(made, features, weights, bias - bias.mean(), "scores")
        return self.one(ArgMax(1), scores.name, name=node.outputs[0], node=node)

    def nearest_by_sums(self, node: Node, made: Node, centers: Array) -> str:
        features = self.ints(made.inputs[0], u8, common=True, features=centers.shape[1])
        points = self.constant("centers", features.whole(centers))
        y = self.one(IntegerDistances("manhattan"), features.name, points, name=made.outputs[0], node=made)
        return self.one(node.op, y, name=node.outputs[0], node=node)

    def neighbors(self, node: Node) -> tuple[str, ...]:
        """(indices, distances) of the nearest samples."""
        assert isinstance(node.op, Nearest), "a node that finds neighbours"
        index, distance = node.outputs
        if (known := self.scored.get(distance)) is not None:
            return self.pulled[index], known.name
        samples = self.data(node.inputs[1])
        features = self.ints(node.inputs[0], u8, common=True, features=samples.shape[1])
        points = self.constant(node.inputs[1], features.whole(samples))
        op = IntegerNearest(node.op.count, node.op.metric)
        made = self.apply(op, features.name, points, names=node.outputs, node=node)
        self.pulled[index] = made[0]
        power = 1 if node.op.metric == "manhattan" else 2
        self.scored[distance] = Score(made[1], float(features.scale[0]) ** power)
        return made

    # --------------------------------------------------------------------------------------------------------- scores

    def score(self, name: str) -> Score | None:
        """The old float tensor as int32, if it can be that."""
        if name not in self.scored:
            node = self.old.producer.get(name)
            self.scored[name] = self._score(name, node) if node is not None else None
        return self.scored[name]

    def _score(self, name: str, node: Node) -> Score | None:
        op = node.op
        if isinstance(op, Dense | PreciseDense):
            return self.dense(node)
        if isinstance(op, PairDecisions):
            return self.pairs(node)
        if isinstance(op, PairVotes) and not op.scores and (score := self.score(node.inputs[0])) is not None:
            return Score(self.one(IntegerVotes(op.classes), score.name, name=name, node=node), 1.0)
        if isinstance(op, Votes) and len(node.inputs) == 1:
            return Score(self.one(LabelVotes(op.classes), self.pull(node.inputs[0]), name=name, node=node), 1.0)
        if isinstance(op, Nearest):
            self.neighbors(node)
            return self.scored.get(name)
        if isinstance(op, Reshape) and (score := self.score(node.inputs[0])) is not None:
            return Score(self.one(op, score.name, name=name, node=node), score.scale)
        if isinstance(op, Sub) and self.old.tensors[node.inputs[0]].is_constant:
            return self.gaussians(node)
        return None

    def dense(self, node: Node) -> Score | None:
        """A layer of features, or of functions of sums."""
        assert isinstance(node.op, Dense | PreciseDense), "a layer"
        x, w = node.inputs[:2]
        weights = self.data(w)
        if getattr(node.op, "activation", "none") != "none" or self.old.tensors[x].shape != (1, weights.shape[1]):
            return None
        bias = self.data(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(len(weights))
        curved = self.curved(x)
        if curved is None:
            return self.products(node, self.ints(x, i8), weights, bias, node.outputs[0])
        values, value = self.curves(x, curved)
        step, whole_bias = whole.products(weights, bias, value, i16.max, float(np.abs(weights).max()))
        coefs = self.constant("coefficients", np.rint(weights / step).astype(np.int16))
        y = self.one(IntegerScores(), values, coefs, self.constant("bias", whole_bias), name=node.outputs[0], node=node)
        return Score(y, step * value)

    def products(self, node: Node, features: Features, weights: Array, bias: Array, name: str) -> Score:
        w, b, step = whole.linear(features, weights, bias)
        constants = self.constant(f"{name}_weight", w), self.constant(f"{name}_bias", b)
        return Score(self.one(IntegerScores(), features.name, *constants, name=name, node=node), step)

    def pairs(self, node: Node) -> Score | None:
        assert isinstance(node.op, PairDecisions), "decisions between pairs"
        curved = self.curved(node.inputs[0])
        if curved is None:
            return None
        values, value = self.curves(node.inputs[0], curved)
        coefs, bias = self.data(node.inputs[1]), self.data(node.inputs[2])
        op = IntegerPairs(node.op.support)
        rows = np.stack([row for row, _ in op.rows(coefs)])
        step, whole_bias = whole.products(rows, bias, value, i16.max, float(np.abs(coefs).max()))
        w = self.constant(node.inputs[1], np.rint(coefs / step).astype(np.int16))
        y = self.one(op, values, w, self.constant(node.inputs[2], whole_bias), name=node.outputs[0], node=node)
        return Score(y, step * value)

    def gaussians(self, node: Node) -> Score | None:
        """Constants less scaled distances: log-densities of Gaussians."""
        made = self.old.producer.get(node.inputs[1])
        if made is None:
            return None
        bias = self.data(node.inputs[0]).reshape(-1)
        if isinstance(made.op, Distances) and len(made.inputs) == 3:
            x, real, factors = made.inputs[0], self.data(made.inputs[1]), self.data(made.inputs[2])
            if len(bias) != len(real):
                return None
            features = self.ints(x, u8)
            unit = whole.unit_of(features.dtype, triangles=False)
            rounded = whole.with_rounding(features, factors)
            bias = bias + np.log(rounded / np.abs(factors)).sum(axis=1)
            steps = rounded * features.scale * 64 / unit
            constants: tuple[Array, ...] = (whole.means(features, real, unit), whole.factors(steps))
            op: Op = IntegerGaussians(unit)
        elif isinstance(made.op, TriangularQuadratics):
            x, real = made.inputs[0], self.data(made.inputs[1])
            if len(bias) != len(real):
                return None
            features = self.ints(x, u8)
            unit = whole.unit_of(features.dtype, triangles=True)
            centers = whole.means(features, real, unit)
            packed = self.data(made.inputs[2])
            constants = (centers, *whole.triangles(features, packed, made.op.rows, centers, unit))
            op = IntegerQuadratics(made.op.rows, unit)
        else:
            return None
        labels = ("mean", "factor", "shift")
        given = [self.constant(label, c) for label, c in zip(labels, constants, strict=False)]
        one = len(bias) == 1  # its sign decides, so nothing may be taken off
        shown = np.rint(bias * 64).astype(np.int32) if one else whole.log_weights(bias)
        y = self.one(op, features.name, *given, self.constant("log_weight", shown), name=node.outputs[0], node=node)
        return Score(y, 1 / 64)

    # --------------------------------------------------------------------------------------------------------- curves

    def curved(self, name: str) -> Curved | None:
        """How an old tensor is a function of sums, one for each of its elements; None if it isn't, or is the sums."""
        node = self.old.producer.get(name)
        if node is None or type(node.op) not in CURVES:
            return None
        parts: list[Any] = []
        source: Node | None = None
        for n in node.inputs:
            data = self.old.tensors[n].data
            if data is not None:
                if data.size != 1:
                    return None
                parts.append(float(data.reshape(-1)[0]))
                continue
            inner = self.curved(n)
            made = inner.source if inner is not None else self.old.producer.get(n)
            if (
                made is None
                or not isinstance(made.op, Dense | Distances)
                or (source is not None and made is not source)
            ):
                return None
            source = made
            parts.append(inner.function if inner is not None else lambda t: t)
        if source is None or getattr(node.op, "activation", "none") != "none":
            return None
        operation = CURVES[type(node.op)]

        def function(t: Array) -> Array:
            return np.asarray(operation(*(p(t) if callable(p) else p for p in parts)))

        return Curved(source, function)

    def curves(self, name: str, curved: Curved) -> tuple[str, float]:
        """(int16 tensor [1, S], scale): the function of each sum."""
        node = curved.source
        x, points = node.inputs[0], self.data(node.inputs[1])
        if isinstance(node.op, Distances):
            features = self.ints(x, u8, common=True, features=points.shape[1])
            unit = float(features.scale[0]) ** 2
            reach = 2 * reach_of(points.shape[1]) if features.dtype == i16 else features.dtype.max - features.dtype.min
            op, table, scale = whole.curve("distance", curved.function, unit, 0.0, float(points.shape[1] * reach**2))
            inside = self.constant("points", features.whole(points))
        else:
            features = self.ints(x, i8, common=True, features=points.shape[1], symmetric=True)
            bias = self.data(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
            step = float(np.abs(points).max()) / (reach_of(points.shape[1]) if self.wide else i8.max)
            unit = float(features.scale[0]) * step
            low, high = self.seen.usual(node.outputs[0])
            margin = 0.1 * (high - low)
            offset = float(bias.reshape(-1)[0])
            ends = (low - margin - offset) / unit, (high + margin - offset) / unit
            op, table, scale = whole.curve("product", curved.function, unit, *ends, offset)
            inside = self.constant("points", np.rint(points / step).astype(features.dtype.np))
        y = self.one(op, features.name, inside, self.constant("curve", table), name=name, node=node)
        return y, scale

    # ------------------------------------------------------------------------------------------------------- features

    def ints(
        self, name: str, dtype: DType, *, common: bool = False, features: int = 0, symmetric: bool = False
    ) -> Features:
        """Features as integers. common: all have one scale; symmetric: and the zero point 0; features: how many squares of
        differences are summed, which leaves int16 ones fewer bits."""
        key = (name, f"{dtype}{common}{symmetric}")
        if key in self.features:
            return self.features[key]
        found = affine(self.old, name)
        held = self.old.tensors[found.source].dtype
        if not held.is_float:
            self.features[key] = made = self.held(name, found, common, symmetric)
            return made
        to = i16 if self.wide else dtype
        top = reach_of(features) if self.wide and features else to.max
        low = -top if to != u8 else 0
        plain = found.is_identity and found.source in self.old.inputs
        steps = steps_of(self.seen.of(name), low, top, plain, common, symmetric)
        tensor = unused(self.tensors, f"{name}_{to.np}")
        self.tensors[tensor] = Tensor(tensor, self.old.tensors[name].shape, to, steps.quant)
        source = self.pull(found.source)
        factors = self.constant("feature_scale", (found.factor / steps.scale).astype(np.float32))
        moved = found.offset / steps.scale + steps.zero + 0.5 - low
        offsets = self.constant("feature_offset", moved.astype(np.float32))
        op = IntegerFeatures(to, low, top)
        self.nodes.append(Node(op, (source, factors, offsets), (tensor,), tensor, self.old.loc))
        mean = np.clip(self.seen.mean(name) / steps.scale + steps.zero, low, top)
        self.features[key] = made = Features(tensor, to, steps.scale, steps.zero, mean, steps.exact)
        return made

    def held(self, name: str, found: Affine, common: bool, symmetric: bool) -> Features:
        """Features that are integers as they come."""
        source = self.old.tensors[found.source]
        different = common and len(np.unique(found.factor)) > 1
        if different or (symmetric and found.offset.any()):
            raise InputError(
                "integer features of a model of distances or products must be what it was fitted on, not scaled one by one",
                loc=self.old.loc,
                hint="fit without a scaler, or load with float features",
            )
        zero = -found.offset / found.factor
        middle = np.full(zero.shape, (source.dtype.min + source.dtype.max) / 2)
        return Features(
            self.pull(found.source), source.dtype, found.factor, zero, self.seen.middle(name, found, middle), True
        )

    def narrow_input(self) -> None:
        """An input that is only read to become integers of one scale is those integers."""
        for name in self.old.inputs:
            readers = [n for n in self.nodes if name in n.inputs]
            if len(readers) != 1 or not isinstance(readers[0].op, IntegerFeatures):
                continue
            (node,) = readers
            made = self.tensors[node.outputs[0]]
            if made.quant is None:
                continue
            self.nodes = [
                replace(n, inputs=tuple(name if i == made.name else i for i in n.inputs))
                for n in self.nodes
                if n is not node
            ]
            self.tensors[name] = replace(made, name=name)


def _meaning(t: Tensor) -> str:
    """What a C author must know to fill an input: lines of the header's comment."""
    quant = t.quant
    assert quant is not None, "it has a scale"
    if not quant.per_channel:
        return "the features as they are" if quant == one_scale(1.0) else ""
    lines = ["element i is round(feature[i] / scale[i]) + zero[i], kept in range; scale[i], zero[i]:"]
    pairs = [f"{s:.9g}, {z}" for s, z in zip(quant.scales, quant.zero_points, strict=True)]
    return "\n".join([*lines, *("; ".join(pairs[i : i + 6]) for i in range(0, len(pairs), 6))])
