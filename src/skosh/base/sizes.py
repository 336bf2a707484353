"""Sizes as people write them."""

from __future__ import annotations

import re

from skosh.base.errors import InputError

_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "KB": 1000, "MB": 1000**2, "KIB": 1 << 10, "MIB": 1 << 20}


def parse_size(text: int | str) -> int:
    """Bytes: 65536, "64K" and "64KiB" are equal (1,024 each, as memories are sold); "64KB" is 64,000."""
    if isinstance(text, int):
        if text <= 0:
            raise InputError(f"a size must be positive, not {text}")
        return text
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in _UNITS:
        raise InputError(f'a size must be a number with K, M, KiB, MiB, KB or MB, not "{text}"')
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size <= 0:
        raise InputError(f'a size must be positive, not "{text}"')
    return size
