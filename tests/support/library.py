"""A graph's meaning against the object that it was made from, without compiling anything: samples, and inputs at the edges."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from skosh.built import Build
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph
from skosh.verify.edges import edge_samples
from skosh.verify.library import asked, compared
from skosh.verify.samples import random_samples


def meaning(graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    values = run_graph(graph, inputs, {}).values
    return tuple(values[n] for n in graph.outputs)


def disagreements(graph: Graph, rows: Array | None = None, count: int = 6, seed: int = 0) -> list[str]:
    """What differs between the graph and its library, a line each; rows: [n, features] to try beside random ones. Where the
    library refuses a kind of input there is nothing to compare, but it must take the samples."""
    original = graph.notes["library"]
    assert original is not None, "the graph knows the object that it was made from"
    samples = list(random_samples(graph, count, seed + 1).inputs)
    if rows is not None:
        t = graph.tensors[graph.inputs[0]]
        samples += [(row.astype(t.dtype.np).reshape(t.shape),) for row in rows]
    kinds = {"samples": samples}
    for kind in original.edges:
        kinds[kind] = edge_samples(graph, 2 * count if kind == "thresholds" else count, kind, seed + 2)
    found = []
    for kind, inputs in kinds.items():
        if not inputs:
            continue
        answers, said = asked(original, inputs, one_by_one=False)
        if answers is None:
            if kind == "samples":
                found.append(f"{original.name} refuses samples: {said}")
            continue
        got = [meaning(graph, x) for x in inputs]
        for output in compared(original, graph, answers, got):
            for index in np.argwhere(output.differ)[:2]:
                have = np.asarray(got[index[0]][0]).reshape(output.want.shape[1:])[tuple(index[1:])]
                found.append(f"{original.name}, {kind}: {have}, not {output.want[tuple(index)]}, for {inputs[index[0]][0]}")
    return found


def predicted(graph: Graph, x: Any) -> Any:
    """What ``Build.predict`` gives, by the interpreter."""

    def run(values: Array) -> Any:
        t = graph.tensors[graph.inputs[0]]
        rows = [meaning(graph, (v.reshape(t.shape),)) for v in values]
        stacked = np.stack([r[0] for r in rows])
        shape = graph.tensors[graph.outputs[0]].shape
        return stacked.reshape(-1, *shape[1:]) if shape[:1] == (1,) else stacked

    return Build.predict(SimpleNamespace(source=graph, run=run), x)  # type: ignore[arg-type]


def assert_library(model: Any, graph: Graph, x: Any, want: Any, count: int = 4) -> None:
    """The graph agrees with its library, and ``predict`` gives what the library's gives, in its shape."""
    found = disagreements(graph, np.asarray(x)[:10] if isinstance(x, np.ndarray) else None, count)
    assert not found, f"{type(model).__name__}: {found}"
    got = predicted(graph, x)
    assert np.shape(got) == np.shape(want), f"{np.shape(got)}, not {np.shape(want)}"
    if np.asarray(want).dtype.kind == "f":
        np.testing.assert_allclose(np.asarray(got, float), want, rtol=2e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, want)
