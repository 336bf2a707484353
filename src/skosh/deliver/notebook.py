"""What a notebook shows of a Build, a Graph, a Proof or a Profile: the first tiles of the report, in a cell."""

from __future__ import annotations

from typing import Any, Protocol

from skosh.deliver.markup import Markup, el, number
from skosh.deliver.report import against, cost_tiles
from skosh.ir.graph import Graph, macs
from skosh.ir.text import tensor_text
from skosh.verify.measure import Profile
from skosh.verify.proof import Proof

STYLE = """
.skosh { font: 14px/1.45 system-ui, sans-serif; color: inherit; max-width: 60em }
.skosh .tiles { display: flex; flex-wrap: wrap; gap: .5em; margin: .4em 0 }
.skosh .tile { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5em;
  padding: .4em .8em; min-width: 9em }
.skosh dt, .skosh .note { font-size: .85em; opacity: .75; margin: 0 }
.skosh .value { font-size: 1.35em; font-weight: 600; margin: 0 }
.skosh .unit { font-size: .7em; font-weight: 400 }
.skosh p { margin: .3em 0 }
"""


class Built(Protocol):
    """What of a Build is shown. ``measured``: its profile where it was made already; showing one runs nothing."""

    @property
    def source(self) -> Graph: ...
    @property
    def optimize(self) -> str: ...
    @property
    def target(self) -> Any: ...
    @property
    def program(self) -> Any: ...
    @property
    def measured(self) -> Profile | None: ...


def card(title: str, *content: Markup | None) -> str:
    style = el("style", Markup(STYLE))
    return str(el("div", style, el("p", el("b", title)), *content, class_="skosh"))


def graph_html(graph: Graph) -> str:
    """Inputs and outputs, operators, sizes."""
    constants = sum(t.nbytes for t in graph.constants)
    facts = [
        tile("Layers", number(len(graph.nodes)), ", ".join(dict.fromkeys(n.op.kind for n in graph.nodes))[:90]),
        tile("MACs", number(macs(graph)), "multiplications of one run"),
        tile("Constants", number(constants), "bytes"),
    ]
    ends = [
        el("p", f"{what}: {', '.join(tensor_text(t) for t in graph.required(names))}", class_="note")
        for what, names in (("in", graph.inputs), ("out", graph.outputs))
    ]
    return card(f"Graph {graph.name}", el("dl", *facts, class_="tiles"), *ends)


def proof_html(proof: Proof) -> str:
    """Identical or not, and what was compared."""
    title = f"✓ Identical on {number(proof.samples)} samples" if proof.bit_exact else "✗ Not the same"
    compared = f"{', '.join([*proof.what, f'{number(proof.elements)} numbers'])}, against {against(proof)}{proof.reach}"
    first = None if proof.first_difference is None else el("p", f"The first difference: {proof.first_difference}")
    differ = None if proof.bit_exact else el("p", f"{number(proof.mismatches)} differ.")
    return card(title, el("p", compared), differ, first)


def profile_html(profile: Profile) -> str:
    return card(f"Profile on {profile.target}, {profile.optimize}", cost_tiles(profile))


def build_html(build: Built) -> str:
    """What is known without running anything: the arena, and the profile's tiles when it was measured."""
    known = build.measured
    arena = tile("Arena", number(build.program.plan.arena_bytes), "bytes of RAM")
    shown = cost_tiles(known) if known is not None else el("dl", arena, class_="tiles")
    more = (
        None if known is not None else el("p", "build.profile() measures it, build.verify() proves it.", class_="note")
    )
    return card(f"Build {build.program.name} for {build.target.name}, {build.optimize}", shown, more)


def tile(name: str, value: str, note: str) -> Markup:
    return el("div", el("dt", name), el("dd", value, class_="value"), el("dd", note, class_="note"), class_="tile")
