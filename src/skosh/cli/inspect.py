"""``skosh inspect``: what is in a model, and what stands in the way of compiling it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from skosh.base.errors import ModelError, Obstacle, UnsupportedError
from skosh.cli.options import Json, Source
from skosh.cli.terminal import WIDE, busy, number, out, print_json, row, table

if TYPE_CHECKING:
    from rich.table import Table

    from skosh.ir.graph import Graph, Node, Tensor
    from skosh.optimize import Figures

EXAMPLE = "skosh inspect kws.tflite"


def command(source: Source, json: Json = False) -> None:
    """Layers, multiplications, sizes, quantization, and everything that stands in the way, at once.

    Exit status 1 when something does.
    """
    file = source.file
    try:
        with busy(f"reading {file}", quiet=json):
            graph = source.graph()
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


def constant_bytes(graph: Graph, node: Node) -> int:
    """Bytes of the constants that a node reads."""
    return sum(graph.tensors[n].nbytes for n in {*node.inputs} if n and graph.tensors[n].is_constant)


def description(graph: Graph) -> dict[str, Any]:
    """The graph as plain data: what ``--json`` prints."""
    from skosh.ir.graph import node_macs
    from skosh.optimize import figures, optimize_graph

    as_is, slim = figures(graph), figures(optimize_graph(graph))
    return {
        "name": graph.name,
        "file": graph.loc.file,
        "sha256": graph.digest,
        "inputs": [_tensor(graph.tensors[n]) for n in graph.inputs],
        "outputs": [_tensor(graph.tensors[n]) for n in graph.outputs],
        "states": [s.name for s in graph.states],
        "macs": as_is.macs,
        "weight_bytes": as_is.weight_bytes,
        "constant_bytes": as_is.constant_bytes,
        "operators": dict(Counter(node.op.kind for node in graph.nodes)),
        "optimized": {
            "layers": slim.nodes,
            "macs": slim.macs,
            "weight_bytes": slim.weight_bytes,
            "constant_bytes": slim.constant_bytes,
        },
        "layers": [
            {
                "index": i,
                "operator": node.op.kind,
                "name": node.name,
                "macs": node_macs(graph, node),
                "constant_bytes": constant_bytes(graph, node),
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
    from skosh.optimize import figures, optimize_graph

    as_is, slim = figures(graph), figures(optimize_graph(graph))
    console = out()
    console.print(f"{file}: {as_is.nodes} layers, {number(as_is.macs)} MACs", style="bold", markup=False)
    for what, names in (("input", graph.inputs), ("output", graph.outputs)):
        for n in names:
            console.print(f"{what:6} {n}: {_typed(graph.tensors[n])}", markup=False, soft_wrap=True)
    for s in graph.states:
        console.print(f"state  {s.name}: {_typed(graph.tensors[s.before])}", markup=False, soft_wrap=True)
    console.print(_layers(graph, wide=console.width >= WIDE))
    console.print(f"in all: {_totals(as_is)}")
    if slim != as_is:
        console.print(f"as skosh computes it, bit for bit the same: {_totals(slim)}")


def _totals(f: Figures) -> str:
    sizes = f"{number(f.weight_bytes)} bytes of weights, {number(f.constant_bytes)} of constants"
    return f"{f.nodes} layers, {number(f.macs)} MACs, {sizes}"


def _layers(graph: Graph, *, wide: bool) -> Table:
    from skosh.ir.graph import node_macs

    numbers = ("#", "scale", "zero", "MACs", "constants")
    names = ("name",) if wide else ()
    shown = table("#", "operator", *names, "output", "scale", "zero", "MACs", "constants", right=numbers)
    for i, node in enumerate(graph.nodes):
        y = graph.tensors[node.outputs[0]]
        more = f" and {len(node.outputs) - 1} more" if len(node.outputs) > 1 else ""
        sizes = number(node_macs(graph, node)), number(constant_bytes(graph, node))
        name = (_short(node.name),) if wide else ()
        row(shown, i, node.op.kind, *name, f"{_type(y)}{more}", *_scale(y), *sizes)
    return shown


def _type(t: Tensor) -> str:
    return f"{t.dtype}[{', '.join(map(str, t.shape))}]"


def _scale(t: Tensor) -> tuple[str, str]:
    """Scale and zero point of a tensor, as far as it has one of each."""
    if t.quant is None:
        return "", ""
    if t.quant.per_channel:
        return f"{len(t.quant.scales)} scales", ""
    return f"{t.quant.scale:.6g}", str(t.quant.zero_point)


def _typed(t: Tensor) -> str:
    scale, zero = _scale(t)
    return ", ".join([_type(t), *([f"scale {scale}, zero point {zero}"] if zero else [scale] if scale else [])])


def _short(name: str, most: int = 32) -> str:
    """The end of a long name, which tells the most."""
    return name if len(name) <= most else f"...{name[3 - most :]}"
