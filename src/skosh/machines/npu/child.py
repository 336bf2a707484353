"""A script, not a module: runs in the Python that has the packages of the ``npu`` extra, which may be another than ours.

    child.py convert MODEL.tflite OUT.tosa       prints the operators of the result as MLIR text
    child.py run MODEL.tosa                      answers runs over its pipes until they close, see ``serve``
    child.py vela MODEL.tflite OPTION...         prints Vela's version, then what Vela says

Exit status 3 when a package is missing. It imports nothing of skosh.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

MISSING = 3
ELIDED = 16  # constants of more elements are left out of the text


def convert(source: str, target: str) -> int:
    """TFLite -> TOSA as MLIR bytecode -> TOSA's own file format."""
    from tosa_converter_for_tflite import tflite_flatbuffer_to_tosa_mlir
    from tosa_tools_cli.binary_entry_points import tosa_opt

    bytecode = f"{target}.mlirbc"
    with contextlib.redirect_stdout(sys.stderr):
        tflite_flatbuffer_to_tosa_mlir(source, bytecode)
    sys.argv = [
        "tosa-opt", f"--mlir-elide-elementsattrs-if-larger={ELIDED}", "--tosa-serialize",
        f"--tosa-flatbuffer-filename={target}", bytecode,
    ]  # fmt: skip
    return int(tosa_opt())


def serve(file: str) -> int:
    """Run the model for each request on standard input, and answer on standard output.

    A request is a line of JSON, [[type, shape] of each input], and the bytes of the inputs. The answer is a line of JSON, the
    number of bytes of each output or a text that says why there is none, and the bytes of the outputs.
    """
    import numpy as np
    import tosa_reference_model

    graph = Path(file).read_bytes()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the model prints is no answer
    while line := requests.readline():
        inputs = []
        for dtype, shape in json.loads(line):
            count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            inputs.append(np.frombuffer(requests.read(count), dtype).reshape(shape))
        try:
            outputs, status = tosa_reference_model.run(graph, inputs)
            valid = status == tosa_reference_model.GraphStatus.TOSA_VALID
            why = None if valid else f"the graph is {status.name}"
        except ValueError as error:
            why = str(error)
        if why is not None:
            answers.write(json.dumps(why).encode() + b"\n")
        else:
            parts = [np.asarray(y).tobytes() for y in outputs]
            answers.write(json.dumps([len(p) for p in parts]).encode() + b"\n" + b"".join(parts))
        answers.flush()
    return 0


def vela(*arguments: str) -> int:
    from ethosu.vela.vela import main

    sys.stdout.write(version("ethos-u-vela") + "\n")
    sys.stdout.flush()
    return main(list(arguments)) or 0


if __name__ == "__main__":
    verbs: dict[str, Callable[..., int]] = {"convert": convert, "run": serve, "vela": vela}
    try:
        status = verbs[sys.argv[1]](*sys.argv[2:])
    except ImportError as missing:
        sys.stderr.write(f"{missing}\n")
        status = MISSING
    sys.exit(status)
