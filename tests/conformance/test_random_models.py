"""Random models: the source's meaning, the optimized graph's, TFLM's and the C's are one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.built import build
from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph
from skosh.optimize import optimize_graph
from skosh.pipeline import OPTIMIZE
from skosh.targets import target as find_target
from tests.conformance.random_models import random_model, ring_buffer_model
from tests.conformance.union import Union, differences, expected
from tests.support.agree import check_against_tflm, random_input
from tests.support.machines import needs

seeds = st.integers(0, 2**31)


def inputs_of(graph: Graph, seed: int, runs: int = 3) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [[random_input(t, rng) for t in graph.required(graph.inputs)] for _ in range(runs)]


def check_runs(graph: Graph, seed: int, target: str, optimize: str) -> None:
    runs = inputs_of(graph, seed)
    made = build(graph, target=find_target(target), optimize=optimize, name="r")
    found = differences(Union(graph, {"model": graph}), expected(graph, runs), made.runner, runs)
    assert not found, f"{target}, {optimize}, seed {seed}: {found[0]}"


@settings(max_examples=60)
@given(seeds)
def test_optimized_means_the_same_as_tflm(seed: int) -> None:
    graph = check_against_tflm(random_model(seed), 2, seed)
    optimized = optimize_graph(graph)
    check_graph(optimized)
    runs = inputs_of(graph, seed)
    for want, got in zip(expected(graph, runs), expected(optimized, runs), strict=True):
        for w, g in zip(want, got, strict=True):
            assert np.array_equal(w, g)


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_the_host_computes_it(optimize: str) -> None:
    @settings(max_examples=8)
    @given(seeds)
    def check(seed: int) -> None:
        check_runs(load(random_model(seed), name="r"), seed, "host", optimize)

    check()


@pytest.mark.parametrize("target", ["x86-64", "x86-64-avx2"])
def test_vector_machines_compute_it(target: str) -> None:
    needs(target)

    @settings(max_examples=5)
    @given(seeds)
    def check(seed: int) -> None:
        check_runs(load(random_model(seed), name="r"), seed, target, OPTIMIZE[seed % len(OPTIMIZE)])

    check()


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4"])
def test_devices_compute_it(target: str) -> None:
    @settings(max_examples=4)
    @given(seeds)
    def check(seed: int) -> None:
        check_runs(load(random_model(seed), name="r"), seed, target, "balanced")

    check()


@pytest.mark.parametrize("seed", range(6))
def test_a_ring_buffer_is_remembered(seed: int) -> None:
    graph = check_against_tflm(ring_buffer_model(seed), 5, seed)
    assert len(graph.states) == 1
    check_runs(graph, seed, "host", OPTIMIZE[seed % len(OPTIMIZE)])
    if seed < 2:
        check_runs(graph, seed, ("cortex-m0plus", "cortex-m4")[seed], "balanced")


def test_the_host_as_oracle_has_a_state_of_its_own() -> None:
    graph = load(ring_buffer_model(0), name="r")
    proof = build(graph, target=find_target("host")).verify(6, against=("reference", "host"))
    assert proof.bit_exact, proof.first_difference
