"""``skosh quantize``: what it says, what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from tests.cli.run import run
from tests.importers.onnx_models import model, node

RNG = np.random.default_rng(0)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A float network of two layers, samples and labels for it, in the current folder."""
    weights = {"w1": RNG.normal(0, 1, (6, 10)), "b1": RNG.normal(0, 1, 10), "w2": RNG.normal(0, 1, (10, 3))}
    nodes = [node("Gemm", "x w1 b1", "h"), node("Relu", "h", "r"), node("MatMul", "r w2", "y")]
    made = model(nodes, {"x": (1, 6)}, {k: v.astype(np.float32) for k, v in weights.items()})
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    x = RNG.normal(0, 1, (40, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", (np.maximum(x @ weights["w1"] + weights["b1"], 0) @ weights["w2"]).argmax(axis=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_how_far_outputs_move(files: Path) -> None:
    answers = {
        s: run("quantize", "net.onnx", "--samples", "x.npy", "--scheme", s, "--json").json
        for s in ("int8", "ternary", "int16x8", "float16")
    }
    assert answers["int8"]["samples"] == 40
    assert answers["int8"]["layers"] == []
    db = {s: a["noise_db"] for s, a in answers.items()}
    assert db["ternary"] < db["int8"] < db["int16x8"] < db["float16"] + 20
    ran = run("quantize", "net.onnx", "--samples", "x.npy")
    assert ran.status == 0
    assert "int8, calibrated on 40 samples by minmax" in ran.out
    assert f"outputs: {db['int8']:.1f} dB signal over noise; the same answer on " in ran.out


def test_sensitivity(files: Path) -> None:
    ran = run("quantize", "net.onnx", "--samples", "x.npy", "--labels", "y.npy", "--sensitivity", "--html", "page.html")
    assert ran.status == 0, ran.err
    assert "each layer quantized alone" in ran.out
    page = (files / "page.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == 3
    assert "net: what int8 costs" in page
    layers = run("quantize", "net.onnx", "--samples", "x.npy", "--labels", "y.npy", "--sensitivity", "--json").json[
        "layers"
    ]
    assert [s["parameters"] for s in layers] == [60, 30]
    assert all(0.9 <= s["accuracy"] <= 1 for s in layers)


def test_c_is_written(files: Path) -> None:
    ran = run("quantize", "net.onnx", "--samples", "x.npy", "--scheme", "int4", "-o", "out")
    assert ran.status == 0, ran.err
    assert sorted(p.name for p in (files / "out").iterdir()) == ["net.c", "net.h", "net.json", "net_weights.c"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--samples", "none.npy"), "skosh: none.npy: can't be read: no such file or directory."),
        (("--samples", "net.onnx"), "skosh: net.onnx: must be a .npy or .npz file of numbers: it must begin as .npy files do."),
        (("--samples", "x.npy", "--scheme", "int3"), "skosh: scheme must be one of int8, "),
        (("--samples", "x.npy", "--calibration", "max"), "skosh: calibration must be one of minmax, "),
        (("--samples", "y.npy"), 'skosh: net.onnx: samples for "x" must have shape (samples, 6), not (40,).'),
        (
            ("--samples", "x.npy", "--labels", "x.npy", "--sensitivity"),
            "skosh: net.onnx: labels must be one for each of 40",
        ),
    ],
)
def test_letters(files: Path, options: tuple[str, ...], text: str) -> None:
    ran = run("quantize", "net.onnx", *options)
    assert ran.status == 2
    assert ran.err.startswith(text), ran.err
