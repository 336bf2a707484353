"""``skosh size``: what a model takes in a firmware that somebody else linked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skosh.cli.options import Json
from skosh.cli.terminal import number, out, print_json, row, table

EXAMPLE = "skosh size firmware.elf --name kws"


def command(
    elf: Annotated[Path, typer.Argument(metavar="FIRMWARE.elf", help="The linked firmware, with its symbols.")],
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="N", help="What the C calls the model; may be given again.  [default: all]"),
    ] = None,
    symbols: Annotated[bool, typer.Option("--symbols", help="Each function and array too.")] = False,
    json: Json = False,
) -> None:
    """Code, constants and RAM of each model in your own ELF, read from its symbols; and what the whole firmware takes.

    A function that the linker left out costs nothing, one that it inlined counts for who calls it. Exit status 1 when there is
    no model.
    """
    from skosh.deliver.firmware_size import sizes_in

    found = sizes_in(elf, tuple(name or ()))
    if json:
        print_json(found.as_json(symbols=symbols))
    else:
        right = ("code", "constants", "RAM")
        shown = table("what", *right, right=right)
        for m in found.models:
            row(shown, m.name, number(m.code), number(m.constants), number(m.ram))
            for s in m.symbols if symbols else ():
                row(
                    shown, f"  {s.name}", *(number(s.size) if s.kind == k else "" for k in ("code", "constants", "ram"))
                )
        row(shown, "the whole firmware", number(found.code), number(found.constants), number(found.ram), style="bold")
        out().print(shown)
        if not found.models:
            out().print("no model of skosh is in it, or its symbols were stripped", markup=False)
    raise typer.Exit(0 if found.models else 1)
