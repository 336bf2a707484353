"""Reading a flatbuffer that nobody vouches for: every access is bounded by the file, every failure is a ModelError.

The schema's accessors read tables lazily and trust offsets. Three things can go wrong, and each is met in one place:
an offset leaves the file (``guarded``), many places point to the same big vector so that reading takes for ever
(``Budget``), and an accessor is called long after parsing, by a converter (``Options``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from skosh.base.errors import Loc, ModelError

PARSER_ERRORS = (
    struct.error, IndexError, TypeError, ValueError, AttributeError, UnicodeDecodeError, OverflowError, MemoryError,
)  # fmt: skip
"""What flatbuffers' Python runtime raises on a damaged file."""


@contextmanager
def guarded(loc: Loc | str | None) -> Iterator[None]:
    """Turn what the parser raises on a damaged file into a ModelError."""
    try:
        yield
    except PARSER_ERRORS as error:
        raise ModelError(
            "it is not a readable TFLite file: an offset or a length inside it is wrong",
            loc=loc,
            hint="the file may be truncated; convert or download it again",
        ) from error


class Budget:
    """How many bytes may still be read. A sound file holds each table and vector once, so twice its size is plenty."""

    TABLE = 24  # bytes that no operator or tensor can do without

    def __init__(self, file_size: int) -> None:
        self.left = 2 * file_size + (1 << 16)
        self.file_size = file_size

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ModelError("it is not a readable TFLite file: its tables overlap")

    def count(self, length: int, each: int = 4) -> int:
        """The length of a vector, when so many elements of ``each`` bytes can be in the file."""
        if not 0 <= length * each <= self.file_size:
            raise ModelError(f"it is not a readable TFLite file: a vector of {length} elements can't be in it")
        self.spend(length * each)
        return length

    def numbers(self, vector: Any) -> Any:
        """A vector as the schema's ...AsNumpy gives it (0: absent), as a numpy array."""
        array = np.zeros(0, dtype=np.int32) if isinstance(vector, int) else vector
        self.spend(array.nbytes)
        return array

    def text(self, raw: bytes | None) -> str:
        """A string; bytes that aren't UTF-8 are replaced."""
        self.spend(len(raw or b""))
        return (raw or b"").decode("utf-8", errors="replace")


_EMPTY = struct.pack("<HHi", 4, 4, 4)  # a table without fields: its vtable, then the offset back to it


@dataclass(frozen=True)
class Options:
    """An operator's options. Attributes are the schema's accessors ("StrideW"); absent options have their defaults.

    ``...AsNumpy`` accessors give an array, empty when the vector is absent. ``taken`` remembers the fields that were read.
    """

    table: Any
    loc: Loc
    taken: set[str] = field(default_factory=set, compare=False)

    def __getattr__(self, name: str) -> Any:
        accessor = getattr(self.table, name)
        self.taken.add(name.removesuffix("AsNumpy"))

        def read(*arguments: Any) -> Any:
            with guarded(self.loc):
                value = accessor(*arguments)
            if name.endswith("AsNumpy") and isinstance(value, int):
                return np.zeros(0, dtype=np.int32)
            return value

        return read


def options(cls: Any, buffer: bytes, position: int | None, loc: Loc, taken: set[str] | None = None) -> Options:
    """The options table of schema class ``cls`` at a position in the file; None: the defaults."""
    table = cls()
    with guarded(loc):
        if position is None:
            table.Init(_EMPTY, 4)
        else:
            table.Init(buffer, position)
    return Options(table, loc, set() if taken is None else taken)


# ---------------------------------------------------------------------------------------------- what nobody has read


def left_over(cls: Any, buffer: bytes, position: int, taken: set[str], loc: Loc) -> dict[str, Any]:
    """Fields of an options table that are not at their default and that nobody has taken: name -> value.

    A field that is newer than the schema known here comes as "field number N".
    """
    mine, default = options(cls, buffer, position, loc), options(cls, b"", None, loc)
    slots = _slots(cls)
    found: dict[str, Any] = {}
    for name in slots:
        if name not in taken:
            reader = f"{name}AsNumpy" if hasattr(cls, f"{name}Length") else name
            value, usual = getattr(mine, reader)(), getattr(default, reader)()
            if not np.array_equal(value, usual):
                found[name] = value
    with guarded(loc):
        start = position - struct.unpack_from("<i", buffer, position)[0]
        size = struct.unpack_from("<H", buffer, start)[0] if start >= 0 else 0
        beyond = range(max(slots.values(), default=2) + 2, size, 2)
        present = [slot for slot in beyond if struct.unpack_from("<H", buffer, start + slot)[0]]
    return found | {f"field number {(slot - 4) // 2}": "set" for slot in present}


@cache
def _slots(cls: Any) -> dict[str, int]:
    """The fields of a schema class, and where the table of each table's fields tells their places."""
    names = {n for n, f in vars(cls).items() if callable(f) and not n.startswith("__")}
    vectors = {n.removesuffix("Length") for n in names if n.endswith("Length")} & names
    derived = {v + end for v in vectors for end in ("Length", "AsNumpy", "IsNone")} | {"Init"}
    fields = {n for n in names - derived if not n.startswith("GetRootAs") and not n.endswith("BufferHasIdentifier")}
    found = {}
    for name in fields:
        table, probe = cls(), _Probe()
        table._tab = probe
        getattr(table, f"{name}Length" if name in vectors else name)()
        found[name] = probe.slot
    return found


class _Probe:
    """Stands for a table without fields, and remembers which one was asked for."""

    slot = 0

    def Offset(self, slot: int) -> int:  # noqa: N802 - the runtime calls it so
        self.slot = slot
        return 0
