"""``kws_weights.c``: every constant array, once."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np
import orjson

from skosh.base.dtypes import DType, f32
from skosh.emit.expressions import float_literal, float_of_bits
from skosh.emit.lines import comment
from skosh.lower.program import Data

_WIDTH = 116


def declaration(d: Data) -> str:
    return f"extern const {d.dtype.c} {d.name}[{max(1, d.values.size)}];"


def weights_text(data: tuple[Data, ...], prefix: str) -> str:
    """The unit that holds the constants."""
    booleans = "#include <stdbool.h>\n" if any(d.dtype.name == "bool" for d in data) else ""
    math = "#include <math.h>\n" if any(d.dtype.is_float and not np.isfinite(d.values).all() for d in data) else ""
    own = f'#include "{prefix}.h"\n\n{math}{booleans}#include <stdint.h>\n'
    head = f'/* Constants of {prefix}: weights, biases, requantization, tables. */\n{own}'
    if not data:
        return f"{head}\ntypedef int {prefix}_has_no_constants;\n"
    text = head
    for d in data:
        text += _array(d)  # in place: join holds all parts and their whole, twice the memory
    return text


def _array(d: Data) -> str:
    size = max(1, d.values.size)
    many = d.dtype == f32 and d.values.size > MANY and not d.bits
    body = _rows_at_once(d) if many else "\n".join(_rows(_literals(d))) or "    0"
    told = d.comment
    if d.bits:
        told += "; float32 numbers as integers of the same order"
    return f"\n{comment(fill(told, _WIDTH))}{declaration(d)}\nconst {d.dtype.c} {d.name}[{size}] = {{\n{body}\n}};\n"


MANY = 1 << 14
"""Numbers from which on an array is written for speed, six in a row."""

EACH = 6
"""Such numbers in a row."""


def _rows_at_once(d: Data) -> str:
    """Rows of float32, in the fewest digits of which each reads back; an infinity or a NaN has its own spelling."""
    if not np.isfinite(d.values).all():
        return "\n".join(_rows(_literals(d)))
    whole = d.values.size // EACH * EACH
    text = _spelled(d.values[:whole].reshape(-1, EACH))
    return text if whole == d.values.size else f"{text}\n{_spelled(d.values[None, whole:])}"


def _spelled(rows: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    """Finite numbers as literals of C: those of JSON with an f. orjson writes 20 million a second, numpy half a million."""
    json = orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)
    text = json[2:-2].replace(b"],[", b"\n").replace(b",", b"f, ").replace(b"\n", b"f,\n    ")
    return f"    {text.decode('ascii')}f,"


def _literals(d: Data) -> list[str]:
    if d.dtype.is_float:
        return [float_literal(float(v), d.dtype)[0] for v in d.values]
    if d.dtype.kind == "bool":
        return ["true" if v else "false" for v in d.values]
    if d.bits:
        return [f"{_integer(v, d.dtype)} /* {float_of_bits(v)} */" for v in d.values.tolist()]
    return [_integer(v, d.dtype) for v in d.values.tolist()]


def _integer(v: int, dtype: DType) -> str:
    if dtype.bits == 64:
        return "INT64_MIN" if v == np.iinfo(np.int64).min else f"INT64_C({v})"
    if dtype.name == "u32":  # words of narrower weights, mostly: digits of bytes are seen in hexadecimal
        return f"0x{v:08x}"
    return "INT32_MIN" if v == -(1 << 31) else str(v)


def _rows(items: list[str]) -> list[str]:
    rows, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH:
            rows.append(line)
            line = "   "
        line += f" {item},"
    return [*rows, line] if line.strip() else rows
