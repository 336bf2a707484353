"""The plan as a picture: steps from left to right, the arena from bottom to top, a rectangle for each buffer."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from skosh.ir.graph import Graph
from skosh.plan.result import Buffer, Kind, Plan

KINDS: tuple[Kind, ...] = ("input", "tensor", "output", "scratch", "state")
NAMES: dict[Kind, str] = {
    "input": "input", "tensor": "between layers", "output": "output", "scratch": "scratch", "state": "state",
}  # fmt: skip

# Two shades of each: fill and outline. Both read on white and on black; the text takes the page's own colour.
STYLE = """
.skosh-map{font:11px system-ui,-apple-system,"Segoe UI",sans-serif;color:#1d2733}
.skosh-map text{fill:currentColor}
.skosh-map .faint{opacity:.65}
.skosh-map .grid{stroke:currentColor;opacity:.12}
.skosh-map .axis{stroke:currentColor;opacity:.5}
.skosh-map .peak{stroke:#c0392b;stroke-width:1.5;stroke-dasharray:6 4}
.skosh-map .live{fill:none;stroke:currentColor;stroke-width:1;opacity:.5}
.skosh-map rect{rx:3px;stroke-width:1;fill-opacity:.85}
.skosh-map g:hover>rect{fill-opacity:1;stroke-width:2}
.skosh-map .input{fill:#a9d5b5;stroke:#3f8f5b}
.skosh-map .tensor{fill:#a8c8ec;stroke:#3a74b5}
.skosh-map .output{fill:#f3cf97;stroke:#b97d1c}
.skosh-map .scratch{fill:#d5d8dd;stroke:#7c858f}
.skosh-map .state{fill:#d3bdeb;stroke:#7d55b3}
@media (prefers-color-scheme:dark){
.skosh-map{color:#dde4ec}
.skosh-map .peak{stroke:#ff8a75}
.skosh-map .input{fill:#2f6b45;stroke:#7fc79a}
.skosh-map .tensor{fill:#2b5586;stroke:#83b4ea}
.skosh-map .output{fill:#86601d;stroke:#e6b45e}
.skosh-map .scratch{fill:#4b535c;stroke:#a3acb6}
.skosh-map .state{fill:#5d3f87;stroke:#b796e3}
}
"""


def memory_map_svg(graph: Graph, plan: Plan, *, width: int = 960, height: int = 420) -> str:
    """A self-contained SVG of ``width`` x ``height``: what lies where in the arena at each step, and what is full when.

    It can stand alone or inside a page; it follows the reader's light or dark theme. Each rectangle names its tensors,
    bytes and steps when pointed at. An output made in place begins in the middle of its step, where its input ends.
    """
    return _Drawing(graph, plan, width, height).svg()


def memory_map_text(graph: Graph, plan: Plan, *, width: int = 72, height: int = 12, markup: bool = True) -> str:
    """The same for a terminal, with rich's markup for colour unless ``markup`` is False.

    A column is a step (or several), a row a range of bytes; neighbours differ in shade.
    """
    assert len(plan.order) == len(graph.nodes), "the plan is of another graph"
    colours = {"input": "green", "tensor": "blue", "output": "yellow", "scratch": "white", "state": "magenta"}
    steps, rows = max(len(plan.order), 1), max(1, min(height, plan.arena_bytes))
    columns, wide = min(steps, width), max(1, min(6, width // steps))
    label = len(f"{plan.arena_bytes:,}")
    lines = []
    for row in reversed(range(rows)):
        at = (2 * row + 1) * plan.arena_bytes // (2 * rows)
        cells: list[tuple[str, str]] = []
        for column in range(columns):
            b = _at(plan.buffers, (2 * column + 1) * steps // (2 * columns), at)
            cells += [("·", "") if b is None else ("█▓▒"[b.id % 3], colours[b.kind])] * wide
        mark = f"{plan.arena_bytes:,}" if row == rows - 1 else "0" if row == 0 else ""
        lines.append(f"{mark:>{label}} {_runs(cells, markup)}")
    kinds = [k for k in KINDS if any(b.kind == k for b in plan.buffers)]
    legend = "  ".join(f"{_runs([('█', colours[k])], markup)} {NAMES[k]}" for k in kinds)
    if markup:  # without colours there is nothing to explain
        lines.append(f"{'':>{label}} {legend}")
    lines.append(f"{'':>{label}} {plan}")
    return "\n".join(line.rstrip() for line in lines)


def _at(buffers: Sequence[Buffer], step: int, byte: int) -> Buffer | None:
    """The buffer there; the younger of two that share a place, scratch being the youngest."""
    found = [b for b in buffers if b.first_step <= step <= b.last_step and b.offset <= byte < b.end]
    return max(found, key=lambda b: b.first_step, default=None)


def _runs(cells: Sequence[tuple[str, str]], markup: bool) -> str:
    if not markup:
        return "".join(char for char, _ in cells)
    out, colour = "", ""
    for char, wanted in cells:
        if wanted != colour:
            out += ("[/]" if colour else "") + (f"[{wanted}]" if wanted else "")
            colour = wanted
        out += char
    return out + ("[/]" if colour else "")


class _Drawing:
    def __init__(self, graph: Graph, plan: Plan, width: int, height: int) -> None:
        self.graph, self.plan, self.width, self.height = graph, plan, width, height
        self.steps = max(len(plan.order), 1)
        self.names = [graph.nodes[i].name or graph.nodes[i].op.kind for i in plan.order]
        self.column = (width - 64 - 16) / self.steps
        self.slanted = bool(self.names) and self.column >= 12
        longest = max((len(n) for n in self.names), default=0)
        self.foot = 22 + (min(longest, 18) * 4.4 if self.slanted else 12)
        self.left, self.top, self.right, self.floor = 64.0, 46.0, width - 16.0, height - self.foot

    def x(self, step: float) -> float:
        return self.left + step * self.column

    def y(self, byte: float) -> float:
        return self.floor - byte * (self.floor - self.top) / max(self.plan.arena_bytes, 1)

    def svg(self) -> str:
        title = f"Memory of {self.graph.name}: {self.plan}"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="skosh-map" viewBox="0 0 {self.width} {self.height}" '
            f'width="100%" style="max-width:{self.width}px" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            *self.grid(), *self.rectangles(), *self.live_line(), *self.peak_line(), *self.step_names(), *self.legend(),
            "</svg>",
        ]  # fmt: skip
        return "\n".join(parts) + "\n"

    def grid(self) -> list[str]:
        parts = []
        for byte in _ticks(self.plan.arena_bytes):
            y = self.y(byte)
            kind = "grid" if byte else "axis"
            parts.append(f'<line class="{kind}" x1="{self.left:.1f}" x2="{self.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(
                f'<text class="faint" text-anchor="end" x="{self.left - 6:.1f}" y="{y + 4:.1f}">{_size(byte)}</text>'
            )
        return parts

    def rectangles(self) -> list[str]:
        takes, gives = self.halves()
        parts = []
        for b in sorted(self.plan.buffers, key=lambda b: (b.first_step, b.id)):
            if b.nbytes == 0:
                continue
            x = self.x(b.first_step + (0.5 if b.id in takes else 0.0))
            end = self.x(b.last_step + (0.5 if b.id in gives else 1.0))
            y, tall, wide = self.y(b.end), self.y(b.offset) - self.y(b.end), end - x
            inset = min(0.5, wide / 8, tall / 8)
            rect = (
                f'<rect class="{b.kind}" x="{x + inset:.1f}" y="{y + inset:.1f}" '
                f'width="{wide - 2 * inset:.1f}" height="{tall - 2 * inset:.1f}"/>'
            )
            name = self.label(b)
            shown = name if len(name) * 6 <= wide - 6 else name[: max(0, int((wide - 6) / 6) - 1)] + "…"
            text = ""
            if tall >= 13 and (shown == name or len(shown) > 3):
                middle = f'x="{(x + end) / 2:.1f}" y="{y + tall / 2 + 4:.1f}"'
                text = f'<text text-anchor="middle" {middle}>{escape(shown)}</text>'
            parts.append(f"<g><title>{escape(self.tooltip(b))}</title>{rect}{text}</g>")
        return parts

    def halves(self) -> tuple[set[int], set[int]]:
        """Buffers that begin, and that end, in the middle of a step: outputs made in place and their inputs."""
        owner = {name: b.id for b in self.plan.buffers for name in b.tensors}
        takes, gives = set(), set()
        for index, pairs in self.plan.inplace.items():
            node = self.graph.nodes[index]
            for i, o in pairs:
                gives.add(owner[node.inputs[i]])
                takes.add(owner[node.outputs[o]])
        return takes, gives

    def label(self, b: Buffer) -> str:
        return b.tensors[0] if b.tensors else "scratch"

    def tooltip(self, b: Buffer) -> str:
        what = " = ".join(b.tensors) if b.tensors else f"scratch of {self.names[b.first_step]}"
        during = f"step {b.first_step}" if b.first_step == b.last_step else f"steps {b.first_step} to {b.last_step}"
        return f"{what}\n{NAMES[b.kind]}, {b.nbytes:,} bytes at {b.offset:,}\n{during}"

    def live_line(self) -> list[str]:
        """Bytes really in use at each step; what is between it and the peak is free there."""
        points = []
        for step in range(self.steps):
            used = _covered([(b.offset, b.end) for b in self.plan.buffers if b.first_step <= step <= b.last_step])
            points += [f"{self.x(step):.1f},{self.y(used):.1f}", f"{self.x(step + 1):.1f},{self.y(used):.1f}"]
        return [f'<polyline class="live" points="{" ".join(points)}"><title>bytes in use</title></polyline>']

    def peak_line(self) -> list[str]:
        y = self.y(self.plan.arena_bytes)
        return [
            f'<line class="peak" x1="{self.left:.1f}" x2="{self.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text text-anchor="end" x="{self.right:.1f}" y="{y - 6:.1f}">{escape(str(self.plan))}</text>',
        ]

    def step_names(self) -> list[str]:
        y = self.floor + 16
        if self.slanted:
            return [
                f'<text class="faint" text-anchor="end" '
                f'transform="translate({self.x(k + 0.5) + 4:.1f} {y:.1f}) rotate(-35)">'
                f"<title>step {k}: {escape(name)}</title>{escape(name if len(name) <= 18 else name[:17] + '…')}</text>"
                for k, name in enumerate(self.names)
            ]
        every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if n * self.column >= 40)
        marks = [
            f'<text class="faint" text-anchor="middle" x="{self.x(k + 0.5):.1f}" y="{y:.1f}">{k}</text>'
            for k in range(0, self.steps, every)
        ]
        return [*marks, f'<text class="faint" text-anchor="end" x="{self.left - 6:.1f}" y="{y:.1f}">step</text>']

    def legend(self) -> list[str]:
        parts, x = [], self.left
        for kind in (k for k in KINDS if any(b.kind == k for b in self.plan.buffers)):
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="9" width="12" height="12"/>')
            parts.append(f'<text x="{x + 17:.1f}" y="19">{NAMES[kind]}</text>')
            x += 32 + 6.2 * len(NAMES[kind])
        parts.append(f'<line class="live" x1="{x:.1f}" x2="{x + 14:.1f}" y1="15" y2="15"/>')
        parts.append(f'<text x="{x + 19:.1f}" y="19">bytes in use</text>')
        return parts


def _covered(ranges: Sequence[tuple[int, int]]) -> int:
    total, reached = 0, 0
    for start, end in sorted(ranges):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _ticks(top: int) -> list[int]:
    """Round byte counts, four to eight of them, from 0 to at most ``top``."""
    step = 1
    while top / step > 8:
        step *= 2
    return list(range(0, top + 1, step))


def _size(nbytes: int) -> str:
    return f"{nbytes / 1024:g} KB" if nbytes >= 1024 else f"{nbytes} B"
