"""Weights beside the model: numbers that an ONNX file keeps in other files of its own folder, as PyTorch's exporter does.

Nothing outside of that folder is opened, whatever the file names: no absolute path, no way upwards, no link that leads out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from skosh.base.budget import spend
from skosh.base.errors import InputError, Loc, ModelError

EXTERNAL = 1  # TensorProto.DataLocation


def join(proto: Any, folder: Path, loc: Loc) -> None:
    """Put the numbers of all tensors of the graph into ``proto``. ModelError or InputError where that can't be."""
    for tensor in tensors(proto.graph):
        if tensor.data_location == EXTERNAL or tensor.external_data:
            place = Loc(loc.file, str(tensor.name))
            said = {str(e.key): str(e.value) for e in tensor.external_data}
            tensor.raw_data = numbers(folder, said, place)
            tensor.data_location = 0
            del tensor.external_data[:]


def tensors(graph: Any) -> Iterator[Any]:
    """All constants of a graph, those in its nodes and their branches too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from tensors(attribute.g)


def numbers(folder: Path, said: dict[str, str], place: Loc) -> bytes:
    """The bytes that ``location``, ``offset`` and ``length`` name."""
    name = said.get("location", "")
    parts = PurePosixPath(name).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or "\\" in name or ":" in name or "\0" in name:
        raise ModelError(f'its numbers must be in a file of the model\'s own folder, not "{name}"', loc=place)
    path = folder.joinpath(*parts)
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        if not inside or not path.is_file():
            if inside and not path.exists():
                raise InputError(f'"{name}", which holds its numbers, must lie beside the model', loc=place)
            raise ModelError(f'"{name}", which holds its numbers, must be a file inside the model\'s folder', loc=place)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = _number(said.get("offset", "0"), "offset", place)
            length = _number(said.get("length", str(max(0, size - offset))), "length", place)
            if offset + length > size:
                raise ModelError(f'"{name}" must hold {offset + length} bytes, not {size}', loc=place)
            spend("bytes", length, f'"{name}"')
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise InputError(f'"{name}" can\'t be read: {(error.strerror or str(error)).lower()}', loc=place) from error


def _number(text: str, what: str, place: Loc) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ModelError(f"the {what} of its numbers must be a whole number, not {text!r}", loc=place)
    return int(text)
