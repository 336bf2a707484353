"""What each operator asks of the quantization of its tensors.

Source: the int8 specification of TensorFlow Lite, https://ai.google.dev/edge/litert/models/quantization_spec, which the
integer kernels of TensorFlow Lite Micro follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.base.dtypes import DType, i8, i16
from skosh.ir.graph import Node, Quant


@dataclass(frozen=True)
class Rule:
    """channels: the axis of output channels of input 1, which is weights; input 2 is the bias. same: real inputs and
    outputs have one scale and zero point. fixed: what the output must have."""

    channels: int | None = None
    same: bool = False
    fixed: Quant | None = None


FREE, SAME = Rule(), Rule(same=True)
PROBABILITY = Rule(fixed=Quant((1 / 256,), (-128,)))
SIGNED_UNIT = Rule(fixed=Quant((1 / 128,), (0,)))
WIDE_UNIT = Quant((1 / 32768,), (0,))

INT8: dict[str, Rule] = {
    "conv2d": Rule(channels=0),
    "depthwise_conv2d": Rule(channels=3),
    "transpose_conv": Rule(channels=0),
    "dense": Rule(channels=0),
    "softmax": PROBABILITY,
    "logistic": PROBABILITY,
    "log_softmax": Rule(fixed=Quant((1 / 16,), (127,))),
    "tanh": SIGNED_UNIT,
    "l2_normalize": SIGNED_UNIT,
    **dict.fromkeys(
        (
            "add", "sub", "mul", "div", "squared_difference", "batch_matmul", "mean", "sum", "abs", "exp", "log", "sqrt",
            "rsqrt", "relu", "leaky_relu", "prelu", "elu", "gelu", "hard_swish", "arg_max", "arg_min", "compare", "curve",
        ),
        FREE,
    ),
    **dict.fromkeys(
        (
            "average_pool2d", "max_pool2d", "reduce_max", "reduce_min", "maximum", "minimum", "reshape", "copy",
            "transpose", "slice", "concat", "pack", "split", "tile", "broadcast_to", "pad", "mirror_pad",
            "depth_to_space", "space_to_depth", "space_to_batch", "batch_to_space", "resize_nearest", "resize_bilinear",
            "gather", "gather_nd", "select",
        ),
        SAME,
    ),
}  # fmt: skip
"""Operator kind -> its rule in the scheme "int8". What is not here has no int8 kernel."""


INT16 = frozenset(INT8) - {
    "div", "log_softmax", "l2_normalize", "exp", "log", "sqrt", "rsqrt", "elu", "gelu", "hard_swish", "prelu",
    "resize_bilinear", "compare", "curve",
}  # fmt: skip
"""Operator kinds with an int16 form."""


def rule_of(node: Node, dtype: DType = i8) -> Rule:
    """The node's rule when it is computed in ``dtype``. A relu6 clamps the numbers as they are, so it keeps the scale."""
    rule = _rule_of(node)
    return replace(rule, fixed=WIDE_UNIT) if dtype == i16 and rule.fixed is not None else rule


def _rule_of(node: Node) -> Rule:
    if node.op.kind == "relu" and getattr(node.op, "activation", "") == "relu6":
        return SAME
    return INT8.get(node.op.kind, FREE)
