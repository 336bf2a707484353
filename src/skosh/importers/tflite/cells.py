"""Loops that are an LSTM layer become one operator, whatever the number of steps: one body in C, and not a call for each step.

A loop is taken for one when a step of it computes what a step of an LSTM with its weights does, on random numbers and at two
places of the sequence; how the file writes the step down doesn't matter. Others are put into the graph step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.importers.tflite.reader import Converted, Record
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph, Tensor
from skosh.ir.interpret_graph import run_graph
from skosh.ops.moves.movement import Slice
from skosh.ops.moves.reshape import Copy
from skosh.ops.recurrent.lstm import GATES, Lstm

FEWEST_STEPS = 8
"""A shorter loop is unrolled: its products then have the kernels of dense layers."""


@dataclass(frozen=True)
class Roles:
    """Which of a loop's values is what, by number."""

    counters: tuple[int, ...]
    hidden: int
    cell: int
    x: int
    list: int | None  # what takes each hidden state, or the last one only


@dataclass(frozen=True)
class Step:
    """One step as a graph. Its inputs: hidden, cell, x; its outputs: those two, and the list where there is one."""

    graph: Graph

    def run(self, h: Array, c: Array, x: Array) -> list[Array]:
        values = run_graph(self.graph, [h, c, x]).values
        return [values[n] for n in self.graph.outputs]


def lstm_loop(record: Record, walk: Any, body: int, values: Sequence[Tensor], steps: int) -> bool:
    """Put an LSTM in the place of the loop, if it is one."""
    roles = roles_of(values, steps)
    if roles is None or steps < FEWEST_STEPS:
        return False
    try:
        found = next((r for r in roles if fits(walk, body, values, r)), None)
        if found is None:
            return False
        first = step_at(walk, body, values, found, 0)
        gates = weights_of(first, values[found.hidden].size, values[found.x].shape[2])
    except (ModelError, Unlike):
        return False
    build(record, walk, values, found, gates, steps)
    return True


class Unlike(Exception):
    """A step that no LSTM has."""


def roles_of(values: Sequence[Tensor], steps: int) -> list[Roles] | None:
    """The two ways to tell hidden state from cell state, where the values are those of a layer; None otherwise."""
    counters = tuple(i for i, t in enumerate(values) if t.dtype == i32 and t.size == 1)
    floats = [i for i, t in enumerate(values) if t.dtype == f32]
    xs = [
        i for i in floats if len(values[i].shape) == 3 and values[i].data is None and values[i].shape[:2] == (steps, 1)
    ]
    states = [i for i in floats if len(values[i].shape) == 2 and values[i].shape[0] == 1]
    lists = [i for i in floats if i not in xs and i not in states]
    if len(xs) != 1 or len(states) != 2 or len(lists) > 1 or len(counters) + len(floats) != len(values):
        return None
    if any(data is None or data.any() for data in (values[i].data for i in counters)):
        return None
    size = values[states[0]].size
    if values[states[1]].size != size or any(values[i].shape not in ((steps, 1, size), (1, 1, size)) for i in lists):
        return None
    rows = lists[0] if lists else None
    return [Roles(counters, h, c, xs[0], rows) for h, c in (states, states[::-1])]


def step_at(walk: Any, body: int, values: Sequence[Tensor], roles: Roles, at: int) -> Step:
    """The body as a graph of its own, when the counters are ``at``."""
    apart = type(walk)(walk.model)
    apart.record = walk.record
    given = list(values)
    for i in roles.counters:
        given[i] = Tensor(f"counter_{i}", values[i].shape, i32, data=np.full(values[i].shape, at, np.int32))
    inputs = []
    for i, name in ((roles.hidden, "h"), (roles.cell, "c"), (roles.x, "x")):
        given[i] = Tensor(apart.unused(f"step_{name}"), values[i].shape, f32)
        apart.tensors[given[i].name] = given[i]
        inputs.append(given[i].name)
    if roles.list is not None:
        shape = values[roles.list].shape
        given[roles.list] = Tensor(apart.unused("step_list"), shape, f32, data=np.zeros(shape, np.float32))
    after = apart.inline(body, given)
    for i in roles.counters:
        if after[i].data is None or int(after[i].data.reshape(())) != at + 1:
            raise Unlike
    wanted = [roles.hidden, roles.cell] + ([] if roles.list is None else [roles.list])
    outputs = [apart.whole(after[i]) for i in wanted]
    if after[roles.x] is not given[roles.x] or any(t.data is not None for t in outputs):
        raise Unlike
    if apart.obstacles or apart.states or len({t.name for t in outputs}) != len(outputs):
        raise Unlike
    names = [
        *inputs,
        *(t.name for t in outputs),
        *(n for node in apart.nodes for n in (*node.inputs, *node.outputs) if n),
    ]
    if any(n not in apart.tensors for n in names):
        raise Unlike
    tensors = {n: apart.tensors[n] for n in names}
    graph = Graph("step", MappingProxyType(tensors), tuple(apart.nodes), tuple(inputs), tuple(t.name for t in outputs))
    check_graph(graph)
    return Step(graph)


