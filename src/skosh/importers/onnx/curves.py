"""Activations that are no operators of their own: each said by a few that are.

Formulas: the ONNX operators' pages. Softplus is written so that no intermediate overflows: ln(1 + e^x) = max(x, 0) +
ln(1 + e^-|x|). The quantizer makes one table of 256 entries of all of it (``quantize.curves``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Op
from skosh.ops.elements.activations import Logistic, Relu, Tanh
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul, Sub
from skosh.ops.elements.functions import Abs, Exp, Log, Neg
from skosh.ops.elements.smooth import Elu

SELU = (1.67326319217681884765625, 1.05070102214813232421875)  # alpha, gamma


class Curve:
    """Builds a function of the record's first input on floats, step by step."""

    def __init__(self, ctx: Context, record: Record) -> None:
        self.ctx, self.name, self.attributes = ctx, record.outputs[0], record.attributes
        self.value = ctx.value(record.inputs[0])
        self.x = ctx.floats(self.value.tensor)

    def of(self, op: Op, *inputs: str | float) -> str:
        """One more operator; a number stands for a constant."""
        one = (1,) * len(self.value.stored)
        tensors = [
            n if isinstance(n, str) else self.ctx.constant(f"{self.name}_number", np.full(one, n, np.float32))
            for n in inputs
        ]
        return self.ctx.apply(op, tensors, self.name)[0]

    def number(self, name: str, default: float) -> float:
        return float(self.attributes.get(name, default))

    def end(self, tensor: str) -> None:
        self.ctx.values[self.name] = self.ctx.kept(self.value, tensor)

    def elu(self, alpha: float, width: float = 1.0) -> str:
        """max(x, 0) + alpha * (e^(min(x, 0) / width) - 1)."""
        if alpha == width == 1.0:
            return self.of(Elu(), self.x)
        below = self.of(Minimum(), self.x, 0.0)
        below = below if width == 1.0 else self.of(Mul(), below, 1.0 / width)
        return self.of(Add(), self.of(Relu("relu"), self.x), self.of(Mul(), self.of(Elu(), below), alpha))

    def softplus(self, x: str) -> str:
        small = self.of(Exp(), self.of(Neg(), self.of(Abs(), x)))
        return self.of(Add(), self.of(Relu("relu"), x), self.of(Log(), self.of(Add(), small, 1.0)))

    def where(self, op: str, bound: float, yes: str | float, no: str | float) -> str:
        """yes if x op bound else no."""
        return self.of(Select(), self.of(Compare(op), self.x, bound), yes, no)


def elu(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    if c.number("alpha", 1.0) == 1.0:  # has an integer form
        (tensor,) = ctx.real(Elu(), (c.value.tensor,), c.name)
        c.end(tensor)
    else:
        c.end(c.elu(c.number("alpha", 1.0)))


def selu(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    c.end(c.of(Mul(), c.elu(c.number("alpha", SELU[0])), c.number("gamma", SELU[1])))


def celu(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    alpha = c.number("alpha", 1.0)
    c.end(c.elu(alpha, alpha))


def softplus(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    c.end(c.softplus(c.x))


def mish(ctx: Context, record: Record) -> None:
    """x * tanh(softplus(x))."""
    c = Curve(ctx, record)
    c.end(c.of(Mul(), c.x, c.of(Tanh(), c.softplus(c.x))))


def softsign(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    c.end(c.of(Div(), c.x, c.of(Add(), c.of(Abs(), c.x), 1.0)))


def swish(ctx: Context, record: Record) -> None:
    """x * sigmoid(alpha * x)."""
    c = Curve(ctx, record)
    alpha = c.number("alpha", 1.0)
    c.end(c.of(Mul(), c.x, c.of(Logistic(), c.x if alpha == 1.0 else c.of(Mul(), c.x, alpha))))


def sign(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    below = c.of(Select(), c.of(Compare("<"), c.x, 0.0), -1.0, 0.0)
    c.end(c.where(">", 0.0, 1.0, below))


def thresholded(ctx: Context, record: Record) -> None:
    c = Curve(ctx, record)
    c.end(c.where(">", c.number("alpha", 1.0), c.x, 0.0))


def shrink(ctx: Context, record: Record) -> None:
    """x + bias below -lambd, x - bias above lambd, 0 between."""
    c = Curve(ctx, record)
    edge, bias = c.number("lambd", 0.5), c.number("bias", 0.0)
    above = (
        c.of(Maximum(), c.of(Sub(), c.x, bias), 0.0)
        if bias == edge
        else c.where(">", edge, c.of(Sub(), c.x, bias), 0.0)
    )
    c.end(c.where("<", -edge, c.of(Add(), c.x, bias), above))


CONVERTERS: dict[str, Any] = {
    "Elu": elu, "Selu": selu, "Celu": celu, "Softplus": softplus, "Mish": mish, "Softsign": softsign, "Swish": swish,
    "Sign": sign, "ThresholdedRelu": thresholded, "Shrink": shrink,
}  # fmt: skip
