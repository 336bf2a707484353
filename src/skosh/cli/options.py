"""Arguments and options that several commands take, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model file, for example kws.tflite.")]
Target = Annotated[
    str,
    typer.Option("--target", "-t", metavar="T", help="The machine or board; `skosh targets` and `skosh devices` list them."),
]
Optimize = Annotated[
    str, typer.Option("--optimize", metavar="AIM", help="balanced, speed, flash, ram or energy: what matters most.")
]
Search = Annotated[
    bool,
    typer.Option(
        "--search",
        help="Measure the forms of each layer in the emulator, take the best for the aim. Minutes; kept for the next time.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
OwnCatalogue = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalogue", metavar="FILE.toml",
        help="Records of your own, which add to the catalogue or override it; may be given again. Also SKOSH_CATALOGUE.",
    ),
]  # fmt: skip
TrustPickle = Annotated[
    bool, typer.Option("--trust-pickle", help="Read MODEL though it is a pickle, which runs whatever code is in it.")
]


LoadBudget = Annotated[
    float | None,
    typer.Option("--budget", metavar="N", help="Reading MODEL may cost N times as much memory and work as usual."),
]


def opened(model: str, trust_pickle: bool, budget: float | None = None) -> Any:
    """The model's path, or, where an option says how to read it, what is in it, as a Graph.

    A pickle that isn't trusted stays a path, and refused.
    """
    from skosh.importers import load
    from skosh.importers.saved import PICKLES

    if trust_pickle and Path(model).suffix.lower() in PICKLES:
        return load(model, trust_pickle=True, budget=budget)
    return model if budget is None else load(model, budget=budget)


def of_a_file(build: Any) -> bool:
    """Whether the model came as a file of a library's object, which has the file's name: compiled again, it replaces itself."""
    return str(build.source.loc.file).startswith("<")
