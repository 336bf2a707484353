"""``.skosh`` files: a Graph as it is, kept: a zip archive of ``graph.json`` and arrays as ``.npy`` (docs/skosh-file.md).

Nothing in such a file is run, and no name in it is imported: operators and the few kinds of notes that are more than numbers
are looked up in lists of ours. The same graph gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skosh.base.errors import InputError
from skosh.base.files import read_bytes, write_file
from skosh.importers.skosh_file.read import graph_of
from skosh.importers.skosh_file.write import graph_bytes
from skosh.ir.graph import Graph

SUFFIX = ".skosh"


def load(source: Any, name: str | None = None, **options: Any) -> Graph:
    """The Graph in a ``.skosh`` file, given by its path or its bytes. name: another name for it.

    ModelError where it is damaged or made by a later version, BudgetError where it is larger than a load may be.
    """
    where = str(source) if isinstance(source, str | Path) else "<bytes>"
    if options:
        raise InputError(
            f'a .skosh file has no option "{min(options)}": it holds the graph that options have made', loc=where,
            hint="give the option where the model itself is loaded, and save the graph again",
        )  # fmt: skip
    data = read_bytes(source) if isinstance(source, str | Path) else bytes(source)
    return graph_of(data, where, name)


def save(graph: Graph, path: str | Path) -> Path:
    """Write a Graph to a ``.skosh`` file, complete or not at all. InputError where that can't be done."""
    place = Path(path)
    if place.suffix.lower() != SUFFIX:
        raise InputError(f'the file must end in {SUFFIX}, not "{place.suffix}"', loc=str(place))
    return write_file(place, graph_bytes(graph))
