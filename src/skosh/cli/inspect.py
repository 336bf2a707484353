"""``skosh inspect``: what is in a model, and what stands in the way of compiling it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from skosh.base.errors import ModelError, Obstacle, UnsupportedError
from skosh.cli.options import Json, Model
from skosh.cli.terminal import busy, number, out, print_json, row, table

if TYPE_CHECKING:
    from rich.table import Table

    from skosh.ir.graph import Graph, Node, Tensor

EXAMPLE = "skosh inspect kws.tflite"


def command(model: Model, json: Json = False) -> None:
    """Layers, multiplications, sizes, quantization, and everything that stands in the way, at once.

    Exit status 1 when something does.
    """
    import skosh

    file = Path(model).name
    try:
        with busy(f"reading {file}", quiet=json):
            graph = skosh.load(model)
            found = obstacles(graph)
    except UnsupportedError as error:
        if json:
            print_json({"file": file, "obstacles": [_obstacle(o) for o in error.obstacles]})
        else:
            _print_obstacles(file, error.obstacles)
        raise typer.Exit(1) from None
    if json:
        print_json({**description(graph), "obstacles": [_obstacle(o) for o in found]})
    else:
        _print_graph(graph, file)
        if found:
            _print_obstacles(file, found)
    raise typer.Exit(1 if found else 0)


def obstacles(graph: Graph) -> tuple[Obstacle, ...]:
    """What the optimized graph holds that can't become kernels."""
    from skosh.lower.calls import node_calls
    from skosh.optimize import optimize_graph

    found = []
    graph = optimize_graph(graph)
    for node in graph.nodes:
        try:
            if not node.op.view:
                node_calls(graph, node, frugal=False)
        except ModelError as error:
            found.append(Obstacle(node.loc, error.message, error.hint or "check how the model was converted"))
        except NotImplementedError:
            found.append(Obstacle(node.loc, f"{node.op.kind} has no kernel yet", "please report the model"))
    return tuple(found)


def _obstacle(o: Obstacle) -> dict[str, Any]:
    return {"node": o.loc.node, "index": o.loc.index, "problem": o.problem, "advice": o.advice}


def _print_obstacles(file: str, found: Sequence[Obstacle]) -> None:
    count = "1 thing stands" if len(found) == 1 else f"{len(found)} things stand"
    shown = table("node", "what", "what to do", title=f"{file}: {count} in the way of compiling it")
    for o in found:
        where = str(o.loc).removeprefix(f"{o.loc.file}: ")
        row(shown, where, o.problem, o.advice)
    out().print(shown)


# ------------------------------------------------------------------------------------------------------------- a graph


def weight_bytes(graph: Graph, nodes: Sequence[Node]) -> int:
    """Bytes of the constants that the nodes read, each counted once."""
    names = {n for node in nodes for n in node.inputs if n and graph.tensors[n].is_constant}
    return sum(graph.tensors[n].nbytes for n in names)


def description(graph: Graph) -> dict[str, Any]:
    """The graph as plain data: what ``--json`` prints."""
    from skosh.ir.graph import macs, node_macs
    from skosh.optimize import optimize_graph

    slim = optimize_graph(graph)
    return {
        "name": graph.name,
        "file": graph.loc.file,
        "sha256": graph.digest,
        "inputs": [_tensor(graph.tensors[n]) for n in graph.inputs],
        "outputs": [_tensor(graph.tensors[n]) for n in graph.outputs],
        "states": [s.name for s in graph.states],
        "macs": macs(graph),
        "weights": weight_bytes(graph, graph.nodes),
        "operators": dict(Counter(node.op.kind for node in graph.nodes)),
        "optimized": {"layers": len(slim.nodes), "macs": macs(slim), "weights": weight_bytes(slim, slim.nodes)},
        "layers": [
            {
                "index": i,
                "operator": node.op.kind,
                "name": node.name,
                "macs": node_macs(graph, node),
                "weights": weight_bytes(graph, [node]),
                "outputs": [_tensor(graph.tensors[n]) for n in node.outputs],
            }
            for i, node in enumerate(graph.nodes)
        ],
    }


def _tensor(t: Tensor) -> dict[str, Any]:
    return {
        "name": t.name,
        "shape": list(t.shape),
        "type": t.dtype.name,
        "scales": list(t.quant.scales) if t.quant else None,
        "zero_points": list(t.quant.zero_points) if t.quant else None,
    }


def _print_graph(graph: Graph, file: str) -> None:
    from skosh.ir.graph import macs
    from skosh.optimize import optimize_graph

    console = out()
    console.print(f"{file}: {len(graph.nodes)} layers, {number(macs(graph))} MACs", style="bold", markup=False)
    for what, names in (("input", graph.inputs), ("output", graph.outputs)):
        for n in names:
            console.print(f"{what:6} {n}: {_typed(graph.tensors[n])}", markup=False, soft_wrap=True)
    for s in graph.states:
        console.print(f"state  {s.name}: {_typed(graph.tensors[s.before])}", markup=False, soft_wrap=True)
    console.print(_layers(graph))
    slim = optimize_graph(graph)
    weights = weight_bytes(graph, graph.nodes), weight_bytes(slim, slim.nodes)
    console.print(f"in all: {number(macs(graph))} MACs, {number(weights[0])} bytes of constants")
    if (len(slim.nodes), macs(slim), weights[1]) != (len(graph.nodes), macs(graph), weights[0]):
        console.print(
            f"as skosh computes it, bit for bit the same: {len(slim.nodes)} layers, {number(macs(slim))} MACs, "
            f"{number(weights[1])} bytes"
        )


def _layers(graph: Graph) -> Table:
    from skosh.ir.graph import node_macs

    numbers = ("#", "MACs", "constants")
    shown = table("#", "operator", "name", "output", "MACs", "constants", right=numbers)
    for i, node in enumerate(graph.nodes):
        output = ", ".join(_typed(graph.tensors[n]) for n in node.outputs)
        sizes = number(node_macs(graph, node)), number(weight_bytes(graph, [node]))
        row(shown, i, node.op.kind, _short(node.name), output, *sizes)
    return shown


def _typed(t: Tensor) -> str:
    text = f"{t.dtype}[{', '.join(map(str, t.shape))}]"
    if t.quant is None:
        return text
    if t.quant.per_channel:
        return f"{text}, {len(t.quant.scales)} scales"
    return f"{text}, scale {t.quant.scale:.6g}, zero point {t.quant.zero_point}"


def _short(name: str, most: int = 32) -> str:
    """The end of a long name, which tells the most."""
    return name if len(name) <= most else f"...{name[3 - most :]}"
