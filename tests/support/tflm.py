"""The oracle: TensorFlow Lite for Microcontrollers' reference kernels, from the ``tflite-micro`` wheel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]


class Tflm:
    """One interpreter; its state lives from run to run."""

    def __init__(self, model: bytes, outputs: int = 1) -> None:
        runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="tflite_micro isn't installed")
        self.interpreter = runtime.Interpreter.from_bytes(model, arena_size=32 << 20)
        self.outputs = outputs

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for index, value in enumerate(inputs):
            self.interpreter.set_input(np.ascontiguousarray(value), index)
        self.interpreter.invoke()
        return [np.array(self.interpreter.get_output(index)) for index in range(self.outputs)]


def run_tflm(model: bytes, inputs: Sequence[Array], outputs: int | None = None) -> list[Array]:
    """Outputs of one run from a fresh state. outputs: how many; by default as many as the file declares."""
    return Tflm(model, count_outputs(model) if outputs is None else outputs).run(inputs)


def count_outputs(model: bytes) -> int:
    """The number of outputs of a TFLite file's main subgraph."""
    from tflite.Model import Model

    return int(Model.GetRootAs(model).Subgraphs(0).OutputsLength())
