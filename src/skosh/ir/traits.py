"""What passes and the quantizer may know of an operator without knowing the operator: ``Op.traits``.

Tables elsewhere are read off these: an operator that says its traits is folded, quantized and batched without another edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from skosh.ir.quant import Quant


@dataclass(frozen=True)
class Rule:
    """What an operator asks of the quantization of its tensors.

    channels: the axis of output channels of input 1, which is weights; input 2 is the bias. same: real inputs and outputs
    have one scale and zero point. fixed: what the output must have.
    """

    channels: int | None = None
    same: bool = False
    fixed: Quant | None = None


FREE, SAME = Rule(), Rule(same=True)
PROBABILITY = Rule(fixed=Quant((1 / 256,), (-128,)))
SIGNED_UNIT = Rule(fixed=Quant((1 / 128,), (0,)))


@dataclass(frozen=True)
class Traits:
    """elementwise: an output element depends only on the input elements at its place; several inputs broadcast by numpy's rule.

    unary: with one input, of the output's shape. monotone: larger inputs never make a smaller output. curve: of floats, a
    function of one element where all other inputs are single numbers, so that a chain of them can become a table of 256.
    rowwise: each row of [rows, ...] is computed from that row alone, whatever the number of rows. int8: the rule of its int8
    form, None where it has none; int16: whether it has one of int16 activations too. classical: only classical models have
    it, and the quantizer of those knows it.
    """

    elementwise: bool = False
    unary: bool = False
    monotone: bool = False
    curve: bool = False
    rowwise: bool = False
    int8: Rule | None = None
    int16: bool = False
    classical: bool = False
