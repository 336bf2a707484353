"""skosh on x86-64 with AVX2 beside LiteRT's XNNPACK and ONNX Runtime: MLPerf Tiny models, one thread, one sample at a time.

    .venv/bin/python benchmarks/host_vectors.py
    .venv/bin/python benchmarks/host_vectors.py --models kws ad --target x86-64 --seconds 10

Paired: each runtime runs a few inferences in turn, so that all see the same load; medians and minima of time per
inference. Every runtime is called from Python with its input in place: LiteRT's ``invoke``, ONNX Runtime's
``run_with_iobinding``, skosh's C function through ctypes. The last column is skosh's function in a loop of C, without Python.
ONNX Runtime gets the same network in QDQ form, with the weights and scales of the TFLite file.
Needs: pip install ai-edge-litert onnxruntime onnx. Reads ../shared/models.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from folder import add_folder, model_file
from rich.console import Console
from rich.table import Table

import skosh
from skosh.build import compile_host
from skosh.emulate.runner import HostRunner

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("kws", "vww", "ic", "ad")
TURN = 5  # inferences in a row

Run = Callable[[], object]

LOOP = """#define _POSIX_C_SOURCE 199309L
#include "{name}.h"
#include <time.h>
int64_t skosh_loop(const int8_t *x, int8_t *y, void *arena, int64_t *times, int64_t count);
int64_t skosh_loop(const int8_t *x, int8_t *y, void *arena, int64_t *times, int64_t count)
{{
    for (int64_t i = 0; i < count; i++) {{
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        {name}_run(x, y, arena);
        clock_gettime(CLOCK_MONOTONIC, &after);
        times[i] = (int64_t)(after.tv_sec - before.tv_sec) * 1000000000 + (after.tv_nsec - before.tv_nsec);
    }}
    return 0;
}}
"""


def ours(model: str, machine: str, x: Any) -> tuple[Run, Callable[[int], Any], Any]:
    """(one inference from Python, nanoseconds of each of so many in C, the output)."""
    build = skosh.compile(skosh.load(model_file(f"{model}.tflite")), target=machine, optimize="speed")
    runner = build.runner
    assert isinstance(runner, HostRunner), "a native target"
    y = np.empty(runner.face.outputs[0].tensor.shape, np.int8)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, y, runner.model.arena)]
    function = runner.model.function(f"{model}_run")
    library = ctypes.CDLL(str(compile_host(build.sources, LOOP.format(name=model), machine=build.target.flags)))

    # addresses keep nothing alive: both functions hold the arrays, and the runner, whose arena is written to
    def in_c(count: int, _alive: Any = (runner, x, y)) -> Any:
        times = np.empty(count, np.int64)
        library.skosh_loop(*pointers, ctypes.c_void_p(times.ctypes.data), ctypes.c_int64(count))
        return times

    def in_python(_alive: Any = (runner, x, y)) -> None:
        function(*pointers)

    return in_python, in_c, y


def litert(model: str, x: Any) -> tuple[Run, Callable[[], Any]]:
    """LiteRT with XNNPACK, one thread: (one inference, the output)."""
    from ai_edge_litert.interpreter import Interpreter

    found = Interpreter(str(model_file(f"{model}.tflite")), num_threads=1)
    found.allocate_tensors()
    found.set_tensor(found.get_input_details()[0]["index"], x)
    return found.invoke, lambda: found.get_tensor(found.get_output_details()[0]["index"])


def onnxruntime(model: str, x: Any) -> tuple[Run, Callable[[], Any]]:
    """ONNX Runtime, one thread: (one inference, the output)."""
    import onnxruntime as ort

    if str(ROOT) not in sys.path:  # the tests have a writer of ONNX files
        sys.path.insert(0, str(ROOT))
    from tests.importers.onnx_from_graph import Writer

    class Flat(Writer):
        """Also networks without an image."""

        def written(self) -> Any:
            given = self.graph.tensors[self.graph.inputs[0]]
            if len(given.shape) == 4:
                return super().written()
            from onnx import TensorProto

            from tests.importers.onnx_models import model as onnx_model

            self.dequantized("x", given.name, given)
            for n in self.graph.nodes:
                getattr(self, n.op.kind)(n, n.op, *n.inputs)
            self.nodes.pop()
            self.nodes[-1].output[0] = "y"
            types = {"x": TensorProto.INT8, "y": TensorProto.INT8}
            return onnx_model(self.nodes, {"x": given.shape}, self.constants, types=types)

    proto = Flat(skosh.load(model_file(f"{model}.tflite"))).written()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    binding = session.io_binding()
    contiguous = np.ascontiguousarray(given)
    binding.bind_cpu_input("x", contiguous)
    binding.bind_output("y")

    def run(_alive: Any = contiguous) -> None:
        session.run_with_iobinding(binding)

    return run, lambda: binding.copy_outputs_to_cpu()[0]


def paired(runs: dict[str, Run], seconds: float) -> dict[str, Any]:
    """Nanoseconds of each inference, the runtimes in turn."""
    times: dict[str, list[int]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(20):
            run()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, run in runs.items():
            for _ in range(TURN):
                before = time.perf_counter_ns()
                run()
                times[name].append(time.perf_counter_ns() - before)
    return {name: np.array(found) for name, found in times.items()}


@dataclass(frozen=True)
class Compared:
    """times: runtime -> nanoseconds of each inference. outputs: the peers'. in_c: nanoseconds of so many in a loop of C."""

    times: dict[str, Any]
    outputs: dict[str, Callable[[], Any]]
    in_c: Callable[[int], Any]
    own_output: Any

    @property
    def peers(self) -> dict[str, float]:
        """Peer -> its median, nanoseconds."""
        return {name: float(np.median(t)) for name, t in self.times.items() if name != "skosh"}

    @property
    def ratio(self) -> float | None:
        """The fastest peer's median beside ours; None without peers."""
        return min(self.peers.values()) / float(np.median(self.times["skosh"])) if self.peers else None


