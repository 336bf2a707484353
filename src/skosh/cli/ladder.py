"""``skosh ladder``: how much faster this computer runs one and the same kernel, rung by rung; or how a target runs a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.files import unwritable, write_file
from skosh.cli.options import Json
from skosh.cli.terminal import bar, err, number, out, print_json, row, table

if TYPE_CHECKING:
    from skosh.ladder import Ladder
    from skosh.ladder.climb import Progress
    from skosh.ladder.models import ModelLadder

EXAMPLE = "skosh ladder --n 1024"


def command(
    n: Annotated[int, typer.Option("--n", metavar="N", help="Multiply N x N matrices.")] = 4096,
    dtype: Annotated[str, typer.Option("--dtype", metavar="TYPE", help="f64, f32 or i8 (sums in i32).")] = "f64",
    threads: Annotated[int, typer.Option("--threads", metavar="T", help="Threads of the parallel rungs.")] = 1,
    patience: Annotated[
        float,
        typer.Option(
            "--patience", metavar="S", help="Seconds that a run may take; beyond, a smaller N is extrapolated."
        ),
    ] = 8.0,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="A model file: its ladder on --target, in instructions."),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", "-t", metavar="T", help="The machine, with --model.")
    ] = "cortex-m4",
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Also write the chart as a picture.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Also write the code of every rung into a folder.")
    ] = None,
    json: Json = False,
) -> None:
    """One kernel from plain Python to vector instructions: Table 1 of Leiserson et al. (Science, 2020), on this computer.

    Every rung is a schedule of the same kernel, and every result is compared. With --model, a model on a target instead.
    """
    with _bar(json) as progress:
        if model is not None:
            from skosh.ladder.models import climb_model

            found: Ladder | ModelLadder = climb_model(model, target, progress=progress)
        else:
            from skosh.ladder import climb

            found = climb(n, dtype, threads, patience=patience, progress=progress)
    if svg is not None:
        from skosh.ladder.picture import picture

        _write(svg, picture(found))
    if save is not None:
        for name, text in found.files().items():
            _write(save / name, text)
    if json:
        print_json(found.as_json())
    elif model is None:
        print_ladder(found)  # type: ignore[arg-type]
    else:
        print_model(found)  # type: ignore[arg-type]


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(file, error) from error
    write_file(file, text)


@contextmanager
def _bar(quiet: bool) -> Iterator[Progress]:
    """A bar over the rungs, with the name of the one that runs."""
    console = err()
    if quiet or not console.is_terminal:
        yield lambda what, done, of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("")

        def progress(what: str, done: int, of: int) -> None:
            shown.update(task, description=what, completed=done, total=of)

        yield progress


def print_ladder(ladder: Ladder) -> None:
    from skosh.ladder.picture import on_log_scale

    console = out()
    threads = "1 thread" if ladder.threads == 1 else f"{ladder.threads} threads"
    unit = "GOPS" if ladder.dtype == "i8" else "GFLOPS"
    title = f"{ladder.dtype} {ladder.n} x {ladder.n} matrix product, {threads}, {ladder.cpu}"
    numbers = ("running time", unit, "absolute\nspeedup", "relative\nspeedup", "of peak")
    shown = table("", "rung", *numbers, "", right=numbers, title=title)
    shown.add_column("", no_wrap=True)
    for i, s in enumerate(ladder.rungs):
        mark = "*" if s.extrapolated else ""
        length = on_log_scale(s.gflops, ladder)
        row(
            shown, i + 1, s.name, f"{seconds(s.seconds)}{mark}", f"{s.gflops:.4g}", f"{s.absolute_speedup:,.1f}",
            f"{s.relative_speedup:,.1f}", f"{100 * s.fraction_of_peak:.3g} %", bar(length, 24),
        )  # fmt: skip
    judge = ladder.openblas["gflops"]
    row(
        shown, "", f"numpy ({ladder.blas})", seconds(ladder.openblas["seconds"]), f"{judge:.4g}", "", "",
        f"{100 * judge / ladder.peak_gflops:.3g} %", bar(on_log_scale(judge, ladder), 24), style="dim",
    )  # fmt: skip
    row(shown, "", "measured peak", "", f"{ladder.peak_gflops:.4g}", "", "", "100 %", bar(1.0, 24), style="dim")
    console.print(shown)
    for line in notes(ladder):
        console.print(line, markup=False, soft_wrap=True)


def notes(ladder: Ladder) -> list[str]:
    """What must be said below the table."""
    lines = []
    small = [s for s in ladder.rungs if s.extrapolated]
    if small:
        sizes = ", ".join(f"{s.name} n = {s.measured_n}" for s in small)
        lines.append(f"* extrapolated with n^3 from a smaller product ({sizes}).")
    lines += [f"no {name}: {why}." for name, why in ladder.skipped]
    last, judge = ladder.rungs[-1], ladder.openblas["gflops"]
    lines.append(f"{last.name}: {last.gflops / judge:.2f} times {ladder.blas}, bars on a logarithmic scale.")
    if "gflops_one_thread" in ladder.openblas:
        lines.append(f"{ladder.blas} on one thread: {ladder.openblas['gflops_one_thread']:.4g} GFLOPS.")
    return lines


def seconds(value: float) -> str:
    """Three digits and a unit: 812 us, 3.02 s, 7.1 h."""
    for size, unit in ((1e-3, "us"), (1.0, "ms"), (60.0, "s"), (3600.0, "min")):
        if value < size:
            scale = {"us": 1e6, "ms": 1e3, "s": 1.0, "min": 1 / 60}[unit]
            return f"{value * scale:.3g} {unit}"
    return f"{value / 3600:,.3g} h"


def print_model(ladder: ModelLadder) -> None:
    console = out()
    numbers = ("instructions", "per MAC", "absolute\nspeedup", "relative\nspeedup", "code", "weights")
    shown = table(
        "", "rung", *numbers, right=numbers, title=f"{ladder.model} on {ladder.target}, {number(ladder.macs)} MACs"
    )
    shown.add_column("", no_wrap=True)
    most = max((r.instructions or 0 for r in ladder.rungs), default=0) or 1
    for i, r in enumerate(ladder.rungs):
        per = f"{r.instructions / ladder.macs:.2f}" if r.instructions and ladder.macs else "-"
        speedups = [f"{x:.2f}" if x else "-" for x in (r.absolute_speedup, r.relative_speedup)]
        share = bar((r.instructions or 0) / most, 24)
        row(shown, i + 1, r.name, number(r.instructions), per, *speedups, number(r.code), number(r.weights), share)
    console.print(shown)
    same = f" No difference: {', '.join(ladder.skipped)}." if ladder.skipped else ""
    took = seconds(ladder.interpreter_seconds)
    console.print(
        f"Each rung is bit-exact with the interpreter (in Python, {took} an inference here).{same}", soft_wrap=True
    )
