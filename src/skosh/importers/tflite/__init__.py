"""TensorFlow Lite files: read safely (``parser``), then converted record by record (``conversion``).

Each operator is converted by its family's module (``families``). What a converter leaves unread is an obstacle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from skosh.base.budget import spend
from skosh.base.errors import InputError
from skosh.base.files import read_bytes
from skosh.importers.tflite.conversion import to_graph
from skosh.importers.tflite.parser import read
from skosh.importers.tflite.state import resolve_variables
from skosh.importers.tflite.unsigned import INTERFACES, is_unsigned, to_signed
from skosh.ir.graph import Graph


def load(
    source: str | Path | bytes,
    name: str | None = None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    interface: str = "int8",
) -> Graph:
    """A Graph from a ``.tflite`` file or its bytes.

    shapes: of inputs whose sizes the file leaves open, by name; a batch size left open is 1.
    interface: of a model that computes in uint8, the older way, which is made int8 exactly: "int8" (inputs and outputs are
    128 less than the file's) or "file" (they are uint8, as the file has them).

    Raises InputError when there is no such file or shapes don't fit, ModelError when it is damaged, and one UnsupportedError
    with every operator that skosh doesn't have.
    """
    data, file = _bytes_of(source)
    model = replace(read(data, file), content=data)
    if interface not in INTERFACES:
        raise InputError(f'interface must be one of {", ".join(INTERFACES)}, not "{interface}"')
    model = resolve_variables(model)
    if is_unsigned(model):
        model = to_signed(model, interface)
    return to_graph(model, name or (Path(file).stem if isinstance(source, (str, Path)) else "model"), shapes)


def _bytes_of(source: str | Path | bytes) -> tuple[bytes, str]:
    """(content, name for messages)."""
    if not isinstance(source, (str, Path)):
        spend("bytes", len(source), "the file")
        return bytes(source), "<bytes>"
    path = Path(source)
    return read_bytes(path), path.name
