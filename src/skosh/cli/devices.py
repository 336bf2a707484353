"""``skosh devices``: boards that one can buy."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from skosh.cli.options import Json
from skosh.cli.terminal import number, out, print_json, row, table

EXAMPLE = "skosh devices --target cortex-m4"


def command(
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="T", help="Only those with this machine.")
    ] = None,
    json: Json = False,
) -> None:
    """Boards that one can buy, and their memories in bytes; --json names the document that says so."""
    from skosh.targets import devices
    from skosh.targets import target as find_target

    wanted = None if target is None else find_target(target).name
    found = [d for d in devices() if wanted in (None, d.target)]
    if json:
        print_json([asdict(d) for d in found])
        return
    shown = table("device", "what", "target", "MHz", "flash", "RAM", right=("MHz", "flash", "RAM"))
    for d in found:
        row(shown, d.name, d.description, d.target, f"{d.clock_mhz:g}", number(d.flash), number(d.ram))
    out().print(shown)
