"""``skosh package``: a compiled model as a library, project or module that somebody's tools open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json, Making, Output, Samples, Source
from skosh.cli.terminal import busy, compiling, out, print_json
from skosh.cli.verify import as_count_or_file

if TYPE_CHECKING:
    from skosh.deliver.package import Packaged

KINDS = "cmake, arduino, platformio, zephyr, esp-idf, cmsis-pack, cubeide, micropython, rust, wheel, wasm or npm"
GOLDEN_RUNS, MOST_RUNS = 3, 100
EXAMPLE = "skosh package kws.tflite --as arduino --board uno-r4-minima -o kws-arduino"


def command(
    source: Source,
    kind: Annotated[str, typer.Option("--as", metavar="KIND", help=f"{KINDS}: what it is to be.")],
    board: Annotated[
        str, typer.Option("--board", "--target", "-b", "-t", metavar="B", help="The board, or a machine.")
    ] = "host",
    output: Output = None,
    making: Making = Making(),
    samples: Samples = None,
    check: Annotated[bool, typer.Option(help="Try the package with its own tools.")] = True,
    json: Json = False,
) -> None:
    """A package with the model's C, a self-test that prints PASS, a README, a licence and the proof; and a check of it.

    --samples are the runs that the self-test repeats, 3 where nothing else is said; the package goes to NAME-KIND,
    here, without --output. Exit status 1 when the check ran and found a fault. What couldn't be checked is said.
    """
    from skosh.packaging import package
    from skosh.targets.toolchain import DEVICE, lacking

    wanted = as_count_or_file(samples or str(GOLDEN_RUNS))
    with compiling(f"compiling {source.file} for {board}", search=making.search, quiet=json) as told:
        build = making.build(source.opened(), board, progress=told)
    if not 1 <= (count := len(build.samples(wanted))) <= MOST_RUNS:
        raise InputError(f"a self-test repeats 1 to {MOST_RUNS} runs, not {count}", hint="--samples 3")
    folder = output or Path(f"{build.program.name}-{kind}")
    if folder.exists() and not folder.is_dir():
        raise InputError("must be a folder, or not there yet", loc=str(folder))
    with busy(f"packaging {build.program.name} as {kind}", quiet=json):
        made = package(build, kind, folder, samples=wanted, check=check)
    if json:
        print_json({**made.as_json(), "folder": str(folder)})
    else:
        say(made, folder)
        if missing := lacking(emulated=not build.target.is_host):
            said = f"its self-test expects the reference's answers; skosh ran none of it without {missing}: {DEVICE}"
            out().print(said, markup=False)
    raise typer.Exit(1 if made.check.ran and not made.check.passed else 0)


def say(made: Packaged, folder: Path) -> None:
    """What is in a package, and what its check found."""
    console = out()
    console.print(f"{folder}: {', '.join(made.files)}", markup=False)
    said = "passed" if made.check.passed else "FAILED" if made.check.ran else f"not checked: {made.check.why_not}"
    console.print(f"{made.check.tool or made.kind}: {said}", markup=False)
    if made.check.ran and not made.check.passed:
        console.print(made.check.told, markup=False)
