"""What each operator asks of the quantization of its tensors (``Traits.int8``), for the type that it is computed in.

Source: the int8 specification of TensorFlow Lite, https://ai.google.dev/edge/litert/models/quantization_spec, which the
integer kernels of TensorFlow Lite Micro follow.
"""

from __future__ import annotations

from dataclasses import replace

from skosh.base.dtypes import DType, i8, i16
from skosh.ir.graph import Node, Quant
from skosh.ir.traits import FREE, SAME, Rule
from skosh.ops.elements.activations import Relu

WIDE_UNIT = Quant((1 / 32768,), (0,))


def rule_of(node: Node, dtype: DType = i8) -> Rule:
    """The node's rule when it is computed in ``dtype``. A relu6 clamps the numbers as they are, so it keeps the scale."""
    rule = _rule_of(node)
    return replace(rule, fixed=WIDE_UNIT) if dtype == i16 and rule.fixed is not None else rule


def _rule_of(node: Node) -> Rule:
    if isinstance(node.op, Relu) and getattr(node.op, "activation", "") == "relu6":
        return SAME
    return node.op.traits.int8 or FREE
