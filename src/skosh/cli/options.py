"""Arguments and options that several commands take, each described once."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model file, for example kws.tflite.")]
Target = Annotated[str, typer.Option("--target", "-t", metavar="T", help="The machine; `skosh targets` lists them.")]
Optimize = Annotated[
    str, typer.Option("--optimize", metavar="AIM", help="balanced, speed, flash, ram or energy: what matters most.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
