"""Operators that are functions of others: those of the file itself, and those whose body ONNX's own package says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body, put_in_place
from skosh.importers.onnx.reader import Part, Record, function_of

MAX_DEPTH = 32


def call_function(ctx: Context, record: Record) -> bool:
    """Whether the operator is a function; then its body stands in its place."""
    part = _own(ctx, record)
    if part is None:
        found = _of_onnx(ctx, record)
        if found is None:
            return False
        part = found
    record.attributes.asked.update(record.attributes.plain)  # all are in the body
    names = list(record.inputs)
    if len(names) > len(part.inputs):
        raise ModelError(f"it must have at most {len(part.inputs)} inputs, not {len(names)}")
    names += [""] * (len(part.inputs) - len(names))
    ctx.depth += 1
    if ctx.depth > MAX_DEPTH:
        raise ModelError("functions must not call themselves")
    results = put_in_place(ctx, record, part, names, record.kind)
    ctx.depth -= 1
    b = Body(ctx, record)
    for k, name in enumerate(results):
        b.end(name, k)
    return True


def _own(ctx: Context, record: Record) -> Part | None:
    proto = ctx.model.functions.get(record.kind)
    return None if proto is None else function_of(proto, record.attributes.plain, record.loc)


def _of_onnx(ctx: Context, record: Record) -> Part | None:
    """The body that ONNX gives an operator of its own, for the types that its inputs have here."""
    import onnx

    domain, _, name = record.kind.rpartition(".")
    if any(isinstance(v, Part) or v is None for v in record.attributes.plain.values()):
        return None  # the body would lose it
    try:
        schema: Any = onnx.defs.get_schema(name, ctx.opset, domain)
    except (onnx.defs.SchemaError, RuntimeError):
        return None
    node = _as_proto(record)
    try:
        if schema.has_function:
            data = schema.get_function_with_opset_version(
                max(
                    v
                    for v in schema.function_opset_versions
                    if v <= max(ctx.opset, min(schema.function_opset_versions))
                )
            )
        elif schema.has_context_dependent_function:
            versions = schema.context_dependent_function_opset_versions
            version = max(v for v in versions if v <= max(ctx.opset, min(versions)))
            types = [_type(ctx, n) for n in record.inputs.plain]
            data = schema.get_context_dependent_function_with_opset_version(
                version, node.SerializeToString(), [t.SerializeToString() for t in types]
            )
        else:
            return None
    except Exception:  # whatever its builder makes of a node that doesn't fit
        return None
    if not data:
        return None
    defaults = {
        a.name: _plain(onnx.helper.get_attribute_value(a.default_value))
        for a in schema.attributes.values()
        if a.default_value.name
    }
    return function_of(onnx.FunctionProto.FromString(data), {**defaults, **record.attributes.plain}, record.loc)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value


def _as_proto(record: Record) -> Any:
    import onnx

    domain, _, name = record.kind.rpartition(".")
    attributes: Mapping[str, Any] = {
        k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
        for k, v in record.attributes.plain.items()
    }
    return onnx.helper.make_node(name, list(record.inputs.plain), list(record.outputs), domain=domain, **attributes)


def _type(ctx: Context, name: str) -> Any:
    import onnx

    if not name:
        return onnx.TypeProto()
    dtype = ctx.constants[name].dtype if name in ctx.constants else ctx.tensors[ctx.values[name].tensor].dtype.np
    return onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ctx.shape(name))
