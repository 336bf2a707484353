"""A Graph as the bytes of a ``.skosh`` file."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.errors import InputError, Loc
from skosh.importers.skosh_file.values import CantKeep, written
from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ops import OPERATORS

FORMAT, VERSION = "skosh graph", 1
LEFT_OUT = "left_out"
"""The note, and the key of ``graph.json``, that name the notes which no file can hold."""

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest date of a zip archive


def graph_bytes(graph: Graph) -> bytes:
    """The file. InputError where a node's operator is none of those that files may name."""
    files = Contents()
    told = json.dumps(_graph(graph, files), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"graph.json": told.encode("utf-8", "surrogatepass"), **files.made}.items():
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
            archive.writestr(entry, content)
    return out.getvalue()


class Contents:
    """The files beside ``graph.json``, in the order in which they were asked for; equal contents are kept once."""

    def __init__(self) -> None:
        self.made: dict[str, bytes] = {}
        self._names: dict[bytes, str] = {}

    def putting(self, folder: str) -> Callable[[Array | bytes], str]:
        """What keeps arrays and bytes in files of that folder."""

        def put(thing: Array | bytes) -> str:
            content = thing if isinstance(thing, bytes) else npy(thing)
            digest = hashlib.sha256(content).digest()
            if digest not in self._names:
                ending = "bin" if isinstance(thing, bytes) else "npy"
                self._names[digest] = f"{folder}/{len(self.made)}.{ending}"
                self.made[self._names[digest]] = content
            return self._names[digest]

        return put


def npy(array: Array) -> bytes:
    """The array as a ``.npy`` file, its numbers lowest byte first and row by row."""
    out = io.BytesIO()
    plain = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    np.lib.format.write_array(out, plain, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _graph(graph: Graph, files: Contents) -> dict[str, Any]:
    put = files.putting("weights")
    notes, lost = _notes(graph, files)
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "loc": _loc(graph.loc),
        "digest": graph.digest,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "states": [
            {"name": s.name, "before": s.before, "after": s.after, "initial": put(s.initial)} for s in graph.states
        ],
        "status": None if graph.status is None else {
            "output": graph.status.output, "codes": [list(code) for code in graph.status.codes]
        },
        "tensors": [_tensor(t, put) for t in graph.tensors.values()],
        "nodes": [_node(n) for n in graph.nodes],
        "notes": notes,
        LEFT_OUT: lost,
    }  # fmt: skip


def _tensor(t: Tensor, put: Callable[[Array | bytes], str]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": t.name, "type": t.dtype.name, "shape": [int(n) for n in t.shape]}
    if t.quant is not None:
        told["quant"] = {
            "scales": [float(s) for s in t.quant.scales],
            "zero_points": [int(z) for z in t.quant.zero_points],
            "axis": t.quant.axis,
        }
    if t.data is not None:
        told["data"] = put(t.data)
    return told


def _node(node: Node) -> dict[str, Any]:
    kind = type(node.op)
    if OPERATORS.get(node.op.kind) != f"{kind.__module__}:{kind.__qualname__}":
        raise InputError(f'a .skosh file can\'t hold the operator "{node.op.kind}"', loc=node.loc)
    return {
        "kind": node.op.kind,
        "attributes": {f.name: _attribute(getattr(node.op, f.name)) for f in dataclasses.fields(kind)},  # type: ignore[arg-type]
        "inputs": list(node.inputs),
        "outputs": list(node.outputs),
        "name": node.name,
        "loc": _loc(node.loc),
    }


def _attribute(value: Any) -> Any:
    """Attributes are few and small: numbers of numpy's are those of Python, and arrays there are none."""
    return written(value.item() if isinstance(value, np.generic) else value, _no_file)


def _no_file(thing: Array | bytes) -> str:
    raise AssertionError("an operator's attribute is no array: constants are tensors")


def _loc(loc: Loc) -> dict[str, Any]:
    return {"file": loc.file, "node": loc.node, "index": loc.index}


def _notes(graph: Graph, files: Contents) -> tuple[dict[str, Any], list[str]]:
    """The notes that a file can hold, and the names of the others: a library's object, a function."""
    put, kept = files.putting("notes"), {}
    lost = set(graph.notes.left_out or ())
    for name, value in graph.notes.items():
        if name == LEFT_OUT:
            continue
        try:
            kept[name] = written(value, put)
        except CantKeep:
            lost.add(name)
    return kept, sorted(lost)
