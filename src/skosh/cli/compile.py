"""``skosh compile``: from a model to C."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skosh.base.errors import InputError
from skosh.base.text import plain_lines
from skosh.cli.options import Json, LoadBudget, Model, Optimize, Search, Target, TrustPickle, of_a_file, opened
from skosh.cli.terminal import busy, compiling, number, out, print_json, row, table

if TYPE_CHECKING:
    from skosh.built import Build

EXAMPLE = "skosh compile kws.tflite --target cortex-m4 --max-ram 64K -o kws"


def command(
    model: Model,
    target: Target = "cortex-m4",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where the C goes.")] = None,
    optimize: Optimize = "balanced",
    name: Annotated[str | None, typer.Option(metavar="N", help="What the C calls the model.")] = None,
    max_ram: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Refuse to need more RAM: 64K is 65,536 bytes, 64KB is 64,000.")
    ] = None,
    max_flash: Annotated[str | None, typer.Option(metavar="SIZE", help="Refuse to need more flash.")] = None,
    stop_after: Annotated[
        str | None,
        typer.Option(metavar="STAGE", help="Go no further, and write nothing: load, optimize, plan, lower or emit."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print what the last stage left, as text.")] = False,
    search: Search = False,
    self_check: Annotated[
        bool,
        typer.Option(
            "--self-check/--no-self-check",
            help="Run each scheduled routine against its kernel on a little random data; what was checked is kept.",
        ),
    ] = True,
    trust_pickle: TrustPickle = False,
    budget: LoadBudget = None,
    json: Json = False,
) -> None:
    """From a model to C: NAME.h, NAME.c, NAME_weights.c, and NAME.json that tells their sizes."""
    import skosh
    from skosh.pipeline import STAGES

    if stop_after is not None and stop_after not in STAGES:
        raise InputError(f'--stop-after must be one of {", ".join(STAGES)}, not "{stop_after}"')
    if output is None and stop_after is None and not show:
        raise InputError("compile must know where to put the C", hint="-o DIR; or --show to see it only")
    if stop_after is not None:
        _show_stage(opened(model, trust_pickle, budget), stop_after, target, optimize, name, show=show)
        return
    with compiling(f"compiling {Path(model).name} for {target}", search=search, quiet=json) as progress:
        build = skosh.compile(
            opened(model, trust_pickle, budget),
            target=target,
            optimize=optimize,
            name=name,
            max_ram=max_ram,
            max_flash=max_flash,
            search=search,
            progress=progress,
            **({} if self_check else {"self_check": False}),
        )
    if show:
        print(plain_lines(build.compiled.text(STAGES[-1])))
    if output is None:
        return
    with busy(f"measuring {build.program.name} on {target}", quiet=json):
        folder = build.save(output, overwrite=of_a_file(build))
    files = {n: (folder / n).stat().st_size for n in (*build.sources, f"{build.program.name}.json")}
    if json:
        manifest = json_text.loads((folder / f"{build.program.name}.json").read_text(encoding="utf-8"))
        print_json({"folder": str(folder), "files": files, **manifest})
    elif not show:
        _print_summary(build, folder, files)


def _show_stage(model: Any, stage: str, target: str, optimize: str, name: str | None, *, show: bool) -> None:
    """The stages up to this one, and no further: whoever looks for the stage that fails sees what the one before it left."""
    import skosh
    from skosh.pipeline import compile_to_c
    from skosh.targets import target as find_target

    graph = skosh.load(model)
    text = compile_to_c(graph, target=find_target(target), optimize=optimize, name=name, until=stage).text(stage)
    if show and stage == "plan":
        out().print(text)  # its picture has colours
    elif show:
        print(plain_lines(text))


def _print_summary(build: Build, folder: Path, files: dict[str, int]) -> None:
    shown = table("file", "bytes", right=("bytes",))
    for file, size in files.items():
        row(shown, folder / file, number(size))
    console = out()
    console.print(shown)
    console.print(f"RAM: {build.program.plan}", markup=False)
    if not build.target.is_host:
        profile = build.profile()
        console.print(
            f"     and {number(profile.ram.stack)} bytes of stack\n"
            f"flash: {number(profile.flash.code)} bytes of code, {number(profile.flash.weights)} of weights\n"
            f"time: {number(profile.instructions)} instructions, about {number(profile.cycles_modelled)} cycles (modelled)"
        )
