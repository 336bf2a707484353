"""The first commands for a model and a board: what ``skosh init`` prints."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from skosh.base.errors import InputError
from skosh.base.registry import nearest
from skosh.deliver.models import shipped
from skosh.deliver.package import KINDS
from skosh.targets import target

CODE = "c"
"""The kind that is no package: the C alone."""

FAMILIAR = {"arduino": "arduino", "zephyr": "zephyr", "esp": "esp-idf"}


@dataclass(frozen=True)
class Choice:
    question: str
    example: str


def choices() -> dict[str, Choice]:
    """What is asked for, in order."""
    names = ", ".join(m.name for m in shipped())
    return {
        "model": Choice(f"Which model? A file, or one that comes with skosh: {names}.", "digits"),
        "board": Choice("Which board or machine? `skosh devices` and `skosh targets` list them.", "nano-33-ble"),
        "kind": Choice(f"As what? {', '.join(KINDS)}; or c, the C alone.", "cmake"),
    }


def commands(model: Path, board: str, kind: str) -> tuple[str, ...]:
    """The lines to type. InputError where the board or the kind is unknown, or the model is no file."""
    target(board)
    if kind != CODE and kind not in KINDS:
        raise InputError(
            f'the kind must be one of {", ".join((*KINDS, CODE))}, not "{kind}"', hint=nearest(kind, KINDS)
        )
    own = {m.name: m for m in shipped()}.get(str(model))
    if own is None and not model.is_file():
        raise InputError(
            "must be a model file, or a model that comes with skosh", loc=str(model), hint="skosh models list"
        )
    file = own.file if own is not None else str(model)
    quoted, stem = shlex.quote(file), Path(file).stem
    asks = " --query Rain --evidence Grass" if file.endswith((".bif", ".xmlbif")) and own is not None else ""
    golden = f" --golden {stem}.npz" if own is not None and f"{stem}.npz" in own.files else ""
    lines = [f"skosh models copy {own.name} ."] if own is not None else []
    lines += [f"skosh inspect {quoted}{asks}", f"skosh verify {quoted}{asks} --target {board}{golden}"]
    if kind == CODE:
        return (*lines, f"skosh compile {quoted}{asks} --target {board} -o {shlex.quote(stem)}")
    return (*lines, f"skosh package {quoted}{asks} --as {kind} --board {board} -o {shlex.quote(f'{stem}-{kind}')}")
