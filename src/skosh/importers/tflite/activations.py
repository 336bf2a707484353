"""Activations and functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable

from skosh.importers.tflite.reader import Converter, Record
from skosh.ir.graph import Op
from skosh.ops.elements import activations as ops
from skosh.ops.elements import functions, smooth


def leaky_relu(record: Record) -> ops.LeakyRelu:
    from tflite.LeakyReluOptions import LeakyReluOptions

    return ops.LeakyRelu(float(record.options(LeakyReluOptions).Alpha()))


def gelu(record: Record) -> smooth.Gelu:
    from tflite.GeluOptions import GeluOptions

    return smooth.Gelu(bool(record.options(GeluOptions).Approximate()))


def _relu(activation: str) -> Converter:
    return lambda record: ops.Relu(activation)


def _plain(make: Callable[[], Op]) -> Converter:
    return lambda record: make()


CONVERTERS: dict[str, Converter] = {
    "RELU": _relu("relu"),
    "RELU6": _relu("relu6"),
    "RELU_N1_TO_1": _relu("relu_n1_to_1"),
    "LEAKY_RELU": leaky_relu,
    "PRELU": _plain(ops.Prelu),
    "ELU": _plain(smooth.Elu),
    "GELU": gelu,
    "HARD_SWISH": _plain(smooth.HardSwish),
    "LOGISTIC": _plain(ops.Logistic),
    "TANH": _plain(ops.Tanh),
    "ABS": _plain(functions.Abs),
    "NEG": _plain(functions.Neg),
    "EXP": _plain(functions.Exp),
    "LOG": _plain(functions.Log),
    "SQRT": _plain(functions.Sqrt),
    "RSQRT": _plain(functions.Rsqrt),
    "SQUARE": _plain(functions.Square),
    "SIN": _plain(functions.Sin),
    "COS": _plain(functions.Cos),
    "CEIL": _plain(functions.Ceil),
    "FLOOR": _plain(functions.Floor),
    "ROUND": _plain(functions.Round),
}
