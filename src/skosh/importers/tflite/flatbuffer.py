"""Reading a flatbuffer that nobody vouches for: every access is bounded by the file, every failure is a ModelError.

The schema's accessors read tables lazily and trust offsets. Three things can go wrong, and each is met in one place:
an offset leaves the file (``guarded``), many places point to the same big vector so that reading takes for ever
(``Budget``), and an accessor is called long after parsing, by a converter (``Options``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    ``...AsNumpy`` accessors give an array, empty when the vector is absent.
    """

    table: Any
    loc: Loc

    def __getattr__(self, name: str) -> Any:
        accessor = getattr(self.table, name)

        def read(*arguments: Any) -> Any:
            with guarded(self.loc):
                value = accessor(*arguments)
            if name.endswith("AsNumpy") and isinstance(value, int):
                return np.zeros(0, dtype=np.int32)
            return value

        return read


def options(cls: Any, buffer: bytes, position: int | None, loc: Loc) -> Options:
    """The options table of schema class ``cls`` at a position in the file; None: the defaults."""
    table = cls()
    with guarded(loc):
        if position is None:
            table.Init(_EMPTY, 4)
        else:
            table.Init(buffer, position)
    return Options(table, loc)
