"""``skosh targets``: the machines that skosh compiles for, and which of them a chip takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json
from skosh.cli.terminal import out, print_json, row, table

if TYPE_CHECKING:
    from skosh.targets import Target

EXAMPLE = "skosh targets --for ESP32"


def command(
    chip: Annotated[
        str | None, typer.Option("--for", metavar="CHIP", help="A chip or board: which target's C to take, and what it costs.")
    ] = None,
    json: Json = False,
) -> None:
    """The machines that skosh compiles for; with --for, the one whose C a chip takes.

    Exit status 1 when no target's C runs on that chip.
    """
    from skosh.targets import names, target

    if chip is not None:
        _advise(chip, json)
        return
    found = [target(name) for name in names(siblings=True)]
    if json:
        print_json([_as_json(t) for t in found])
        return
    shown = table("target", "machine", "float", "DSP", "divide", "32x32 to 64", "runs in")
    for t in found:
        parts = (t.has_fpu, t.has_dsp, t.has_hardware_divide, t.has_long_multiply)
        row(shown, t.name, t.description, *("yes" if p else "-" for p in parts), "itself" if t.is_host else "emulator")
    out().print(shown)


def _as_json(t: Target) -> dict[str, Any]:
    return {
        "name": t.name,
        "description": t.description,
        "emulated": not t.is_host,
        "fpu": t.has_fpu,
        "dsp": t.has_dsp,
        "hardware_divide": t.has_hardware_divide,
        "long_multiply": t.has_long_multiply,
    }


def _advise(chip: str, json: bool) -> None:
    from skosh.targets import chips, devices

    boards = [d for d in devices() if d.name == chip.lower()]
    families = chips(chip)
    if not boards and not families:
        raise InputError(
            f'no board and no family of chips here is called "{chip}"',
            hint="name its core, for example --for cortex-m23; C of target generic is plain C99 for any processor",
        )
    if boards:
        (board,) = boards
        answer = {"chip": chip, "board": board.name, "core": board.description, "target": board.target, "cost": "nothing"}
    else:
        (family,) = families
        answer = {"chip": chip, "family": family.family, "core": family.core, "target": family.target, "cost": family.cost}
    if json:
        print_json(answer)
    elif boards:
        out().print(f"{chip} is a board that skosh knows: --target {chip.lower()} takes the code of {answer['target']}.")
    elif answer["target"]:
        out().print(
            f"{chip}: {answer['core']}. Take --target {answer['target']}.\nWhat it costs: {answer['cost']}.", markup=False
        )
    else:
        out().print(f"{chip}: {answer['core']}. No target's C runs there: {answer['cost']}.", markup=False)
    raise typer.Exit(0 if answer["target"] else 1)
