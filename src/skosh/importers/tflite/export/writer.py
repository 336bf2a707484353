"""TFLite files from plain descriptions of tensors and operators, by the tables of TensorFlow's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

TYPE_NAMES = {
    "float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32", "uint8": "UINT8", "int64": "INT64", "bool": "BOOL",
    "int16": "INT16", "int8": "INT8", "float64": "FLOAT64", "uint32": "UINT32", "uint16": "UINT16", "uint64": "UINT64",
    "resource": "RESOURCE", "string": "STRING", "int4": "INT4",
}  # fmt: skip


@dataclass(frozen=True)
class TensorSpec:
    """A tensor. dtype: a numpy type or a TFLite name ("resource"). data: its values when it is constant."""

    name: str
    shape: tuple[int, ...]
    dtype: Any = np.int8
    scales: Sequence[float] | float = ()
    zero_points: Sequence[int] | int = ()
    axis: int = 0
    data: Any = None
    is_variable: bool = False
    shape_signature: tuple[int, ...] | None = None


@dataclass(frozen=True)
class OperatorSpec:
    """An operator: ``code`` "CONV_2D", tensor numbers (-1: absent), options by the schema's field names.

    options_class: the schema's table name when it can't be told from the code ("Pool2DOptions").
    """

    code: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    options_class: str | None = None
    intermediates: Sequence[int] = ()
    custom_code: str | None = None
    custom_options: bytes | None = None


@dataclass(frozen=True)
class SubgraphSpec:
    tensors: Sequence[TensorSpec]
    operators: Sequence[OperatorSpec]
    inputs: Sequence[int]
    outputs: Sequence[int]
    name: str = "main"


def model_bytes(
    tensors: Sequence[TensorSpec],
    operators: Sequence[OperatorSpec],
    inputs: Sequence[int],
    outputs: Sequence[int],
    more_subgraphs: Sequence[SubgraphSpec] = (),
    description: str = "written by skosh",
) -> bytes:
    """A TFLite file. Operators are written in the order given; the same model gives the same bytes."""
    b = flatbuffers.Builder(4096)
    subgraphs = [SubgraphSpec(tensors, operators, inputs, outputs), *more_subgraphs]
    codes: list[tuple[str, int, str | None]] = []
    for operator in (o for s in subgraphs for o in s.operators):
        if _code_key(operator) not in codes:
            codes.append(_code_key(operator))
    buffers: list[bytes] = [b""]
    written = [_subgraph(b, s, codes, buffers) for s in subgraphs]
    code_offsets = [_operator_code(b, *c) for c in codes]
    buffer_offsets = [_table(b, "Buffer", {"data": _bytes_vector(b, data)} if data else {}) for data in buffers]
    fields = {
        "version": 3,
        "operator_codes": _offsets(b, code_offsets),
        "subgraphs": _offsets(b, written),
        "description": b.CreateString(description),
        "buffers": _offsets(b, buffer_offsets),
    }
    b.Finish(_table(b, "Model", fields), file_identifier=b"TFL3")
    return bytes(b.Output())


def _code_key(operator: OperatorSpec) -> tuple[str, int, str | None]:
    return operator.code, operator.version, operator.custom_code


def _subgraph(b: Any, spec: SubgraphSpec, codes: list[tuple[str, int, str | None]], buffers: list[bytes]) -> int:
    tensors = _offsets(b, [_tensor(b, t, buffers) for t in spec.tensors])
    operators = _offsets(b, [_operator(b, o, codes.index(_code_key(o))) for o in spec.operators])
    fields = {
        "tensors": tensors,
        "inputs": _ints(b, spec.inputs),
        "outputs": _ints(b, spec.outputs),
        "operators": operators,
        "name": b.CreateString(spec.name),
    }
    return _table(b, "SubGraph", fields)


def _tensor(b: Any, spec: TensorSpec, buffers: list[bytes]) -> int:
    name = spec.dtype if isinstance(spec.dtype, str) and spec.dtype in TYPE_NAMES else np.dtype(spec.dtype).name
    buffer = 0
    if spec.data is not None:
        raw = spec.data if isinstance(spec.data, bytes) else np.asarray(spec.data, dtype=spec.dtype).tobytes()
        if raw:
            buffers.append(raw)
            buffer = len(buffers) - 1
    fields: dict[str, Any] = {
        "shape": _ints(b, spec.shape),
        "type": _enum("TensorType", TYPE_NAMES[name]),
        "buffer": buffer,
        "name": b.CreateString(spec.name),
        "is_variable": spec.is_variable,
    }
    scales, zero_points = np.atleast_1d(spec.scales), np.atleast_1d(spec.zero_points)
    if scales.size:
        zeros = zero_points if zero_points.size else np.zeros(scales.size, dtype=np.int64)
        if zeros.size == 1:
            zeros = np.repeat(zeros, scales.size)
        quantization = {
            "scale": _numbers(b, scales.astype(np.float32)),
            "zero_point": _numbers(b, zeros.astype(np.int64)),
            "quantized_dimension": spec.axis,
        }
        fields["quantization"] = _table(b, "QuantizationParameters", quantization)
    if spec.shape_signature is not None:
        fields["shape_signature"] = _ints(b, spec.shape_signature)
    return _table(b, "Tensor", fields)


def _operator(b: Any, spec: OperatorSpec, code_index: int) -> int:
    fields: dict[str, Any] = {
        "opcode_index": code_index,
        "inputs": _ints(b, spec.inputs),
        "outputs": _ints(b, spec.outputs),
    }
    if spec.intermediates:
        fields["intermediates"] = _ints(b, spec.intermediates)
    if spec.custom_options is not None:
        fields["custom_options"] = _bytes_vector(b, spec.custom_options)
    options = spec.options_class or options_class(spec.code)
    if options:
        values = {k: _option(b, k, v) for k, v in spec.options.items()}
        fields["builtin_options"] = _table(b, options, values)
        fields["builtin_options_type"] = _enum("BuiltinOptions", options)
    else:
        assert not spec.options, f"which options table has {spec.code}? set options_class"
    return _table(b, "Operator", fields)


def _operator_code(b: Any, code: str, version: int, custom: str | None) -> int:
    number = _enum("BuiltinOperator", code)
    fields = {"deprecated_builtin_code": min(number, 127), "builtin_code": number, "version": version}
    if custom is not None:
        fields["custom_code"] = b.CreateString(custom)
    return _table(b, "OperatorCode", fields)


_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions", "L2_POOL_2D": "Pool2DOptions",
    "L2_NORMALIZATION": "L2NormOptions", "MEAN": "ReducerOptions", "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions", "REDUCE_MIN": "ReducerOptions", "REDUCE_PROD": "ReducerOptions",
    "REDUCE_ANY": "ReducerOptions", "REDUCE_ALL": "ReducerOptions", "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions", "PADV2": "PadV2Options", "SVDF": "SVDFOptions", "LSTM": "LSTMOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions", "ATAN2": "ATan2Options",
}  # fmt: skip


def options_class(code: str) -> str | None:
    """The schema's table of an operator's options: "CONV_2D" -> "Conv2DOptions"; None when it has none."""
    if code in _OPTIONS:
        return _OPTIONS[code]
    wanted = code.replace("_", "").lower() + "options"
    names = vars(import_module("tflite.BuiltinOptions").BuiltinOptions)
    return next((n for n in names if n.lower() == wanted), None)


_ENUMS = {
    "padding": "Padding", "fused_activation_function": "ActivationFunctionType", "mode": "MirrorPadMode",
    "in_data_type": "TensorType", "out_data_type": "TensorType", "out_type": "TensorType",
    "output_type": "TensorType", "quantized_bias_type": "TensorType", "weights_format": "FullyConnectedOptionsWeightsFormat",
}  # fmt: skip


def _option(b: Any, name: str, value: Any) -> Any:
    """A field's value: numbers and enumeration names stay scalars; texts and lists become offsets."""
    if isinstance(value, str):
        return _enum(_ENUMS[name], value) if name in _ENUMS else b.CreateString(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return _ints(b, value)
    return value


def _table(b: Any, table: str, fields: Mapping[str, Any]) -> int:
    module = import_module(f"tflite.{table}")
    getattr(module, f"{table}Start")(b)
    for name, value in fields.items():
        camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
        getattr(module, f"{table}Add{camel}")(b, value)
    return int(getattr(module, f"{table}End")(b))


def _enum(enumeration: str, name: str) -> int:
    return int(getattr(getattr(import_module(f"tflite.{enumeration}"), enumeration), name))


def _offsets(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _numbers(b: Any, values: Array) -> int:
    return int(b.CreateNumpyVector(np.ascontiguousarray(values)))


def _ints(b: Any, values: Any) -> int:
    return _numbers(b, np.asarray(list(values), dtype=np.int32))


def _bytes_vector(b: Any, data: bytes) -> int:
    """Bytes, aligned to 16 as TFLite wants it of buffers."""
    b.StartVector(1, len(data), 16)
    b.head = b.head - len(data)
    b.Bytes[b.head : b.head + len(data)] = data
    return int(b.EndVector())
