"""Batches on the OpenCL device that PoCL or a driver offers, beside the C on one core of this processor.

python benchmarks/opencl.py [FOLDER]

Microseconds a sample, the best of five; kernels are compiled before. FOLDER holds the MLPerf Tiny models.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.emulate.opencl import device
from skosh.verify.samples import random_samples

MODELS = {"kws": 256, "ic": 64, "vww": 64, "ad": 256}
TARGETS = ("opencl", "x86-64-avx2", "host")


def main(folder: Path) -> None:
    print(f"{device().name}, {device().version}")
    for name, count in MODELS.items():
        graph = skosh.load(folder / f"{name}.tflite")
        x = np.concatenate([inputs[0] for inputs in random_samples(graph, count).inputs])
        row, answers = [], []
        for target in TARGETS:
            build = skosh.compile(graph, target=target)
            answers.append(build.run(x))
            best = min(_seconds(build, x) for _ in range(5))
            row.append(f"{best / count * 1e6:,.0f}")
        assert all(np.array_equal(a, answers[0]) for a in answers), f"{name}: answers differ"
        print(f"| {name} | {' | '.join(row)} |", flush=True)


def _seconds(build: skosh.Build, x: np.ndarray[Any, Any]) -> float:
    start = time.perf_counter()
    build.run(x)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/models"))
