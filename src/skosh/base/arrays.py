"""Files of arrays, ``.npy`` and ``.npz``, and zip archives in general: every size is checked before anything is made.

The layout of ``.npy`` is that of numpy.lib.format, versions 1 to 3: a magic, a length, a header that is a dict in Python's
notation, then the numbers. Objects, which would be pickles, are refused.
"""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.budget import spend

Array = npt.NDArray[Any]

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000  # as numpy itself reads at most without asking
SIMPLE = re.compile(r"[<>|=]?([biuf]\d{1,2}|[US]\d{1,7}|\?)")
PADDING = re.compile(r"\|V(\d{1,4})")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class NotArrays(ValueError):
    """What is wrong with a file of arrays or an archive, for the reader's own letter."""


def read_npy(data: bytes, what: str = "the array") -> Array:
    """The array in the bytes of a ``.npy`` file, of numbers or of texts; NotArrays where they are no such file."""
    if data[:6] != MAGIC or len(data) < 10:
        raise NotArrays("it must begin as .npy files do")
    version, wide = data[6], data[6] > 1
    if version not in (1, 2, 3):
        raise NotArrays(f"the version of the format must be 1, 2 or 3, not {version}")
    start = 12 if wide else 10
    end = start + int.from_bytes(data[8:start], "little")
    if end > len(data) or end - start > LONGEST_HEADER:
        raise NotArrays("its header must be inside it, and short")
    dtype, fortran, shape = _header(data[start:end].decode("latin1" if version < 3 else "utf-8", "replace"))
    count = math.prod(shape)
    if dtype.itemsize == 0 and count > 1 << 16:
        raise NotArrays("texts without letters must be few")
    if count * dtype.itemsize > len(data) - end:
        raise NotArrays(f"it must hold the {count:,} elements of its shape {shape}, but is shorter")
    spend("elements", count, what)
    found: Array = np.frombuffer(data, dtype, count, end) if dtype.itemsize and count else np.zeros(count, dtype)
    native = found.astype(dtype.newbyteorder("="))
    return native.reshape(shape[::-1]).T if fortran else native.reshape(shape)


def _header(text: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise NotArrays("its header must be a dict in Python's notation") from error
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise NotArrays("its header must tell descr, fortran_order and shape")
    shape, fortran = found["shape"], found["fortran_order"]
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise NotArrays(f"its shape must be sizes, not {shape!r:.80}")
    if not isinstance(fortran, bool):
        raise NotArrays(f"fortran_order must be True or False, not {fortran!r:.80}")
    return _dtype(found["descr"]), fortran, shape


def _dtype(descr: Any) -> np.dtype[Any]:
    """A numpy type of numbers or texts, or a record of such; the bare word from the file decides nothing else."""
    if isinstance(descr, str):
        if not SIMPLE.fullmatch(descr):
            raise NotArrays(f"its elements must be numbers or texts, not {descr!r:.40}")
        try:
            return np.dtype(descr)
        except TypeError as error:
            raise NotArrays(f"its elements must be numbers or texts, not {descr!r:.40}") from error
    if not isinstance(descr, list) or not descr or len(descr) > 100:
        raise NotArrays("its elements must be numbers, texts or records of these")
    names: list[str] = []
    kinds: list[np.dtype[Any]] = []
    offsets, at = [], 0
    for part in descr:
        if not (isinstance(part, tuple) and len(part) == 2 and all(isinstance(p, str) for p in part)):
            raise NotArrays("a field of a record must be a name and a type of numbers")
        name, kind = part
        if padding := PADDING.fullmatch(kind):  # bytes between fields, which have no name
            at += int(padding[1])
            continue
        names.append(name)
        kinds.append(_dtype(kind))
        offsets.append(at)
        at += kinds[-1].itemsize
    try:
        return np.dtype({"names": names, "formats": kinds, "offsets": offsets, "itemsize": at})
    except (TypeError, ValueError) as error:
        raise NotArrays("the fields of a record must have names of their own") from error


def read_npz(data: bytes, what: str = "the arrays") -> dict[str, Array]:
    """The arrays in the bytes of a ``.npz`` file, by name."""
    archive = Archive(data)
    return {n.removesuffix(".npy"): read_npy(archive.read(n), what) for n in archive.names if n.endswith(".npy")}


class Archive:
    """A zip file in memory. What it unpacks to is counted, not believed; only the usual two methods are read."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._entries = {i.filename: i for i in self._zip.infolist()}
        except BROKEN as error:
            raise NotArrays(f"it is no zip archive: {error}") from error
        spend("nodes", len(self._entries), "the files in the archive")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def read(self, name: str) -> bytes:
        """The content of one file, unpacked."""
        entry = self._entries.get(name)
        if entry is None:
            raise NotArrays(f"it must hold a file {name!r:.80}")
        if entry.compress_type not in METHODS or entry.flag_bits & 1:
            raise NotArrays(f"{name!r:.80} must be stored or deflated, and not encrypted")
        spend("bytes", entry.file_size, "a file in the archive")
        try:
            with self._zip.open(entry) as file:
                found = file.read(entry.file_size + 1)  # zipfile stops there, and compares the checksum
        except BROKEN as error:
            raise NotArrays(f"{name!r:.80} is damaged: {error}") from error
        if len(found) != entry.file_size:
            raise NotArrays(f"{name!r:.80} must be as long as the archive says")
        return found


BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError,
    KeyError, IndexError, OverflowError, struct.error,
)  # fmt: skip
"""What zipfile raises for archives that are damaged."""
