"""A model of one row as a model of many: the same for each row, for computers where a call and a lone row cost too much."""

from __future__ import annotations

from dataclasses import replace

from skosh.base.errors import ModelError
from skosh.ir.graph import Graph, Op, Tensor
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import ArgMax
from skosh.ops.trees.forest import Forest


def batched(graph: Graph, rows: int) -> Graph | None:
    """The graph with ``rows`` rows wherever it has one; None where some node can't be said so.

    Needs: one input and one output with a first dimension of 1, no state. Leaves: each row of the output is what the graph
    gives for that row of the input, bit for bit.

        x [1, 4]; y = forest x [1, 3]; z = arg_max y [1]   ->   x [64, 4]; y = forest x [64, 3]; z = arg_max y [64]
    """
    if graph.states or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    tensors = dict(graph.tensors)
    if any(t.quant is not None for t in tensors.values()):
        return None
    tall = {graph.inputs[0]}
    nodes = []
    for node in graph.nodes:
        op = _of_rows(node.op, rows)
        ends = [n for n in node.inputs if n]
        own = [n for n in ends if n in tall]
        if op is None or not own or any(n not in tall and not tensors[n].is_constant for n in ends):
            return None
        constants = [tensors[n].shape for n in ends if n not in tall]
        if not isinstance(op, Forest | Dense) and any(shape and shape[0] > 1 for shape in constants):
            return None  # a constant with rows of its own would meet the wrong ones
        ins = [_tall(tensors[n], rows) if n in tall else tensors[n] if n else None for n in node.inputs]
        try:
            types = op.infer(ins)
        except ModelError:
            return None
        for name, t in zip(node.outputs, types, strict=True):
            if t.shape != (rows * tensors[name].shape[0], *tensors[name].shape[1:]) or tensors[name].shape[0] != 1:
                return None
            tall.add(name)
        nodes.append(replace(node, op=op))
    if graph.outputs[0] not in tall:
        return None
    tensors.update({n: _tall(tensors[n], rows) for n in tall})
    return graph.with_(nodes=tuple(nodes), tensors=tensors)


def _tall(t: Tensor, rows: int) -> Tensor:
    return replace(t, shape=(rows, *t.shape[1:]))


def _of_rows(op: Op, rows: int) -> Op | None:
    """The operator for so many rows; None when it isn't known to take rows one by one."""
    if isinstance(op, Reshape):
        return replace(op, shape=(rows, *op.shape[1:])) if op.shape[:1] == (1,) else None
    if isinstance(op, ArgMax):
        return op if op.axis == 1 else None
    return op if op.traits.rowwise else None
