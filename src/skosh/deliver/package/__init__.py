"""Packages: a compiled model in the form that somebody's tools open, with a self-test inside. One file a kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skosh.base.errors import InputError
from skosh.base.files import write_folder
from skosh.base.registry import Table, load
from skosh.deliver.package.kit import LICENSE, Built, Check, Golden, Kind, Kit
from skosh.ir.graph import Array
from skosh.verify.proof import Proof

KINDS: Table = {
    "cmake": "skosh.deliver.package.cmake:KIND",
    "arduino": "skosh.deliver.package.arduino:KIND",
    "platformio": "skosh.deliver.package.platformio:KIND",
    "zephyr": "skosh.deliver.package.zephyr:KIND",
    "esp-idf": "skosh.deliver.package.esp_idf:KIND",
    "cmsis-pack": "skosh.deliver.package.cmsis_pack:KIND",
    "cubeide": "skosh.deliver.package.cubeide:KIND",
    "micropython": "skosh.deliver.package.micropython:KIND",
    "rust": "skosh.deliver.package.rust:KIND",
    "wheel": "skosh.deliver.package.wheel:KIND",
    "wasm": "skosh.deliver.package.wasm:WASM",
    "npm": "skosh.deliver.package.wasm:NPM",
}


@dataclass(frozen=True)
class Packaged:
    """What ``package`` made: ``files`` inside ``folder``, and what the kind's own tool said of them."""

    kind: str
    board: str | None
    folder: Path
    files: tuple[str, ...]
    check: Check

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "board": self.board, "files": list(self.files), "check": self.check.as_json()}


def package(
    build: Built,
    kind: str,
    folder: str | Path,
    *,
    golden: Sequence[tuple[Sequence[Array], Sequence[Array]]],
    proof: Proof | None = None,
    stack: int | None = None,
    check: bool = True,
) -> Packaged:
    """Writes a package and runs the check that is possible here.

    golden: (inputs, all outputs of the graph) of some runs, which the self-test repeats. stack: bytes that a run takes, if
    known. InputError: there is no such kind, or the board can't have it.
    """
    made = load(KINDS, kind, "the kind of a package")
    assert isinstance(made, Kind), f"{KINDS[kind]} is not a Kind"
    status = build.source.status is not None
    runs = tuple(
        Golden(tuple(i), tuple(o[:-1] if status else o), int(o[-1].reshape(-1)[0]) if status else 0) for i, o in golden
    )
    kit = Kit(build, runs, proof, stack)
    if why := made.fits(kit):
        raise InputError(f"{kind} can't be made: {why}")
    files = made.files(kit)
    files = {"LICENSE": LICENSE, "proof.json": kit.proof_json(), **files}
    write_folder(Path(folder), files)
    done = made.check(kit, Path(folder)) if check else Check("", False, False, "it was not asked for")
    board = kit.board.name if kit.board is not None else None
    return Packaged(kind, board, Path(folder), tuple(sorted(files)), done)
