"""The files of a compiled model in a folder: C, header, manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skosh.base.errors import InputError
from skosh.base.files import write_folder
from skosh.base.text import plain, plain_json
from skosh.emit.header import with_proof
from skosh.ir.graph import Graph
from skosh.verify.proof import Proof


def write_model(
    folder: Path, name: str, source: Graph, sources: Mapping[str, str], manifest: Mapping[str, Any],
    *, proof: Proof | None = None, overwrite: bool = False,
) -> Path:  # fmt: skip
    """All files or none. sources: file name -> C. proof: the header and the manifest then tell it.

    InputError where the folder holds another model of the same name, unless it may be overwritten.
    """
    if not overwrite:
        check_own(folder / f"{name}.json", source)
    told, files = dict(manifest), dict(sources)
    if proof is not None:
        told["proof"] = proof.as_json()
        files = with_proof(files, name, proof.sentence)
    return write_folder(folder, {**files, f"{name}.json": json.dumps(plain_json(told), indent=2) + "\n"})


def check_own(path: Path, source: Graph) -> None:
    """InputError when the manifest there is that of another model. The same file's model, compiled again, is no other one."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["source"]
        file, digest = told["file"], told["sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return  # there is none that could be read: no model of ours is lost
    own = plain(source.loc.file)
    if digest != source.digest and (file != own or own.startswith("<")):
        raise InputError(
            f'the folder holds another model called "{path.stem}", from {plain(file)}',
            loc=str(path.parent),
            hint='give this one a name of its own, name="other", or write it elsewhere; overwrite=True replaces it',
        )
