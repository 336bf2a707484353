"""Ways to NPUs: Arm's TOSA reference model gives what the models' files say, and Vela compiles them."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tflite

import skosh
from skosh.base.errors import FitError, InputError, ToolError
from skosh.importers.tflite import load
from skosh.ir.interpret_graph import initial_states, run_graph
from skosh.machines.npu import tools
from skosh.machines.npu.ethos_u import to_ethos_u
from skosh.machines.npu.fixed_shapes import fixed_file
from skosh.machines.npu.tosa import reference_model, to_tosa
from skosh.verify.oracles import tflm
from skosh.verify.samples import load_samples, random_samples
from tests.cli.run import run
from tests.conformance.random_models import Sketch, ring_buffer_model
from tests.support.npu import needs_npu
from tests.support.shared import models_folder
from tests.support.tflite_writer import TensorSpec

MODELS = ("hello_world", "kws", "micro_speech", "ic", "ad", "vww")


@needs_npu
@pytest.mark.parametrize("name", MODELS)
def test_tosa_gives_every_golden_output(name: str) -> None:
    graph = load(models_folder() / f"{name}.tflite")
    oracle = reference_model(graph)
    samples = load_samples(graph, models_folder() / f"{name}.npz")
    assert samples.golden is not None and len(samples) >= 20
    for i, (inputs, outputs) in enumerate(zip(samples.inputs, samples.golden, strict=True)):
        for want, got in zip(outputs, oracle(inputs), strict=True):
            assert got.dtype == want.dtype and np.array_equal(got, want), f"sample {i}"


@needs_npu
@pytest.mark.parametrize("name", MODELS)
def test_tosa_is_tflm_on_random_inputs(name: str) -> None:
    pytest.importorskip("tflite_micro")
    graph = load(models_folder() / f"{name}.tflite")
    ours, theirs = reference_model(graph), tflm(graph)
    for inputs in random_samples(graph, 4).inputs:
        for want, got in zip(theirs(inputs), ours(inputs), strict=True):
            assert np.array_equal(got, want)


@needs_npu
def test_verify_against_several() -> None:
    pytest.importorskip("tflite_micro")
    file = models_folder() / "micro_speech.tflite"
    ran = run("verify", file, "--target", "host", "--samples", 3, "--against", "reference,tflm,tosa", "--json")
    assert ran.status == 0, ran.err
    assert (ran.json["bit_exact"], ran.json["against"]) == (True, ["reference", "tflm", "tosa"])


@needs_npu
@pytest.mark.parametrize(
    "piece", ["depthwise", "pool", "residual", "pad", "concat", "reshape", "function", "dense", "conv"]
)
def test_random_layers(piece: str) -> None:
    """Layers of every kind, with and without activations; a pooling's is refused, as the converter would drop it."""
    for seed in (0, 2, 5):  # a max pool with an activation, and two without
        s = Sketch(np.random.default_rng(seed))
        s.inputs = s.images = [s.add((1, 8, 7, 5))]
        s.outputs = [s.conv(3) if piece == "conv" else getattr(s, piece)()]
        graph = load(s.finish(), name="m")
        dropped = "POOL" in s.operators[-1].code and s.operators[-1].options["fused_activation_function"] != "NONE"
        assert dropped == (piece == "pool" and seed == 0)
        if dropped:
            with pytest.raises(InputError, match="the TOSA converter drops the fused relu of MAX_POOL_2D: what it makes"):
                to_tosa(graph)
            continue
        oracle = reference_model(graph)
        for inputs in random_samples(graph, 3).inputs:
            values = run_graph(graph, inputs, initial_states(graph)).values
            for name, got in zip(graph.outputs, oracle(inputs), strict=True):
                assert np.array_equal(got, values[name]), f"{s.operators[-1].code}, seed {seed}"


def dense(weight_of_first: int = 5) -> bytes:
    """FULLY_CONNECTED, int8[1, 6] -> int8[1, 4]."""
    s = Sketch(np.random.default_rng(1))
    s.inputs = [s.add((1, 6))]
    values = s.rng.integers(-100, 100, (4, 6))
    values[0, 0] = weight_of_first
    w = s.constant(values, "int8", scales=0.01, zero_points=0)
    s.outputs = [s.node("FULLY_CONNECTED", [s.inputs[0], w, s.bias(4)], s.add((1, 4)))]
    return s.finish()


