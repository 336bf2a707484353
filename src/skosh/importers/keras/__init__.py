"""Keras files, ``.keras`` and ``.h5``: TensorFlow, in a process of its own, makes TFLite of them, which is read as such."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from skosh.base.budget import spend
from skosh.base.errors import InputError, ModelError, ToolError
from skosh.base.files import read_bytes
from skosh.importers.tflite import load as load_tflite
from skosh.ir.graph import Graph

PYTHON = "SKOSH_TENSORFLOW"
"""The variable that names a Python with TensorFlow, where this one has none."""

SCRIPT = Path(__file__).with_name("convert.py")
SECONDS = 600
PAGE = "docs/from-keras.md says how"


def load(source: Any, name: str | None = None, trust_pickle: bool = False, **options: Any) -> Graph:
    """A Graph from a Keras file, floats; ``skosh.quantize`` makes integers of them. options: those of a .tflite file.

    trust_pickle: let TensorFlow read it, which runs what is in it: a Lambda layer holds code.
    ToolError where there is no TensorFlow, ModelError where it can't read or convert the file.
    """
    path = Path(source)
    if not path.is_file():
        raise InputError("can't be read: no such file or directory", loc=str(path))
    if not trust_pickle:
        raise InputError(
            "reading a Keras file may run whatever code its author put into it, so it must be trusted first", loc=str(path),
            hint=f"trust_pickle=True if you know who made it; a .tflite file is the safe way: {PAGE}",
        )  # fmt: skip
    spend("bytes", path.stat().st_size, str(path))
    return load_tflite(converted(path), name or path.stem, **options)


def converted(path: Path) -> bytes:
    """The model as a .tflite file, by the TensorFlow of this Python or of the one that SKOSH_TENSORFLOW names."""
    python = os.environ.get(PYTHON) or sys.executable
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.tflite"
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        try:
            done = subprocess.run(
                [python, str(SCRIPT), str(path.resolve()), str(made)], env=environment, cwd=folder, capture_output=True,
                text=True, errors="replace", timeout=SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolError(f"{PYTHON} must name a Python that runs, not {python}", loc=str(path), hint=PAGE) from error
        if done.returncode != 0 or not made.is_file():
            raise _letter(path, done.stderr)
        return read_bytes(made, str(path))


def _letter(path: Path, said: str) -> ToolError | ModelError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    if "No module named 'tensorflow'" in said:
        return ToolError(
            "reading a Keras file needs TensorFlow, which is not installed here", loc=str(path),
            hint=f"{PYTHON}=/path/to/python names a Python that has it; or convert the model there: {PAGE}",
        )  # fmt: skip
    return ModelError(f"TensorFlow can't convert it: {last[:300]}", loc=str(path), hint=PAGE)
