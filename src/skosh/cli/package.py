"""``skosh package``: a compiled model as a library, project or module that somebody's tools open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json, LoadBudget, Model, Optimize, TrustPickle, opened
from skosh.cli.terminal import busy, out, print_json

if TYPE_CHECKING:
    from skosh.deliver.package import Packaged

KINDS = "cmake, arduino, platformio, zephyr, esp-idf, cmsis-pack, cubeide, micropython, rust, wheel, wasm or npm"
EXAMPLE = "skosh package kws.tflite --as arduino --board uno-r4-minima -o kws-arduino"


def command(
    model: Model,
    kind: Annotated[str, typer.Option("--as", metavar="KIND", help=f"{KINDS}: what it is to be.")],
    board: Annotated[
        str, typer.Option("--board", "--target", "-b", "-t", metavar="B", help="The board, or a machine.")
    ] = "host",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where it goes.  [default: NAME-KIND, here]")
    ] = None,
    optimize: Optimize = "balanced",
    name: Annotated[str | None, typer.Option(metavar="N", help="What the C calls the model.")] = None,
    samples: Annotated[int, typer.Option(metavar="N", help="Golden runs that the self-test repeats.", min=1, max=100)] = 3,
    check: Annotated[bool, typer.Option(help="Try the package with its own tools.")] = True,
    trust_pickle: TrustPickle = False,
    budget: LoadBudget = None,
    json: Json = False,
) -> None:
    """A package with the model's C, a self-test that prints PASS, a README, a licence and the proof; and a check of it.

    Exit status 1 when the check ran and found a fault. What couldn't be checked is said.
    """
    import skosh
    from skosh.packaging import package

    with busy(f"compiling {Path(model).name} for {board}", quiet=json):
        build = skosh.compile(opened(model, trust_pickle, budget), target=board, optimize=optimize, name=name)
    folder = output or Path(f"{build.program.name}-{kind}")
    if folder.exists() and not folder.is_dir():
        raise InputError("must be a folder, or not there yet", loc=str(folder))
    with busy(f"packaging {build.program.name} as {kind}", quiet=json):
        made = package(build, kind, folder, samples=samples, check=check)
    if json:
        print_json({**made.as_json(), "folder": str(folder)})
    else:
        say(made, folder)
    raise typer.Exit(1 if made.check.ran and not made.check.passed else 0)


def say(made: Packaged, folder: Path) -> None:
    """What is in a package, and what its check found."""
    console = out()
    console.print(f"{folder}: {', '.join(made.files)}", markup=False)
    said = "passed" if made.check.passed else "FAILED" if made.check.ran else f"not checked: {made.check.why_not}"
    console.print(f"{made.check.tool or made.kind}: {said}", markup=False)
    if made.check.ran and not made.check.passed:
        console.print(made.check.told, markup=False)
