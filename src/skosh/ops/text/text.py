"""Text: its words or characters, how often each run of them is there, weights for that, and products with few factors.

Text is uint8 [1, N], UTF-8, to its first zero byte or its end. What is a word is scikit-learn's default: letters, digits and
underscores, here exact for U+0000 to U+00FF and U+2000 to U+203F; every byte beyond counts as a small letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32, u8, u16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call
from skosh.language.mathf import log
from skosh.language.vectorized import apply
from skosh.ops.classical.distances import sum_in_order
from skosh.ops.common import check_dtype, check_rank, given, required
from skosh.ops.text import text_kernels as k

UNITS = ("word", "character", "padded")
"""What a run is of: words; characters; characters of one word and the spaces around it."""
SIGNS_OF_LATIN = [x for x in range(0x80, 0xC0) if x not in (0xAA, 0xB2, 0xB3, 0xB5, 0xB9, 0xBA, 0xBC, 0xBD, 0xBE)]
"""U+0080 to U+00BF that are in no word."""
SPACES = bytes([*range(9, 14), *range(28, 33)])
NORMS = {None: 0, "l1": 1, "l2": 2}


@dataclass(frozen=True)
class Words(Op):
    """A stream uint8 [1, N + 1] of the words of text [1, N] with ``shortest`` characters or more that are no stop words.

    Inputs: text; the stop words, ``letters`` and ``begin`` (see ``terms_table``).
    """

    lower: bool
    shortest: int
    kind = "words"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        text, letters, begin = required(inputs, 3)
        check_text(text)
        check_table(letters, begin)
        return (Type((1, text.size + 1), u8),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        text = until_zero(given(values, 0))
        kept = clean(text, self.lower).split()
        stop = {*terms_of(given(values, 1), given(values, 2))}
        found = [w for w in kept if sum((c & 0xC0) != 0x80 for c in w) >= self.shortest and w not in stop]
        return (stream_of(b" ".join(found), given(values, 0).size + 1),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        text, letters, begin = required(inputs, 3)
        sizes = {"N": text.size, "L": letters.size, "V": begin.size, "B": begin.dtype}
        bound: dict[str, Any] = {"lower": self.lower, "shortest": self.shortest, "stop": begin.size > 1, **sizes}
        return (call(k.words, text=In(0), letters=In(1), begin=In(2), y=Out(0), **bound),)


@dataclass(frozen=True)
class Characters(Op):
    """A stream of text [1, N]: uint8 [1, N + 1], two or more white spaces made one; or ``padded``, [1, N + 3], each word
    between spaces."""

    lower: bool
    padded: bool
    kind = "characters"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (text,) = required(inputs, 1)
        check_text(text)
        return (Type((1, text.size + (3 if self.padded else 1)), u8),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        text = until_zero(given(values, 0))
        text = lower_case(text) if self.lower else text
        space = b"[" + re.escape(SPACES) + b"]"
        if self.padded:
            found = b"".join(b" " + w for w in re.split(space + b"+", text) if w)
            stream = found + b" " if found else b""
        else:
            stream = re.sub(space + b"{2,}", b" ", text)
        (y,) = required(outputs, 1)
        return (stream_of(stream, y.size),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (text,), (y,) = required(inputs, 1), required(outputs, 1)
        sizes = {"N": text.size, "M": y.size}
        return (call(k.characters, text=In(0), y=Out(0), lower=self.lower, padded=self.padded, **sizes),)


@dataclass(frozen=True)
class Runs:
    """Which parts of a stream are terms: from ``least`` to ``most`` units."""

    unit: str
    least: int
    most: int

    @property
    def numbers(self) -> dict[str, int]:
        """For the kernels."""
        padded = {} if self.unit == "word" else {"padded": int(self.unit == "padded")}
        return {"least": self.least, "most": self.most, **padded}

    def of(self, stream: bytes) -> Iterator[bytes]:
        """Every run, as often as it is there."""
        if self.unit == "word":
            yield from _windows(stream.split(), self.least, self.most, b" ")
        elif self.unit == "character":
            yield from _windows(characters_of(stream), self.least, self.most, b"")
        else:
            for word in stream.split(b" ")[1:-1]:
                units = characters_of(b" " + word + b" ")
                yield from _windows(units, min(self.least, len(units)), self.most, b"")


def _windows(units: Sequence[bytes], least: int, most: int, between: bytes) -> Iterator[bytes]:
    for n in range(least, most + 1):
        for i in range(len(units) - n + 1):
            yield between.join(units[i : i + n])


@dataclass(frozen=True)
class TermCounts(Op):
    """y[0, v] = how often term v is in a stream, or whether it is (``binary``). Inputs: stream; the terms, a table of V."""

    runs: Runs
    binary: bool
    kind = "term_counts"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        stream, letters, begin = required(inputs, 3)
        check_text(stream)
        check_table(letters, begin)
        if begin.size < 2:
            raise ModelError("there must be at least one term")
        return (Type((1, begin.size - 1), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        counts = Counter(self.runs.of(until_zero(given(values, 0))))
        found = [counts[t] for t in terms_of(given(values, 1), given(values, 2))]
        y = np.array([found], np.float32)
        return (np.minimum(y, 1) if self.binary else y,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        stream, letters, begin = required(inputs, 3)
        kernel = k.word_terms if self.runs.unit == "word" else k.character_terms
        sizes = {"N": stream.size, "L": letters.size, "V": begin.size, "F": begin.size - 1, "B": begin.dtype}
        bound: dict[str, Any] = {"binary": self.binary, **self.runs.numbers, **sizes}
        return (call(kernel, stream=In(0), letters=In(1), begin=In(2), y=Out(0), **bound),)


@dataclass(frozen=True)
class HashedCounts(Op):
    """y[0, f] = how many runs of a stream hash to f; ``signed``: those with a negative hash count -1. binary: 1 for any.

    MurmurHash3 (Appleby), x86, 32 bits, seed 0, as scikit-learn's FeatureHasher.
    """

    runs: Runs
    binary: bool
    signed: bool
    features: int
    kind = "hashed_counts"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (stream,) = required(inputs, 1)
        check_text(stream)
        return (Type((1, self.features), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        y = np.zeros((1, self.features), np.float32)
        for run in self.runs.of(until_zero(given(values, 0))):
            h = murmur3(run)
            step = -1 if self.signed and h < 0 else 1
            y[0, abs(h) % self.features] = 1 if self.binary else y[0, abs(h) % self.features] + step
        return (y,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (stream,) = required(inputs, 1)
        kernel = k.word_hashes if self.runs.unit == "word" else k.character_hashes
        bound: dict[str, Any] = {"binary": self.binary, "signed": self.signed, **self.runs.numbers}
        return (call(kernel, stream=In(0), y=Out(0), N=stream.size, F=self.features, **bound),)


@dataclass(frozen=True)
class TermWeights(Op):
    """y = x, or 1 + log(x) (``sublinear``), times scale; over the sum of magnitudes ("l1") or the length ("l2"). Zeros stay.

    Inputs: x [1, F], scale [F].
    """

    sublinear: bool
    norm: str | None
    kind = "term_weights"
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, scale = required(inputs, 2)
        for t in (x, scale):
            check_dtype(t, f32)
        if x.shape != (1, scale.size):
            raise ModelError(f"there must be a scale for each of {x.size} terms, not {scale.size}")
        return (Type(x.shape, f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, scale = given(values, 0)[0], given(values, 1)
        there = x != 0
        y = apply(log, np.where(there, x, 1)) + np.float32(1) if self.sublinear else x
        y = np.where(there, y * scale, x)
        terms = y[there]
        if self.norm is None or len(terms) == 0:
            return (y[None],)
        magnitudes = np.where(terms > 0, terms, -terms)
        total = np.sqrt(sum_in_order(terms * terms)) if self.norm == "l2" else sum_in_order(magnitudes)
        return ((np.where(y != 0, y / total, y) if total > 0 else y)[None],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _ = required(inputs, 2)
        norm = NORMS[self.norm]
        return (
            call(k.term_weights, x=In(0), scale=In(1), y=Out(0), F=x.size, sublinear=self.sublinear, norm=norm),
        )


@dataclass(frozen=True)
class SparseDense(Op):
    """y[0, n] = bias[n] + sum over k, in order, of x[0, k] * w[k, n], leaving out where x is 0: for inputs that mostly are."""

    kind = "sparse_dense"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w, bias = required(inputs, 3)
        for t in (x, w, bias):
            check_dtype(t, f32)
        check_rank(w, 2)
        if x.shape != (1, w.shape[0]) or bias.shape != w.shape[1:]:
            raise ModelError(f"weights {list(w.shape)} don't fit x {list(x.shape)} and bias {list(bias.shape)}")
        return (Type((1, w.shape[1]), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w, y = given(values, 0)[0], given(values, 1), given(values, 2)
        for place in np.flatnonzero(x != 0):
            y = y + x[place] * w[place]
        return (y[None],)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 3)[1].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        _, w, _ = required(inputs, 3)
        sizes = dict(zip("KN", w.shape, strict=True))
        return (call(k.sparse_dense, x=In(0), w=In(1), bias=In(2), y=Out(0), **sizes),)


# ----------------------------------------------------------------------------------------------------------------- checks


def check_text(t: Tensor) -> None:
    """A ModelError unless the tensor is bytes [1, N]."""
    check_dtype(t, u8)
    if len(t.shape) != 2 or t.shape[0] != 1:
        raise ModelError(f"text must be bytes [1, N], not {list(t.shape)}")


def check_table(letters: Tensor, begin: Tensor) -> None:
    """A ModelError unless these are a table of terms."""
    check_dtype(letters, u8)
    check_dtype(begin, u16, i32)


# --------------------------------------------------------------------------------------------------------- bytes and terms


def terms_table(terms: Sequence[bytes]) -> tuple[Array, Array]:
    """(letters, begin) of sorted terms: term v is letters[begin[v] : begin[v + 1]]. There is at least one letter."""
    assert list(terms) == sorted({*terms}), "terms must be sorted, and there once"
    begin = np.cumsum([0, *map(len, terms)])
    dtype = np.uint16 if begin[-1] < 1 << 16 else np.int32
    return np.frombuffer(b"".join(terms) or b"\0", np.uint8), begin.astype(dtype)


def terms_of(letters: Array, begin: Array) -> list[bytes]:
    """The terms of a table."""
    raw = letters.tobytes()
    return [raw[int(a) : int(b)] for a, b in pairwise(begin)]


def until_zero(text: Array) -> bytes:
    """The bytes before the first zero."""
    return text.tobytes().partition(b"\0")[0]


def stream_of(data: bytes, size: int) -> Array:
    """uint8 [1, size]: the bytes, then zeros."""
    return np.frombuffer(data.ljust(size, b"\0"), np.uint8)[None]


def characters_of(data: bytes) -> list[bytes]:
    """Bytes, each with the continuation bytes behind it."""
    return re.findall(rb"[\x00-\xff][\x80-\xbf]*", data)


def clean(text: bytes, lower: bool) -> bytes:
    """The same number of bytes, a space for each that is in no word."""
    now = np.frombuffer(text, np.uint8)
    earlier, before, after = (np.frombuffer(s, np.uint8)[: len(now)] for s in (b"\0\0" + text, b"\0" + text, text[1:] + b"\0"))
    word = np.isin(now, np.frombuffer(b"0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8))
    # the signs of U+0080 to U+00FF: a leading byte, and one that says which
    latin = np.where(np.isin(now, (0xC2, 0xC3)), after, now)
    low, high = (now == 0xC2) | (before == 0xC2), (now == 0xC3) | (before == 0xC3)
    letter = np.isin(latin, [x for x in range(0x80, 0xC0) if x not in SIGNS_OF_LATIN])
    multiply_or_divide = np.isin(np.where(now == 0xC3, after, now), (0x97, 0xB7))
    general = ((now == 0xE2) & (after == 0x80)) | ((before == 0xE2) & (now == 0x80)) | ((earlier == 0xE2) & (before == 0x80))
    beyond = np.select([low, high, general], [letter, ~multiply_or_divide, np.zeros_like(letter)], ~np.zeros_like(letter))
    kept = np.where(now < 0x80, word, beyond)
    text = lower_case(text) if lower else text
    return np.where(kept, np.frombuffer(text, np.uint8), 32).astype(np.uint8).tobytes()


def lower_case(text: bytes) -> bytes:
    """Capitals of U+0000 to U+00FF as small letters."""
    now, before = np.frombuffer(text, np.uint8), np.frombuffer(b"\0" + text, np.uint8)[:-1]
    capital = ((now >= 65) & (now <= 90)) | ((before == 0xC3) & (now >= 0x80) & (now <= 0x9E) & (now != 0x97))
    return np.where(capital, now + 32, now).astype(np.uint8).tobytes()


def murmur3(data: bytes) -> int:
    """MurmurHash3 (x86, 32 bits), seed 0, as a signed number."""
    h = 0
    for i in range(0, len(data), 4):
        part = data[i : i + 4]
        key = int.from_bytes(part, "little") * 0xCC9E2D51 & 0xFFFFFFFF
        h ^= _rotated(key, 15) * 0x1B873593 & 0xFFFFFFFF
        if len(part) == 4:
            h = (_rotated(h, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    h ^= h >> 16
    return h - (1 << 32) if h >> 31 else h


def _rotated(x: int, n: int) -> int:
    return (x << n | x >> (32 - n)) & 0xFFFFFFFF
