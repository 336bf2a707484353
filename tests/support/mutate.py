"""Deterministic damage to files: what a bad download, a bad disk or a bad person could do."""

from __future__ import annotations

import random
import struct

INTERESTING = (
    0,
    1,
    2,
    4,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0xFFFFFFFC,
)


def mutate(data: bytes, seed: int) -> bytes:
    """A damaged copy: the same seed damages in the same way. Weights are spared: half the damage is where tables are."""
    rng = random.Random(seed)
    out = bytearray(data)
    if rng.random() < 0.08:
        return bytes(out[: rng.randrange(len(out) + 1)])
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            break
        _ACTIONS[rng.randrange(len(_ACTIONS))](out, rng)
    return bytes(out)


def _place(out: bytearray, rng: random.Random) -> int:
    """A position; tables of TFLite files lie at the beginning and at the end."""
    kind = rng.random()
    edge = min(len(out), 8192)
    if kind < 0.35:
        return rng.randrange(edge)
    return len(out) - 1 - rng.randrange(edge) if kind < 0.7 else rng.randrange(len(out))


def _bit(out: bytearray, rng: random.Random) -> None:
    out[_place(out, rng)] ^= 1 << rng.randrange(8)


def _byte(out: bytearray, rng: random.Random) -> None:
    out[_place(out, rng)] = rng.randrange(256)


def _word(out: bytearray, rng: random.Random) -> None:
    """A 32-bit word, aligned as flatbuffers align them."""
    at = _place(out, rng) & ~3
    if at + 4 <= len(out):
        struct.pack_into("<I", out, at, rng.choice(INTERESTING))


def _near(out: bytearray, rng: random.Random) -> None:
    """A 32-bit word a little larger or smaller: an offset that points next to where it should."""
    at = _place(out, rng) & ~3
    if at + 4 <= len(out):
        value = struct.unpack_from("<I", out, at)[0]
        struct.pack_into("<I", out, at, (value + rng.choice((-8, -4, -2, -1, 1, 2, 4, 8))) & 0xFFFFFFFF)


def _copy(out: bytearray, rng: random.Random) -> None:
    """Bytes from elsewhere: a table that becomes another one."""
    size = rng.choice((2, 4, 8, 16, 64))
    source, target = _place(out, rng), _place(out, rng)
    piece = out[source : source + size]
    out[target : target + len(piece)] = piece


def _zero(out: bytearray, rng: random.Random) -> None:
    at, size = _place(out, rng), rng.choice((1, 4, 16, 256))
    out[at : at + size] = bytes(len(out[at : at + size]))


def _cut(out: bytearray, rng: random.Random) -> None:
    """Bytes that are missing in the middle."""
    at = _place(out, rng)
    del out[at : at + rng.choice((1, 2, 4, 16))]


def _swap(out: bytearray, rng: random.Random) -> None:
    """Two 32-bit words change places."""
    a, b = _place(out, rng) & ~3, _place(out, rng) & ~3
    if max(a, b) + 4 <= len(out):
        out[a : a + 4], out[b : b + 4] = out[b : b + 4], out[a : a + 4]


_ACTIONS = (_bit, _bit, _byte, _word, _word, _near, _near, _copy, _zero, _cut, _swap)
