"""CRFsuite's model files: labels, attributes, and the weights of (attribute, label) and (label, label).

The layout is that of CRFsuite 0.12, first-order chains ("FOMC"): a header, then features of 20 bytes each (kind, source,
target, weight as a double), then two constant databases, each with an array of places of its strings. Nobody vouches for a
file: every access is bounded by it, and every failure is a ModelError.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import Loc, ModelError
from skosh.ir.graph import Array

HEADER = struct.Struct("<4sI4s9I")
DATABASE = struct.Struct("<4s5I")
FEATURE = np.dtype([("kind", "<u4"), ("source", "<u4"), ("target", "<u4"), ("weight", "<f8")])
STATE, MOVE = 0, 1
VERSION = 100
BYTE_ORDER = 0x62445371


@dataclass(frozen=True, eq=False)
class Crf:
    """state[a, k]: the weight of attribute a for label k. move[i, j]: of label j after label i. Both float64."""

    labels: tuple[str, ...]
    attributes: tuple[str, ...]
    state: Array
    move: Array


def read_crfsuite(data: bytes, loc: Loc) -> Crf:
    """The model in the bytes of a file. ModelError where they are no model that CRFsuite wrote."""
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise _damaged("an offset or a length inside it is wrong", loc) from error
    except ModelError as error:
        raise _damaged(error.message, loc) from error


def _read(data: bytes) -> Crf:
    magic, _, kind, version, _, labels, attributes, features, label_names, attribute_names, *_ = HEADER.unpack_from(data)
    _require(magic == b"lCRF", "it must begin with lCRF")
    _require((kind, version) == (b"FOMC", VERSION), "it must be a first-order chain of version 100")
    _require(max(labels, attributes) <= len(data), "it counts more labels or attributes than it has bytes")
    _require(labels > 0, "it must have at least one label")
    spend("elements", (attributes + labels) * labels, "its weights")
    found = Crf(
        _names(data, label_names, labels), _names(data, attribute_names, attributes),
        np.zeros((attributes, labels)), np.zeros((labels, labels)),
    )  # fmt: skip
    rows = _features(data, features)
    _require(bool(np.isin(rows["kind"], (STATE, MOVE)).all()), "a feature must be of an attribute or of two labels")
    _require(bool(np.isfinite(rows["weight"]).all()), "every weight must be finite")
    for kind_, table in ((STATE, found.state), (MOVE, found.move)):
        chosen = rows[rows["kind"] == kind_]
        known = (chosen["source"] < table.shape[0]) & (chosen["target"] < table.shape[1])
        _require(bool(known.all()), "a feature names an attribute or a label that isn't there")
        np.add.at(table, (chosen["source"], chosen["target"]), chosen["weight"])
    return found


def _features(data: bytes, at: int) -> Array:
    """The records of the chunk FEAT."""
    name, size, count = struct.unpack_from("<4s2I", data, at)
    _require(name == b"FEAT" and size == 12 + count * FEATURE.itemsize, "its features must be where its header says")
    return np.frombuffer(data, FEATURE, count, at + 12)


def _names(data: bytes, at: int, count: int) -> tuple[str, ...]:
    """The strings of a constant database in the order of their numbers."""
    magic, size, _, order, entries, places = DATABASE.unpack_from(data, at)
    _require((magic, order) == (b"CQDB", BYTE_ORDER), "its names must be a constant database, little-endian")
    _require(at + size <= len(data) and entries >= count, "its names must be inside it, as many as its header says")
    chunk = data[at : at + size]
    names, left = [], size
    for place in struct.unpack_from(f"<{count}I", chunk, places):
        _, length = struct.unpack_from("<2I", chunk, place)
        left -= length
        _require(length > 0 and place + 8 + length <= size and left >= 0, "a name must be inside it")
        names.append(chunk[place + 8 : place + 7 + length].decode("utf-8", "surrogateescape"))  # without its zero byte
    _require(len(set(names)) == len(names), "no name must be there twice")
    return tuple(names)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ModelError(message)


def _damaged(why: str, loc: Loc) -> ModelError:
    return ModelError(f"it is not a readable CRFsuite model: {why}", loc=loc, hint="it may be truncated; fit and save it again")