def fits(walk: Any, body: int, values: Sequence[Tensor], roles: Roles) -> bool:
    """Whether a step is one of an LSTM, on random numbers, at the first and the last place."""
    rng = np.random.default_rng(0)
    size, features = values[roles.hidden].size, values[roles.x].shape[2]
    steps = values[roles.x].shape[0]
    for at in (0, steps - 1):
        step = step_at(walk, body, values, roles, at)
        w, r, b = weights_of(step, size, features)
        for _ in range(2):
            h, c = (rng.normal(0, 1, (1, size)).astype(np.float32) for _ in range(2))
            x = rng.normal(0, 1, values[roles.x].shape).astype(np.float32)
            got = step.run(h, c, x)
            want = cell(x[at], h, c, w, r, b)
            if not all(np.allclose(a, e, rtol=1e-4, atol=1e-5) for a, e in zip(got[:2], want, strict=True)):
                return False
            if roles.list is not None:
                row = at if values[roles.list].shape[0] == steps else 0
                if not np.array_equal(got[2][row].reshape(1, -1), got[0]):
                    return False
    return True


def cell(x: Array, h: Array, c: Array, w: Array, r: Array, b: Array) -> tuple[Array, Array]:
    """(h, c) after a step: gates input, forget, cell, output."""
    i, f, g, o = np.split(x @ w.T + h @ r.T + b, GATES, axis=1)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def weights_of(step: Step, size: int, features: int) -> tuple[Array, Array, Array]:
    """(W [4S, I], R [4S, S], bias [4S]) of the step; Unlike when it isn't made of two products."""
    graph = step.graph
    hidden, _, x = graph.inputs
    found: dict[str, Array] = {}
    for node in graph.nodes:
        if node.op.kind == "dense":
            data = graph.tensors[node.inputs[1]].data
            source = origin(graph, node.inputs[0])
            if data is None or source in found:
                raise Unlike
            found[source] = data
    if set(found) != {hidden, x} or found[hidden].shape != (GATES * size, size):
        raise Unlike
    splits = [n for n in graph.nodes if n.op.kind == "split" and len(n.outputs) == GATES]
    if len(splits) != 1 or found[x].shape != (GATES * size, features):
        raise Unlike
    zeros = [np.zeros(graph.tensors[n].shape, np.float32) for n in graph.inputs]
    bias = run_graph(graph, zeros).values[splits[0].inputs[0]]
    return found[x], found[hidden], np.asarray(bias).reshape(-1)


def origin(graph: Graph, name: str) -> str:
    """The input of the graph that a tensor is taken from, by moves alone."""
    while name in graph.producer and graph.producer[name].op.kind in ("slice", "reshape", "copy", "gather"):
        name = graph.producer[name].inputs[0]
    return name


def build(
    record: Record, walk: Any, values: Sequence[Tensor], roles: Roles, gates: tuple[Array, Array, Array], steps: int
) -> None:
    """The operator, and the loop's values after its last step."""
    base = record.outputs[roles.hidden].name
    parts = [np.split(g, GATES) for g in gates]
    letters = ("input", "forget", "cell", "output")
    constants = [
        walk.constant(f"{base}_{what}_{gate}", data, f32)
        for what, group in zip(("weights", "recurrent", "bias"), parts, strict=True)
        for gate, data in zip(letters, group, strict=True)
    ]
    size = values[roles.hidden].size
    states = [walk.make(Copy(), values[i]) for i in (roles.hidden, roles.cell)]
    shapes = [(steps, 1, size), states[0].shape, states[1].shape]
    outputs = tuple(
        Tensor(walk.unused(f"{base}_{what}"), shape, f32)
        for what, shape in zip(("all", "last", "last_cell"), shapes, strict=True)
    )
    inputs = (values[roles.x], *constants, *states)
    walk.add(Record(record.code, record.version, inputs, outputs, record.loc), Converted(Lstm(time_major=True)))
    count = walk.constant(f"{base}_steps", np.full((), steps, np.int32), i32)
    after: list[Tensor] = list(values)
    for i in roles.counters:
        after[i] = count
    after[roles.hidden], after[roles.cell] = outputs[1], outputs[2]
    if roles.list is not None:
        after[roles.list] = outputs[0]
        if values[roles.list].shape[0] != steps:
            after[roles.list] = walk.make(Slice((steps - 1, 0, 0), (1, 1, size), (1, 1, 1), (1, 1, size)), outputs[0])
    for y, value in zip(record.outputs, after, strict=True):
        walk.alias(y, value)
