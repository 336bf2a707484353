"""TFLite's enumerations as the words that our operators use."""

from __future__ import annotations

from skosh.base.dtypes import DType, bool_, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from skosh.base.errors import ModelError

_ACTIVATIONS = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}
_UNFUSED_ACTIVATIONS = {4: "TANH", 5: "SIGN_BIT"}
_PADDINGS = {0: "same", 1: "valid"}

TYPES: dict[int, DType] = {
    0: f32, 2: i32, 3: u8, 4: i64, 6: bool_, 7: i16, 9: i8, 10: f64, 12: u64, 15: u32, 16: u16,
}  # fmt: skip

OTHER_TYPES = {1: "float16", 5: "string", 8: "complex64", 11: "complex128", 13: "resource", 14: "variant", 17: "int4",
               18: "bfloat16", 19: "int2", 20: "uint4"}  # fmt: skip
"""Element types that TFLite has and skosh doesn't."""

FLOAT16 = 1
FIELDS = {17: 4, 19: 2}
"""Signed integers of fewer bits than a byte, several to a byte, the first in its lowest bits: type -> bits."""

RESOURCE = 13


def activation(number: int) -> str:
    """A fused activation function: "none", "relu", "relu6" or "relu_n1_to_1"."""
    if number in _ACTIVATIONS:
        return _ACTIVATIONS[number]
    name = _UNFUSED_ACTIVATIONS.get(number, str(number))
    raise ModelError(f"a fused activation must be none, RELU, RELU6 or RELU_N1_TO_1, not {name}")


def padding(number: int) -> str:
    """A padding scheme: "same" or "valid"."""
    if number in _PADDINGS:
        return _PADDINGS[number]
    raise ModelError(f"padding must be SAME (0) or VALID (1), not {number}")


def dtype(number: int) -> DType:
    """An element type by its TFLite number."""
    if number in TYPES:
        return TYPES[number]
    raise ModelError(f"element type {OTHER_TYPES.get(number, number)} is not supported")
