"""The bytes of an ONNX file as frozen records: knows no operator, trusts no size.

Protocol buffers are parsed by the ``onnx`` package; every array is checked against the bytes that are there before it is made.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import Loc, ModelError, ToolError
from skosh.base.files import read_bytes
from skosh.importers.onnx.beside import join
from skosh.importers.onnx.taken import Attributes, Taken
from skosh.ir.graph import Array

DOMAINS = ("", "ai.onnx")
OLDEST = 1
NEWEST = {"": 28, "ai.onnx": 28, "ai.onnx.ml": 5, "com.microsoft": 1}
"""The last operator set of each domain that was compared with what is read here: later ones may mean other things."""

_TYPES: dict[int, tuple[str, str]] = {
    1: ("float32", "float_data"), 2: ("uint8", "int32_data"), 3: ("int8", "int32_data"), 4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"), 6: ("int32", "int32_data"), 7: ("int64", "int64_data"), 9: ("bool", "int32_data"),
    10: ("float16", "int32_data"), 11: ("float64", "double_data"), 12: ("uint32", "uint64_data"), 13: ("uint64", "uint64_data"),
    16: ("float32", "int32_data"), 21: ("uint8", "int32_data"), 22: ("int8", "int32_data"),
}  # fmt: skip
"""TensorProto.DataType -> (numpy type, the field that holds numbers when there are no raw bytes).

bfloat16 (16) is read as float32, which holds all of it; uint4 (21) and int4 (22), two in a byte, as integers of 8 bits.
"""
BFLOAT16, UINT4, INT4 = 16, 21, 22


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
class Part:
    """A branch, a loop's body, or a function: nodes with names of their own for what goes in and comes out.

    It may read names of the graph around it, but for a function.
    """

    nodes: tuple[Record, ...]
    constants: Mapping[str, Array] = field(repr=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int | None = None
    """Of a function; None where it is that of the model."""

    def outer_names(self) -> set[str]:
        """Names that it reads and doesn't make."""
        own = {"", *self.constants, *self.inputs}
        found: set[str] = set()
        for node in self.nodes:
            found |= {n for n in names_read(node) if n not in own}
            own.update(node.outputs)
        return found | {n for n in self.outputs if n not in own}


def names_read(node: Record) -> set[str]:
    """What must be there before the node: its inputs, and what its branches read from outside."""
    found = {n for n in node.inputs.plain if n}
    for value in node.attributes.plain.values():
        if isinstance(value, Part):
            found |= value.outer_names()
    return found


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
    functions: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """FunctionProtos of the file by operator, as ``kind`` names them."""
    fours: frozenset[str] = frozenset()
    """Constants of 4 bits, which are read as integers of 8."""
    renewed: int | None = None
    """The operator set of the file where its nodes were put into a newer one."""


def read(source: Any) -> tuple[Model, str]:
    """(model, a name for it) from a path, bytes or an onnx.ModelProto. InputError or ModelError when that isn't possible."""
    onnx = _library()
    if isinstance(source, (str, Path)):
        path = Path(source)
        data = read_bytes(path)
        proto = _parsed(onnx, data, Loc(path.name))
        join(proto, path.parent, Loc(path.name))
        return model_of(proto, Loc(path.name), data), path.stem
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, loc = bytes(source), Loc("<onnx>")
        spend("bytes", len(data), "the file")
        proto = _parsed(onnx, data, loc)
        return model_of(proto, loc, data), _text(proto.graph.name) or "model"
    return model_of(source, Loc("<onnx>"), source.SerializeToString(deterministic=True)), _text(
        source.graph.name
    ) or "model"


