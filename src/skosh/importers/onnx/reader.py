"""The bytes of an ONNX file as frozen records: knows no operator, trusts no size.

Protocol buffers are parsed by the ``onnx`` package; every array is checked against the bytes that are there before it is made.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.errors import InputError, Loc, ModelError, ToolError
from skosh.importers.onnx.taken import Attributes, Taken
from skosh.ir.graph import Array

DOMAINS = ("", "ai.onnx")
OLDEST = 7
NEWEST = {"": 28, "ai.onnx": 28, "ai.onnx.ml": 5, "com.microsoft": 1}
"""The last operator set of each domain whose operators were compared with what is read here: later ones may mean other things."""

_TYPES: dict[int, tuple[str, str]] = {
    1: ("float32", "float_data"), 2: ("uint8", "int32_data"), 3: ("int8", "int32_data"), 4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"), 6: ("int32", "int32_data"), 7: ("int64", "int64_data"), 9: ("bool", "int32_data"),
    10: ("float16", "int32_data"), 11: ("float64", "double_data"), 12: ("uint32", "uint64_data"), 13: ("uint64", "uint64_data"),
}  # fmt: skip
"""TensorProto.DataType -> (numpy type, the field that holds numbers when there are no raw bytes)."""


@dataclass(frozen=True)
class Record:
    """One node. ``kind``: the operator's name, behind its domain unless that is ONNX's own. ``attributes``: plain values.

    What is read of inputs and attributes counts as taken (see ``taken``).
    """

    kind: str
    inputs: Taken[str]
    outputs: tuple[str, ...]
    attributes: Attributes
    loc: Loc
    name: str

    def input(self, k: int) -> str:
        """The name of input k; empty where it is absent."""
        return self.inputs[k] if k < len(self.inputs) else ""


@dataclass(frozen=True)
class Port:
    """A graph input or output. shape: None where it isn't stated; a size is a name where the file leaves it open."""

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True)
class Model:
    """A file: nodes in an order that can be executed, constants by name, inputs that are no constants, outputs."""

    loc: Loc
    opset: int
    nodes: tuple[Record, ...]
    constants: Mapping[str, Array] = field(repr=False)
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    digest: str


def read(source: Any) -> tuple[Model, str]:
    """(model, a name for it) from a path, bytes or an onnx.ModelProto. InputError or ModelError when that isn't possible."""
    onnx = _library()
    if isinstance(source, (str, Path)):
        path = Path(source)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"can't be read: {(error.strerror or str(error)).lower()}", loc=str(path)) from error
        return model_of(_parsed(onnx, data, Loc(path.name)), Loc(path.name), data), path.stem
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, loc = bytes(source), Loc("<onnx>")
        proto = _parsed(onnx, data, loc)
        return model_of(proto, loc, data), _text(proto.graph.name) or "model"
    return model_of(source, Loc("<onnx>"), source.SerializeToString(deterministic=True)), _text(
        source.graph.name
    ) or "model"


def model_of(proto: Any, loc: Loc, data: bytes) -> Model:
    graph = proto.graph
    if not graph.node and not graph.output:
        raise ModelError("the file must hold an ONNX graph", loc=loc)
    if proto.functions:
        raise ModelError(
            "a model must not hold functions of its own",
            loc=loc,
            hint="inline them: onnx.inliner.inline_local_functions",
        )
    opset = max((o.version for o in proto.opset_import if o.domain in DOMAINS), default=0)
    if opset < OLDEST:
        raise ModelError(f"the operator set must be {OLDEST} or newer, not {opset}", loc=loc, hint="onnx.version_converter")
    for o in proto.opset_import:
        newest = NEWEST.get(o.domain)
        if newest is not None and o.version > newest:
            raise ModelError(
                f"the operator set of {o.domain or 'ai.onnx'} must be at most {newest}, not {o.version}",
                loc=loc,
                hint=f"export with operator set {newest}",
            )
    constants = {_text(t.name): array_of(t, loc) for t in graph.initializer}
    inputs = tuple(_port(i, loc) for i in graph.input if _text(i.name) not in constants)
    nodes = tuple(_record(i, n, loc) for i, n in enumerate(graph.node))
    known = {"", *constants, *(i.name for i in inputs)}
    for node in nodes:
        for name in node.inputs:
            if name not in known:
                raise ModelError(f'its input "{name}" must be made before it is used', loc=node.loc)
        for name in filter(None, node.outputs):
            if name in known:
                raise ModelError(f'its output "{name}" must be made only once', loc=node.loc)
            known.add(name)
    outputs = tuple(_port(o, loc) for o in graph.output)
    for port in outputs:
        if not port.name or port.name not in known:
            raise ModelError(f'the output "{port.name}" must be made by some node', loc=loc)
    return Model(loc, opset, nodes, constants, inputs, outputs, hashlib.sha256(data).hexdigest())


