"""Models of one operator, checked three ways: our reference, TFLM's kernel, our kernels in the interpreter."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.ir.graph import Graph
from skosh.ir.interpret_calls import run_calls
from skosh.ir.interpret_graph import run_graph
from tests.support.agree import Maker, assert_agrees, check_against_tflm, random_input
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

Array = npt.NDArray[Any]


def tensor(
    shape: Sequence[int], dtype: Any = np.int8, scale: float | None = None, zero: int = 0, **more: Any
) -> TensorSpec:
    """A tensor of the graph under test; int8 and int16 get a scale of 0.5 when none is given."""
    if scale is None and np.dtype(dtype).name in ("int8", "int16"):
        scale = 0.5
    return TensorSpec("", tuple(shape), dtype, () if scale is None else scale, () if scale is None else zero, **more)


def constant(values: Any, dtype: Any = np.int32, **more: Any) -> TensorSpec:
    data = np.asarray(values, dtype=dtype)
    return tensor(data.shape, dtype, data=data, **more)


def model(
    code: str,
    inputs: Sequence[TensorSpec | None],
    outputs: Sequence[TensorSpec],
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> bytes:
    """A file with one operator. Inputs without data, that are no variables, become the graph's inputs."""
    present = [t for t in inputs if t is not None]
    named = [
        TensorSpec(f"t{i}", t.shape, t.dtype, t.scales, t.zero_points, t.axis, t.data, t.is_variable)
        for i, t in enumerate([*present, *outputs])
    ]
    numbers = iter(range(len(present)))
    indices = [-1 if t is None else next(numbers) for t in inputs]
    results = list(range(len(present), len(named)))
    free = [i for i, t in enumerate(present) if t.data is None and not t.is_variable]
    operator = OperatorSpec(code, indices, results, options or {}, **more)
    return model_bytes(named, [operator], free, results)


def check(
    data: bytes, runs: int = 2, seed: int = 0, *, ulp: int = 0, make_input: Maker = random_input, oracle: bool = True
) -> Graph:
    """Reference = TFLM (unless oracle is False), and kernels = reference, on random inputs."""
    from skosh.importers.tflite import load

    graph = check_against_tflm(data, runs, seed, ulp=ulp, make_input=make_input) if oracle else load(data, name="test")
    check_kernels(graph, seed, make_input)
    return graph


def check_kernels(graph: Graph, seed: int = 0, make_input: Maker = random_input) -> None:
    """Every node's kernel calls give what its reference gives, bit for bit, in any order of their parallel loops."""
    rng = np.random.default_rng(seed)
    states = None
    for _ in range(2 if graph.states else 1):
        before = states or {s.name: s.initial for s in graph.states}
        run = run_graph(graph, [make_input(t, rng) for t in graph.required(graph.inputs)], states)
        states = run.states
        known = {**run.values, **{s.before: before[s.name] for s in graph.states}}
        for node in graph.nodes:
            ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
            values = [known[n] if n else None for n in node.inputs]
            got = run_calls(node.op, ins, outs, values, shuffle=random.Random(seed))
            for name, g in zip(node.outputs, got, strict=True):
                assert_agrees(g, run.values[name], f'kernels of {node.op.kind}, "{name}"')
