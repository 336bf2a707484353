"""Build: run, predict, limits, and a folder that is written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import FitError, InputError
from skosh.built import Build, build, dequantized, quantized
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.targets import target as find_target
from tests.conformance.random_models import Sketch, random_model, ring_buffer_model
from tests.conformance.union import expected


def graph(outputs: int = 1, batch: int = 1, units: int = 5) -> Graph:
    s = Sketch(np.random.default_rng(2))
    s.inputs = [s.add((batch, 6))]
    w = s.constant(s.rng.integers(-100, 100, (units, 6)), "int8", scales=0.01, zero_points=0)
    y = s.node("FULLY_CONNECTED", [s.inputs[0], w, s.bias(units)], s.add((batch, units)))
    s.outputs = [y, s.node("RELU", [y], s.add((batch, units)))][:outputs]
    return load(s.finish(), name="m")


def made(g: Graph | None = None, target: str = "host", **options: Any) -> Build:
    return build(g or graph(), target=find_target(target), **options)


X = np.random.default_rng(0).integers(-128, 128, (4, 6)).astype(np.int8)


# ------------------------------------------------------------------------------------------------------- run, predict


@pytest.mark.parametrize("target", ["host", "cortex-m0plus"])
def test_run_keeps_the_batch(target: str) -> None:
    b = made(target=target)
    want = np.concatenate([row[0] for row in expected(graph(), [[x[None]] for x in X])])
    got = b.run(X)
    assert (got.shape, got.dtype) == ((4, 5), np.int8)
    assert np.array_equal(got, want)
    assert np.array_equal(b.run(X[2]), want[2:3])
    assert b.run(X[:0]).shape == (0, 5)


def test_several_outputs_come_as_a_tuple() -> None:
    a, b = made(graph(outputs=2)).run(X)
    assert a.shape == b.shape == (4, 5)


def test_a_batch_inside_the_model_stays() -> None:
    assert made(graph(batch=2)).run(np.zeros((3, 2, 6), np.int8)).shape == (3, 2, 5)


def test_run_says_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r'input "t0" must have shape \(6,\) for each sample, not \(5,\)'):
        made().run(X[:, :5])
    with pytest.raises(InputError, match=r'input "t0" must be int8, not float64\. Hint: quantize it: q = round'):
        made().run(X.astype(float))


def test_a_state_begins_anew_with_each_run() -> None:
    stream = load(ring_buffer_model(1), name="stream")
    b = made(stream)
    x = np.random.default_rng(0).integers(-128, 128, (6, *stream.tensors[stream.inputs[0]].shape[1:])).astype(np.int8)
    first, again = b.run(x), b.run(x)
    assert all(np.array_equal(p, q) for p, q in zip(first, again, strict=True))
    want = expected(stream, [[row[None]] for row in x])
    assert np.array_equal(first[0], np.concatenate([row[0] for row in want]))


def test_predict_speaks_in_real_numbers() -> None:
    g = graph()
    t, y = g.tensors[g.inputs[0]], g.tensors[g.outputs[0]]
    real = np.linspace(-3, 3, 24).reshape(4, 6)
    b = made(g)
    got = b.predict(real)
    assert (got.shape, got.dtype) == ((4, 5), np.float32)
    assert np.array_equal(got, dequantized(b.run(quantized(real, t)), y))


def test_predict_gives_labels_of_a_classifier() -> None:
    g = replace(graph(units=3), notes={"classes": ["cat", "dog", "owl"]})
    b = made(g)
    real = np.random.default_rng(1).normal(0, 2, (9, 6))
    assert (
        b.predict(real).tolist()
        == np.array(["cat", "dog", "owl"])[b.run(quantized(real, g.tensors["t0"])).argmax(1)].tolist()
    )


def test_quantized_rounds_half_away_and_saturates() -> None:
    t = graph().tensors["t0"]
    t = replace(t, quant=replace(t.quant, scales=(0.5,), zero_points=(1,)))  # type: ignore[type-var]
    assert quantized(np.array([0.25, 0.75, 1e9, -1e9, -0.25]), t).tolist() == [2, 3, 127, -128, 0]


# -------------------------------------------------------------------------------------------------------------- limits


def test_ram_that_is_too_small() -> None:
    with pytest.raises(FitError) as caught:
        made(max_ram=8)
    arena, least = (made(optimize=aim).program.plan.arena_bytes for aim in ("balanced", "ram"))
    assert str(caught.value) == (
        f"<bytes>: RAM must be at most 8 bytes, but the arena alone needs {arena}. "
        f'Hint: the least this model can do is {least} (optimize="ram")'
    )
    with pytest.raises(FitError) as caught:
        made(max_ram=8, optimize="ram")
    b = made(optimize="ram").program.plan
    assert str(caught.value) == (
        f"<bytes>: RAM must be at most 8 bytes, but the arena alone needs {b.arena_bytes}. "
        f"Hint: its largest step needs {b.lower_bound} bytes; use a smaller input or fewer channels"
    )


def test_stack_counts_on_a_device() -> None:
    ram = made(target="cortex-m0plus").profile().ram
    assert ram.stack
    made(target="cortex-m0plus", max_ram=ram.total)
    with pytest.raises(FitError) as caught:
        made(target="cortex-m0plus", max_ram=ram.total - 1)
    least = made(target="cortex-m0plus", optimize="ram").profile().ram.total
    assert str(caught.value) == (
        f"<bytes>: RAM must be at most {ram.total - 1} bytes, but arena and stack need {ram.total}. "
        f'Hint: the least this model can do is {least} (optimize="ram")'
    )
    made(max_ram=ram.total - 1)


def test_flash_that_is_too_small() -> None:
    total = made(target="cortex-m0plus").profile().flash.total
    made(target="cortex-m0plus", max_flash=total)
    with pytest.raises(FitError) as caught:
        made(target="cortex-m0plus", max_flash=total - 1)
    assert str(caught.value) == (
        f"<bytes>: flash must be at most {total - 1:,} bytes, but code and weights need {total:,}. "
        'Hint: try optimize="flash"'
    )
    with pytest.raises(FitError, match=r"Hint: quantize further, or prune channels$"):
        made(target="cortex-m0plus", max_flash=100, optimize="flash")


def test_options_nobody_knows() -> None:
    with pytest.raises(InputError) as caught:
        skosh.compile(graph(), optimize="fast")
    assert str(caught.value) == 'optimize must be one of balanced, speed, flash, ram, not "fast".'
    with pytest.raises(InputError, match="z80"):
        skosh.compile(graph(), target="z80")
    with pytest.raises(InputError):
        skosh.compile(graph(), max_ram="many")
    assert skosh.compile(graph(), target="host", max_ram="64K").run(X).shape == (4, 5)


def test_the_host_has_no_firmware() -> None:
    with pytest.raises(InputError) as caught:
        _ = made().firmware
    assert str(caught.value) == 'the host has no firmware. Hint: choose a device, for example target="cortex-m4"'
    assert (made().profile().instructions, made().profile().ram.stack) == (None, None)


def test_a_profile_adds_up() -> None:
    profile = made(target="cortex-m4").profile()
    assert profile.instructions is not None
    assert 0 < sum(layer.instructions or 0 for layer in profile.layers) <= profile.instructions * 1.5
    assert profile.macs == 30
    assert json.loads(json.dumps(profile.as_json()))["target"] == "cortex-m4"


# ---------------------------------------------------------------------------------------------------------------- save


def content(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_save(tmp_path: Path) -> None:
    b = made(target="cortex-m4")
    assert b.save(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    files = content(tmp_path / "a" / "b")
    assert sorted(files) == ["m.c", "m.h", "m.json", "m_weights.c"]
    assert {n: t for n, t in files.items() if not n.endswith("json")} == b.sources
    facts = json.loads(files["m.json"])
    assert (facts["target"], facts["optimize"], facts["arena_bytes"]) == (
        "cortex-m4",
        "balanced",
        b.program.plan.arena_bytes,
    )
    assert facts["profile"]["flash"]["weights"] > 0
    b.save(tmp_path / "a" / "b")
    assert content(tmp_path / "a" / "b") == files


def test_floats_without_an_fpu_come_with_their_arithmetic(tmp_path: Path) -> None:
    """What is measured is what is delivered: the functions in the firmware are those of the file."""
    b = made(real_graph(), target="cortex-m0plus")
    files = content(b.save(tmp_path))
    assert sorted(files) == ["m.c", "m.h", "m.json", "m_float.S", "m_weights.c"]
    assert json.loads(files["m.json"])["files"] == ["m.c", "m.h", "m_float.S", "m_weights.c"]
    assert " * link m_float.S too: arithmetic of floats, which takes the place of the compiler's own */" in files["m.h"]
    assert ".weak \\name" in files["m_float.S"]
    assert b.firmware.objects["m_float.o"][0] > 0
    assert "libruntime.a" not in b.firmware.objects
    assert "skosh_dot" in b.firmware.symbols
    assert "skosh_dot(acc, x, &w[6 * n], 6);" in files["m.c"]
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)
    assert np.array_equal(b.run(x), made(real_graph()).run(x))


@pytest.mark.parametrize(("target", "real"), [("cortex-m4", True), ("host", True), ("cortex-m0plus", False)])
def test_no_arithmetic_of_floats_where_it_is_not_needed(target: str, real: bool) -> None:
    assert sorted(made(real_graph() if real else graph(), target=target).sources) == ["m.c", "m.h", "m_weights.c"]


def test_for_flash_a_loop_is_smaller_than_the_function_that_does_it() -> None:
    fast, small = (made(real_graph(), target="cortex-m0plus", optimize=aim) for aim in ("balanced", "flash"))
    assert "skosh_dot" not in small.firmware.symbols
    assert small.firmware.flash_code < fast.firmware.flash_code
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(1, 6)
    assert np.array_equal(fast.run(x), small.run(x))


def real_graph() -> Graph:
    s = Sketch(np.random.default_rng(2))
    s.inputs = [s.add((1, 6), "float32")]
    w = s.constant(s.rng.normal(size=(5, 6)).astype(np.float32), "float32")
    bias = s.constant(s.rng.normal(size=5).astype(np.float32), "float32")
    s.outputs = [s.node("FULLY_CONNECTED", [s.inputs[0], w, bias], s.add((1, 5), "float32"))]
    return load(s.finish(), name="m")


def failing_replace(fail_at: int) -> Any:
    real, calls = os.replace, [0]

    def fake(source: Any, target: Any) -> None:
        calls[0] += 1
        if calls[0] == fail_at:
            raise OSError(28, "No space left on device")
        real(source, target)

    return fake


@pytest.mark.parametrize("fail_at", [1, 2, 4])
def test_save_leaves_what_was_there(fail_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made().save(tmp_path)
    (tmp_path / "mine.txt").write_text("untouched")
    before = content(tmp_path)
    other = made(graph(units=7), name="m")
    monkeypatch.setattr(os, "replace", failing_replace(fail_at))
    with pytest.raises(InputError) as caught:
        other.save(tmp_path, overwrite=True)
    assert str(caught.value) == f"{tmp_path}: can't be written: no space left on device."
    assert content(tmp_path) == before, "half of the new files"


@pytest.mark.parametrize("fail_at", [1, 3])
def test_save_leaves_nothing_new(fail_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", failing_replace(fail_at))
    with pytest.raises(InputError):
        made().save(tmp_path)
    assert content(tmp_path) == {}


def test_folders_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: can't be written: file exists\.$"):
        made().save(tmp_path / "file")
    with pytest.raises(InputError, match="can't be written: "):
        made().save(tmp_path / "file" / "below")
    (tmp_path / "taken" / "m.c").mkdir(parents=True)
    with pytest.raises(InputError, match="can't be written: "):
        made().save(tmp_path / "taken")
    assert [p.name for p in (tmp_path / "taken").iterdir()] == ["m.c"]


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> str:  # root may write everywhere, so the system's answer is put in its mouth
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkdtemp", refused)
    with pytest.raises(InputError, match=r"can't be written: permission denied\.$"):
        made().save(tmp_path)
    assert content(tmp_path) == {}


def test_short_reprs() -> None:
    """What a notebook shows after a cell: a line, not every weight."""
    graph = load(random_model(4), name="model")
    assert re.fullmatch(r"<Graph 'model': .* -> .*; \d+ nodes, [\d,]+ bytes of constants>", repr(graph))
    shown = repr(skosh.compile(graph, target="pico"))
    told = r"<Build 'model' for pico \(cortex-m0plus\), optimize='balanced': \d+ layers, arena [\d,]+ bytes>"
    assert re.fullmatch(told, shown)
