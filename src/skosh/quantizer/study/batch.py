"""The same graph for many samples at once, where that is possible: calibration is then a few runs instead of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Graph, Op, Tensor
from skosh.ir.interpret_graph import run_graph
from skosh.ops.moves.reshape import Reshape

Values = dict[str, Array]

LARGEST_RUN = 1 << 22  # elements of the largest tensor in one run


def runs(graph: Graph, samples: Sequence[Sequence[Array]]) -> Iterator[Values]:
    """Values of all tensors, for some or one of the samples at a time, in order.

    samples: for each sample one array for each input, of its exact shape. In a run of several, what had a first size
    of 1 has them along that axis.
    """
    size = max((t.size for t in graph.tensors.values() if not t.is_constant), default=1)
    count = min(len(samples), max(1, LARGEST_RUN // max(size, 1)), 256)
    if count < 2 or not _agrees(graph, samples[:2]):
        for inputs in samples:
            yield dict(run_graph(graph, inputs).values)
        return
    for start in range(0, len(samples), count):
        yield _run_batch(graph, samples[start : start + count])


def rebatched(graph: Graph, count: int) -> Graph | None:
    """The graph with ``count`` in place of each first size, or None when it isn't a batch of one throughout."""
    tensors = dict(graph.tensors)
    if graph.states or not all(graph.tensors[n].shape[:1] == (1,) for n in graph.inputs):
        return None
    for name in graph.inputs:
        tensors[name] = _with_count(tensors[name], count)
    nodes = []
    for node in graph.nodes:
        op = _op_for(node.op, count)
        try:
            types = op.infer([tensors[n] if n else None for n in node.inputs])
        except ModelError:
            return None
        for name, type_ in zip(node.outputs, types, strict=True):
            if graph.tensors[name].shape[:1] != (1,):
                return None
            tensors[name] = _with_count(tensors[name], count)
            if tensors[name].shape != type_.shape:
                return None
        nodes.append(replace(node, op=op))
    return replace(graph, tensors=tensors, nodes=tuple(nodes))


def _op_for(op: Op, count: int) -> Op:
    return Reshape((count, *op.shape[1:])) if isinstance(op, Reshape) and op.shape[:1] == (1,) else op


def _with_count(t: Tensor, count: int) -> Tensor:
    return replace(t, shape=(count, *t.shape[1:]))


def _run_batch(graph: Graph, samples: Sequence[Sequence[Array]]) -> Values:
    many = rebatched(graph, len(samples))
    assert many is not None, "a graph that can be run for two samples can be for any number"
    return dict(run_graph(many, [np.concatenate(column) for column in zip(*samples, strict=True)]).values)


def _agrees(graph: Graph, samples: Sequence[Sequence[Array]]) -> bool:
    """Whether running the samples at once gives what running them one by one gives, bit for bit."""
    if len(samples) < 2 or rebatched(graph, len(samples)) is None:
        return False
    together = _run_batch(graph, samples)
    for i, inputs in enumerate(samples):
        alone = run_graph(graph, inputs).values
        for name, value in alone.items():
            if not graph.tensors[name].is_constant and value.tobytes() != together[name][i : i + 1].tobytes():
                return False
    return True
