"""Running forests of nodes over many rows at once, for tests."""

from __future__ import annotations

import numpy as np

from skosh.ir.graph import Array, Graph, Tensor


def outputs(graph: Graph, rows: Array) -> Array:
    """[rows, ...]: the graph's output for each row. Nodes of these graphs take any number of rows in ``reference``."""
    values: dict[str, Array] = {t.name: t.data for t in graph.tensors.values() if t.data is not None}
    values[graph.inputs[0]] = rows.astype(graph.tensors[graph.inputs[0]].dtype.np)
    for node in graph.nodes:
        operands = [tall(graph.tensors[n], len(rows)) for n in node.inputs]
        outs = [tall(graph.tensors[n], len(rows)) for n in node.outputs]
        if node.op.kind == "reshape":
            results: tuple[Array, ...] = (values[node.inputs[0]].reshape(len(rows)),)
        else:
            results = node.op.reference(operands, outs, [values[n] for n in node.inputs])
        values.update(zip(node.outputs, results, strict=True))
    return values[graph.outputs[0]]


def tall(t: Tensor, rows: int) -> Tensor:
    return t if t.is_constant else Tensor(t.name, (rows, *t.shape[1:]), t.dtype)


def random_rows(x: Array, count: int, seed: int = 0) -> Array:
    """Rows beyond and between those of x, float32; half of the values are some row's own."""
    rng = np.random.default_rng(seed)
    low, high = x.min(axis=0), x.max(axis=0)
    made = rng.uniform(low - 0.1 * (high - low) - 0.1, high + 0.1 * (high - low) + 0.1, (count, x.shape[1]))
    own = x[rng.integers(0, len(x), made.shape), np.arange(x.shape[1])]
    return np.where(rng.random(made.shape) < 0.5, own, made).astype(np.float32)
