"""Small models that come with skosh, with samples and golden outputs: for a first try, and for what docs show.

``models/make.py`` of the repository makes them, from data that a package bundles or that it makes itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from skosh.base import registry
from skosh.base.errors import InputError
from skosh.base.files import write_folder

DATA = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Shipped:
    """file: the model's. files: name -> bytes, the model's among them. accuracy: of the test images, None where there is none.

    data: what it was trained on.
    """

    name: str
    file: str
    description: str
    accuracy: float | None
    data: str
    files: dict[str, int]

    def as_json(self) -> dict[str, object]:
        return {**vars(self), "bytes": sum(self.files.values())}


def shipped() -> tuple[Shipped, ...]:
    """All of them, in the order of ``skosh models list``."""
    told = json.loads((DATA / "models.json").read_text(encoding="utf-8"))
    return tuple(Shipped(**{**m, "files": {f: facts["bytes"] for f, facts in m["files"].items()}}) for m in told)


def named(name: str) -> tuple[Shipped, ...]:
    """The model of that name, or every one for "all". InputError where there is none."""
    known = {m.name: m for m in shipped()}
    if name == "all":
        return tuple(known.values())
    if name not in known:
        raise InputError(f'a model must be one of {", ".join(known)}, all, not "{name}"', hint=registry.nearest(name, known))
    return (known[name],)


def copy(name: str, folder: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Put a model's files into a folder, all or none. InputError where a file of that name holds something else."""
    place = Path(folder)
    contents = {f: (DATA / f).read_bytes() for m in named(name) for f in m.files}
    for f, content in contents.items():
        if not overwrite and (place / f).exists() and (place / f).read_bytes() != content:
            raise InputError("is there already, and holds something else", loc=str(place / f), hint="name another folder")
    write_folder(place, contents)
    return tuple(place / f for f in contents)
