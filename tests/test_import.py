"""``import skosh`` is light: what is heavy is imported by those who use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch", "onnx", "ray", "ortools", "unicorn", "capstone", "sklearn", "scipy", "pandas", "tflite", "tflite_micro",
    "flatbuffers", "numpy", "rich", "typer",
)  # fmt: skip


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_skosh_is_light() -> None:
    assert not modules_after("import skosh").intersection(HEAVY)


def test_help_is_light() -> None:
    loaded = modules_after("from skosh.cli import application\napplication()")
    assert not loaded.intersection(HEAVY) - {"typer", "rich"}


@pytest.mark.parametrize(
    "name", ["compile", "early_exit", "evaluate_stream", "hierarchy", "load", "place", "quantize", "split"]
)
def test_public_names(name: str) -> None:
    import skosh

    assert name in skosh.__all__
    assert callable(getattr(skosh, name))
