"""Values in ``graph.json``: what JSON has is itself, everything else an object that tells what it is.

    (1, 2)              [1, 2]
    float("nan")        {"is": "float", "value": "nan"}
    {"a": 1}            {"is": "map", "items": [["a", 1]]}
    an array            {"is": "array", "file": "notes/0.npy"}
    Frame(...).encode   {"is": "method", "name": "encode", "of": {"is": "frame", "fields": {...}}}

(left: in Python; right: in the file)
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base import registry
from skosh.base.budget import deeper
from skosh.base.dtypes import DTYPES, DType
from skosh.base.errors import ModelError
from skosh.ir.graph import Array

RECORDS: registry.Table = {
    "loc": "skosh.base.errors:Loc",
    "column": "skosh.importers.frames:Column",
    "frame": "skosh.importers.frames:Frame",
    "text": "skosh.importers.sklearn.texts:TextInput",
    "label names": "skosh.importers.sklearn.several:LabelNames",
    "evidence": "skosh.importers.pgm.evidence:NamedEvidence",
    "items": "skosh.importers.crf.items:Items",
    "windows": "skosh.importers.crf.items:Windows",
    "steps": "skosh.importers.crf.items:Steps",
    "runs": "skosh.ops.text.text:Runs",
}
"""The frozen dataclasses that a file may hold, and no others."""

METHODS = ("encode", "decode", "tells", "example")
"""Their methods that stand in a graph's notes."""

NAMES = {place: name for name, place in RECORDS.items()}
SCALARS = ("bool", "float16", "float32", "float64", *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)))
TEXTS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class CantKeep(Exception):
    """A value that no file holds: a function, an object of a library."""


# --------------------------------------------------------------------------------------------------------------- writing


def written(value: Any, put: Callable[[Array | bytes], str]) -> Any:
    """A value for ``graph.json``. put: keeps an array or bytes in a file of their own, and gives its name."""
    match value:
        case None | bool() | str():
            return value
        case np.bool_() | np.number():
            return {"is": "scalar", "type": value.dtype.name, "value": written(value.item(), put)}
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else {"is": "float", "value": str(float(value))}
        case bytes():
            return {"is": "bytes", "file": put(value)}
        case np.ndarray() if value.dtype.kind in "biufU":
            return {"is": "array", "file": put(value)}
        case tuple():
            return [written(v, put) for v in value]
        case list():
            return {"is": "list", "items": [written(v, put) for v in value]}
        case Mapping():
            return {"is": "map", "items": [[written(k, put), written(v, put)] for k, v in value.items()]}
        case DType():
            return {"is": "type", "name": value.name}
        case types.MethodType() if value.__name__ in METHODS:
            return {"is": "method", "name": value.__name__, "of": written(value.__self__, put)}
    return _written_record(value, put)


def _written_record(value: Any, put: Callable[[Array | bytes], str]) -> Any:
    kind = type(value)
    name = NAMES.get(f"{kind.__module__}:{kind.__qualname__}")
    if name is None:
        raise CantKeep(f"{kind.__module__}.{kind.__qualname__}")
    return {"is": name, "fields": {f.name: written(getattr(value, f.name), put) for f in dataclasses.fields(value)}}


# --------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Files:
    """What reads the files beside ``graph.json``: arrays by name, and bytes by name."""

    array: Callable[[str], Array]
    content: Callable[[str], bytes]


def value_of(told: Any, files: Files, depth: int = 0) -> Any:
    """The value that was written. ModelError where it tells of no value that there is."""
    if told is None or isinstance(told, bool | int | float | str):
        return told
    below = deeper(depth, "its notes")
    if isinstance(told, list):
        return tuple(value_of(t, files, below) for t in told)
    if not isinstance(told, dict):
        raise ModelError(f"a value must be JSON, not a {type(told).__name__}")
    match told:
        case {"is": "float", "value": str(text)} if text in TEXTS:
            return TEXTS[text]
        case {"is": "scalar", "type": str(name), "value": value}:
            return _scalar(name, value_of(value, files, below))
        case {"is": "array", "file": str(name)}:
            return files.array(name)
        case {"is": "bytes", "file": str(name)}:
            return files.content(name)
        case {"is": "list", "items": list(items)}:
            return [value_of(t, files, below) for t in items]
        case {"is": "map", "items": list(items)}:
            return dict(_pair(t, files, below) for t in items)
        case {"is": "type", "name": str(name)} if name in DTYPES:
            return DTYPES[name]
        case {"is": "method", "name": str(name), "of": {"is": _, "fields": _} as of} if name in METHODS:
            owner = value_of(of, files, below)
            if not callable(getattr(owner, name, None)):
                raise ModelError(f'a note can\'t be "{name}" of such a thing')
            return getattr(owner, name)
        case {"is": str(name), "fields": dict(fields)} if name in RECORDS:
            made = {str(k): value_of(v, files, below) for k, v in fields.items()}
            return record_of(registry.load(RECORDS, name, "a record"), made, name)
    raise ModelError(f"a value must be one that the format knows, not {str(told)[:80]!r}")


def _pair(told: Any, files: Files, depth: int) -> tuple[Any, Any]:
    if not isinstance(told, list) or len(told) != 2:
        raise ModelError("an item of a map must be a key and a value")
    key = value_of(told[0], files, depth)
    try:
        hash(key)
    except TypeError as error:
        raise ModelError("a key of a map must be a plain value") from error
    return key, value_of(told[1], files, depth)


def _scalar(name: str, value: Any) -> Any:
    if name not in SCALARS:
        raise ModelError(f"a number's type must be one of numpy's, not {name[:40]!r}")
    if not isinstance(value, int | float):
        raise ModelError("a number must be a number")
    try:
        return np.dtype(name).type(value)
    except (OverflowError, ValueError) as error:
        raise ModelError(f"{value} must fit {name}") from error


def record_of(kind: type[Any], fields: Mapping[str, Any], what: str) -> Any:
    """A frozen dataclass of values; ModelError unless they are those of its fields, of the types that these say."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    needed = {
        n for n, f in known.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if not needed <= fields.keys() <= known.keys():
        raise ModelError(f"{what} must have {', '.join(known) or 'no attributes'}, not {', '.join(fields) or 'none'}")
    hints = typing.get_type_hints(kind)
    for name, value in fields.items():
        if not fits(value, hints[name]):
            raise ModelError(f'"{name}" of {what} must be {known[name].type}, not {str(value)[:80]}')
    try:
        return kind(**fields)
    except AssertionError as error:  # what a class holds for certain of its own attributes
        raise ModelError(f"{what} can't be so: {error}") from error


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as annotations write it."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or origin is typing.ClassVar:
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, h) for h in inside)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inside[1:] == (Ellipsis,):
            return all(fits(v, inside[0]) for v in value)
        return len(value) == len(inside) and all(map(fits, value, inside))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(fits(k, inside[0]) and fits(v, inside[1]) for k, v in value.items())
    if hint is bool or hint is str:
        return isinstance(value, hint)
    if hint is int or hint is float:
        return not isinstance(value, bool) and isinstance(value, int if hint is int else int | float)
    return isinstance(value, origin or hint)