@needs_npu
def test_a_difference_is_found() -> None:
    """The oracle computes: what was made from other weights differs from it, in the output that they reach."""
    graph, other = load(dense(), name="m"), load(dense(weight_of_first=-90), name="m")
    mine, others = reference_model(graph), reference_model(other)
    differ = np.zeros(4, bool)
    for inputs in random_samples(graph, 20).inputs:
        (want,), (got,) = mine(inputs), others(inputs)
        differ |= want[0] != got[0]
    assert differ.tolist() == [True, False, False, False]


@needs_npu
def test_the_process_ends_with_the_oracle() -> None:
    oracle = reference_model(load(dense(), name="m"))
    (cell,) = [c.cell_contents for c in oracle.__closure__ or () if hasattr(c.cell_contents, "process")]
    process = cell.process
    assert process.poll() is None
    del oracle, cell
    gc.collect()
    assert process.poll() == 0


@needs_npu
def test_inputs_that_the_model_has_not() -> None:
    oracle = reference_model(load(dense(), name="m"))
    with pytest.raises(ToolError, match="the TOSA reference model refuses the model"):
        oracle((np.zeros((1, 7), np.int8),))


def test_sizes_left_open_are_fixed_and_nothing_else_changes() -> None:
    file = models_folder() / "kws.tflite"
    fixed, before = fixed_file(load(file)), file.read_bytes()
    assert len(fixed) == len(before)
    subgraph = tflite.Model.GetRootAs(fixed).Subgraphs(0)
    for i in range(subgraph.TensorsLength()):
        t = subgraph.Tensors(i)
        assert not t.ShapeSignatureLength() or t.ShapeSignatureAsNumpy().tolist() == t.ShapeAsNumpy().tolist()
    changed = [i for i, (a, b) in enumerate(zip(before, fixed, strict=True)) if a != b]
    opened = sum(
        s.count(-1)
        for t in map(tflite.Model.GetRootAs(before).Subgraphs(0).Tensors, range(subgraph.TensorsLength()))
        if t.ShapeSignatureLength() and (s := t.ShapeSignatureAsNumpy().tolist())
    )
    assert len(changed) == 4 * opened > 0  # -1 to 1, four bytes each


def refused(graph: skosh.ir.graph.Graph) -> str:
    with pytest.raises(InputError) as caught:
        reference_model(graph)
    return str(caught.value)


