"""The newest version of each operator that is known here: a newer one may mean what nobody here has read about.

What LiteRT 2.3's own table of kernels (ai-edge-litert, lite/kernels/register.cc) finds when it is asked for one version after
the other.
"""

from __future__ import annotations

from skosh.base.errors import ModelError
from skosh.importers.tflite.reader import Record


def check_version(record: Record) -> None:
    """A ModelError for a version that is newer than the table's."""
    newest = NEWEST.get(record.code)
    if newest is not None and record.version > newest:
        raise ModelError(
            f"{record.code} of version {record.version} isn't known here, {newest} is the newest",
            hint="convert the model with an older converter, or look for a newer skosh",
        )


NEWEST: dict[str, int] = {
    "ABS": 5, "ADD": 6, "ARG_MAX": 3, "ARG_MIN": 3, "AVERAGE_POOL_2D": 3, "BATCH_MATMUL": 4, "BATCH_TO_SPACE_ND": 4,
    "BROADCAST_ARGS": 1, "BROADCAST_TO": 4, "CAST": 9, "CEIL": 1, "CONCATENATION": 7, "CONV_2D": 8, "CONV_3D": 1, "COS":
    2, "CUMSUM": 1, "DEPTHWISE_CONV_2D": 7, "DEPTH_TO_SPACE": 2, "DEQUANTIZE": 9, "DIV": 2, "DYNAMIC_UPDATE_SLICE": 6,
    "ELU": 1, "EQUAL": 5, "EXP": 2, "EXPAND_DIMS": 1, "FILL": 5, "FLOOR": 1, "FLOOR_DIV": 3, "FLOOR_MOD": 2,
    "FULLY_CONNECTED": 14, "GATHER": 8, "GATHER_ND": 6, "GELU": 3, "GREATER": 2, "GREATER_EQUAL": 3, "HARD_SWISH": 1,
    "IF": 1, "L2_NORMALIZATION": 2, "L2_POOL_2D": 1, "LEAKY_RELU": 2, "LESS": 3, "LESS_EQUAL": 2, "LOG": 2,
    "LOGICAL_AND": 1, "LOGICAL_NOT": 1, "LOGICAL_OR": 1, "LOGISTIC": 3, "LOG_SOFTMAX": 2, "MAXIMUM": 4, "MAX_POOL_2D":
    3, "MEAN": 3, "MINIMUM": 4, "MIRROR_PAD": 3, "MUL": 8, "NEG": 1, "NOT_EQUAL": 4, "PACK": 5, "PAD": 6, "PADV2": 6,
    "POW": 1, "PRELU": 1, "QUANTIZE": 6, "RANGE": 2, "RANK": 1, "REDUCE_ALL": 1, "REDUCE_ANY": 1, "REDUCE_MAX": 3,
    "REDUCE_MIN": 3, "REDUCE_PROD": 2, "RELU": 3, "RELU6": 3, "RELU_N1_TO_1": 1, "RESHAPE": 1, "RESIZE_BILINEAR": 4,
    "RESIZE_NEAREST_NEIGHBOR": 4, "REVERSE_V2": 4, "ROUND": 1, "RSQRT": 3, "SELECT": 4, "SELECT_V2": 2, "SHAPE": 1,
    "SIGN": 2, "SIN": 2, "SLICE": 8, "SOFTMAX": 4, "SPACE_TO_BATCH_ND": 4, "SPACE_TO_DEPTH": 2, "SPLIT": 5, "SPLIT_V":
    3, "SQRT": 2, "SQUARE": 1, "SQUARED_DIFFERENCE": 2, "SQUEEZE": 2, "STRIDED_SLICE": 8, "SUB": 5, "SUM": 2, "SVDF": 4,
    "TANH": 3, "TILE": 3, "TRANSPOSE": 9, "TRANSPOSE_CONV": 5, "UNIDIRECTIONAL_SEQUENCE_LSTM": 4, "UNPACK": 6, "WHERE":
    2, "WHILE": 1, "ZEROS_LIKE": 1,
}  # fmt: skip
