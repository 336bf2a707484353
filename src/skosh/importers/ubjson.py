"""Universal Binary JSON, as XGBoost writes it, into what ``json.loads`` gives for the same model in JSON.

The notation is that of UBJSON draft 12: a letter says what follows, numbers are big-endian, and an array or object may tell
its length (#) and the type of all its elements ($). Every length is compared with the bytes that are left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.budget import deeper, spend

NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
"""Letters of numbers -> numpy's types; what XGBoost writes as float is d, float32."""

WORDS = {b"T": True, b"F": False, b"Z": None}


class NotUbjson(ValueError):
    """What is wrong, for the reader's own letter."""


def read_ubjson(data: bytes) -> Any:
    """The value in the bytes. NotUbjson where they are no UBJSON, or more follows."""
    reading = _Reading(data)
    found = reading.value(reading.letter(), 0)
    if any(data[reading.at :].strip(b"N")):
        raise NotUbjson(f"more follows at byte {reading.at}")
    return found


class _Reading:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.data) - self.at:
            raise NotUbjson(f"{size} bytes at byte {self.at} can't be in it")
        self.at += size
        return self.data[self.at - size : self.at]

    def letter(self) -> bytes:
        """The next letter; N says nothing."""
        found = self.take(1)
        while found == b"N":
            found = self.take(1)
        return found

    def length(self) -> int:
        """A number that counts something."""
        letter = self.letter()
        if letter not in NUMBERS or letter in b"dD":
            raise NotUbjson(f"a length at byte {self.at - 1} must be a whole number")
        return int(self.number(letter))

    def number(self, letter: bytes) -> int | float:
        kind = np.dtype(NUMBERS[letter])
        found: int | float = np.frombuffer(self.take(kind.itemsize), kind)[0].item()
        return found

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def value(self, letter: bytes, depth: int) -> Any:
        if letter in NUMBERS:
            return self.number(letter)
        if letter in WORDS:
            return WORDS[letter]
        if letter == b"S":
            return self.text()
        if letter == b"C":
            return self.take(1).decode("ascii")
        if letter == b"H":  # a number of many digits, as text
            return float(self.text())
        if letter in (b"[", b"{"):
            depth = deeper(depth, "the model")
            return self.array(depth) if letter == b"[" else self.object(depth)
        raise NotUbjson(f"the letter {letter!r} at byte {self.at - 1} says nothing")

    def header(self) -> tuple[bytes | None, int | None]:
        """(the type of all elements, how many there are), each None where it isn't told."""
        kind = None
        if self.data[self.at : self.at + 1] == b"$":
            self.at += 1
            kind = self.take(1)
            if self.data[self.at : self.at + 1] != b"#":
                raise NotUbjson("a type of all elements needs their number")
        if self.data[self.at : self.at + 1] != b"#":
            return kind, None
        self.at += 1
        count = self.length()
        if kind is not None and kind not in NUMBERS and kind not in (b"S", b"C", b"[", b"{"):
            raise NotUbjson(f"elements of type {kind!r} can't be told together")
        size = np.dtype(NUMBERS[kind]).itemsize if kind in NUMBERS else 1  # every element has a byte at least
        if not 0 <= count * size <= len(self.data) - self.at:
            raise NotUbjson(f"{count} elements at byte {self.at} can't be in it")
        return kind, count

    def array(self, depth: int) -> list[Any]:
        kind, count = self.header()
        if kind in NUMBERS and count is not None:
            spend("elements", count, "an array")
            dtype = np.dtype(NUMBERS[kind])
            made: list[Any] = np.frombuffer(self.take(count * dtype.itemsize), dtype).tolist()
            return made
        found: list[Any] = []
        while count is None or len(found) < count:
            letter = self.letter() if kind is None else kind
            if letter == b"]" and count is None:
                return found
            spend("nodes", 1, "the model")
            found.append(self.value(letter, depth))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        kind, count = self.header()
        found: dict[str, Any] = {}
        read = 0
        while count is None or read < count:
            if count is None:
                while self.data[self.at : self.at + 1] == b"N":
                    self.at += 1
                if self.data[self.at : self.at + 1] == b"}":
                    self.at += 1
                    return found
            spend("nodes", 1, "the model")
            key = self.text()
            found[key] = self.value(self.letter() if kind is None else kind, depth)
            read += 1
        return found
