"""``skosh report``: one page about a compiled model: proof, cost, memory, and what other aims would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json, Making, Output, Samples, Source, Target
from skosh.cli.quantize import write
from skosh.cli.terminal import bar, busy, compiling, counting, number, out, print_json, row, table
from skosh.cli.verify import as_count_or_file, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from skosh.built import Build
    from skosh.deliver import Accuracy
    from skosh.deliver.score import Confusion, Errors
    from skosh.ir.graph import Array
    from skosh.verify.measure import Profile

EXAMPLE = "skosh report kws.tflite --target cortex-m4 --golden kws.npz -o kws.html"
FEW_SAMPLES = "5"


def command(
    source: Source,
    target: Target = "cortex-m4",
    output: Output = None,
    making: Making = Making(),
    samples: Samples = None,
    golden: Annotated[
        str | None, typer.Option(metavar="FILE.npz", help='"inputs", and the "outputs" that they must give.')
    ] = None,
    json: Json = False,
) -> None:
    """A page about a compiled model: the proof, what each layer costs, memory over time, and what each aim trades.

    The model is compiled and run for every aim, so that time, flash and RAM stand side by side. Without --output the page is
    NAME.html, here. With --samples x.npy and --labels y.npy it tells how right the model is.

    Exit status 1 when the proof finds a difference; the page is written all the same.
    """
    import skosh
    from skosh.deliver import facts_of, report_html
    from skosh.pipeline import OPTIMIZE
    from skosh.targets import target as target_named

    if samples is not None and golden is not None:
        raise InputError("--samples and --golden can't both be given", hint="the golden file brings its own inputs")
    wanted: int | str | Array = golden if golden is not None else as_count_or_file(samples or FEW_SAMPLES)
    optimize, search = making.optimize, making.search
    with busy(f"reading {source.file}", quiet=json):
        graph = source.graph()
    with compiling(f"compiling {graph.name} for {target}", search=search, quiet=json) as told:
        build = making.build(graph, target, progress=told)
        wanted = _as_integers(build, wanted)
        total = len(build.samples(wanted))
    with counting(f"running {graph.name} on {target}", total, quiet=json) as progress:
        proof = build.verify(samples=wanted, progress=progress)
    score = _score(build, source, wanted)
    aims = {optimize: build.profile()}
    if not target_named(target).is_host:
        others = [aim for aim in OPTIMIZE if aim != optimize]
        with counting("compiling for the other aims", len(others), quiet=json) as progress:
            for done, aim in enumerate(others, 1):
                aims[aim] = skosh.compile(graph, target=target, optimize=aim).profile()
                progress(done)
    profiles = [aims[aim] for aim in OPTIMIZE if aim in aims]
    said = "" if optimize == "balanced" else f" --optimize {optimize}"
    command_line = f"skosh report {source.file} --target {target}{said}{' --search' if search else ''}"
    right = _accuracies(score)
    page = report_html(facts_of(build, proof=proof, aims=profiles, score=score, accuracies=right, commands=(command_line,)))
    path = output or Path(f"{build.program.name}.html")
    write(path, page)
    if json:
        answer = {"file": str(path), "proof": proof.as_json(), "profile": aims[optimize].as_json()}
        print_json({**answer, "aims": [{k: v for k, v in p.as_json().items() if k != "layers"} for p in profiles]})
    else:
        console = out()
        style = "green" if proof.bit_exact else "red"
        console.print(verdict(proof, f"{build.program.name} on {target}"), markup=False, style=style)
        if len(profiles) > 1:
            console.print(trade_table(profiles, optimize))
        console.print(f"open {path}", markup=False)
    raise typer.Exit(0 if proof.bit_exact else 1)


def _as_integers(build: Build, wanted: int | str | Array) -> int | str | Array:
    """Samples of a file; floats as the integers that a quantized model takes, one array for one input."""
    from skosh.emulate.answers import quantized
    from skosh.verify.samples import read_arrays

    first = build.source.tensors[build.source.inputs[0]]
    if not isinstance(wanted, str) or first.quant is None or len(build.source.inputs) > 1:
        return wanted
    given = read_arrays(Path(wanted))
    return wanted if isinstance(given, dict) or given.dtype.kind != "f" else quantized(given, first)


def _score(build: Build, source: Source, wanted: int | str | Array) -> Confusion | Errors | None:
    """How right the build is on the samples, where --labels gives an array of answers."""
    from skosh.deliver.score import scored
    from skosh.verify.samples import read_arrays

    path = source.answers()
    if path is None:
        return None
    if isinstance(wanted, int):
        raise InputError("answers are of samples that are given", hint="--samples x.npy beside --labels y.npy")
    right = read_arrays(path)
    if isinstance(right, dict):
        raise InputError("the right answers must be one array, a .npy file", loc=str(path))
    return scored(build.source, build.run, build.samples(wanted).inputs, right)


def _accuracies(score: Confusion | Errors | None) -> list[Accuracy]:
    from skosh.deliver import Accuracy
    from skosh.deliver.score import Confusion

    return [Accuracy("on the device", score.right, score.samples)] if isinstance(score, Confusion) else []


def trade_table(profiles: Sequence[Profile], chosen: str) -> Table:
    """One line an aim, each figure with a bar beside the largest of its column."""
    from skosh.deliver.trade import time_of

    unit = "instructions" if profiles[0].cycles_modelled is None else "cycles (modelled)"
    shown = table("aim", right=(), title="what each aim costs")
    for heading in (unit, "flash", "RAM"):
        shown.add_column(heading, justify="right", no_wrap=True)
        shown.add_column("", width=12, no_wrap=True)
    figures = [(time_of(p) or 0, p.flash.total, p.ram.total) for p in profiles]
    most = [max(column) or 1 for column in zip(*figures, strict=True)]
    for p, of_aim in zip(profiles, figures, strict=True):
        cells = [c for v, m in zip(of_aim, most, strict=True) for c in (number(v), bar(v / m, 12))]
        row(shown, p.optimize, *cells, style="bold" if p.optimize == chosen else None)
    return shown