def test_models_without_a_way_there() -> None:
    floats = load(models_folder() / "hello_world_float.tflite")
    assert refused(floats) == (
        "hello_world_float.tflite: only models of integers can be compared with TOSA, which fixes floats to a tolerance."
        " Hint: quantize the model to int8"
    )
    made = skosh.quantize(floats, np.linspace(0, 6, 50, dtype=np.float32).reshape(-1, 1))
    assert refused(made) == (
        "hello_world_float.tflite: only a model loaded from a .tflite file has a way to TOSA and Ethos-U."
        " Hint: convert the model to an int8 .tflite file"
    )
    assert "keeps no state between runs" in refused(load(ring_buffer_model(0), name="m"))
    resized = load(models_folder() / "hello_world.tflite", shapes={"serving_default_dense_input:0": (3, 1)})
    assert "the model must have the inputs of its file, i8[1, 1], not i8[3, 1]" in refused(resized)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    graph = load(dense(), name="m")
    monkeypatch.delenv("SKOSH_NPU", raising=False)
    monkeypatch.setattr(tools, "find_spec", lambda package: None)
    monkeypatch.setattr(tools.sys, "prefix", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        to_tosa(graph)
    assert str(caught.value) == (
        "tosa_converter_for_tflite is missing: it comes with the npu extra. Hint: pip install 'skosh[npu]',"
        " or install that into another Python and name it in SKOSH_NPU"
    )
    monkeypatch.setenv("SKOSH_NPU", "no-such-python")
    with pytest.raises(ToolError, match='SKOSH_NPU must name a Python with the npu extra, not "no-such-python"'):
        to_ethos_u(graph, "ethos-u55-128")
    monkeypatch.undo()
    monkeypatch.setenv("SKOSH_NPU", os.path.realpath(tools.sys.executable))  # the bare Python below this environment
    with pytest.raises(ToolError, match="ethosu is missing: it comes with the npu extra"):
        to_ethos_u(graph, "ethos-u55-128")


@needs_npu
def test_export_to_tosa(tmp_path: Path) -> None:
    file = tmp_path / "kws.tosa"
    ran = run("export", models_folder() / "kws.tflite", "--to", "tosa", "-o", file, "--json")
    assert ran.status == 0, ran.err
    answer = json.loads(ran.out)
    assert (answer["model"], answer["to"], answer["file"], answer["bytes"]) == ("kws", "tosa", str(file), file.stat().st_size)
    assert (answer["operators"]["conv2d"], answer["operators"]["depthwise_conv2d"]) == (6, 4)
    assert file.read_bytes()[4:8] == b"TOSA"


@needs_npu
@pytest.mark.parametrize(("name", "sram_kib", "flash_kib"), [("kws", 22, 31), ("ad", 1, 197)])
def test_export_to_ethos_u(name: str, sram_kib: int, flash_kib: int, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    line = ("export", models_folder() / f"{name}.tflite", "--to", "ethos-u", "--accelerator", "ethos-u55-128", "-o", folder)
    ran = run(*line, "--json")
    assert ran.status == 0, ran.err
    answer = json.loads(ran.out)
    assert (answer["npu_operators"] > 0, answer["cpu_operators"], answer["left_to_cpu"]) == (True, 0, [])
    assert 0 < answer["sram_bytes"] <= sram_kib * 1024 and 0 < answer["flash_bytes"] <= flash_kib * 1024
    assert answer["estimated_cycles"] > answer["macs"] / 128 and answer["how"] == "estimated by Vela, not measured"
    assert sorted(answer["files"]) == sorted(p.name for p in folder.iterdir())
    assert (folder / f"{name}_vela.tflite").read_bytes()[4:8] == b"TFL3"
    text = run(*line).out
    assert "an estimate by Vela" in text and "not measured" in text


@needs_npu
def test_what_the_unit_cannot_do_is_told() -> None:
    graph = load(models_folder() / "hello_world_float.tflite")
    with pytest.raises(
        FitError, match=r"ethos-u55-128 can run no operator of the model\. Vela says of FULLY_CONNECTED: .*Float32"
    ):
        to_ethos_u(graph, "ethos-u55-128")


@needs_npu
def test_what_stays_with_the_cpu_is_told() -> None:
    s = Sketch(np.random.default_rng(1))
    s.inputs = [s.add((1, 6))]
    w = s.constant(s.rng.integers(-100, 100, (4, 6)), "int8", scales=0.01, zero_points=0)
    y = s.node("FULLY_CONNECTED", [s.inputs[0], w, s.bias(4)], s.add((1, 4)))
    z = s.add((1, 4), "float32")
    s.tensors[z] = TensorSpec(s.tensors[z].name, (1, 4), "float32")
    s.outputs = [s.node("DEQUANTIZE", [y], z)]
    made = to_ethos_u(load(s.finish(), name="m"), "ethos-u55-128")
    assert (made.npu_operators, made.cpu_operators, made.macs) == (1, 1, 24)
    assert made.left_to_cpu == ("DEQUANTIZE: Unsupported opType",)


def test_bad_options(tmp_path: Path) -> None:
    file = models_folder() / "kws.tflite"
    for line, said in (
        (("--to", "onnx"), '--to must be one of skosh, tflite, tosa, ethos-u, not "onnx"'),
        (("--to", "tosa", "--accelerator", "ethos-u55-128"), "--accelerator is of --to ethos-u only"),
        (("--to", "ethos-u", "--accelerator", "ethos-u99"), 'accelerator must be one of ethos-u55-32, '),
    ):
        ran = run("export", file, *line, "-o", tmp_path / "x")
        assert ran.status == 2 and said in ran.err
    assert not list(tmp_path.iterdir())
