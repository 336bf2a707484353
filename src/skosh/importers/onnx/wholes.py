"""Bits, remainders and tests of single elements; inverse and hyperbolic functions; means and powers of several operands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.dtypes import bool_
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.elementwise import combined, unary
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.ops.elements.arcs import Acos, Acosh, Asin, Asinh, Atan, Atanh, Cosh, Sinh, Tan
from skosh.ops.elements.comparisons import Compare
from skosh.ops.elements.whole import Whole

Converter = Callable[[Context, Record], None]


def whole(op: str) -> Converter:
    def convert(ctx: Context, record: Record) -> None:
        a, b = record.inputs
        ctx.values[record.outputs[0]] = combined(ctx, Whole(op), a, b, record.outputs[0])

    return convert


def modulo(ctx: Context, record: Record) -> None:
    """Of whole numbers: of the divisor's sign, or of the dividend's where ``fmod`` is 1."""
    cut = bool(record.attributes.get("fmod", 0))
    if any(not ctx.is_whole(ctx.value(n).tensor) for n in record.inputs):
        raise ModelError("a remainder must be of whole numbers", hint="x - y * Floor(x / y) says that of floats")
    whole("remainder" if cut else "modulo")(ctx, record)


def shift(ctx: Context, record: Record) -> None:
    direction = record.attributes.get("direction", "")
    if direction not in ("LEFT", "RIGHT"):
        raise ModelError(f"direction must be LEFT or RIGHT, not {direction}")
    whole(str(direction).lower())(ctx, record)


def complement(b: Body, record: Record) -> str:
    """All bits turned: -1 - x."""
    x = record.inputs[0]
    dtype = b.ctx.tensors[b.ctx.value(x).tensor].dtype.np
    return b.of("Sub", np.asarray(-1).astype(dtype), x)


def exclusive_or(ctx: Context, record: Record) -> None:
    a, b = record.inputs
    if any(ctx.tensors[ctx.value(n).tensor].dtype != bool_ for n in (a, b)):
        raise ModelError("both must be bool")
    ctx.values[record.outputs[0]] = combined(ctx, Compare("!="), a, b, record.outputs[0])


def is_nan(ctx: Context, record: Record) -> None:
    x = ctx.value(record.inputs[0])
    tensor = ctx.floats(x.tensor)
    ctx.values[record.outputs[0]] = ctx.kept(x, ctx.apply(Compare("!="), (tensor, tensor), record.outputs[0])[0])


def is_infinite(b: Body, record: Record) -> str:
    a = record.attributes
    ends = [v for name, v in (("detect_positive", math.inf), ("detect_negative", -math.inf)) if a.get(name, 1)]
    x = record.inputs[0]
    found = [b.of("Equal", x, np.full((1,) * len(b.shape(x)), end, np.float32)) for end in ends]
    if not found:
        return b.constant(np.zeros(b.shape(x), bool))
    return found[0] if len(found) == 1 else b.of("Or", *found)


def mean(b: Body, record: Record) -> str:
    names = list(record.inputs)
    total = names[0] if len(names) == 1 else b.of("Sum", *names)
    return total if len(names) == 1 else b.of("Mul", total, float(np.float32(1 / len(names))))


CONVERTERS: dict[str, Any] = {
    **{f"Bitwise{n}": whole(n.lower()) for n in ("And", "Or", "Xor")}, "BitwiseNot": body(complement),
    "Mod": modulo, "BitShift": shift, "Xor": exclusive_or, "IsNaN": is_nan, "IsInf": body(is_infinite), "Mean": body(mean),
    "Acos": unary(Acos()), "Acosh": unary(Acosh()), "Asin": unary(Asin()), "Asinh": unary(Asinh()), "Atan": unary(Atan()),
    "Atanh": unary(Atanh()), "Cosh": unary(Cosh()), "Sinh": unary(Sinh()), "Tan": unary(Tan()),
}  # fmt: skip
