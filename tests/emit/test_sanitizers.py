"""The emitted C under the address and undefined-behaviour sanitizers, fed from exactly sized heap blocks."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.build import compile_host_program
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.pipeline import compile_to_c
from skosh.targets import target as find_target
from tests.conformance.cases import make_input
from tests.conformance.random_models import random_model, ring_buffer_model
from tests.conformance.test_conformance import AIMED, made, pieces
from tests.conformance.union import expected, first_difference
from tests.emit.programs import exercise, outputs_of
from tests.support.shared import models_folder


def check(graph: Graph, optimize: str = "balanced", target: str = "host") -> None:
    """target: whose C; what is special about it has a body in plain C too."""
    compiled = compile_to_c(graph, target=find_target(target), optimize=optimize, name="s")
    rng = np.random.default_rng(3)
    runs = [[make_input(t, rng) for t in graph.required(graph.inputs)] for _ in range(2)]
    executable = compile_host_program(compiled.sources, exercise(compiled.program, runs), sanitize=True)
    got = outputs_of(compiled.program, executable, len(runs))
    want = expected(graph, runs)
    for row, values in enumerate(got):
        for name, w, g in zip(graph.outputs, want[row % len(runs)], values, strict=True):
            text = first_difference(w, g)
            assert not text, f"{name}, {'inside' if row >= len(runs) else 'outside'}: {text}"


@pytest.mark.parametrize("piece", pieces(AIMED))
def test_every_operator(piece: str) -> None:
    check(made(piece, AIMED).graph)


@pytest.mark.parametrize("seed", range(4))
def test_random_models(seed: int) -> None:
    check(load(random_model(9000 + seed), name="s"), ("balanced", "ram", "speed", "flash")[seed])


def test_a_state() -> None:
    check(load(ring_buffer_model(3), name="s"), "ram")


@pytest.mark.parametrize("name", ["hello_world", "hello_world_float", "micro_speech", "kws", "ad"])
def test_real_models(name: str) -> None:
    check(load(models_folder() / f"{name}.tflite"), "ram" if name == "kws" else "balanced")


@pytest.mark.parametrize("family", ["convolution", "dense", "pooling"])
def test_c_for_dsp_cores(family: str) -> None:
    for piece in pieces(AIMED):
        if piece.startswith(family):
            check(made(piece, AIMED).graph, "speed", "cortex-m4")
