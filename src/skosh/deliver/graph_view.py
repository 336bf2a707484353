"""The layers of a model as a drawing: ranks from top to bottom with few crossings (Sugiyama's method, by grandalf), as SVG. Its
boxes lead to the rows of the layer table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from skosh.deliver.markup import Content, Markup, el, number
from skosh.ir.graph import Graph
from skosh.plan import Plan
from skosh.verify.measure import LayerProfile

MOST = 250
"""More layers are no drawing that anyone reads; the table lists them."""

WIDE, HIGH, APART, BESIDE = 196, 40, 26, 22
EDGE = 10  # around the drawing

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """``link``: the id that it leads to; empty for inputs and outputs. x, y: its middle."""

    title: str
    text: str
    link: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    boxes: tuple[Box, ...]
    lines: tuple[tuple[Point, ...], ...]


def graph_section(graph: Graph, plan: Plan, layers: Sequence[LayerProfile]) -> Markup | None:
    """The drawing with its heading. None where there are too many layers, or none."""
    if not 1 <= len(graph.nodes) <= MOST:
        return None
    cost = "instructions" if layers and layers[0].instructions is not None else "MACs"
    note = f"From inputs to outputs: each layer with the shape of its output and its {cost}. A box leads to its row below."
    drawn = el("div", svg(laid_out(graph, plan, layers)), class_="scroll graph", tabindex=0)
    return el("section", el("h2", "The model"), el("p", note, class_="note"), drawn)


def laid_out(graph: Graph, plan: Plan, layers: Sequence[LayerProfile]) -> Drawing:
    """Places of all layers, inputs and outputs. The same graph gives the same drawing."""
    names, texts, links = _named(graph, plan, layers)
    graphs, layouts = import_module("grandalf.graphs"), import_module("grandalf.layouts")
    vertices = [graphs.Vertex(k) for k in range(len(names))]
    for v in vertices:
        v.view = layouts.VertexViewer(w=WIDE, h=HIGH)
    edges = [graphs.Edge(vertices[a], vertices[b]) for a, b in _edges(graph)]
    for e in edges:
        e.view = _Line()
    left = 0.0
    shift: dict[int, float] = {}
    for part in graphs.Graph(vertices, edges).C:  # unconnected parts stand side by side
        if len(part.sV) > 1:
            layout = layouts.SugiyamaLayout(part)
            layout.xspace, layout.yspace = BESIDE, APART
            layout.route_edge = lambda edge, points: None
            layout.init_all()
            layout.draw(6)
        across = [v.view.xy[0] for v in part.sV]
        shift |= {v.data: left - min(across) for v in part.sV}
        left += max(across) - min(across) + WIDE + BESIDE
    boxes = tuple(
        Box(name, text, link, v.view.xy[0] + shift[v.data], v.view.xy[1])
        for name, text, link, v in zip(names, texts, links, vertices, strict=True)
    )
    lines = tuple(tuple((x + shift[e.v[0].data], y) for x, y in e.view.points) for e in edges)
    return Drawing(boxes, lines)


class _Line:
    """What the layout tells the points of an edge to."""

    points: Sequence[Point] = ()

    def setpath(self, points: Sequence[Point]) -> None:
        self.points = tuple(points)


def _named(graph: Graph, plan: Plan, layers: Sequence[LayerProfile]) -> tuple[list[str], list[str], list[str]]:
    """Titles, second lines and links of nodes, then of inputs, then of outputs."""
    step = {index: k for k, index in enumerate(plan.order)}
    names = [f"{step[i]} {node.op.kind}" for i, node in enumerate(graph.nodes)]
    costs = dict(enumerate(layers))
    texts, links = [], []
    for i, node in enumerate(graph.nodes):
        cost = costs.get(step[i])
        shape = "×".join(map(str, graph.tensors[node.outputs[0]].shape)) or "1"
        spent = None if cost is None else cost.instructions if cost.instructions is not None else cost.macs
        texts.append(shape + (f" · {number(spent)}" if spent else ""))
        links.append(f"layer-{step[i]}")
    for name in (*graph.inputs, *graph.outputs):
        t = graph.tensors[name]
        names.append(name.partition(";")[0].rstrip("/").rpartition("/")[2] or name)
        texts.append(f"{'×'.join(map(str, t.shape)) or '1'} {t.dtype.name}")
        links.append("")
    return names, texts, links


def _edges(graph: Graph) -> list[tuple[int, int]]:
    """(from, to) of the numbers that ``_named`` gives, each pair once."""
    count = len(graph.nodes)
    makers = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}
    makers |= {name: count + k for k, name in enumerate(graph.inputs)}
    found = {(makers[n], i): None for i, node in enumerate(graph.nodes) for n in node.inputs if n in makers}
    ends = count + len(graph.inputs)
    found |= {(makers[n], ends + k): None for k, n in enumerate(graph.outputs) if n in makers}
    return list(found)


def svg(drawing: Drawing) -> Markup:
    """Boxes over lines. Colours are the page's."""
    left = min(b.x for b in drawing.boxes) - WIDE / 2 - EDGE
    top = min(b.y for b in drawing.boxes) - HIGH / 2 - EDGE
    width = max(b.x for b in drawing.boxes) + WIDE / 2 + EDGE - left
    height = max(b.y for b in drawing.boxes) + HIGH / 2 + EDGE - top
    parts: list[Content] = [el("title", f"{len(drawing.boxes)} boxes, {len(drawing.lines)} edges")]
    parts += [el("path", d=_path(points, left, top), class_="edge") for points in drawing.lines]
    parts += [_box(b, left, top) for b in drawing.boxes]
    return el("svg", *parts, class_="chart", viewBox=f"0 0 {width:.0f} {height:.0f}", role="img",
              style=f"width:{width:.0f}px;max-width:none")  # fmt: skip


def _path(points: Sequence[Point], left: float, top: float) -> str:
    """Straight down out of a box, through the points, straight down into the next."""
    (x, y), *middle, (z, w) = [(px - left, py - top) for px, py in points]
    down = 1 if w >= y else -1
    y, w = y + down * HIGH / 2, w - down * HIGH / 2
    text = f"M{x:.1f} {y:.1f}"
    for nx, ny in [*middle, (z, w)]:
        half = (ny - y) / 2
        text += f"C{x:.1f} {y + half:.1f} {nx:.1f} {ny - half:.1f} {nx:.1f} {ny:.1f}"
        x, y = nx, ny
    return text


def _box(b: Box, left: float, top: float) -> Markup:
    x, y = b.x - left, b.y - top
    kind = "node" if b.link else "end"
    title = b.title if len(b.title) <= 24 else f"{b.title[:23]}…"
    rect = el("rect", x=f"{x - WIDE / 2:.1f}", y=f"{y - HIGH / 2:.1f}", width=WIDE, height=HIGH, rx=6, class_=kind)
    words: list[Any] = [
        el("text", title, x=f"{x:.1f}", y=f"{y - 3:.1f}", text_anchor="middle", class_="name"),
        el("text", b.text, x=f"{x:.1f}", y=f"{y + 13:.1f}", text_anchor="middle", class_="faint"),
    ]
    return el("a", rect, *words, href=f"#{b.link}") if b.link else el("g", rect, *words)
