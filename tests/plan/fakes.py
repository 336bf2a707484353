"""Graphs with sizes and no arithmetic: all that the planner looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DType, f32, i8
from skosh.ir.graph import Graph, Node, Op, State, Tensor


@dataclass(frozen=True)
class Make(Op):
    """Reads its inputs, makes its outputs."""

    kind = "make"


@dataclass(frozen=True)
class Same(Op):
    """Works in place on either of two inputs, like an addition."""

    kind = "same"
    inplace = ((0, 0), (1, 0))


@dataclass(frozen=True)
class View(Op):
    kind = "view"
    view = True


@dataclass(frozen=True)
class Push(Op):
    """Changes its first input in place, always."""

    kind = "push"
    update = ((0, 0),)


@dataclass(frozen=True)
class Swap(Op):
    """Two outputs, each in the place of either input."""

    kind = "swap"
    inplace = ((0, 0), (0, 1), (1, 0), (1, 1))


def node(op: Op, inputs: str, outputs: str) -> Node:
    """``node(Make(), "a b", "c")``."""
    return Node(op, tuple(inputs.split()), tuple(outputs.split()), name=outputs.replace(" ", "_"))


def graph(
    sizes: Mapping[str, int],
    nodes: Sequence[Node],
    inputs: str,
    outputs: str,
    states: Sequence[tuple[str, str]] = (),
    constants: str = "",
    types: Mapping[str, DType] | None = None,
) -> Graph:
    """``sizes``: elements by tensor name, 16 where not given; ``types``: i8 where not given."""
    names = {*inputs.split(), *outputs.split(), *constants.split(), *(n for s in states for n in s)}
    names |= {n for each in nodes for n in (*each.inputs, *each.outputs)}
    tensors = {}
    for name in sorted(names):
        dtype = (types or {}).get(name, i8)
        shape = (sizes.get(name, 16),)
        data = np.zeros(shape, dtype.np) if name in constants.split() else None
        tensors[name] = Tensor(name, shape, dtype, data=data)
    kept = tuple(State(f"s_{b}", b, a, np.zeros(tensors[b].shape, tensors[b].dtype.np)) for b, a in states)
    return Graph("fake", tensors, tuple(nodes), tuple(inputs.split()), tuple(outputs.split()), kept)


def chain(sizes: Sequence[int], op: Op | None = None) -> Graph:
    """t0 -> t1 -> ... with these sizes."""
    nodes = [node(op or Make(), f"t{k}", f"t{k + 1}") for k in range(len(sizes) - 1)]
    return graph({f"t{k}": s for k, s in enumerate(sizes)}, nodes, "t0", f"t{len(sizes) - 1}")


__all__ = ["Make", "Push", "Same", "Swap", "View", "chain", "f32", "graph", "i8", "node"]
