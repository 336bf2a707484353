"""``skosh diff``: two models, or two builds of one, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.cli.options import Json, Making, Source, Target
from skosh.cli.terminal import busy, number, out, print_json, row, table

if TYPE_CHECKING:
    from skosh.deliver.difference import Costs, Difference, Side

EXAMPLE = "skosh diff digits.tflite smaller.tflite --target cortex-m4"


def command(
    source: Source,
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="Another model, or the same for another machine or aim.")
    ],
    target: Target = "cortex-m4",
    making: Making = Making(),
    other_target: Annotated[
        str | None, typer.Option("--other-target", metavar="T", help="The machine of OTHER.  [default: --target]")
    ] = None,
    other_optimize: Annotated[
        str | None, typer.Option("--other-optimize", metavar="AIM", help="The aim of OTHER.  [default: --optimize]")
    ] = None,
    json: Json = False,
) -> None:
    """Sizes, time and layers of two builds, and whether they give the same outputs for the same inputs.

    Each argument is a model, or a folder that `skosh compile` wrote: of that, the sizes are read, and nothing is run.
    Exit status 1 when the outputs differ.
    """
    from dataclasses import replace

    from skosh.deliver.difference import compared, read_folder

    sides: list[Side | Costs] = []
    for path, machine, aim in ((source.model, target, None), (other, other_target or target, other_optimize)):
        if Path(path).is_dir():
            sides.append(read_folder(Path(path)))
            continue
        with busy(f"compiling {Path(path).name} for {machine}", quiet=json):
            how = making if aim is None else replace(making, optimize=aim)
            sides.append(how.build(replace(source, model=path).opened(), machine))
    with busy("comparing", quiet=json):
        found = compared(sides[0], sides[1], names=(source.model, other))
    if json:
        print_json(found.as_json())
    else:
        _print(found)
    raise typer.Exit(1 if found.outputs is not None and found.outputs.mismatches else 0)


def _print(found: Difference) -> None:
    console = out()
    right = (*found.names, "change")
    shown = table("", *found.names, "change", right=right)
    for f in found.figures:
        row(shown, f.name, number(f.first), number(f.second), change(f.first, f.second))
    console.print(shown)
    layers = table("layer", *found.names, "change", right=right, title="cycles (modelled) of each layer")
    for f in found.layers:
        row(layers, f.name, number(f.first), number(f.second), change(f.first, f.second))
    if found.layers:
        console.print(layers)
    console.print(
        found.sentence, markup=False, style="green" if found.outputs and not found.outputs.mismatches else None
    )


def change(first: int | None, second: int | None) -> str:
    """ "+12.5 %", or nothing where one is not known."""
    if first is None or second is None or first == second:
        return "" if first is None or second is None else "="
    return f"{100 * (second - first) / first:+.1f} %" if first else f"{second - first:+,}"
