"""Text: kernels equal their meaning on any bytes, and the meaning of words is that of a regular expression."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import from_numpy
from skosh.base.errors import ModelError
from skosh.importers.sklearn.texts import TextInput
from skosh.ir.graph import Tensor
from skosh.ops.text.text import (
    Characters,
    HashedCounts,
    Runs,
    SparseDense,
    TermCounts,
    TermWeights,
    Words,
    characters_of,
    clean,
    murmur3,
    stream_of,
    terms_table,
    until_zero,
)
from tests.ops.test_chains import check

Array = np.ndarray[Any, Any]
few = settings(max_examples=40, deadline=None)

PIECES = st.sampled_from(
    [*(c.encode() for c in ("a", "Ab", "the", " ", "  ", "\n", "_", "7", *"éÉ×½…€漢")), b"\xc2", b"\xe2\x80", b"\x80", b"\xff"]
)
TEXTS = st.lists(PIECES, max_size=14).map(b"".join) | st.binary(max_size=24)
RUNS = st.builds(
    lambda unit, least, more: Runs(unit, least, least + more),
    st.sampled_from(["word", "character", "padded"]), st.integers(1, 4), st.integers(0, 2),
)  # fmt: skip


def stream(text: bytes, runs: Runs, lower: bool = True) -> Array:
    """A stream of the runs' kind, by the operators' meaning, which the kernels share."""
    if runs.unit == "word":
        return check(Words(lower, 1), stream_of(text, len(text) + 1), *terms_table([]))[0]
    return check(Characters(lower, runs.unit == "padded"), stream_of(text, len(text) + 1))[0]


@few
@given(TEXTS, st.booleans(), st.integers(1, 3), st.sets(st.sampled_from([b"the", b"a", b"ab", b"zz"])), st.integers(0, 3))
def test_words_of_any_bytes(text: bytes, lower: bool, shortest: int, stop: set[bytes], room: int) -> None:
    (y,) = check(Words(lower, shortest), stream_of(text, len(text) + room or 1), *terms_table(sorted(stop)))
    for word in until_zero(y).split():
        assert word not in stop
        assert len(word) >= shortest


@few
@given(TEXTS, st.booleans(), st.booleans(), st.integers(0, 3))
def test_characters_of_any_bytes(text: bytes, lower: bool, padded: bool, room: int) -> None:
    check(Characters(lower, padded), stream_of(text, len(text) + room or 1))


@few
@given(TEXTS, RUNS, st.booleans(), st.data())
def test_terms_of_any_bytes(text: bytes, runs: Runs, binary: bool, data: st.DataObject) -> None:
    here = stream(text, runs)
    there = [*runs.of(until_zero(here)), b"the", b"th", b"a b", b"zz"]
    terms = data.draw(st.sets(st.sampled_from(there), min_size=1))
    (y,) = check(TermCounts(runs, binary), here, *terms_table(sorted(terms)))
    found = [*runs.of(until_zero(here))]
    assert y[0].tolist() == [min(found.count(t), 1) if binary else found.count(t) for t in sorted(terms)]


@few
@given(TEXTS, RUNS, st.booleans(), st.booleans(), st.integers(1, 40))
def test_hashes_of_any_bytes(text: bytes, runs: Runs, binary: bool, signed: bool, features: int) -> None:
    check(HashedCounts(runs, binary, signed, features), stream(text, runs))


@few
@given(st.lists(st.sampled_from([0, 1, 2, 3, -1]), min_size=1, max_size=8), st.sampled_from([None, "l1", "l2"]), st.booleans())
def test_weights(counts: list[int], norm: str | None, sublinear: bool) -> None:
    x = np.abs(np.array([counts], np.float32)) if sublinear else np.array([counts], np.float32)
    scale = np.linspace(0.5, 2, x.size, dtype=np.float32)
    (y,) = check(TermWeights(sublinear, norm), x, scale)
    want = np.where(x != 0, (1 + np.log(np.where(x > 0, x, 1)) if sublinear else x) * scale, 0.0)
    length = {None: 1.0, "l1": np.abs(want).sum(), "l2": np.sqrt((want**2).sum())}[norm]
    np.testing.assert_allclose(y, want / length if length > 0 else want, rtol=1e-6)


def test_few_factors() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 40)) * (rng.random((1, 40)) < 0.2)
    w, bias = rng.normal(size=(40, 3)), rng.normal(size=3)
    (y,) = check(SparseDense(), *(a.astype(np.float32) for a in (x, w, bias)))
    np.testing.assert_allclose(y[0], x[0] @ w + bias, rtol=1e-5)


def test_the_hash_is_murmur3() -> None:
    """Against scikit-learn's, on keys of every length."""
    from sklearn.utils import murmurhash3_32

    rng = random.Random(0)
    for length in range(40):
        key = rng.randbytes(length)
        assert murmur3(key) == murmurhash3_32(key, seed=0)


