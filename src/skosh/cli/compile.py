"""``skosh compile``: from a model to C."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skosh.base.errors import InputError
from skosh.base.text import plain_lines
from skosh.cli.options import Json, Making, Output, Source, Targets, of_a_file, targets_of
from skosh.cli.terminal import busy, compiling, number, out, print_json, row, table

if TYPE_CHECKING:
    from skosh.built import Build

EXAMPLE = "skosh compile kws.tflite --target cortex-m4 --max-ram 64K -o kws"


def command(
    source: Source,
    target: Targets = None,
    output: Output = None,
    making: Making = Making(),
    stop_after: Annotated[
        str | None,
        typer.Option(metavar="STAGE", help="Go no further, and write nothing: load, optimize, plan, lower or emit."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print what the last stage left, as text.")] = False,
    self_check: Annotated[
        bool,
        typer.Option(
            "--self-check/--no-self-check",
            help="Run each scheduled routine against its kernel on a little random data; what was checked is kept.",
        ),
    ] = True,
    json: Json = False,
) -> None:
    """From a model to C: NAME.h, NAME.c, NAME_weights.c, and NAME.json that tells their sizes."""
    from skosh.pipeline import STAGES

    if stop_after is not None and stop_after not in STAGES:
        raise InputError(f'--stop-after must be one of {", ".join(STAGES)}, not "{stop_after}"')
    if output is None and stop_after is None and not show:
        raise InputError("compile must know where to put the C", hint="-o DIR; or --show to see it only")
    machines = targets_of(target)
    several = len(machines) > 1
    if stop_after is not None:
        for machine in machines:
            _show_stage(source.opened(), stop_after, machine, making, show=show)
        return
    answers = []
    model = source.graph() if several else source.opened()
    for machine in machines:
        with compiling(f"compiling {source.file} for {machine}", search=making.search, quiet=json) as progress:
            more = {} if self_check else {"self_check": False}
            build = making.build(model, machine, progress=progress, **more)
        if show:
            print(plain_lines(build.compiled.text(STAGES[-1])))
        if output is not None:
            answers.append(_written(build, output / machine if several else output, shown=not show, json=json))
    if json and answers:
        print_json(answers if several else answers[0])


def _written(build: Build, to: Path, *, shown: bool, json: bool) -> dict[str, Any]:
    """Save a build; what --json tells of it."""
    with busy(f"measuring {build.program.name} on {build.target.name}", quiet=json):
        folder = build.save(to, overwrite=of_a_file(build))
    files = {n: (folder / n).stat().st_size for n in (*build.sources, f"{build.program.name}.json")}
    if shown and not json:
        _print_summary(build, folder, files)
    manifest = json_text.loads((folder / f"{build.program.name}.json").read_text(encoding="utf-8"))
    return {"folder": str(folder), "files": files, **manifest}


def _show_stage(model: Any, stage: str, target: str, making: Making, *, show: bool) -> None:
    """The stages up to this one, and no further: whoever looks for the stage that fails sees what the one before it left."""
    import skosh
    from skosh.ir.text import graph_text
    from skosh.pipeline import compile_to_c
    from skosh.targets import target as find_target

    graph = skosh.load(model)
    if stage == "load":  # and no further: what can't be compiled can be looked at
        text = graph_text(graph)
    else:
        made = compile_to_c(graph, target=find_target(target), optimize=making.optimize, name=making.name, until=stage)
        text = made.text(stage)
    if show and stage == "plan":
        out().print(text)  # its picture has colours
    elif show:
        print(plain_lines(text))


def _print_summary(build: Build, folder: Path, files: dict[str, int]) -> None:
    from skosh.targets.toolchain import DEVICE, lacking

    shown = table("file", "bytes", right=("bytes",))
    for file, size in files.items():
        row(shown, folder / file, number(size))
    console = out()
    console.print(shown)
    console.print(f"RAM: {build.program.plan}", markup=False)
    missing = "" if build.target.is_host else lacking()
    if missing:
        console.print(f"stack, code and time: not measured without {missing}; {DEVICE}", markup=False)
    elif not build.target.is_host:
        profile = build.profile()
        console.print(
            f"     and {number(profile.ram.stack)} bytes of stack\n"
            f"flash: {number(profile.flash.code)} bytes of code, {number(profile.flash.weights)} of weights\n"
            f"time: {number(profile.instructions)} instructions, about {number(profile.cycles_modelled)} cycles (modelled)"
        )
