"""Forests of trees in bytes: features on a grid of their own, thresholds with them, leaves with a common step.

A tree needs little of a feature: on which side of its thresholds it lies. So each feature gets a grid that is laid over
its thresholds, 254 steps of uint8 or 65,000 of int16, and not over its range: what lies beyond all thresholds saturates. Of
many grids the one wins that puts the fewest samples on another side of some threshold than before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skosh.base.arith import round_half_away
from skosh.base.dtypes import DType, f32, i16, i32, u8
from skosh.base.errors import InputError, ModelError
from skosh.ir.graph import Array, Graph, Node, Quant, Tensor
from skosh.ops.elements.comparisons import Compare
from skosh.ops.elements.elementwise import Mul
from skosh.ops.elements.quantization import Cast
from skosh.ops.reductions.reductions import ArgMax
from skosh.ops.trees.forest import Forest, several_ways
from skosh.ops.trees.forest_prune import pruned

TYPES = {"int8": u8, "int16x8": i16}
"""Scheme -> the type of features. uint8 and not int8: every core loads it in one instruction, whatever the address."""

LEAVES = {"int8": 127, "int16x8": 32767}
"""Scheme -> the largest magnitude of a leaf."""

STEPS = {u8: (253, 252, 250, 247, 240, 232, 224, 210, 196, 180, 160, 128), i16: (65000, 50000, 32768)}
"""How many steps lie between a feature's lowest and highest threshold, in the grids that are tried."""

COLUMNS = ("feature", "limit", "left", "right", "missing", "visits", "root", "value", "bias")


def forests_of(graph: Graph) -> tuple[Node, ...]:
    """The forests, if they are all that reads the model's one input, and that is float32; else none."""
    if len(graph.inputs) != 1 or graph.tensors[graph.inputs[0]].dtype != f32:
        return ()
    readers = graph.consumers[graph.inputs[0]]
    return readers if readers and all(isinstance(n.op, Forest) for n in readers) else ()


@dataclass(frozen=True)
class Grid:
    """integer = round(x / scale) + zero, saturated."""

    scale: float
    zero: int

    def of(self, x: Array, dtype: DType) -> Array:
        q = round_half_away(np.asarray(x, np.float32) / np.float32(self.scale)) + self.zero
        return np.asarray(np.clip(q, dtype.min, dtype.max).astype(np.int64))


@dataclass(frozen=True, eq=False)
class Feature:
    """A feature's grid, and the integer that stands for each of its limits: left where integer <= it."""

    grid: Grid
    limits: Array
    integers: Array

    def of(self, limit: Array) -> Array:
        return np.asarray(self.integers[np.searchsorted(self.limits, limit)])


def gridded(limits: Array, values: Array, dtype: DType) -> Feature:
    """The best grid for a feature. limits: ascending, different, finite, float64 [k]; values: [samples] of the feature."""
    if limits.size == 0:
        return Feature(Grid(1.0, 0), limits, np.zeros(0, np.int64))
    values = np.sort(values)
    if values.size and (values == np.rint(values)).all() and dtype.min <= values[0] and values[-1] <= dtype.max:
        whole = np.clip(np.floor(limits), dtype.min - 1, dtype.max)
        return Feature(Grid(1.0, 0), limits, whole.astype(np.int64))  # such numbers are what they are
    best: tuple[float, float, Feature] | None = None
    sides = np.searchsorted(limits, values)  # how many limits are below each value
    for made in _candidates(limits, values, dtype):
        cuts = _cuts(made, limits, values, dtype)
        moved = float(np.abs(np.searchsorted(cuts, made.of(values, dtype)) - sides).sum())
        off = float(np.abs((cuts - made.zero + 0.5) * made.scale - limits).mean())
        if best is None or (moved, off) < best[:2]:
            best = moved, off, Feature(made, limits, cuts)
    assert best is not None, "one of 253 steps over the thresholds, or of 1, always does"
    return best[2]


def _cuts(made: Grid, limits: Array, values: Array, dtype: DType) -> Array:
    """The integer for each limit. Its cut lies above the limit, by a step at the most, so that what is the limit itself goes
    left; unless samples on both sides of it, ascending ``values``, say where it has to lie."""
    nominal = np.floor(limits / made.scale - 0.5) + 1 + made.zero
    cuts: Array = np.clip(nominal, dtype.min, dtype.max - 1).astype(np.int64)
    if not values.size:
        return cuts
    q = made.of(values, dtype)
    right = np.searchsorted(values, limits, side="right")  # the first value on the right of each limit
    lowest = np.where(right > 0, q[np.maximum(right - 1, 0)], dtype.min)
    highest = np.where(right < len(q), q[np.minimum(right, len(q) - 1)] - 1, dtype.max - 1)
    held: Array = np.clip(cuts, np.minimum(lowest, highest), np.maximum(lowest, highest))
    return held