def test_the_least_hash_is_counted_as_its_magnitude() -> None:
    r"""A key whose hash is -2^31, and scikit-learn's place for it."""
    from sklearn.feature_extraction import FeatureHasher

    key = least_hash()
    assert murmur3(key) == -(2**31)
    for features in (7, 10, 16):
        (y,) = check(HashedCounts(Runs("word", 1, 1), False, True, features), stream_of(key, len(key) + 1))
        want = FeatureHasher(features, input_type="string").transform([[key]]).toarray()
        assert y[0].tolist() == want[0].tolist()


def least_hash() -> bytes:
    """Eight bytes, none of them zero or white space, that hash to -2^31: the hash backwards from any first word."""
    full, rng = 1 << 32, random.Random(1)

    def turned(x: int, n: int) -> int:
        return (x << n | x >> (32 - n)) % full

    def unshifted(x: int, n: int) -> int:
        """y of x = y ^ y >> n."""
        y = x
        for _ in range(32 // n + 1):
            y = x ^ y >> n
        return y

    def undone(x: int, factor: int) -> int:
        return x * pow(factor, -1, full) % full

    last = undone(unshifted(1 << 31, 16), 0xC2B2AE35)
    last = unshifted(undone(unshifted(last, 13), 0x85EBCA6B), 16) ^ 8
    while True:
        first = bytes(rng.randrange(33, 127) for _ in range(4))
        word = turned(int.from_bytes(first, "little") * 0xCC9E2D51 % full, 15) * 0x1B873593 % full
        state = (turned(word, 13) * 5 + 0xE6546B64) % full
        mixed = turned(undone((last - 0xE6546B64) % full, 5), 19) ^ state
        key = first + undone(turned(undone(mixed, 0x1B873593), 17), 0xCC9E2D51).to_bytes(4, "little")
        if not {*key} & {0, *range(9, 14), 32}:
            return key


def test_words_are_those_of_the_library_for_every_character_it_promises() -> None:
    r"""Each character of Unicode that ``predict`` takes, beside and between letters: as the pattern \w\w+ finds words."""
    takes = TextInput(words=True, lower=True)
    chars = [c for c in map(chr, range(1, 0x110000)) if not 0xD800 <= ord(c) < 0xE000 and not takes.misread(c)]
    assert {*map(chr, range(1, 0x100)), "…", "\u2003", "漢", "ж", "😀"} - {*chars} == {"😀"}
    text = " ".join(f"x{c}Y{c} {c} {c}{c}" for c in chars)
    want = re.findall(r"\b\w\w+\b", text.lower())
    got = [w for w in clean(text.encode(), True).split() if len(characters_of(w)) >= 2]
    assert [w.encode() for w in want] == got


def test_misfits_are_refused() -> None:
    text, (letters, begin) = Tensor("t", (2, 8), from_numpy(np.dtype(np.uint8))), terms_table([b"a"])
    table = [Tensor("l", letters.shape, from_numpy(letters.dtype)), Tensor("b", begin.shape, from_numpy(begin.dtype))]
    with pytest.raises(ModelError, match=r"text must be bytes \[1, N\], not \[2, 8\]"):
        Words(True, 2).infer([text, *table])
    one = Tensor("t", (1, 8), text.dtype)
    with pytest.raises(ModelError, match="there must be at least one term"):
        TermCounts(Runs("word", 1, 1), False).infer([one, table[0], Tensor("b", (1,), table[1].dtype)])
    f = from_numpy(np.dtype(np.float32))
    with pytest.raises(ModelError, match="there must be a scale for each of 3 terms, not 2"):
        TermWeights(False, None).infer([Tensor("x", (1, 3), f), Tensor("s", (2,), f)])
    with pytest.raises(ModelError, match=r"weights \[3, 2\] don't fit x \[1, 4\] and bias \[2\]"):
        SparseDense().infer([Tensor("x", (1, 4), f), Tensor("w", (3, 2), f), Tensor("b", (2,), f)])
