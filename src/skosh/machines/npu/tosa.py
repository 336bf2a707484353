"""TOSA: a model's file converted by Arm's converter, and Arm's reference model running it.

TOSA (Tensor Operator Set Architecture, mlplatform.org/tosa) fixes each integer operator to the bit. Converter and reference
model are Arm's, share no code with skosh or TensorFlow Lite Micro, and so are an oracle of their own.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import tflite

from skosh.base.errors import InputError, ToolError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.parser import read
from skosh.importers.tflite.reader import Model
from skosh.ir.graph import Array, Graph
from skosh.machines.npu.fixed_shapes import fixed_file
from skosh.machines.npu.tools import ask, command, complaint, missing

POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
CONVERTER, RUNNER = "tosa_converter_for_tflite", "tosa_reference_model"


@dataclass(frozen=True)
class Tosa:
    """A model in TOSA. content: of a ``.tosa`` file (FlatBuffers). operators: how often each is used, constants aside."""

    content: bytes
    operators: dict[str, int]


def to_tosa(graph: Graph) -> Tosa:
    """The file that a graph was loaded from, in TOSA.

    InputError when it came from no TFLite file or has what the converter drops, ToolError when the converter is missing or
    refuses the model.
    """
    content = fixed_file(graph)
    _converter_keeps_all(read(content, graph.loc.file))
    with tempfile.TemporaryDirectory(prefix="skosh-") as scratch:
        source, target = Path(scratch, "model.tflite"), Path(scratch, "model.tosa")
        source.write_bytes(content)
        text = ask(CONVERTER, "convert", str(source), str(target), what=f"{graph.loc}: the conversion to TOSA")
        if not target.is_file():
            raise ToolError("the conversion to TOSA gave no file", loc=graph.loc)
        used = Counter(re.findall(r'= "?tosa\.(\w+)', text))
        return Tosa(target.read_bytes(), {op: used[op] for op in sorted(used) if not op.startswith("const")})


def _converter_keeps_all(model: Model) -> None:
    """InputError for a pooling with a fused activation: the converter (2026.2.0) leaves the activation out, silently."""
    for subgraph in model.subgraphs:
        for record in subgraph.records:
            if record.code not in POOLS:
                continue
            fused = activation(record.options(tflite.Pool2DOptions).FusedActivationFunction())
            if fused != "none":
                raise InputError(
                    f"the TOSA converter drops the fused {fused} of {record.code}: what it makes would be another model",
                    loc=record.loc, hint="give the activation a layer of its own",
                )  # fmt: skip


def reference_model(graph: Graph) -> Callable[[Sequence[Array]], tuple[Array, ...]]:
    """Outputs from inputs by Arm's reference model, in a process that ends with the function.

    InputError for a model that is no TFLite file, keeps a state between runs, or computes in floats, which TOSA fixes to a
    tolerance only; ToolError as for ``to_tosa``.
    """
    if graph.states:
        raise InputError(
            "the TOSA reference model keeps no state between runs, as this model does", loc=graph.loc,
            hint="compare with tflm",
        )  # fmt: skip
    if any(t.dtype.is_float for t in graph.tensors.values()):
        raise InputError(
            "only models of integers can be compared with TOSA, which fixes floats to a tolerance", loc=graph.loc,
            hint="quantize the model to int8",
        )  # fmt: skip
    child = _Child(to_tosa(graph).content)

    def outputs(inputs: Sequence[Array]) -> tuple[Array, ...]:
        given = child.run(inputs, str(graph.loc))
        wanted = [graph.tensors[n] for n in graph.outputs]
        sizes = [int(np.prod(t.shape)) * t.dtype.np.itemsize for t in wanted]
        if [len(y) for y in given] != sizes:
            raise ToolError(f"the TOSA reference model gives {[len(y) for y in given]} bytes, not {sizes}", loc=graph.loc)
        return tuple(np.frombuffer(y, t.dtype.np).reshape(t.shape) for y, t in zip(given, wanted, strict=True))

    return outputs


class _Child:
    """The process of the reference model. It ends when this object does, or we do."""

    def __init__(self, content: bytes) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="skosh-", ignore_cleanup_errors=True)
        file, self.said = Path(self.folder.name, "model.tosa"), Path(self.folder.name, "said")
        file.write_bytes(content)
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                command(RUNNER, "run", str(file)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
            )
        self.end = weakref.finalize(self, _end, self.process, self.folder)

    def run(self, inputs: Sequence[Array], loc: str) -> list[bytes]:
        """The bytes of each output. ToolError when the process refuses the inputs or has ended."""
        told = json.dumps([[x.dtype.str, x.shape] for x in inputs]).encode() + b"\n"
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None and answers is not None, "the pipes were asked for"
        with suppress(BrokenPipeError):
            requests.write(told + b"".join(x.tobytes() for x in inputs))
            requests.flush()
        line = answers.readline()
        if not line:
            status = self.process.wait()
            if status == 3:
                raise missing(RUNNER)
            said = complaint(self.said.read_text(encoding="utf-8", errors="replace"))
            raise ToolError(f"the TOSA reference model ended (exit status {status})\n{said}", loc=loc)
        answer = json.loads(line)
        if isinstance(answer, str):
            said = complaint(self.said.read_text(encoding="utf-8", errors="replace"))
            raise ToolError(f"the TOSA reference model refuses the model: {answer}\n{said}", loc=loc)
        return [_exactly(answers, count) for count in answer]


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise ToolError("the TOSA reference model ended in the middle of an answer")
    return data


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    """Its requests are over: the process ends by itself, or is ended."""
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None, "the pipes were asked for"
        with suppress(OSError):
            pipe.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    folder.cleanup()
