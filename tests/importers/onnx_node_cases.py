"""ONNX's own node tests (``onnx.backend.test``): each a model of one operator, inputs, and the outputs of ONNX's reference.

Almost all operands are inputs there, also those that models hold as constants (weights, axes, sizes). So each test is tried in
several ways, with more and more of its inputs made constants, until one loads.

What is documented is no difference: floats of 16 bits are computed in 32, so results agree to 4 units of the last place of the
test's own type; integers without a sign that have a scale are moved by 128.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from onnx import numpy_helper

import skosh
from skosh.base.errors import SkoshError
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph

RIGHT, WRONG, REFUSED, BROKEN = "right", "wrong", "refused", "broken"


@dataclass(frozen=True)
class Verdict:
    """kind: right; wrong: other numbers; refused: with one clear error; broken: an exception that is no SkoshError."""

    name: str
    operator: str
    kind: str
    why: str = ""
    graph: Graph | None = None
    values: tuple[Array, ...] = ()


@cache
def cases() -> dict[str, Any]:
    """All node tests by name; made in memory by ONNX's package, with seeds of its own."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: case for case in load_model_tests(kind="node")}


@cache
def verdicts() -> tuple[Verdict, ...]:
    """Of all tests, once a process."""
    return tuple(judged(case) for case in cases().values())


def judged(case: Any) -> Verdict:
    """The first way of loading that works decides."""
    operator = case.model.graph.node[0].op_type if len(case.model.graph.node) == 1 else "several"
    why = ""
    inputs, wanted = case.data_sets[0]
    if not all(isinstance(v, np.ndarray | np.generic | float | int) for v in (*inputs, *wanted)):
        return Verdict(case.name, operator, REFUSED, "sequences, optionals or maps")
    inputs, wanted = [np.asarray(v) for v in inputs], [np.asarray(v) for v in wanted]
    for proto, given in ways(case.model, inputs):
        try:
            graph = skosh.load(proto)
            fed = tuple(fitted(graph, given))
            got = [run_graph(graph, fed).values[n] for n in graph.outputs]
        except SkoshError as error:
            why = why or str(error)
            continue
        except Exception as error:  # whatever it is, it is our fault
            return Verdict(case.name, operator, BROKEN, f"{type(error).__name__}: {error}")
        for k, want in enumerate(wanted):
            quantized = graph.tensors[graph.outputs[k]].quant is not None and want.dtype == np.uint8
            found = got[k].astype(np.int64) + 128 if quantized else got[k]
            told = difference(found, want, max(case.rtol, precision(case.model.graph.output[k])), case.atol)
            if told:
                return Verdict(case.name, operator, WRONG, f"output {k}: {told}", graph, fed)
        return Verdict(case.name, operator, RIGHT, "", graph, fed)
    return Verdict(case.name, operator, REFUSED, why)


def in_c(verdict: Verdict) -> str:
    """Empty when the C on this computer gives the interpreter's numbers for the test's own input, bit for bit."""
    graph = verdict.graph
    assert graph is not None, "only of what was loaded"
    if not graph.inputs:
        return ""
    wanted = run_graph(graph, list(verdict.values)).values
    values = [v[None] for v in verdict.values]
    got = skosh.compile(graph, target="host", name="node").run(values[0] if len(values) == 1 else values)
    found = got if isinstance(got, tuple | list) else (got,)
    for name, value in zip(graph.outputs, found, strict=True):
        got_one = np.asarray(value).reshape(wanted[name].shape)
        if not np.array_equal(got_one, wanted[name], equal_nan=wanted[name].dtype.kind == "f"):
            return f'"{name}" differs in C'
    return ""


def ways(model: Any, inputs: Sequence[Array]) -> Iterator[tuple[Any, list[Array]]]:
    """(model, what its remaining inputs are given): as it is; all but the first constant; all but one of the others."""
    yield model, list(inputs)
    count = len(inputs)
    for free in range(count if count > 1 else 0):
        yield with_constants(model, inputs, [k for k in range(count) if k != free])
    yield from (with_constants(model, inputs, [k]) for k in range(count) if count > 2)
    if count:
        yield with_constants(model, inputs, range(count))


def with_constants(model: Any, inputs: Sequence[Array], which: Sequence[int]) -> tuple[Any, list[Array]]:
    made = type(model)()
    made.CopyFrom(model)
    for k in which:
        tensor = numpy_helper.from_array(inputs[k], model.graph.input[k].name)
        made.graph.initializer.append(tensor)
    return made, [v for k, v in enumerate(inputs) if k not in which]


def fitted(graph: Graph, values: Sequence[Array]) -> Iterator[Array]:
    """In the element types that the graph takes: float32 for all floats."""
    for name, value in zip(graph.inputs, values, strict=True):
        tensor = graph.tensors[name]
        moved = 128 if tensor.quant is not None and value.dtype == np.uint8 else 0
        with np.errstate(over="ignore"):
            yield (value.astype(np.int64) - moved if moved else value).astype(tensor.dtype.np)


def precision(port: Any) -> float:
    """4 units in the last place of a port's type, for floats of 16 bits; 0 for others."""
    return {10: 2.0**-8, 16: 2.0**-5}.get(port.type.tensor_type.elem_type, 0.0)


def difference(got: Array, want: Array, rtol: float, atol: float) -> str:
    """Empty when they agree by the test's own tolerances."""
    if got.shape != want.shape:
        return f"shape {got.shape}, not {want.shape}"
    if want.dtype.kind in "OSU":
        return "texts"
    a, b = got.astype(np.float64), want.astype(np.float64)
    if np.allclose(a, b, rtol, max(atol, 1e-6), equal_nan=True):
        return ""
    with np.errstate(all="ignore"):
        worst = np.nanargmax(np.where(a == b, 0, np.abs(a - b)))
    return f"{a.reshape(-1)[worst]!r}, not {b.reshape(-1)[worst]!r} at {worst}"
