"""CBOR (RFC 8949), the part that messages need: unsigned and negative integers, bytes, text, lists, maps, floats.

The encoding is the deterministic one of section 4.2: shortest heads, shortest floats that keep the value, keys in order of
their bytes. The decoder takes what comes from a wire: every length is held against the bytes that are there, and depth is
bounded, before anything is made of it.
"""

from __future__ import annotations

import math
import struct
from typing import TypeAlias

from skosh.base.errors import InputError

Value: TypeAlias = "int | float | bytes | str | list[Value] | dict[str, Value]"

_DEPTH = 4
_HALF, _SINGLE, _DOUBLE = 0xF9, 0xFA, 0xFB


def dumps(value: Value) -> bytes:
    """``value`` in its one encoding. Integers must lie in -2**64..2**64-1; floats must be finite."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(dumps, value))
    pairs = sorted((dumps(key), dumps(item)) for key, item in value.items())
    return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


def loads(content: bytes) -> Value:
    """The value that ``content`` is the encoding of.

    Raises InputError where it is cut short, has bytes left over, holds another type, or isn't the deterministic encoding.
    """
    value, end = _item(content, 0, _DEPTH)
    if end != len(content):
        raise InputError(f"the message must end with its CBOR; {len(content) - end} bytes are left over")
    if dumps(value) != content:
        raise InputError(
            "the CBOR must be deterministic", hint="shortest lengths and floats, keys in order: RFC 8949, section 4.2"
        )
    return value


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise InputError(f"an integer must fit 64 bits, not {number.bit_length()}")


def _float(value: float) -> bytes:
    if not math.isfinite(value):
        raise InputError(f"a number must be finite, not {value}")
    for head, form in ((_HALF, ">e"), (_SINGLE, ">f")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([head]) + packed
    return bytes([_DOUBLE]) + struct.pack(">d", value)


def _item(content: bytes, at: int, depth: int) -> tuple[Value, int]:
    """The value at ``at`` and where it ends."""
    first = _take(content, at, 1)[0]
    at += 1
    if first in (_HALF, _SINGLE, _DOUBLE):
        form = {_HALF: ">e", _SINGLE: ">f", _DOUBLE: ">d"}[first]
        packed = _take(content, at, struct.calcsize(form))
        value = float(struct.unpack(form, packed)[0])
        if not math.isfinite(value):
            raise InputError(f"a number must be finite, not {value}")
        return value, at + len(packed)
    major, code = first >> 5, first & 31
    if major > 5 or code > 27:
        raise InputError(f"byte {at - 1} must begin an integer, bytes, text, a list, a map or a float, not {first:#04x}")
    number, at = _number(content, at, code)
    if major < 2:
        return (number if major == 0 else -1 - number), at
    if major < 4:
        taken = _take(content, at, number)
        return (taken if major == 2 else _text(taken)), at + number
    if depth == 0:
        raise InputError(f"lists and maps must be at most {_DEPTH} deep")
    if number > len(content) - at:  # each element has a byte at least
        raise InputError(f"the message is cut short: {number} elements in {len(content) - at} bytes")
    return _list(content, at, number, depth) if major == 4 else _map(content, at, number, depth)


def _list(content: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    values: list[Value] = []
    for _ in range(count):
        value, at = _item(content, at, depth - 1)
        values.append(value)
    return values, at


def _map(content: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    found: dict[str, Value] = {}
    for _ in range(count):
        key, at = _item(content, at, depth - 1)
        if not isinstance(key, str):
            raise InputError(f"keys must be text, not {type(key).__name__}")
        if key in found:
            raise InputError(f'each key must be there once; "{key}" is there twice')
        found[key], at = _item(content, at, depth - 1)
    return found, at


def _number(content: bytes, at: int, code: int) -> tuple[int, int]:
    if code < 24:
        return code, at
    size = 1 << code - 24
    return int.from_bytes(_take(content, at, size), "big"), at + size


def _take(content: bytes, at: int, size: int) -> bytes:
    if size > len(content) - at:
        raise InputError(f"the message is cut short: {size} bytes must follow byte {at}, not {len(content) - at}")
    return content[at : at + size]


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError("text must be UTF-8") from error
