"""Many small graphs as one: compiled once and run once, each with its own inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from skosh.built import Build, build
from skosh.emulate.runner import Runner
from skosh.ir.graph import Graph, State
from skosh.ir.interpret_graph import initial_states, run_graph
from skosh.targets import target as find_target

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Union:
    """members: label -> graph, in order; graph: all of them side by side."""

    graph: Graph
    members: Mapping[str, Graph]

    def build(self, target: str, optimize: str = "balanced") -> Build:
        return build(self.graph, target=find_target(target), optimize=optimize, name="u")


def union(members: Mapping[str, Graph]) -> Union:
    """Tensors, nodes and states of member i are called ``m<i>/...``."""
    parts = [_renamed(g, f"m{i}/") for i, g in enumerate(members.values())]
    whole = Graph(
        name="u",
        tensors={n: t for g in parts for n, t in g.tensors.items()},
        nodes=tuple(n for g in parts for n in g.nodes),
        inputs=tuple(n for g in parts for n in g.inputs),
        outputs=tuple(n for g in parts for n in g.outputs),
        states=tuple(s for g in parts for s in g.states),
    )
    return Union(whole, members)


def _renamed(graph: Graph, prefix: str) -> Graph:
    def new(name: str) -> str:
        return prefix + name if name else ""

    return Graph(
        name=graph.name,
        tensors={new(n): replace(t, name=new(n)) for n, t in graph.tensors.items()},
        nodes=tuple(
            replace(n, inputs=tuple(map(new, n.inputs)), outputs=tuple(map(new, n.outputs)), name=new(n.name))
            for n in graph.nodes
        ),
        inputs=tuple(map(new, graph.inputs)),
        outputs=tuple(map(new, graph.outputs)),
        states=tuple(State(new(s.name), new(s.before), new(s.after), s.initial) for s in graph.states),
    )


def expected(graph: Graph, runs: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
    """The reference's outputs of one run after another."""
    with np.errstate(all="ignore"):
        return _runs(graph, runs)


def _runs(graph: Graph, runs: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
    states, out = initial_states(graph), []
    for inputs in runs:
        run = run_graph(graph, inputs, states)
        states = dict(run.states)
        out.append(tuple(run.values[n] for n in graph.outputs))
    return out


def differences(
    whole: Union, want: Sequence[tuple[Array, ...]], runner: Runner, runs: Sequence[Sequence[Array]]
) -> list[str]:
    """A line for each output of a member that the runner computes differently: who, where, both values."""
    owners = [(label, k) for label, g in whole.members.items() for k in range(len(g.outputs))]
    found: dict[str, str] = {}
    runner.reset()
    for r, inputs in enumerate(runs):
        for (label, k), expect, got in zip(owners, want[r], runner.run(inputs), strict=True):
            text = first_difference(expect, got)
            if text and label not in found:
                found[label] = f"{label}: run {r}, output {k}{text}"
    return list(found.values())


def first_difference(want: Array, got: Array) -> str:
    """Where the bits first differ, "" when they don't; any NaN equals any other."""
    assert (want.shape, want.dtype) == (got.shape, got.dtype), f"{want.dtype}{want.shape}, not {got.dtype}{got.shape}"
    bits = np.dtype(f"u{want.dtype.itemsize}")
    differ = np.atleast_1d(want).view(bits) != np.atleast_1d(got).view(bits)
    if want.dtype.kind == "f":
        differ &= ~np.atleast_1d(np.isnan(want) & np.isnan(got))
    if not differ.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(differ)[0])[: want.ndim]
    return (
        f"[{', '.join(map(str, index))}] is {got[index]!r}, not {want[index]!r}; {differ.sum()} of {want.size} differ"
    )
