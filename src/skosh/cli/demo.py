"""``skosh demo``: the whole path in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skosh.cli.terminal import out, stages

EXAMPLE = "skosh demo -o skosh-demo"


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the C and the report go.")
    ] = Path("skosh-demo"),
) -> None:
    """Train on real handwriting, quantize, compile, run every test image on an emulated Cortex-M4, prove, report."""
    from skosh.apps.digits import run_demo

    with stages() as progress:
        summary = run_demo(output, progress)
    out().print(str(summary), markup=False)
