"""``skosh export --to tflite``: the file means the same bits, in our importer's eyes and in TensorFlow Lite Micro."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skosh
from skosh.base.errors import UnsupportedError
from skosh.importers.tflite.export import tflite_bytes
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from tests.cli.run import run
from tests.conformance.cases import cases, make_input
from tests.conformance.random_models import ring_buffer_model
from tests.golden.programs import HERE
from tests.support.agree import check_against_tflm, random_input
from tests.support.formats import FORMATS
from tests.support.shared import models_folder, shared_models
from tests.support.tflm import Tflm

OURS_ALONE = {"lstm", "svdf", "detect"}
"""Kinds that are read from TFLite files and not written to them, beside those of signals."""


def same_meaning(graph: Graph, again: Graph, seed: int = 0) -> None:
    rng, states, theirs = np.random.default_rng(seed), None, None
    for _ in range(2):
        x = [make_input(t, rng) for t in graph.required(graph.inputs)]
        ours, other = run_graph(graph, x, states), run_graph(again, x, theirs)
        states, theirs = ours.states, other.states
        for name, its in zip(graph.outputs, again.outputs, strict=True):
            np.testing.assert_array_equal(ours.values[name], other.values[its])


def test_every_operator_of_tflite_is_written_and_read_again() -> None:
    refused, written = set[str](), 0
    for case in cases(range(1)):
        try:
            file = tflite_bytes(case.graph)
        except UnsupportedError as error:
            refused |= {o.problem.partition(" ")[0] for o in error.obstacles}
            continue
        same_meaning(case.graph, skosh.load(file))
        written += 1
    signals = {k for k in refused if k.startswith(("signal_", "filter_bank", "fft_", "rfft", "spectral_", "pcan"))}
    assert refused - signals == OURS_ALONE
    assert written > 250


@pytest.mark.parametrize("path", [p for p in shared_models() if p.stem not in ("vww", "ic")], ids=lambda p: p.stem)
def test_tflite_micro_gives_the_same_bits_of_the_file_and_of_its_copy(path: Path) -> None:
    graph = skosh.load(path)
    file = tflite_bytes(graph)
    assert tflite_bytes(graph) == file
    first, second = Tflm(path.read_bytes(), len(graph.outputs)), Tflm(file, len(graph.outputs))
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = [random_input(t, rng) for t in graph.required(graph.inputs)]
        for a, b in zip(first.run(x), second.run(x), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_what_skosh_quantized_runs_in_tflite_micro(scheme: str) -> None:
    (network,) = FORMATS["onnx"]().values()
    floats = skosh.load(network, layout="nhwc")
    x = np.random.default_rng(0).normal(size=(40, *floats.tensors[floats.inputs[0]].shape[1:])).astype(np.float32)
    check_against_tflm(tflite_bytes(skosh.quantize(floats, x, scheme=scheme)), runs=5)


def test_states_are_variables() -> None:
    graph = skosh.load(ring_buffer_model(3))
    assert graph.states
    file = tflite_bytes(graph)
    same_meaning(graph, skosh.load(file))
    check_against_tflm(file, runs=4)


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "copy.tflite"
    ran = run("export", models_folder() / "hello_world.tflite", "--to", "tflite", "-o", file, "--json")
    assert ran.status == 0, ran.err
    assert file.read_bytes()[4:8] == b"TFL3" and ran.json["bytes"] == file.stat().st_size
    kept = skosh.load(HERE / "sprinkler.bif", query=["Rain"]).save(tmp_path / "rain.skosh")
    ran = run("export", kept, "--to", "tflite", "-o", file)
    assert ran.status == 2 and "eliminate can't be written as one of TFLite's operators" in ran.err
