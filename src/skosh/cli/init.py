"""``skosh init``: from a model and a board to the commands that make a firmware of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json
from skosh.cli.terminal import err, out, print_json

EXAMPLE = "skosh init --model digits.tflite --board nano-33-ble --as arduino"


def command(
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="The model file, or a name of `skosh models`.")
    ] = None,
    board: Annotated[str | None, typer.Option("--board", "-b", metavar="B", help="The board, or a machine.")] = None,
    kind: Annotated[str | None, typer.Option("--as", metavar="KIND", help="What `skosh package` is to make.")] = None,
    json: Json = False,
) -> None:
    """Asks for a model, a board and a kind of package, where they aren't given, and prints the commands to type."""
    from skosh.deliver.first_steps import choices, commands

    asked = choices()
    given = {"model": model, "board": board, "kind": kind}
    for what, value in given.items():
        if value is None:
            if json or not sys.stdin.isatty():
                option = {"model": "--model", "board": "--board", "kind": "--as"}[what]
                raise InputError(
                    f"{option} must be given where nobody can be asked",
                    hint=f"for example {option} {asked[what].example}",
                )
            err().print(asked[what].question, markup=False)
            given[what] = typer.prompt(what, default=asked[what].example, err=True)
    lines = commands(Path(str(given["model"])), str(given["board"]), str(given["kind"]))
    if json:
        print_json({**given, "commands": list(lines)})
        return
    for line in lines:
        out().print(line, markup=False, soft_wrap=True)
