"""Operators whose output element depends only on the input elements at its place, by name."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.graph import Array, Op, Tensor

UNARY = frozenset({
    "relu", "leaky_relu", "elu", "gelu", "hard_swish", "logistic", "tanh", "abs", "neg", "exp", "log", "sqrt", "rsqrt",
    "square", "sin", "cos", "ceil", "floor", "round", "quantize", "requantize", "dequantize", "cast", "logical_not",
})  # fmt: skip
"""One input, of the output's shape."""

ELEMENTWISE = UNARY | {
    "add", "sub", "mul", "div", "maximum", "minimum", "squared_difference", "pow", "floor_div", "floor_mod", "compare",
    "logical", "select", "prelu", "add_n",
}  # fmt: skip
"""All of them; several inputs broadcast to the output's shape by numpy's rule."""


def function_of(op: Op, x: Tensor, y: Tensor, values: Array) -> Array:
    """What a unary operator from x to y makes of any values: a table of it."""
    ins, outs = (replace(x, shape=values.shape, data=None),), (replace(y, shape=values.shape, data=None),)
    (result,) = op.reference(ins, outs, (values,))
    return result
