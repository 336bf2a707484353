"""Keras files: TensorFlow converts them, in a process of its own; tests have a stand-in for it, as it is large."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import skosh
from skosh.base.errors import InputError, ModelError, ToolError
from skosh.importers.skosh_file.write import graph_bytes
from tests.support.shared import models_folder

STAND_IN = """
import pathlib, types
def load_model(path, compile):
    assert not compile
    return pathlib.Path(path)
class Converter:
    def __init__(self, path):
        self.path = path
    @classmethod
    def from_keras_model(cls, model):
        return cls(model)
    def convert(self):
        content = self.path.read_bytes()
        if content == b"odd":
            raise RuntimeError("such a layer can't be converted")
        return content
keras = types.SimpleNamespace(models=types.SimpleNamespace(load_model=load_model))
lite = types.SimpleNamespace(TFLiteConverter=Converter)
"""


@pytest.fixture
def with_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Keras files, and a TensorFlow whose Keras files are TFLite files already."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tensorflow.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("SKOSH_TENSORFLOW", sys.executable)
    for ending in ("keras", "h5"):
        (tmp_path / f"sine.{ending}").write_bytes((models_folder() / "hello_world_float.tflite").read_bytes())
    (tmp_path / "odd.keras").write_bytes(b"odd")
    return tmp_path


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_trusted_file_is_converted(with_tensorflow: Path, ending: str) -> None:
    graph = skosh.load(with_tensorflow / f"sine.{ending}", trust_pickle=True)
    assert graph.name == "sine"
    assert graph.digest == skosh.load(models_folder() / "hello_world_float.tflite").digest
    assert skosh.load(graph_bytes(graph)).name == "sine"


def test_what_can_go_wrong_is_a_letter(with_tensorflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"it must be trusted first\. Hint: trust_pickle=True"):
        skosh.load(with_tensorflow / "sine.keras")
    with pytest.raises(ModelError, match="TensorFlow can't convert it: RuntimeError: such a layer can't be converted"):
        skosh.load(with_tensorflow / "odd.keras", trust_pickle=True)
    with pytest.raises(InputError, match="no such file or directory"):
        skosh.load(with_tensorflow / "none.h5", trust_pickle=True)
    (with_tensorflow / "site" / "tensorflow.py").write_text("raise ImportError(\"No module named 'tensorflow'\")\n")
    with pytest.raises(ToolError, match=r"needs TensorFlow, which is not installed here\. Hint: SKOSH_TENSORFLOW="):
        skosh.load(with_tensorflow / "sine.keras", trust_pickle=True)
    monkeypatch.setenv("SKOSH_TENSORFLOW", "/nowhere/python")
    with pytest.raises(ToolError, match="SKOSH_TENSORFLOW must name a Python that runs, not /nowhere/python"):
        skosh.load(with_tensorflow / "sine.keras", trust_pickle=True)
