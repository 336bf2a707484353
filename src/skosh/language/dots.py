"""Sums of products of narrow integers that lie together in a word: what vector units and DSP cores do in one instruction."""

from __future__ import annotations

from skosh.language.decorators import func, wrap


@func
def dot_pairs(acc: i32, a: u32, b: u32) -> i32:
    """acc + the products of two pairs of i16; wraps."""
    low = widen(wrap(i16, a)) * widen(wrap(i16, b))
    high = widen(wrap(i16, a >> 16)) * widen(wrap(i16, b >> 16))
    return wrap(i32, i64(acc) + i64(low) + i64(high))


@func
def dot_quads(acc: i32, a: u32, b: u32) -> i32:
    """acc + the products of four pairs of i8; wraps."""
    low = widen(wrap(i8, a)) * widen(wrap(i8, b)) + widen(wrap(i8, a >> 8)) * widen(wrap(i8, b >> 8))
    high = widen(wrap(i8, a >> 16)) * widen(wrap(i8, b >> 16)) + widen(wrap(i8, a >> 24)) * widen(wrap(i8, b >> 24))
    return wrap(i32, i64(acc) + i64(low + high))


@func
def dot_sixteens(acc: i32, x0: u32, x1: u32, x2: u32, x3: u32, w0: u32, w1: u32, w2: u32, w3: u32) -> i32:
    """acc + the products of sixteen pairs of i8; wraps."""
    return dot_quads(dot_quads(dot_quads(dot_quads(acc, x0, w0), x1, w1), x2, w2), x3, w3)


@func
def halfwords(low: i32, high: i32) -> u32:
    """The low halves of two numbers, as a pair of i16."""
    return (wrap(u32, low) & 65535) | (wrap(u32, high) << 16)


@func
def even_bytes(x: u32) -> u32:
    """Bytes 0 and 2 of four i8, as a pair of i16."""
    return halfwords(widen(wrap(i8, x)), widen(wrap(i8, x >> 16)))


@func
def odd_bytes(x: u32) -> u32:
    """Bytes 1 and 3 of four i8, as a pair of i16."""
    return halfwords(widen(wrap(i8, x >> 8)), widen(wrap(i8, x >> 24)))
