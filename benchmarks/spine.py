"""What skosh makes of the shared models: bit-exactness, RAM, flash, instructions, compile time, beside the incumbents.

    .venv/bin/python benchmarks/spine.py                    # all tables
    .venv/bin/python benchmarks/spine.py --models kws ad --only instructions

Reads ../shared/models. Instruction counts are exact and repeat on any machine; TFLM's are those of ../shared/baselines.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from folder import add_folder, model_file
from rich.console import Console
from rich.table import Table

import skosh
from skosh.built import Build
from skosh.pipeline import compile_to_c
from skosh.targets import names, target

MODELS = ("kws", "ic", "vww", "ad", "micro_speech", "hello_world")

# TFLM 90b983c2 on a Cortex-M4: instructions per Invoke() with reference kernels and with CMSIS-NN; arena; flash with CMSIS-NN
TFLM = {
    "kws": (43_040_418, 7_697_253, 22_820, 106_744),
    "vww": (100_252_012, 24_101_545, 100_708, 386_096),
    "ic": (107_399_850, 29_863_234, 54_996, 149_108),
    "ad": (1_952_477, 582_907, 2_580, 304_448),
    "micro_speech": (9_310_399, 1_495_360, 6_836, 62_380),
    "hello_world": (5_240, 3_502, 772, 30_176),
}
ARENA_BOUND = {"ad": 768, "kws": 16_000, "ic": 49_152, "vww": 55_296}
FLASH_GOAL = {"kws": 40_000, "ic": 95_000, "vww": 60_000, "ad": 285_000}


def build(model: str, machine: str, optimize: str) -> Build:
    return skosh.compile(skosh.load(model_file(f"{model}.tflite")), target=machine, optimize=optimize)


def exactness(models: tuple[str, ...], console: Console) -> None:
    """Differing elements against the reference and the goldens, all layers and outputs, on every target."""
    table = Table("model", *names(), title="Differing elements (of elements compared)")
    for model in models:
        cells = []
        for name in names():
            proof = build(model, name, "balanced").verify(model_file(f"{model}.npz"))
            cells.append(f"{proof.mismatches} ({proof.elements:,})")
        table.add_row(model, *cells)
    console.print(table)


def balanced(models: tuple[str, ...], console: Console) -> None:
    """The README's table: one build of each model, with nothing asked for."""
    columns = ("arena", "stack", "TFLM's arena", "flash", "TFLM's", "instructions", "TFLM's", "modelled cycles")
    table = Table("model", *columns, title='cortex-m4, optimize="balanced", beside TFLM + CMSIS-NN')
    for model in models:
        cost, (_, theirs, arena, size) = build(model, "cortex-m4", "balanced").profile(), TFLM[model][:4]
        ours = (cost.ram.arena, cost.ram.stack, arena, cost.flash.total, size, cost.instructions, theirs, cost.cycles_modelled)
        table.add_row(model, *(f"{n:,}" for n in ours))
    console.print(table)


def memory(models: tuple[str, ...], console: Console) -> None:
    """The arena and the stack with optimize="ram"."""
    title = 'RAM on cortex-m4, optimize="ram", bytes'
    table = Table("model", "arena", "goal", "stack", "plan", "TFLM's arena", title=title)
    for model in models:
        made = build(model, "cortex-m4", "ram")
        ram = made.profile().ram
        goal = f"{ARENA_BOUND[model]:,}" if model in ARENA_BOUND else "-"
        plan = made.program.plan.bound_kind
        table.add_row(model, f"{ram.arena:,}", goal, f"{ram.stack:,}", plan, f"{TFLM[model][2]:,}")
    console.print(table)


def flash(models: tuple[str, ...], console: Console) -> None:
    """Code, startup and constants with optimize="flash"."""
    title = 'Flash on cortex-m4, optimize="flash", bytes'
    table = Table("model", "code", "weights", "all", "goal", "TFLM + CMSIS-NN", title=title)
    for model in models:
        size = build(model, "cortex-m4", "flash").profile().flash
        goal = f"{FLASH_GOAL[model]:,}" if model in FLASH_GOAL else "-"
        table.add_row(model, f"{size.code:,}", f"{size.weights:,}", f"{size.total:,}", goal, f"{TFLM[model][3]:,}")
    console.print(table)


def instructions(models: tuple[str, ...], console: Console) -> None:
    """Instructions of one inference on a Cortex-M4: plain C99, made for no machine, and with the machine's own pairs."""
    aims = ("balanced", "speed", "flash", "ram")
    machine = target("cortex-m4")
    for what, made_for, column, rival in (
        ("portable C99, no DSP instructions asked for", None, 0, "TFLM reference"),
        ("with DSP instructions", machine, 1, "TFLM + CMSIS-NN"),
    ):
        title = f"Instructions per inference on cortex-m4, {what} (ratio: {rival} / best of ours)"
        table = Table("model", "MACs", *aims, rival, "ratio", title=title)
        for model in models:
            graph = skosh.load(model_file(f"{model}.tflite"))
            builds = [Build(compile_to_c(graph, target=made_for, optimize=aim), machine, aim) for aim in aims]
            counts = [b.profile().instructions or 0 for b in builds]
            theirs = TFLM[model][column]
            ratio = f"{theirs / min(counts):.2f}"
            table.add_row(model, f"{builds[0].profile().macs:,}", *(f"{c:,}" for c in counts), f"{theirs:,}", ratio)
        console.print(table)


def compile_time(models: tuple[str, ...], console: Console) -> None:
    """Seconds from file to C, in a fresh process, and its peak memory."""
    table = Table("model", "load + compile to C, s", "peak memory, MB", title="The compiler itself (limits: 5 s, 500 MB)")
    code = (
        "import sys, time; t = time.perf_counter(); import skosh; from skosh.pipeline import compile_to_c;"
        "compile_to_c(skosh.load(sys.argv[1]));"
        "peak = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0];"
        "print(time.perf_counter() - t, peak)"
    )
    for model in models:
        done = subprocess.run(
            [sys.executable, "-c", code, str(model_file(f"{model}.tflite"))], capture_output=True, text=True, check=True
        )
        seconds, kilobytes = done.stdout.split()
        table.add_row(model, f"{float(seconds):.2f}", f"{int(kilobytes) / 1000:.0f}")
    console.print(table)
    runs = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import skosh"], check=True)
        with_skosh = time.perf_counter() - start
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        runs.append(with_skosh - (time.perf_counter() - start))
    console.print(f"import skosh: {sorted(runs)[3]:.3f} s beyond the interpreter's own start (limit 0.3)")


TABLES: dict[str, Callable[[tuple[str, ...], Console], None]] = {
    "balanced": balanced, "exactness": exactness, "memory": memory, "flash": flash, "instructions": instructions,
    "compile": compile_time,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--only", nargs="+", default=tuple(TABLES), choices=tuple(TABLES))
    arguments = parser.parse_args()
    console = Console(width=150)
    for name in arguments.only:
        TABLES[name](tuple(arguments.models), console)
    console.print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB")


if __name__ == "__main__":
    main()