def model_of(proto: Any, loc: Loc, data: bytes) -> Model:
    graph = proto.graph
    if not graph.node and not graph.output:
        raise ModelError("the file must hold an ONNX graph", loc=loc)
    # a file that names operators of other domains only has none of ONNX's own
    opset = max((o.version for o in proto.opset_import if o.domain in DOMAINS), default=NEWEST[""] if proto.opset_import else 0)
    if opset < OLDEST:
        raise ModelError(
            f"the operator set must be {OLDEST} or newer, not {opset}", loc=loc, hint="onnx.version_converter"
        )
    spend("nodes", len(graph.node) + len(graph.initializer) + len(graph.input), "the graph")
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
    if graph.sparse_initializer:
        raise ModelError("constants must not be sparse", loc=loc, hint="export them dense")
    nodes = in_order(
        tuple(_record(i, n, loc) for i, n in enumerate(graph.node)), {"", *constants, *(i.name for i in inputs)}
    )
    known = {"", *constants, *(i.name for i in inputs), *(name for n in nodes for name in n.outputs)}
    outputs = tuple(_port(o, loc) for o in graph.output)
    for port in outputs:
        if not port.name or port.name not in known:
            raise ModelError(f'the output "{port.name}" must be made by some node', loc=loc)
    functions = {kind_of(f.domain, f.name, getattr(f, "overload", "")): f for f in proto.functions}
    fours = {_text(t.name) for t in graph.initializer if t.data_type in (UINT4, INT4)}
    fours |= {
        _text(n.output[0])
        for n in graph.node
        if n.output and any(a.HasField("t") and a.t.data_type in (UINT4, INT4) for a in n.attribute)
    }
    digest = hashlib.sha256(data).hexdigest()
    return Model(loc, opset, nodes, constants, inputs, outputs, digest, functions, frozenset(fours))


def in_order(nodes: tuple[Record, ...], known: set[str]) -> tuple[Record, ...]:
    """The nodes, each after those whose results it reads; as they stand where they stand so.

    ModelError for a name that nobody makes, or that two nodes make, and for a circle.
    """
    made: dict[str, Record] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in made or name in known:
                raise ModelError(f'its output "{name}" must be made only once', loc=node.loc)
            made[name] = node
    for node in nodes:
        for name in sorted(names_read(node)):
            if name not in known and name not in made:
                raise ModelError(f'its input "{name}" must be made by some node', loc=node.loc)
    ordered: list[Record] = []
    there = set(known)
    waiting: dict[str, list[int]] = {}  # name -> nodes that wait for it
    missing = [{n for n in names_read(node) if n not in known} for node in nodes]
    for i, names in enumerate(missing):
        for name in names:
            waiting.setdefault(name, []).append(i)
    ready = [i for i, names in enumerate(missing) if not names]
    heapq.heapify(ready)
    while ready:
        node = nodes[heapq.heappop(ready)]
        ordered.append(node)
        for name in filter(None, node.outputs):
            there.add(name)
            for i in waiting.pop(name, ()):
                missing[i].discard(name)
                if not missing[i]:
                    heapq.heappush(ready, i)
    if len(ordered) < len(nodes):
        left = next(node for i, node in enumerate(nodes) if missing[i])
        raise ModelError("a node must not need its own result", loc=left.loc)
    return tuple(ordered)


def part_of(graph: Any, loc: Loc) -> Part:
    """A subgraph of a node."""
    constants = {_text(t.name): array_of(t, loc) for t in graph.initializer}
    inputs = tuple(_text(i.name) for i in graph.input)
    nodes = tuple(_record(i, n, loc) for i, n in enumerate(graph.node))
    return Part(nodes, constants, inputs, tuple(_text(o.name) for o in graph.output))


def function_of(proto: Any, given: Mapping[str, Any], loc: Loc) -> Part:
    """A FunctionProto with its attributes put in their places. given: those of the node that calls it."""
    own = {_text(a.name): _attribute(a, loc) for a in proto.attribute_proto}
    values = {**own, **given}
    nodes = tuple(_record(i, n, loc, values) for i, n in enumerate(proto.node))
    opset = max((o.version for o in proto.opset_import if o.domain in DOMAINS), default=None)
    return Part(nodes, {}, tuple(_text(n) for n in proto.input), tuple(_text(n) for n in proto.output), opset)


def kind_of(domain: Any, name: Any, overload: Any = "") -> str:
    """The operator's name, behind its domain unless that is ONNX's own, before its overload if it has one."""
    kind = _text(name) if domain in DOMAINS else f"{_text(domain)}.{_text(name)}"
    return f"{kind}:{_text(overload)}" if overload else kind


