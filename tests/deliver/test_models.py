"""Models that come with skosh: small, whole, and as good as they say; the command that copies them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.deliver.models import DATA, copy, shipped
from tests.cli.run import run


def test_they_are_small_and_whole() -> None:
    assert sum(f.stat().st_size for f in DATA.iterdir()) < 500_000
    told = json.loads((DATA / "models.json").read_text(encoding="utf-8"))
    files = {f: facts for m in told for f, facts in m["files"].items()}
    assert {*files, "models.json"} == {f.name for f in DATA.iterdir()}
    for name, facts in files.items():
        content = (DATA / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (facts["bytes"], facts["sha256"]), "python models/make.py"


@pytest.mark.parametrize(("name", "target"), [("sine", "cortex-m0plus"), ("digits", "cortex-m4"), ("forest", "cortex-m0plus")])
def test_golden_outputs_are_met(name: str, target: str, tmp_path: Path) -> None:
    (model,) = (f for f in copy(name, tmp_path) if f.stem == name and f.suffix in (".tflite", ".skosh"))
    proof = skosh.compile(model, target=target).verify(tmp_path / f"{name}.npz")
    assert proof.bit_exact and proof.samples == 20 and "golden" in proof.against


@pytest.mark.parametrize("name", ["digits", "forest"])
def test_they_are_as_good_as_they_say(name: str) -> None:
    (told,) = (m for m in shipped() if m.name == name)
    build = skosh.compile(DATA / told.file, target="host")
    answers = np.asarray(build.predict(np.load(DATA / f"{name}_x.npy")))
    classes = answers.argmax(axis=-1) if name == "digits" else answers.reshape(-1)
    right = np.mean(classes == np.load(DATA / f"{name}_y.npy"))
    assert told.accuracy is not None
    assert abs(right - told.accuracy) < 0.03, "a hundred of the test images are as easy as all"


def test_the_network_answers() -> None:
    graph = skosh.load(DATA / "sprinkler.bif", query=["Rain"], evidence=["Grass"])
    yes, no = skosh.compile(graph, target="host").predict({"Grass": "wet"})[0]
    assert yes + no == pytest.approx(1, abs=1e-6) and 0.3 < yes < 0.5


def test_list_and_copy(tmp_path: Path) -> None:
    listed = run("models", "list", "--json").json
    assert [m["name"] for m in listed] == ["sine", "digits", "forest", "sprinkler"]
    assert all({"name", "file", "description", "accuracy", "data", "files", "bytes"} <= m.keys() for m in listed)
    done = run("models", "copy", "digits", tmp_path / "new", "--json").json
    assert {Path(f).name for f in done["files"]} == {*listed[1]["files"]}
    assert run("models", "copy", "digits", tmp_path / "new").status == 0, "the same files again are no harm"
    (tmp_path / "new" / "digits.npz").write_bytes(b"mine")
    ran = run("models", "copy", "digits", tmp_path / "new")
    assert ran.status == 2 and "is there already, and holds something else" in ran.err
    assert "digits.tflite" in run("models", "list").out
    with pytest.raises(InputError, match=r"did you mean digits\?"):
        copy("digit", tmp_path)


def test_an_absent_folder_of_models_is_a_sentence() -> None:
    import runpy

    folder = Path(__file__).resolve().parents[2] / "benchmarks" / "folder.py"
    with pytest.raises(SystemExit, match=r"kws.tflite is not there: name the folder of the models by --folder or SKOSH_MODELS"):
        runpy.run_path(str(folder))["model_file"]("no/such/kws.tflite")
