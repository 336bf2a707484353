"""The Graph in a ``.skosh`` file. Nothing in it is believed: sizes are counted before anything is made, names are looked up
in lists of ours, and the graph is checked as any other is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from skosh.base import registry
from skosh.base.arrays import Archive, NotArrays, read_npy
from skosh.base.budget import spend
from skosh.base.dtypes import DTYPES
from skosh.base.errors import Loc, ModelError, SkoshError, UnsupportedError
from skosh.importers.skosh_file.values import Files, record_of, value_of
from skosh.importers.skosh_file.write import FORMAT, LEFT_OUT, VERSION
from skosh.ir.check_graph import check_graph
from skosh.ir.face import Face, face_fields
from skosh.ir.graph import Array, Graph, Node, Quant, State, Status, Tensor
from skosh.ops import OPERATORS

BELIEVED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""What operators raise of shapes and attributes that no importer would have let in."""


def graph_of(data: bytes, where: str, name: str | None = None) -> Graph:
    """The graph. ModelError where the file is damaged or made by a later version. name: another name for it."""
    try:
        archive = Archive(data)
        told = _json(archive.read("graph.json"))
        _check_version(told)
        graph = _graph(told, Files(cache(lambda n: read_npy(archive.read(n), n)), cache(archive.read)), name)
        check_graph(graph)
    except NotArrays as error:
        raise ModelError(f"this is no sound .skosh file: {error}", loc=where) from error
    except UnsupportedError:
        raise
    except ModelError as error:
        raise ModelError(
            error.message, loc=where if error.loc is None else f"{where}: {error.loc}", hint=error.hint
        ) from error
    except SkoshError:
        raise
    except BELIEVED as error:
        raise ModelError(f"this is no sound .skosh file ({type(error).__name__}: {error})", loc=where) from error
    return graph


def _json(content: bytes) -> Mapping[str, Any]:
    """graph.json, its values counted first: each takes a hundred times the byte that parts it from the next."""
    spend("nodes", sum(content.count(mark) for mark in b"[{,"), "graph.json")
    try:
        told = json.loads(content)
    except RecursionError:
        raise
    except ValueError as error:
        raise ModelError(f"graph.json must be JSON: {error}") from error
    if not isinstance(told, dict):
        raise ModelError("graph.json must be an object")
    return told


def _check_version(told: Mapping[str, Any]) -> None:
    if told.get("format") != FORMAT:
        raise ModelError(f'graph.json must say "format": "{FORMAT}"')
    version = told.get("version")
    if type(version) is not int or version < 1:
        raise ModelError(f"the version of the format must be a number from 1 on, not {str(version)[:40]}")
    if version > VERSION:
        raise ModelError(
            f"it has version {version} of the format, and this skosh reads versions up to {VERSION}",
            hint="a later skosh reads it: pip install --upgrade skosh",
        )


def _graph(told: Mapping[str, Any], files: Files, name: str | None) -> Graph:
    status, notes = told["status"], _object(told["notes"])
    tensors = [_tensor(_object(t), files) for t in _array(told["tensors"])]
    if unknown := sorted(notes.keys() - {*face_fields()}):
        raise ModelError(f"its notes must be some of {', '.join(face_fields())}, not {unknown[0][:40]!r}")
    made = {n: value_of(v, files) for n, v in notes.items()}
    if lost := _texts(told[LEFT_OUT]):
        made[LEFT_OUT] = lost
    graph = Graph(
        name=_text(told["name"]) if name is None else name,
        tensors=MappingProxyType({t.name: t for t in tensors}),
        nodes=tuple(_node(_object(n)) for n in _array(told["nodes"])),
        inputs=_texts(told["inputs"]),
        outputs=_texts(told["outputs"]),
        states=tuple(_state(_object(s), files) for s in _array(told["states"])),
        status=None if status is None else Status(_text(status["output"]), _codes(status["codes"])),
        loc=_loc(told["loc"]),
        digest=_text(told["digest"]),
        notes=Face(**made),
    )
    if len(graph.tensors) != len(tensors):
        raise ModelError("each tensor must have a name of its own")
    return graph


def _tensor(told: Mapping[str, Any], files: Files) -> Tensor:
    name, dtype = _text(told["name"]), _text(told["type"])
    if dtype not in DTYPES:
        raise ModelError(
            f"its type must be one of {', '.join(DTYPES)}, not {dtype[:40]!r}", loc=Loc("graph.json", name)
        )
    data = None if told.get("data") is None else _constant(files.array(_text(told["data"])))
    quant = None if told.get("quant") is None else _quant(_object(told["quant"]))
    return Tensor(name, _numbers(told["shape"]), DTYPES[dtype], quant, data)


def _constant(array: Array) -> Array:
    array.flags.writeable = False  # several tensors may share it
    return array


def _quant(told: Mapping[str, Any]) -> Quant:
    scales = tuple(float(_number(s)) for s in _array(told["scales"]))
    axis = told["axis"]
    return Quant(scales, _numbers(told["zero_points"]), None if axis is None else _numbers([axis])[0])


def _node(told: Mapping[str, Any]) -> Node:
    kind, loc = _text(told["kind"]), _loc(told["loc"])
    if kind not in OPERATORS:
        raise ModelError(f"there must be an operator {kind[:60]!r}", loc=loc)
    try:
        attributes = {n: value_of(v, NO_FILES) for n, v in _object(told["attributes"]).items()}
        op = record_of(registry.load(OPERATORS, kind, "an operator"), attributes, kind)
    except ModelError as error:
        raise ModelError(error.message, loc=loc) from error
    return Node(op, _texts(told["inputs"]), _texts(told["outputs"]), _text(told["name"]), loc)


def _state(told: Mapping[str, Any], files: Files) -> State:
    initial = _constant(files.array(_text(told["initial"])))
    return State(_text(told["name"]), _text(told["before"]), _text(told["after"]), initial)


def _codes(told: Any) -> tuple[tuple[str, str], ...]:
    pairs = [_texts(code) for code in _array(told)]
    if any(len(pair) != 2 or not pair[0].isidentifier() for pair in pairs):
        raise ModelError("a status code must be a name for C, and what it means")
    return tuple((name, meaning) for name, meaning in pairs)


def _loc(told: Any) -> Loc:
    told = _object(told)
    index = told["index"]
    return Loc(_text(told["file"]), _text(told["node"]), None if index is None else _numbers([index])[0])


# ------------------------------------------------------------------------------------------------- one thing of one kind


def _no_files(name: str) -> Any:
    raise ModelError("an attribute must be no array")


NO_FILES = Files(_no_files, _no_files)


def _object(told: Any) -> Mapping[str, Any]:
    if not isinstance(told, dict):
        raise ModelError(f"there must be an object, not {str(told)[:40]!r}")
    return told


def _array(told: Any) -> list[Any]:
    if not isinstance(told, list):
        raise ModelError(f"there must be a list, not {str(told)[:40]!r}")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise ModelError(f"there must be a text, not {str(told)[:40]!r}")
    return told


def _texts(told: Any) -> tuple[str, ...]:
    return tuple(map(_text, _array(told)))


def _number(told: Any) -> int | float:
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise ModelError(f"there must be a number, not {str(told)[:40]!r}")
    return told


def _numbers(told: Any) -> tuple[int, ...]:
    """Whole ones, of 64 bits."""
    found = tuple(_array(told))
    if not all(type(n) is int and -(1 << 63) <= n < 1 << 63 for n in found):
        raise ModelError(f"there must be whole numbers, not {str(told)[:40]}")
    return found
