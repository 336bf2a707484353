"""A Graph as text that people read: one line a tensor at its ends, one line a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from skosh.ir.graph import Graph, Node, Op, Quant, Tensor, macs, node_macs


def graph_text(graph: Graph) -> str:
    """The whole graph.

        graph kws: 13 nodes, 2,656,768 MACs
        in   %input_1 i8[1, 49, 10, 1] scale 0.584703 zero 83
        0    %relu i8[1, 25, 5, 64] scale 0.0787254 zero -128 = conv2d(%input_1, const i8[64, 10, 4, 1], const i32[64])
             stride=(2, 2), pads=(4, 5, 1, 1), dilation=(1, 1), activation=relu  # 320,000 MACs
        out  %identity

    (one line a node). Where a converter joined names by ";", the first one stands for all, if it is alone.
    """
    short = short_names(graph)
    lines = [f"graph {graph.name}: {len(graph.nodes)} nodes, {macs(graph):,} MACs"]
    lines += [f"in   {tensor_text(t, short)}" for t in graph.required(graph.inputs)]
    lines += [
        f"mem  {s.name}: {tensor_text(graph.tensors[s.before], short)} becomes %{short[s.after]}, at first {_values(s.initial)}"
        for s in graph.states
    ]
    lines += [f"{i:<4d} {node_text(graph, node, short)}" for i, node in enumerate(graph.nodes)]
    lines += [f"out  %{short[name]}" for name in graph.outputs]
    return "\n".join(lines)


def short_names(graph: Graph) -> Mapping[str, str]:
    """Each tensor's name up to the first ";", or in full where two would be the same (constants are not named)."""
    count = Counter(t.name.partition(";")[0] for t in graph.tensors.values() if not t.is_constant)
    first = ((name, name.partition(";")[0]) for name in graph.tensors)
    return {name: head if head and count[head] == 1 else name for name, head in first}


def node_text(graph: Graph, node: Node, short: Mapping[str, str] | None = None) -> str:
    """outputs = kind(inputs) attributes, and the MACs where there are some."""
    short = short_names(graph) if short is None else short
    made = ", ".join(tensor_text(t, short) for t in graph.required(node.outputs))
    given = ", ".join(_operand(graph, name, short) for name in node.inputs)
    parts = [f"{made} = {node.op.kind}({given})", attributes_text(node.op)]
    count = node_macs(graph, node)
    if count:
        parts.append(f"# {count:,} MACs")
    return "  ".join(p for p in parts if p)


def tensor_text(tensor: Tensor, short: Mapping[str, str] | None = None) -> str:
    """%name type[shape] quantization."""
    name = tensor.name if short is None else short[tensor.name]
    text = f"%{name} {tensor.dtype}{list(tensor.shape)}"
    return text if tensor.quant is None else f"{text} {quant_text(tensor.quant)}"


def quant_text(quant: Quant) -> str:
    """One scale in full, many as their range."""
    if not quant.per_channel:
        return f"scale {_number(quant.scale)} zero {quant.zero_point}"
    low, high = min(quant.scales), max(quant.scales)
    zeros = f" zero {quant.zero_points[0]}" if len(set(quant.zero_points)) == 1 else f" {len(quant.zero_points)} zeros"
    return f"{len(quant.scales)} scales {_number(low)}..{_number(high)} axis {quant.axis}{zeros}"


def attributes_text(op: Op) -> str:
    """name=value of each attribute of an operator, arrays by their shape."""
    attributes: Any = op  # every operator is a dataclass, though its base is not
    return ", ".join(f"{f.name}={_attribute(getattr(op, f.name))}" for f in fields(attributes))


def _operand(graph: Graph, name: str, short: Mapping[str, str]) -> str:
    if not name:
        return "-"
    tensor = graph.tensors[name]
    if tensor.data is None:
        return f"%{short[name]}"
    what = _values(tensor.data) if tensor.size <= 4 else f"{tensor.dtype}{list(tensor.shape)}"
    return f"const {what}"


def _attribute(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (tuple, list)) and len(value) > 12:
        return f"({len(value)} values)"
    return str(value)


def _values(data: Any) -> str:
    """A small array in full; a larger one by its value when all are equal, else by its range."""
    if data.size <= 4:
        return str(data.tolist())
    low, high = data.min().item(), data.max().item()
    return str(low) if low == high else f"{low}..{high}"


def _number(value: float) -> str:
    return f"{value:.6g}"
