"""Texts as the C takes them: bytes of UTF-8, zeros behind. Made from what a vectorizer's ``transform`` takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Array

VECTORIZERS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
WORD = re.compile(r"\w")


def is_vectorizer(estimator: Any) -> bool:
    """Is it one of scikit-learn's readers of text?"""
    names = {c.__name__ for c in type(estimator).__mro__ if c.__module__.startswith("sklearn.feature_extraction.")}
    return bool(names & {*VECTORIZERS})


@dataclass(frozen=True)
class TextInput:
    """The text of a model: bytes at most, and what its vectorizers make of characters.

    words, spaces: do they look for words, for white space? lower: small letters? terms: for examples.
    """

    length: int = 256
    encoding: str = "utf-8"
    errors: str = "strict"
    words: bool = True
    spaces: bool = False
    lower: bool = True
    terms: tuple[str, ...] = ()

    @classmethod
    def of(cls, vectorizers: Sequence[Any], length: int) -> TextInput:
        """What these vectorizers read, of ``length`` bytes."""
        terms = sorted({t for v in vectorizers for t in getattr(v, "vocabulary_", ())})
        return cls(
            length, vectorizers[0].encoding, vectorizers[0].decode_error,
            any(v.analyzer == "word" for v in vectorizers), any(v.analyzer != "word" for v in vectorizers),
            any(v.lowercase for v in vectorizers), tuple(terms[:: max(1, len(terms) // 500)]),
        )  # fmt: skip

    @property
    def meaning(self) -> str:
        return f"text in UTF-8, up to its first zero byte or all {self.length} bytes"

    def encode(self, texts: Any) -> Array:
        """uint8 [count, length] of texts, str or bytes. InputError for what is no text, too long, or read otherwise in C."""
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise InputError("predict takes a list of texts, not one", hint='predict(["some text"])')
        rows = [self.bytes_of(text) for text in texts]
        data = b"".join(row.ljust(self.length, b"\0") for row in rows)
        return np.frombuffer(data, np.uint8).reshape(len(rows), self.length)

    def bytes_of(self, text: Any) -> bytes:
        """One text in UTF-8."""
        try:
            if isinstance(text, bytes):
                text = text.decode(self.encoding, self.errors)
            if not isinstance(text, str):
                raise InputError(f"a text must be str or bytes, not {type(text).__name__}")
            data: bytes = text.encode("utf-8")
        except UnicodeError as error:
            raise InputError(f"a text must be readable as {self.encoding}: {error}") from error
        if len(data) > self.length:
            raise InputError(f"a text must have at most {self.length} bytes, not {len(data)}",
                             hint="load the model with a larger length=, or cut the text")  # fmt: skip
        for c in dict.fromkeys(text):
            if why := self.misread(c):
                raise InputError(f"the C reads U+{ord(c):04X} otherwise than the library: {why}",
                                 hint="write it as a space or in small letters before, on the device too")  # fmt: skip
        return data

    def misread(self, c: str) -> str:
        """Why a character is read otherwise in C; nothing when it isn't."""
        if c == "\0":
            return "it ends the text"
        if ord(c) < 0x100:
            return "it is no white space there" if self.spaces and ord(c) >= 0x80 and c.isspace() else ""
        if self.lower and c.lower() != c:
            return "it stays a capital"
        if self.spaces and c.isspace():
            return "it is no white space there"
        if self.words and not 0x2000 <= ord(c) < 0x2040 and not WORD.match(c):
            return "it is part of a word there"
        return ""

    def example(self, rng: np.random.Generator) -> tuple[Array]:
        """A random text: terms and other words, capitals, signs, sometimes letters beyond ASCII, sometimes a full buffer."""
        parts: list[str] = []
        while sum(map(len, parts)) < self.length * (2 if rng.integers(4) == 0 else 0.6):
            known = bool(self.terms) and rng.integers(4) > 0
            word = str(rng.choice(self.terms)) if known else "".join(rng.choice([*"aeiourstn_5éß"], int(rng.integers(1, 9))))
            parts.append(word.upper() if rng.integers(4) == 0 else word)
            parts.append(str(rng.choice([" ", "  ", ", ", ".\n", "-", "\u2026"])))
        data = "".join(parts).encode("utf-8")[: self.length]
        return (np.frombuffer(data.ljust(self.length, b"\0"), np.uint8)[None],)
