"""``skosh app``: the applications, from data to a packaged, verified program."""

from __future__ import annotations

import json as text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json
from skosh.cli.terminal import busy, out, print_json, stages

if TYPE_CHECKING:
    from skosh.apps.app import App

EXAMPLE = "skosh app magic-wand train -o wand; skosh app magic-wand run -o wand"
WHAT = ("train", "compile", "run", "package")


def command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which one; without it, all are listed.")] = None,
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"{', '.join(WHAT[:-1])} or {WHAT[-1]}.")] = "train",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="What training fills and the others read.  [default: NAME]"),
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of recordings to learn from.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of everything that is drawn at random.", min=0)] = 0,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="run: a recording of motion.")] = None,
    wav: Annotated[Path | None, typer.Option(metavar="FILE", help="run: a recording of sound.")] = None,
    board: Annotated[
        str | None, typer.Option("--board", "--target", "-b", "-t", metavar="B", help="Another board than the usual one.")
    ] = None,
    kind: Annotated[str, typer.Option("--as", metavar="KIND", help="package: what it is to be.")] = "cmake",
    json: Json = False,
) -> None:
    """Applications with real or made data: train, compile for an emulated board and verify, run on a recording, package.

    `train` prints the accuracy with its split, in float and in int8. `run` gives a line for each decision of the device.
    """
    from skosh.apps.app import APPS, app

    if name is None:
        _list([app(n) for n in APPS], json)
        return
    which = app(name)
    if what not in WHAT:
        raise InputError(f'an application can {", ".join(WHAT[:-1])} or {WHAT[-1]}, not "{what}"')
    folder = output or Path(name)
    if what == "train":
        _train(which, folder, data, seed, json)
    elif what == "compile":
        _compile(which, folder, board, json)
    elif what == "run":
        if csv is not None and wav is not None:
            raise InputError("run must be given one recording, not --csv and --wav")
        _run(which, folder, csv or wav, data, board, json)
    else:
        _package(which, folder, kind, board, json)


def _list(apps: list[App], json: bool) -> None:
    if json:
        print_json([{"name": a.name, "title": a.title, "board": a.board, "takes": a.takes} for a in apps])
        return
    from rich.table import Table

    table = Table("application", "", "board", "run takes", box=None, pad_edge=False)
    for a in apps:
        table.add_row(a.name, a.title, a.board, a.takes)
    out().print(table)


def _train(which: App, folder: Path, data: Path | None, seed: int, json: bool) -> None:
    from skosh.apps.app import train

    with stages(quiet=json) as say:
        result = train(which, folder, data=data, seed=seed, say=say)
    if json:
        print_json({**result, "folder": str(folder)})
        return
    accuracy = result["accuracy"]
    shares = f"{100 * accuracy['float']:.1f} % in float, {100 * accuracy['int8']:.1f} % in int8 ({accuracy['split']})"
    out().print(f"{which.name}: {shares}; {result['data']} data: {result['source']}", markup=False)
    for key, value in accuracy.items():
        if key not in ("float", "int8", "split"):
            out().print(f"  {key.replace('_', ' ')}: {_plain(value)}", markup=False)
    out().print(f"in {folder}; next: skosh app {which.name} run -o {folder}", markup=False)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    return ", ".join(_plain(v) for v in value) if isinstance(value, list) else str(value)


def _compile(which: App, folder: Path, board: str | None, json: bool) -> None:
    from skosh.apps.app import compiled, samples_of

    with busy(f"compiling {which.name}", quiet=json):
        build = compiled(which, folder, board)
        proof = build.verify(samples_of(which, folder))
        profile = build.profile()
        build.save(folder / "c", proof=proof, overwrite=True)
    if json:
        print_json({"folder": str(folder / "c"), "proof": proof.as_json(), "profile": profile.as_json()})
    else:
        out().print(proof)
        out().print(profile)
        out().print(f"in {folder / 'c'}", markup=False)
    raise typer.Exit(0 if proof.bit_exact else 1)


def _run(which: App, folder: Path, file: Path | None, data: Path | None, board: str | None, json: bool) -> None:
    from skosh.apps.app import compiled, decisions

    with busy(f"compiling {which.name}", quiet=json):
        build = compiled(which, folder, board)
    found = decisions(which, build, which.stream(file, data))
    if json:
        for one in found:
            print(text.dumps(one), flush=True)
        return
    for one in found:
        out().print(_drawn(one) if which.plot else _said(one), markup=False)


def _drawn(one: dict[str, Any]) -> str:
    """A point of a curve between -1 and 1, down the terminal."""
    place = round((min(max(one["decision"], -1.1), 1.1) + 1.1) * 25)
    return f"{one['t']:6.2f} s {one['decision']:7.3f} {' ' * place}*"


def _said(one: dict[str, Any]) -> str:
    score = f" ({one['score']:.2f})" if "score" in one else ""
    truth = "" if one.get("truth") in (None, one["decision"]) else f"   but it was {one['truth']}"
    return f"{one['t']:8.2f} s  {one['decision']}{score}{truth}"


def _package(which: App, folder: Path, kind: str, board: str | None, json: bool) -> None:
    from skosh.apps.app import compiled
    from skosh.cli.package import say
    from skosh.packaging import package

    with busy(f"packaging {which.name} as {kind}", quiet=json):
        build = compiled(which, folder, board)
        made = package(build, kind, folder / kind)
    if json:
        print_json({**made.as_json(), "folder": str(folder / kind)})
    else:
        say(made, folder / kind)
    raise typer.Exit(1 if made.check.ran and not made.check.passed else 0)
