"""The stages: their texts, their checks, and the rule that the same input gives the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError, ModelError
from skosh.importers.tflite import load
from skosh.pipeline import OPTIMIZE, STAGES, compile_to_c
from tests.conformance.random_models import random_model, ring_buffer_model

GRAPH = load(random_model(11), name="m")


def test_every_stage_has_a_text() -> None:
    compiled = compile_to_c(GRAPH)
    for stage in STAGES:
        assert len(compiled.text(stage).splitlines()) > 2, stage
    assert compiled.text("emit") == compiled.sources["m.c"]
    assert "free: " in compiled.text("lower")
    assert sorted(compiled.sources) == ["m.c", "m.h", "m_weights.c"]


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_the_same_bytes_twice(optimize: str) -> None:
    for seed in (3, 4):
        first, again = (compile_to_c(load(random_model(seed), name="m"), optimize=optimize) for _ in range(2))
        assert first.sources == again.sources
        assert [first.text(s) for s in STAGES] == [again.text(s) for s in STAGES]


def test_the_source_is_kept_as_it_was() -> None:
    compiled = compile_to_c(GRAPH, name="other")
    assert compiled.source is GRAPH
    assert (compiled.program.name, sorted(compiled.sources)) == ("other", ["other.c", "other.h", "other_weights.c"])


def test_an_aim_nobody_knows() -> None:
    with pytest.raises(InputError) as caught:
        compile_to_c(GRAPH, optimize="size")
    assert str(caught.value) == 'optimize must be one of balanced, speed, flash, ram, not "size".'


def test_energy_is_no_aim_of_its_own() -> None:
    """On one chip it is cycles times a constant, which is what "speed" makes small."""
    with pytest.raises(InputError, match=r'not "energy"\. Hint: .* cycles times a constant: choose "speed"'):
        compile_to_c(GRAPH, optimize="energy")


def test_a_graph_that_is_none() -> None:
    broken = replace(GRAPH, nodes=GRAPH.nodes[::-1])
    if len(GRAPH.nodes) > 1:
        with pytest.raises(ModelError, match="must be made before it is used"):
            compile_to_c(broken)


def test_ram_is_never_worse_for_ram() -> None:
    for seed in range(12):
        graph = load(random_model(seed), name="m")
        arenas = {o: compile_to_c(graph, optimize=o).program.plan.arena_bytes for o in ("balanced", "ram")}
        assert arenas["ram"] <= arenas["balanced"], seed


def test_from_a_file_to_outputs(tmp_path: object) -> None:
    model = skosh.compile(ring_buffer_model(0), target="host")
    x = np.zeros((2, *model.source.tensors[model.source.inputs[0]].shape[1:]), np.int8)
    assert len(model.run(x)) == 2
