"""How small raw samples get without loss: measured on a person's own, never assumed.

Sound and other signals as FLAC does: the best of five fixed predictors, residuals in Rice codes. Images as PNG does: the best
filter of each row, then deflate. Both are written out and can be read back (``tests/place/test_compress.py`` does).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from skosh.ir.graph import Array

BLOCK = 4096  # samples with one predictor and one Rice parameter
HEADER = 4  # bytes of a block: predictor, Rice parameter, count
ORDERS = 5  # FLAC's fixed predictors: differences of order 0 to 4


@dataclass(frozen=True)
class Compressed:
    """What compression gives. method: "rice" or "png"; mean and p95: bytes of a sample; ratio: mean over raw bytes."""

    method: str
    mean: float
    p95: float
    ratio: float
    samples: int


def measure(samples: Array) -> Compressed:
    """Sizes of samples [count, ...] of integers, each compressed by itself."""
    image = is_image(samples.shape[1:])
    sizes = [len(png(s) if image else rice(s.reshape(-1))) for s in samples]
    raw = samples[0].nbytes
    return Compressed(
        "png" if image else "rice", float(np.mean(sizes)), float(np.quantile(sizes, 0.95)), float(np.mean(sizes)) / raw,
        len(sizes),
    )  # fmt: skip


def is_image(shape: tuple[int, ...]) -> bool:
    """Height x width, or with 1, 3 or 4 channels, both at least 8."""
    sizes = shape[:-1] if len(shape) == 3 and shape[2] in (1, 3, 4) else shape
    return len(sizes) == 2 and min(sizes) >= 8


# ------------------------------------------------------------------------------------------------------- signals


def rice(x: Array) -> bytes:
    """A signal of integers as Rice codes of what the best fixed predictor leaves."""
    return b"".join(_rice_block(x[i : i + BLOCK].astype(np.int64)) for i in range(0, len(x), BLOCK))


def _rice_block(x: Array) -> bytes:
    best: tuple[int, int, int, Array] | None = None
    for order in range(ORDERS):
        folded = _folded(residuals(x, order))
        k = _parameter(folded)
        bits = int((folded >> k).sum()) + len(folded) * (k + 1)
        if best is None or bits < best[0]:
            best = (bits, order, k, folded)
    assert best is not None, "there are predictors"
    _, order, k, folded = best
    return bytes([order, k]) + len(x).to_bytes(2, "little") + _codes(folded, k)


def residuals(x: Array, order: int) -> Array:
    """What is left of a signal when each value is predicted from those before, which begin as zeros."""
    for _ in range(order):
        x = np.diff(x, prepend=0)
    return x


def _folded(x: Array) -> Array:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return np.where(x >= 0, 2 * x, -2 * x - 1)


def _parameter(folded: Array) -> int:
    """The Rice parameter with the fewest bits."""
    bits = [int((folded >> k).sum()) + len(folded) * (k + 1) for k in range(31)]
    return int(np.argmin(bits))


def _codes(folded: Array, k: int) -> bytes:
    """Each number as (n >> k) zeros, a one, and its low k bits."""
    unary = folded >> k
    lengths = unary + 1 + k
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    bits = np.zeros(int(lengths.sum()), np.uint8)
    bits[starts + unary] = 1
    for j in range(k):
        bits[starts + unary + 1 + j] = (folded >> (k - 1 - j)) & 1
    return np.packbits(bits).tobytes()


def from_rice(data: bytes) -> Array:
    """The signal of ``rice``, as int64."""
    parts, at = [], 0
    while at < len(data):
        order, k, count = data[at], data[at + 1], int.from_bytes(data[at + 2 : at + 4], "little")
        bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=at + HEADER))
        folded, place = np.zeros(count, np.int64), 0
        for i in range(count):
            one = place
            while not bits[one]:
                one += 1
            low = 0
            for b in bits[one + 1 : one + 1 + k]:
                low = low << 1 | int(b)
            folded[i] = (one - place) << k | low
            place = one + 1 + k
        x = np.where(folded % 2 == 0, folded // 2, -(folded + 1) // 2)
        for _ in range(order):
            x = np.cumsum(x)
        parts.append(x)
        at += HEADER + -(-place // 8)
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


# -------------------------------------------------------------------------------------------------------- images


def png(image: Array) -> bytes:
    """An image as PNG holds it, without chunks: for each row a filter and what it leaves, all deflated."""
    rows = image.reshape(image.shape[0], -1).view(np.uint8)
    step = rows.shape[1] // image.shape[1]
    out, above = [], np.zeros(rows.shape[1], np.uint8)
    for row in rows:
        tried = [_filtered(kind, row, above, step) for kind in range(5)]
        kind = int(np.argmin([np.abs(t.view(np.int8).astype(int)).sum() for t in tried]))
        out.append(bytes([kind]) + tried[kind].tobytes())
        above = row
    return zlib.compress(b"".join(out), 9)


def _filtered(kind: int, row: Array, above: Array, step: int) -> Array:
    """What PNG's filter leaves of a row: none, sub, up, average, Paeth."""
    left, corner = _shifted(row, step), _shifted(above, step)
    return (row - _predicted(kind, left, above, corner)).astype(np.uint8)


def _shifted(row: Array, step: int) -> Array:
    return np.concatenate([np.zeros(step, np.uint8), row[:-step]])


def _predicted(kind: int, left: Array, above: Array, corner: Array) -> Array:
    a, b, c = (v.astype(np.int64) for v in (left, above, corner))
    match kind:
        case 0:
            return np.zeros_like(a)
        case 1:
            return a
        case 2:
            return b
        case 3:
            return (a + b) // 2
        case _:
            p = a + b - c
            near_a, near_b, near_c = abs(p - a), abs(p - b), abs(p - c)
            return np.where((near_a <= near_b) & (near_a <= near_c), a, np.where(near_b <= near_c, b, c))


def from_png(data: bytes, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """The image of ``png``."""
    width = int(np.prod(shape[1:])) * dtype.itemsize
    step = width // shape[1]
    flat = np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape[0], width + 1)
    rows, above = np.zeros((shape[0], width), np.uint8), np.zeros(width, np.uint8)
    for y in range(shape[0]):
        kind = int(flat[y, 0])
        for x in range(width):
            left = rows[y, x - step] if x >= step else np.uint8(0)
            corner = above[x - step] if x >= step else np.uint8(0)
            guess = int(_predicted(kind, np.array([left]), above[x : x + 1], np.array([corner]))[0])
            rows[y, x] = (int(flat[y, x + 1]) + guess) % 256
        above = rows[y]
    return rows.view(dtype).reshape(shape)
