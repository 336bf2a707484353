"""``skosh models``: small models that come with skosh, to try it on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skosh.cli.options import Json
from skosh.cli.terminal import number, out, print_json, row, table

EXAMPLE = "skosh models copy digits ."


def list_(json: Json = False) -> None:
    """The models that come with skosh: what they do, how well, and which files each has."""
    from skosh.deliver.models import shipped

    if json:
        print_json([m.as_json() for m in shipped()])
        return
    shown = table("model", "what", "right", "bytes", "files", right=("right", "bytes"))
    for m in shipped():
        right = "" if m.accuracy is None else f"{100 * m.accuracy:.1f} %"
        row(shown, m.name, m.description, right, number(sum(m.files.values())), ", ".join(m.files))
    out().print(shown)


def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model of `skosh models list`, or all.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where its files go.")] = Path(),
    json: Json = False,
) -> None:
    """A model, with samples and golden outputs where it has them, into a folder."""
    from skosh.deliver.models import copy as copied
    from skosh.deliver.models import named

    files = copied(name, folder)
    if json:
        print_json({"folder": str(folder), "files": [str(f) for f in files]})
        return
    for file in files:
        print(file)
    if name != "all":
        out().print(f"try: skosh inspect {folder / named(name)[0].file}", markup=False, style="dim")


COMMANDS = {"list": (list_, "skosh models list"), "copy": (copy, EXAMPLE)}
