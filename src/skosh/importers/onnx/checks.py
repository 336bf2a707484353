"""What every node must have before a converter reads it: inputs, and attributes of the right kind."""

from __future__ import annotations

import math

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.reader import Record

LEAST_INPUTS: dict[str, int] = {
    **dict.fromkeys(
        ("Conv", "ConvTranspose", "ConvInteger", "MatMulInteger", "Gemm", "MatMul", "PRelu", "Pow", "QuantizeLinear",
         "DequantizeLinear", "Gather", "GatherND", "GatherElements", "Tile", "CumSum", "CumProd", "Equal", "Less",
         "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift",
         "Mod", "Compress", "ReverseSequence", "TensorScatter", "Expand", "LayerNormalization", "RMSNormalization", "Add",
         "Sub", "Mul", "Div", "Reshape"), 2
    ),
    **dict.fromkeys(
        ("LSTM", "GRU", "RNN", "Where", "InstanceNormalization", "GroupNormalization", "Attention", "OneHot", "ScatterND",
         "ScatterElements", "Scatter"), 3
    ),
    "BatchNormalization": 5,
}  # fmt: skip
EXACT = frozenset({"Add", "Sub", "Mul", "Div", "MatMul", "Pow", "PRelu", "Gather", "Expand", "Where", "Tile"})
"""Kinds that have no more inputs than the least."""

WITHOUT_INPUTS = frozenset({"Constant", "RandomNormal", "RandomUniform", "Loop"})

KINDS: dict[str, type] = {
    **dict.fromkeys(
        ("axis", "group", "ceil_mode", "count_include_pad", "transA", "transB", "keepdims", "select_last_index", "blocksize",
         "block_size", "to", "allowzero", "training_mode", "noop_with_empty_axes", "start", "end", "antialias",
         "exclude_outside",
         "value_int", "storage_order", "hidden_size", "layout", "linear_before_reset", "input_forget", "num_groups", "p",
         "upper", "exclusive", "reverse", "batch_dims", "is_causal", "q_num_heads", "kv_num_heads"), int),
    **dict.fromkeys(("alpha", "beta", "gamma", "epsilon", "min", "max", "value_float", "lambd", "bias", "scale",
                     "softcap"), float),
    **dict.fromkeys(
        ("pads", "strides", "dilations", "kernel_shape", "output_padding", "output_shape", "perm", "axes", "scales", "starts",
         "ends", "split", "shape", "value_floats", "value_ints"), tuple),
    **dict.fromkeys(("mode", "auto_pad", "approximate", "coordinate_transformation_mode", "nearest_mode",
                     "keep_aspect_ratio_policy", "direction", "equation"), str),
}  # fmt: skip
"""Attribute -> its kind; a name means the same in all operators that are read."""

REQUIRED = {"Concat": "axis", "Cast": "to", "DepthToSpace": "blocksize", "SpaceToDepth": "blocksize"}
LARGEST = 1 << 31


def check_node(node: Record) -> None:
    """A ModelError unless the node has the inputs, outputs and attributes without which nothing can be said about it."""
    least = 0 if node.kind in WITHOUT_INPUTS else LEAST_INPUTS.get(node.kind, 1)
    if len(node.inputs) < least or not all(node.inputs.plain[:least]) or not any(node.outputs):
        raise ModelError(f"it must have {least} inputs and an output")
    if node.kind in EXACT and len(node.inputs) > least:
        raise ModelError(f"it must have {least} inputs, not {len(node.inputs)}")
    if node.kind in ("Concat", "Min", "Max", "Sum") and not all(node.inputs.plain):
        raise ModelError("all its inputs must be there")
    if node.kind in REQUIRED and REQUIRED[node.kind] not in node.attributes.plain:
        raise ModelError(f'it must have the attribute "{REQUIRED[node.kind]}"')
    for name, value in node.attributes.plain.items():
        if "." in node.kind:  # other domains have attributes of their own
            break
        wanted = KINDS.get(name)
        if wanted is not None and not isinstance(value, wanted) and not (wanted is float and isinstance(value, int)):
            raise ModelError(f'the attribute "{name}" must be {_NAMES[wanted]}')
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(n, str) for n in numbers) != (wanted is str) and wanted is not None:
            raise ModelError(f'the attribute "{name}" must be {_NAMES[wanted]}')
        bounded = name not in ("starts", "ends", "min", "max", "value_int", "value_ints")
        if bounded and any(
            isinstance(n, (int, float)) and not (math.isfinite(n) and abs(n) < LARGEST) for n in numbers
        ):
            raise ModelError(f'the attribute "{name}" must hold moderate numbers, not {value}')
        if name == "value" and not isinstance(value, (float, np.ndarray)):
            raise ModelError('the attribute "value" must be a tensor or a number')


_NAMES = {int: "a whole number", float: "a number", tuple: "a list of numbers", str: "a text"}