def _candidates(limits: Array, values: Array, dtype: DType) -> Sequence[Grid]:
    low, high = float(limits[0]), float(limits[-1])
    span = high - low
    spread = float(np.abs(values[np.isfinite(values)] - low).max(initial=0.0)) if values.size else 0.0
    wide = span or spread or abs(low) or 1.0
    steps = [wide / n for n in STEPS[dtype]]
    gaps = np.diff(limits)
    steps += [float(gaps.min()), 1.0] if gaps.size else [1.0]
    out = []
    room = dtype.max - dtype.min - 1
    for step in steps:
        if not 0 < step < np.inf or span / step > room:
            continue
        middle = round(low / step - 0.5) + 0.5
        for scale in {step, low / middle if middle * low > 0 else step}:  # the second puts a cut on the lowest limit
            with np.errstate(over="ignore", under="ignore"):
                exact = float(np.float32(scale))
            if not 0 < exact < np.inf:
                continue
            taken = int(np.ceil(span / exact))
            first = dtype.min + max(0, (room - taken) // 2)
            zero = first - int(np.rint(low / exact - 0.5))
            out.append(Grid(exact, zero))
    return out


def quantized_forests(graph: Graph, samples: Array, scheme: str) -> Graph:
    """The graph with integers for features, thresholds and leaves; what follows the forests stays as it was.

    samples: [n, features]. ModelError where values may be missing; InputError for another scheme than int8 and int16x8.
    """
    if scheme not in TYPES:
        raise InputError(f'the scheme of a forest must be one of {", ".join(TYPES)}, not "{scheme}"', loc=graph.loc)
    nodes, dtype, x = forests_of(graph), TYPES[scheme], graph.inputs[0]
    for node in nodes:
        if isinstance(node.op, Forest) and node.op.sided:
            raise ModelError(
                "integers can't be missing, but its trees know of missing values",
                loc=node.loc,
                hint="load with missing=False",
            )
    columns = [_columns(graph, n) for n in nodes]
    limit = np.concatenate([c["limit"] for c in columns]).astype(np.float64)
    feature = np.concatenate([c["feature"] for c in columns])
    finite = np.isfinite(limit)
    made = [
        gridded(np.unique(limit[finite & (feature == f)]), samples[:, f].astype(np.float64), dtype)
        for f in range(graph.tensors[x].shape[1])
    ]
    tensors = dict(graph.tensors)
    tensors[x] = replace(tensors[x], dtype=dtype, quant=_quant([f.grid for f in made]))
    for node, held in zip(nodes, columns, strict=True):
        _rewrite(graph, node, held, made, dtype, LEAVES[scheme], tensors)
    return graph.with_(tensors=tensors)


def _quant(grids: Sequence[Grid]) -> Quant:
    if len(set(grids)) == 1:
        return Quant((grids[0].scale,), (grids[0].zero,))
    return Quant(tuple(g.scale for g in grids), tuple(g.zero for g in grids), 1)


def _columns(graph: Graph, node: Node) -> dict[str, Array]:
    out = {}
    for name, tensor in zip(COLUMNS, graph.required(node.inputs[1:]), strict=True):
        assert tensor.data is not None, "a forest's columns are constants"
        out[name] = tensor.data
    return out


def _rewrite(
    graph: Graph, node: Node, columns: Mapping[str, Array], features: Sequence[Feature], dtype: DType, most: int,
    tensors: dict[str, Tensor],
) -> None:  # fmt: skip
    """Put a forest's integers in the place of its constants, and a coarser step where its sums become real numbers."""
    made = dict(columns)
    limit, feature = columns["limit"].astype(np.float64), columns["feature"]
    whole = np.where(limit > 0, dtype.max, dtype.min - 1)  # of limits that are infinite
    for f, grid in enumerate(features):
        mine = (feature == f) & np.isfinite(limit)
        whole[mine] = grid.of(limit[mine])
    made["limit"] = whole.astype(np.int32)
    largest = int(np.abs(columns["value"].astype(np.int64)).max(initial=0))
    step = -(-largest // most)
    if step > 1 and (readers := _coarser(graph, node, step)) is not None:
        tensors.update(readers)
        for name in ("value", "bias"):
            made[name] = np.rint(columns[name] / step).astype(np.int32)
        made = _shared_leaves(made)
    if not several_ways(made["left"], made["right"], made["root"]):
        made = pruned(made, bounds=True)
    for name, tensor in zip(COLUMNS, node.inputs[1:], strict=True):
        old = tensors[tensor]
        kind = i32 if name == "limit" else old.dtype
        tensors[tensor] = replace(old, shape=made[name].shape, dtype=kind, data=made[name].astype(kind.np))


def _shared_leaves(columns: dict[str, Array]) -> dict[str, Array]:
    """Leaves that have become equal are one."""
    value, which = np.unique(columns["value"], axis=0, return_inverse=True)
    which = which.reshape(-1)
    out = {**columns, "value": value}
    for name in ("left", "right", "root"):
        c = columns[name]
        out[name] = np.where(c < 0, -1 - which[np.maximum(-1 - c, 0)], c).astype(np.int32)
    return out


def _coarser(graph: Graph, node: Node, step: int) -> dict[str, Tensor] | None:
    """New constants for what reads the sums, each now ``step`` times what it was; None where some reader is unknown."""
    out: dict[str, Tensor] = {}
    (sums,) = node.outputs
    for reader in graph.consumers[sums]:
        if isinstance(reader.op, ArgMax):
            continue
        if isinstance(reader.op, Compare) and reader.op.op == ">" and reader.inputs[0] == sums:
            bound = graph.tensors[reader.inputs[1]]
            if bound.data is None:
                return None
            out[bound.name] = replace(bound, data=np.floor_divide(bound.data, step).astype(bound.data.dtype))
            continue
        if not isinstance(reader.op, Cast) or sums in graph.outputs:
            return None
        for scaled in graph.consumers[reader.outputs[0]]:
            factor = graph.tensors[scaled.inputs[1]] if isinstance(scaled.op, Mul) else None
            if factor is None or factor.data is None or reader.outputs[0] in graph.outputs:
                return None
            out[factor.name] = replace(factor, data=(factor.data * np.float32(step)).astype(np.float32))
    return None if sums in graph.outputs else out
