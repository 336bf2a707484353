from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from rich.text import Text

from skosh.plan import memory_map_svg, memory_map_text, plan_memory
from tests.plan.fakes import Make, Same, graph, node
from tests.plan.networks import resnet

SVG = "{http://www.w3.org/2000/svg}"


def test_svg_is_well_formed_and_names_every_buffer() -> None:
    g = graph({"a<b": 64}, [node(Make(), "x", "a<b"), node(Same(), "a<b s0", "s1"), node(Make(), "s1", "y")], "x", "y")
    g = graph({"a<b": 64}, g.nodes, "x", "y", states=[("s0", "s1")])
    plan = plan_memory(g, scratch={0: (20,)})
    root = ElementTree.fromstring(memory_map_svg(g, plan))
    tips = [t.text or "" for t in root.iter(f"{SVG}title")]
    for buffer in plan.buffers:
        name = " = ".join(buffer.tensors) or "scratch of a<b"
        assert any(t.startswith(f"{name}\n") and f"{buffer.nbytes} bytes at {buffer.offset}" in t for t in tips)
    assert str(plan) in "".join(t.text or "" for t in root.iter(f"{SVG}text"))
    kinds = {r.get("class") for r in root.iter(f"{SVG}rect")}
    assert kinds == {"input", "tensor", "output", "scratch", "state"}


def test_svg_of_many_steps_and_of_none() -> None:
    g = resnet(75)
    ElementTree.fromstring(memory_map_svg(g, plan_memory(g)))
    empty = graph({}, [], "", "")
    ElementTree.fromstring(memory_map_svg(empty, plan_memory(empty)))
    memory_map_text(empty, plan_memory(empty))


def test_text_map() -> None:
    nodes = [node(Make(), "x", "a"), node(Make(), "a", "y")]
    g = graph({"x": 32, "a": 64, "y": 32}, nodes, "x", "y")
    plan = plan_memory(g)
    assert memory_map_text(g, plan, width=8, height=3, markup=False) == (
        "96 ████▒▒▒▒\n"
        "   ▓▓▓▓▓▓▓▓\n"
        " 0 ▓▓▓▓▓▓▓▓\n"
        "   arena 96 bytes, optimal"
    )  # fmt: skip
    coloured = Text.from_markup(memory_map_text(g, plan, width=8, height=3))
    assert "█ input  █ between layers  █ output" in coloured.plain
    assert {str(span.style) for span in coloured.spans} == {"green", "blue", "yellow"}