def compared(model: str, machine: str, seconds: float) -> Compared:
    """The runtimes that are installed, in turn; what isn't is said on standard error."""
    x = np.load(model_file(f"{model}.npz"))["inputs"][:1].copy()
    own, in_c, y = ours(model, machine, x)
    runs: dict[str, Run] = {"skosh": own}
    outputs: dict[str, Callable[[], Any]] = {}
    for name, make in (("LiteRT", litert), ("ONNX Runtime", onnxruntime)):
        try:
            runs[name], outputs[name] = make(model, x)
        except ImportError as error:
            print(f"{name}: {error}; pip install ai-edge-litert onnxruntime onnx", file=sys.stderr)
    return Compared(paired(runs, seconds), outputs, in_c, y)


def processor() -> str:
    """What this computer's processor is called, and which dot products of bytes it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    dots = [flag for flag in ("avx_vnni", "avx512_vnni") if flag in said.get("flags", "").split()]
    family = f"family {said['cpu family']}, model {said['model']}" if "cpu family" in said else platform.machine()
    return f"{said.get('model name', 'a processor')} ({family}; {', '.join(dots) or 'no VNNI'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--target", default="x86-64-avx2")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    table = Table(
        "model", "skosh", "LiteRT", "ONNX Runtime", "fastest peer / skosh", "in C", "differ",
        title=f"us an inference, median (minimum), {given.target}, on {processor()}",
    )  # fmt: skip
    for model in given.models:
        found = compared(model, given.target, given.seconds)
        shown = {name: f"{np.median(t) / 1e3:.1f} ({t.min() / 1e3:.1f})" for name, t in found.times.items()}
        ratio = f"{found.ratio:.2f}" if found.ratio else "-"
        bare = found.in_c(2000)
        differ = ", ".join(
            f"{name} {int(np.abs(o().astype(int).ravel() - found.own_output.ravel()).max())}"
            for name, o in found.outputs.items()
        )
        table.add_row(
            model, shown["skosh"], shown.get("LiteRT", "-"), shown.get("ONNX Runtime", "-"), ratio,
            f"{np.median(bare) / 1e3:.1f} ({bare.min() / 1e3:.1f})", differ,
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
