"""Run a Graph as its operators mean it: slow, obvious, the truth that everything faster is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph, Type


@dataclass(frozen=True)
class Run:
    """Every value of one run by tensor name, and the states for the next one."""

    values: Mapping[str, Array]
    states: Mapping[str, Array]


def initial_states(graph: Graph) -> dict[str, Array]:
    return {s.name: np.array(s.initial) for s in graph.states}


def run_graph(graph: Graph, inputs: Sequence[Array], states: Mapping[str, Array] | None = None) -> Run:
    """One run. inputs: one array for each graph input, of its exact shape and type."""
    states = initial_states(graph) if states is None else states
    values: dict[str, Array] = {t.name: t.data for t in graph.tensors.values() if t.data is not None}
    for name, value in zip(graph.inputs, inputs, strict=True):
        values[name] = check_value(graph, name, value)
    for state in graph.states:
        values[state.before] = states[state.name]
    for node in graph.nodes:
        arguments = [values[n] if n else None for n in node.inputs]
        ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
        with np.errstate(all="ignore"):  # floats do as C's do: infinities and NaN are values
            results = node.op.reference(ins, outs, arguments)
        for name, value in zip(node.outputs, results, strict=True):
            got, want = Type(value.shape, graph.tensors[name].dtype), graph.tensors[name]
            assert value.shape == want.shape, f"{node.op.kind} made {got.shape} for {name}, not {want.shape}"
            assert value.dtype == want.dtype.np, f"{node.op.kind} made {value.dtype} for {name}, not {want.dtype}"
            values[name] = value
    return Run(values, {s.name: values[s.after] for s in graph.states})


def check_value(graph: Graph, name: str, value: Array) -> Array:
    """The value, or an InputError when it is not what the graph's input ``name`` takes."""
    want = graph.tensors[name]
    if value.dtype != want.dtype.np or tuple(value.shape) != want.shape:
        raise InputError(
            f'input "{name}" must be {want.dtype.np} of shape {want.shape}, not {value.dtype} of shape {tuple(value.shape)}',
            loc=graph.loc,
        )
    return value
