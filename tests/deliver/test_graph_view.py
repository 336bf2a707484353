"""The drawing of a model: every layer and edge once, no two boxes in one place, links that lead to rows."""

from __future__ import annotations

import re

import numpy as np
import pytest

import skosh
from skosh.built import Build
from skosh.deliver import facts_of, report_html
from skosh.deliver.graph_view import HIGH, WIDE, Drawing, graph_section, laid_out
from skosh.importers.tflite import load
from skosh.verify.measure import LayerProfile
from tests.conformance.random_models import Sketch, random_model
from tests.support.shared import models_folder


def layers_of(build: Build) -> tuple[LayerProfile, ...]:
    return build.profile().layers


def drawn(build: Build) -> Drawing:
    return laid_out(build.program.graph, build.program.plan, layers_of(build))


def check(build: Build) -> Drawing:
    found, graph = drawn(build), build.program.graph
    assert len(found.boxes) == len(graph.nodes) + len(graph.inputs) + len(graph.outputs)
    links = [b.link for b in found.boxes if b.link]
    assert sorted(links) == sorted(f"layer-{k}" for k in range(len(graph.nodes)))
    for i, a in enumerate(found.boxes):
        for b in found.boxes[i + 1 :]:
            assert abs(a.x - b.x) >= WIDE or abs(a.y - b.y) >= HIGH, (a, b)
    assert found == drawn(build)
    return found


def test_a_network_with_branches() -> None:
    build = skosh.compile(models_folder() / "ic.tflite", target="host")
    found = check(build)
    ranks = {b.link: b.y for b in found.boxes if b.link}
    assert ranks["layer-0"] < ranks["layer-1"] < ranks["layer-3"]
    assert len({b.x for b in found.boxes}) > 2  # not all in one column
    assert any(len(line) > 2 for line in found.lines)  # an edge that passes ranks


@pytest.mark.parametrize("seed", range(4))
def test_random_networks(seed: int) -> None:
    check(skosh.compile(load(random_model(seed), name="m"), target="host"))


def test_edges_join_what_they_join() -> None:
    s = Sketch(np.random.default_rng(1))
    s.inputs = [s.add((1, 4)), s.add((1, 4))]
    both = s.node("ADD", [s.inputs[0], s.inputs[1]], s.add((1, 4)))
    s.outputs = [s.node("MUL", [both, s.inputs[0]], s.add((1, 4)))]
    found = check(skosh.compile(load(s.finish(), name="m"), target="host"))
    places = {(b.x, b.y): b.title for b in found.boxes}
    joined = sorted((places[line[0]], places[line[-1]]) for line in found.lines)
    *ins, out = [b.title for b in found.boxes if not b.link]
    assert joined == sorted([(ins[0], "0 add"), (ins[1], "0 add"), (ins[0], "1 mul"), ("0 add", "1 mul"), ("1 mul", out)])


def test_every_link_has_its_row() -> None:
    build = skosh.compile(models_folder() / "kws.tflite", target="host")
    page = report_html(facts_of(build))
    links, rows = set(re.findall(r'href="#(layer-\d+)"', page)), set(re.findall(r'<tr id="(layer-\d+)"', page))
    assert links == rows and len(rows) == len(build.program.graph.nodes)
    assert 'class="sortable"' in page and "aria-sort" in page


def test_what_nobody_would_read_is_not_drawn() -> None:
    build = skosh.compile(models_folder() / "hello_world.tflite", target="host")
    graph = build.program.graph
    many = graph.with_(nodes=graph.nodes * 100)
    assert graph_section(many, build.program.plan, ()) is None
