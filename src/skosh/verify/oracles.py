"""Other computers of the same model, to compare with: the C on this computer, TensorFlow Lite Micro's own interpreter,
Arm's TOSA reference model, and the library's own object that the model was made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from skosh.base.errors import InputError, ToolError
from skosh.emulate.runner import Runner
from skosh.importers.originals import Original
from skosh.ir.graph import Array, Graph
from skosh.machines.npu.tosa import reference_model
from skosh.verify.proof import Oracle

_ARENA_BYTES = 64 << 20
ORACLES = ("reference", "host", "tflm", "tosa", "library")


def oracle(name: str, graph: Graph, host: Callable[[], Runner]) -> Oracle:
    """The oracle called ``name``. InputError when there is none, ToolError when it can't be had.

    host: makes a runner of the C on this computer, which must be the oracle's own: it keeps the state of the model.
    """
    if name == "host":
        return host().run
    if name == "tflm":
        return tflm(graph)
    if name == "tosa":
        return reference_model(graph)
    raise InputError(f'against must name some of {", ".join(ORACLES)}, not "{name}"')


def library(graph: Graph, against: Sequence[str] | None) -> Original | None:
    """The object that the graph was made from, where it is to be asked: by default (None) wherever there is one.

    InputError when it is asked for, and there is none.
    """
    original: Original | None = graph.notes.library
    if against is None:
        return original
    if "library" not in against:
        return None
    if original is None:
        raise InputError(
            "only a model made from a library's fitted object can be compared with that", loc=graph.loc,
            hint="load the object itself, and not what it was exported to or quantized",
        )  # fmt: skip
    return original


def tflm(graph: Graph) -> Oracle:
    """TensorFlow Lite Micro, from the tflite-micro package, on the file the graph was loaded from."""
    content = graph.notes.tflite
    if content is None:
        raise InputError("only a model loaded from a .tflite file can be compared with TFLM", loc=graph.loc)
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError as error:
        raise ToolError("comparing with TFLM needs the tflite-micro package", hint="pip install 'skosh[tflm]'") from error
    try:
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=_ARENA_BYTES)
    except (RuntimeError, ValueError) as error:
        raise ToolError(f"TFLM refuses the model: {error}", loc=graph.loc) from error

    def outputs(inputs: Sequence[Array]) -> tuple[Array, ...]:
        for i, x in enumerate(inputs):
            interpreter.set_input(x, i)
        interpreter.invoke()
        return tuple(
            np.array(interpreter.get_output(i)).reshape(graph.tensors[n].shape) for i, n in enumerate(graph.outputs)
        )

    return outputs
