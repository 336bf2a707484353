"""The figures of the kernel language and its machines, in one table: goal, incumbent, measured, met or missed.

    .venv/bin/python benchmarks/figures.py --quick               # all but the matrix product, which takes minutes
    .venv/bin/python benchmarks/figures.py --only m4 m55 --json

Reads ../shared/models. Instruction counts are exact; modelled cycles are published timings of what was executed; times depend
on the computer. Vector lengths and x86-64 in detail: vector_lengths.py, host_vectors.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import host_vectors
import vector_lengths
from folder import add_folder, model_file
from rich.console import Console
from rich.progress import track
from rich.table import Table

import skosh
from skosh.base.errors import SkoshError
from skosh.ir.graph import Graph
from skosh.ladder.matmul import product
from skosh.ladder.peak import Judge, blas_name, peak_gflops
from skosh.ladder.rungs import intrinsics
from skosh.pipeline import compile_to_c
from skosh.targets import target

Row = tuple[str, str, str, str, bool | None]  # figure, goal, incumbent, measured, met
# instructions: (goal, TFLM + CMSIS-NN); cycles: (the best other engine, its name)
INSTRUCTIONS = {
    "cortex-m4": {"kws": (3_900_000, 7_697_253), "ic": (15_000_000, 29_863_234), "vww": (6_000_000, 24_101_545),
                  "ad": (350_000, 582_907), "micro_speech": (600_000, 1_495_360)},
    "cortex-m0plus": {"kws": (17_000_000, 29_000_000), "ic": (58_000_000, 97_600_000), "vww": (26_000_000, 86_900_000),
                      "ad": (1_100_000, 1_760_000)},
    "cortex-m55": {"kws": (1_100_000, 1_813_032), "ic": (3_000_000, 4_911_519), "vww": (2_200_000, 6_557_952),
                   "ad": (90_000, 149_929)},
}  # fmt: skip
CYCLES = {
    "cortex-m4": {"kws": 5_180_000, "ic": 19_800_000, "vww": 10_700_000, "ad": 490_000},
    "cortex-m0plus": {"kws": 30_400_000, "ic": 97_400_000, "vww": 90_500_000, "ad": 2_600_000},
}
RIVAL = {"cortex-m4": "best closed engine", "cortex-m0plus": "HALE"}


def load(model: str) -> Graph:
    return skosh.load(model_file(f"{model}.tflite"))


def machine(name: str) -> Iterator[Row]:
    """Instructions and, where there are timings, modelled cycles of one inference."""
    for model, (goal, incumbent) in INSTRUCTIONS[name].items():
        profile = skosh.compile(load(model), target=name, optimize="speed").profile()
        count, cycles = profile.instructions, profile.cycles_modelled
        assert count is not None, "emulators count"
        yield f"{name} {model}, instructions", f"<= {goal:,}", f"CMSIS-NN {incumbent:,}", f"{count:,}", count <= goal
        if cycles and model in CYCLES.get(name, {}):
            theirs = CYCLES[name][model]
            yield f"{name} {model}, cycles", f"< {theirs:,}", f"{RIVAL[name]} {theirs:,}", f"{cycles:,}", cycles < theirs


def compile_times() -> Iterator[Row]:
    for model in ("kws", "ic", "vww", "ad", "micro_speech"):
        graph, before = load(model), time.perf_counter()
        compile_to_c(graph, target=target("cortex-m4"), optimize="speed")
        seconds = time.perf_counter() - before
        yield f"compile {model} for cortex-m4, speed", "< 5 s", "-", f"{seconds:.2f} s", seconds < 5


def matrix_product() -> Iterator[Row]:
    """f64, 4096^3: the last rung of the ladder and numpy's, by turns."""
    for threads, least in ((1, 1.05), (2, 1.0)):
        p = product(4096, "f64")
        native, c = intrinsics(p.dtype, 4096, threads), p.zeros()
        peak, ours, theirs = 0.0, 0.0, 0.0
        with Judge(4096, "f64", threads) as judge:
            judge()
            for _ in range(3):
                peak = max(peak, peak_gflops("f64", threads))
                theirs = max(theirs, 2e-9 * 4096**3 / judge())
                ours = max(ours, 2e-9 * 4096**3 / native.run(p, c))
        if threads == 1:
            yield "f64 4096^3, of peak", ">= 85 %", "-", f"{100 * ours / peak:.1f} %", ours >= 0.85 * peak
        name = f"f64 4096^3, {threads} thread{'s' if threads > 1 else ''}"
        yield name, f">= {least:.2f}x", f"{blas_name()} {theirs:.1f} GFLOPS", f"{ours / theirs:.3f}x", ours >= least * theirs


def fewer_by_length() -> Iterator[Row]:
    """2-D convolutions on machines whose vectors have no fixed length: instructions at each doubling."""
    for model in ("kws", "ic"):
        for name in ("rv64gcv", "aarch64-sve"):
            counts = [vector_lengths.convolutions(p) for p in vector_lengths.profiles(load(model), name, "balanced")]
            ratios = [a / b for a, b in pairwise(counts)]
            shown = " and ".join(f"{r:.2f}x" for r in ratios)
            bits = ", ".join(map(str, vector_lengths.LENGTHS))
            yield f"{name} {model}, convolutions at {bits} bits", ">= 1.7x fewer each", "-", shown, min(ratios) >= 1.7


def host() -> Iterator[Row]:
    """x86-64 with AVX2, one thread, one sample, beside the runtimes that are installed, in turn."""
    for model in host_vectors.MODELS:
        found = host_vectors.compared(model, "x86-64-avx2", 5)
        theirs = ", ".join(f"{name} {ns / 1e3:.1f} us" for name, ns in found.peers.items()) or "absent"
        missing = {"LiteRT", "ONNX Runtime"} - found.peers.keys()
        if missing:
            theirs += f" (absent: {', '.join(sorted(missing))})"
        shown = f"{found.ratio:.2f}x" if found.ratio else "no peer to compare with"
        met = found.ratio >= 1.5 if found.ratio and not missing else None
        yield f"x86-64-avx2 {model}, the fastest peer / skosh", ">= 1.5x", theirs, shown, met


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "m4": lambda: machine("cortex-m4"),
    "m0": lambda: machine("cortex-m0plus"),
    "m55": lambda: machine("cortex-m55"),
    "lengths": fewer_by_length,
    "host": host,
    "compile": compile_times,
    "product": matrix_product,
}


def rows(part: str) -> list[Row]:
    """A part's rows; what can't be measured here is said to be absent."""
    try:
        return list(PARTS[part]())
    except SkoshError as error:
        return [(part, "-", "-", f"absent: {str(error).splitlines()[0]}", None)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="without the matrix product")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [p for p in options.only if not (options.quick and p == "product")]
    found = [r for part in track(chosen, "measuring", console=Console(file=sys.stderr)) for r in rows(part)]
    if options.json:
        print(json.dumps([dict(zip(("figure", "goal", "incumbent", "measured", "met"), r, strict=True)) for r in found]))
        return
    table = Table("figure", "goal", "incumbent", "measured", "")
    for *cells, met in found:
        table.add_row(*cells, {True: "met", False: "missed", None: "-"}[met])
    Console().print(table)


if __name__ == "__main__":
    main()
