"""``skosh demo``: the whole path in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skosh.cli.options import Json
from skosh.cli.terminal import out, print_json, stages

EXAMPLE = "skosh demo -o skosh-demo"


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the C and the report go.")
    ] = Path("skosh-demo"),
    json: Json = False,
) -> None:
    """Train on real handwriting, quantize, compile, run every test image on an emulated Cortex-M4, prove, report."""
    from skosh.apps.digits import run_demo

    with stages(quiet=json) as progress:
        result = run_demo(output, progress)
    if json:
        accuracies = [{"who": a.who, "right": a.right, "samples": a.samples} for a in result.accuracies]
        costs = {"proof": result.proof.as_json(), "profile": result.profile.as_json()}
        print_json({"folder": str(result.folder), "accuracies": accuracies, **costs})
    else:
        out().print(result, markup=False)
    raise typer.Exit(0 if result.proof.bit_exact else 1)
