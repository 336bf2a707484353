"""Names that a model brings, made fit to be shown: a graph in which every tensor, node and state has a plain name."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from skosh.base.text import plain
from skosh.ir.graph import Graph

LONGEST = 200
"""Letters of a name; what is longer is cut, and stays a name of its own."""

BY_TENSOR = ("meaning", "limits")
"""Notes that are told by a tensor's name."""


def with_plain_names(graph: Graph) -> Graph:
    """The same graph; where a name holds hidden characters, or is longer than anyone reads, it gets a plain one."""
    states = [s.name for s in graph.states]
    if all(_is_plain(n) for n in (graph.name, *graph.tensors, *states, *(n.name for n in graph.nodes))):
        return graph
    taken = {n for n in graph.tensors if _is_plain(n)}
    names = {"": ""}
    for name in graph.tensors:
        new = name if _is_plain(name) else _fresh(_shortened(name), taken)
        taken.add(new)
        names[name] = new

    def told(by: Any) -> Any:
        return {names.get(k, k): v for k, v in by.items()} if isinstance(by, dict) else by

    return replace(
        graph,
        name=_shortened(graph.name),
        tensors=MappingProxyType({names[n]: replace(t, name=names[n]) for n, t in graph.tensors.items()}),
        nodes=tuple(
            replace(
                n, name=_shortened(n.name), loc=replace(n.loc, node=_shortened(n.loc.node)),
                inputs=tuple(names[i] for i in n.inputs), outputs=tuple(names[o] for o in n.outputs),
            )
            for n in graph.nodes
        ),
        inputs=tuple(names[n] for n in graph.inputs),
        outputs=tuple(names[n] for n in graph.outputs),
        states=tuple(
            replace(s, name=_shortened(s.name), before=names[s.before], after=names[s.after]) for s in graph.states
        ),
        status=None if graph.status is None else replace(graph.status, output=names[graph.status.output]),
        notes=graph.notes.with_(**{k: told(graph.notes[k]) for k in BY_TENSOR if k in graph.notes}),
    )  # fmt: skip


def _is_plain(name: str) -> bool:
    return len(name) <= LONGEST and plain(name) == name


def _shortened(name: str) -> str:
    return plain(name)[:LONGEST]


def _fresh(name: str, taken: set[str]) -> str:
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name[: LONGEST - 12]}_{count}"
    return found