def array_of(tensor: Any, loc: Loc) -> Array:
    """A TensorProto's numbers. ModelError unless exactly as many are there as its shape says."""
    place = Loc(loc.file, _text(tensor.name)) if tensor.name else loc
    if tensor.data_location == 1 or tensor.external_data:
        raise ModelError(
            "its numbers, which lie in a file beside the model, must be there",
            loc=place,
            hint="pass the model's path, or load it with onnx.load, which joins them",
        )
    if tensor.data_type not in _TYPES:
        raise ModelError(f"a constant of ONNX's type {tensor.data_type} can't be read", loc=place)
    numpy_name, field_name = _TYPES[tensor.data_type]
    dtype, shape = np.dtype(numpy_name), tuple(int(n) for n in tensor.dims)
    if any(n < 0 for n in shape) or len(shape) > 16:
        raise ModelError(f"a constant must have sizes >= 0, not {shape}", loc=place)
    found: Array
    if tensor.data_type in (UINT4, INT4):
        found = _fours(tensor, math.prod(shape))
    elif tensor.data_type == BFLOAT16:
        halves = (
            np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 2 * 2], "<u2")
            if tensor.raw_data
            else np.array(tensor.int32_data, np.int64)
        )
        found = (halves.astype(np.uint32) << 16).view(np.float32)
    elif tensor.raw_data:
        found = np.frombuffer(
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


def _fours(tensor: Any, count: int) -> Array:
    """Integers of 4 bits, the first of a byte in its lower half."""
    packed = (
        np.frombuffer(tensor.raw_data, np.uint8)
        if tensor.raw_data
        else np.array(tensor.int32_data, np.int64).astype(np.uint8)
    )
    if packed.size != -(-count // 2):
        return packed  # the caller says that it doesn't fit
    both = np.stack([packed & 15, packed >> 4], -1).reshape(-1)[:count]
    return both if tensor.data_type == UINT4 else ((both ^ 8).astype(np.int16) - 8).astype(np.int8)


def _record(index: int, node: Any, loc: Loc, given: Mapping[str, Any] | None = None) -> Record:
    """given: what attributes that refer to a function's are; None outside of one."""
    outputs = tuple(_text(n) for n in node.output)
    name = _text(node.name) or next(filter(None, outputs), "") or _text(node.op_type)
    place = Loc(loc.file, name, index)
    kind = kind_of(node.domain, node.op_type, getattr(node, "overload", ""))
    attributes = {}
    for a in node.attribute:
        if not a.ref_attr_name:
            attributes[_text(a.name)] = _attribute(a, place, given)
        elif given is not None and _text(a.ref_attr_name) in given:
            attributes[_text(a.name)] = given[_text(a.ref_attr_name)]
    return Record(kind, Taken([_text(n) for n in node.input]), outputs, Attributes(attributes), place, name)


def _text(found: str | bytes) -> str:
    """The parser gives bytes where a damaged file holds no text."""
    return found if isinstance(found, str) else found.decode("utf-8", "replace")


def _attribute(a: Any, loc: Loc, given: Mapping[str, Any] | None = None) -> Any:
    """A number, text, array, a subgraph, or a tuple of numbers or texts. Others come as None: no converter reads one."""
    match a.type:
        case 1:
            return float(a.f)
        case 2:
            return int(a.i)
        case 3:
            return _text(a.s)
        case 4:
            return array_of(a.t, loc)
        case 5:
            return part_of(a.g, loc) if given is None else _part_in_function(a.g, loc, given)
        case 6:
            return tuple(float(f) for f in a.floats)
        case 7:
            return tuple(int(i) for i in a.ints)
        case 8:
            return tuple(_text(s) for s in a.strings)
        case _:
            return None


def _part_in_function(graph: Any, loc: Loc, given: Mapping[str, Any]) -> Part:
    part = part_of(graph, loc)
    return replace(part, nodes=tuple(_record(i, n, loc, given) for i, n in enumerate(graph.node)))


def _port(value: Any, loc: Loc) -> Port:
    if value.type.HasField("sequence_type") and value.type.sequence_type.elem_type.HasField("map_type"):
        return Port(_text(value.name), None, None)  # what a ZipMap gives, which is read as a tensor
    if not value.type.HasField("tensor_type"):
        raise ModelError("an input or output must be a tensor", loc=Loc(loc.file, _text(value.name)))
    tensor = value.type.tensor_type
    dtype = np.dtype(_TYPES[tensor.elem_type][0]) if tensor.elem_type in _TYPES else None
    if not tensor.HasField("shape"):
        return Port(_text(value.name), dtype, None)
    return Port(_text(value.name), dtype, tuple(_size(d) for d in tensor.shape.dim))


def _size(dim: Any) -> int | str:
    """A negative size is an open one without a name, as some exporters write it."""
    return int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else _text(dim.dim_param)


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