def array_of(tensor: Any, loc: Loc) -> Array:
    """A TensorProto's numbers. ModelError unless exactly as many are there as its shape says."""
    place = Loc(loc.file, _text(tensor.name)) if tensor.name else loc
    if tensor.data_location == 1 or tensor.external_data:
        raise ModelError(
            "its numbers must be inside the file",
            loc=place,
            hint="load it with onnx.load, which joins them, and pass the object",
        )
    if tensor.data_type not in _TYPES:
        raise ModelError(f"a constant of ONNX's type {tensor.data_type} can't be read", loc=place)
    numpy_name, field_name = _TYPES[tensor.data_type]
    dtype, shape = np.dtype(numpy_name), tuple(int(n) for n in tensor.dims)
    if any(n < 0 for n in shape) or len(shape) > 16:
        raise ModelError(f"a constant must have sizes >= 0, not {shape}", loc=place)
    if tensor.raw_data:
        found: Array = np.frombuffer(
            tensor.raw_data[: len(tensor.raw_data) // dtype.itemsize * dtype.itemsize], dtype.newbyteorder("<")
        )
    else:
        numbers = getattr(tensor, field_name)
        if dtype == np.float16:
            found = np.array(numbers, np.int64).astype(np.uint16).view(np.float16)
        else:
            found = np.array(numbers, np.float32 if numpy_name == "float32" else None).astype(dtype)
    if found.size != math.prod(shape):
        raise ModelError(
            f"it must hold the {math.prod(shape)} numbers of its shape {list(shape)}, not {found.size}", loc=place
        )
    return found.astype(dtype).reshape(shape)


def _record(index: int, node: Any, loc: Loc) -> Record:
    outputs = tuple(_text(n) for n in node.output)
    name = _text(node.name) or next(filter(None, outputs), "") or _text(node.op_type)
    place = Loc(loc.file, name, index)
    kind = _text(node.op_type) if node.domain in DOMAINS else f"{_text(node.domain)}.{_text(node.op_type)}"
    attributes = {_text(a.name): _attribute(a, place) for a in node.attribute}
    return Record(kind, Taken([_text(n) for n in node.input]), outputs, Attributes(attributes), place, name)


def _text(found: str | bytes) -> str:
    """The parser gives bytes where a damaged file holds no text."""
    return found if isinstance(found, str) else found.decode("utf-8", "replace")


def _attribute(a: Any, loc: Loc) -> Any:
    """A number, text, array, or a tuple of numbers or texts. A subgraph comes as None: no operator that has one is read."""
    match a.type:
        case 1:
            return float(a.f)
        case 2:
            return int(a.i)
        case 3:
            return _text(a.s)
        case 4:
            return array_of(a.t, loc)
        case 6:
            return tuple(float(f) for f in a.floats)
        case 7:
            return tuple(int(i) for i in a.ints)
        case 8:
            return tuple(_text(s) for s in a.strings)
        case _:
            return None


def _port(value: Any, loc: Loc) -> Port:
    if not value.type.HasField("tensor_type"):
        raise ModelError("an input or output must be a tensor", loc=Loc(loc.file, _text(value.name)))
    tensor = value.type.tensor_type
    dtype = np.dtype(_TYPES[tensor.elem_type][0]) if tensor.elem_type in _TYPES else None
    if not tensor.HasField("shape"):
        return Port(_text(value.name), dtype, None)
    return Port(_text(value.name), dtype, tuple(_size(d) for d in tensor.shape.dim))


def _size(dim: Any) -> int | str:
    return int(dim.dim_value) if dim.HasField("dim_value") else _text(dim.dim_param)


def _parsed(onnx: Any, data: bytes, loc: Loc) -> Any:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as error:  # the parser's own error class differs between its versions
        raise ModelError(
            "the file must be an ONNX model", loc=loc, hint="it may be cut off, or of another format"
        ) from error
    return proto


def _library() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ToolError("reading ONNX needs the onnx package", hint='pip install "skosh[onnx]"') from error
    return onnx
