"""ONNX: a file or a ModelProto becomes a Graph, channels last, without the transposes that NCHW would cost.

A family is ``skosh.importers.onnx.<name>`` with ``CONVERTERS``: operator -> converter, which reads the values of a record's
inputs from the context and leaves those of its outputs there. ``values`` tells how layouts are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, from_numpy
from skosh.base.errors import InputError, Loc, ModelError, Obstacle, UnsupportedError
from skosh.importers.onnx.advice import advice_for
from skosh.importers.onnx.checks import check_node
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.folding import FOLDS, folded
from skosh.importers.onnx.functions import call_function
from skosh.importers.onnx.older import renewed
from skosh.importers.onnx.qlinear import in_qdq_form
from skosh.importers.onnx.quantization import dequantize_constant
from skosh.importers.onnx.reader import Model, Port, Record, names_read, read
from skosh.importers.onnx.taken import Attributes, Taken, passed_over
from skosh.importers.onnx.values import channels_last, grouped, plain
from skosh.ir.graph import Graph, Tensor

FAMILIES = (
    "linear", "products", "elementwise", "curves", "choice", "pooling", "movement", "picking", "recurrent", "reductions",
    "norms", "quantization", "control", "attention", "older", "learned", "forests", "wholes", "places", "sampling", "taps",
)  # fmt: skip
LAYOUTS = ("nchw", "nhwc")
MAX_ELEMENTS = 1 << 26

Converter = Callable[[Context, Record], None]


def load(
    source: Any, name: str | None = None, *, layout: str = "nchw", shapes: Mapping[str, Sequence[int]] | None = None
) -> Graph:
    """A Graph that computes what the model computes.

    layout: "nchw" keeps inputs and outputs as the file has them, at the price of one transpose where an image of several
    channels comes in (none for one channel); "nhwc": images [N, C, H, W] are given and got as [N, H, W, C].
    shapes: of inputs whose sizes the file leaves open; a batch size left open is 1.

    Raises InputError for options that don't fit, ModelError for what isn't ONNX, and one UnsupportedError with every node
    that can't be compiled.
    """
    if layout not in LAYOUTS:
        raise InputError(f'layout must be one of {", ".join(LAYOUTS)}, not "{layout}"')
    model, own_name = read(source)
    model = in_qdq_form(renewed(model))
    ctx = Context(model, convert_node)
    inputs = add_inputs(ctx, layout, dict(shapes or {}))
    turn_images(ctx)
    obstacles = convert(ctx)
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=model.loc)
    outputs: dict[str, None] = {}
    for port in model.outputs:
        ctx.record = border(ctx, "Output", port.name)
        outputs[output_of(ctx, port, layout, outputs)] = None
    made = ctx.graph(name or own_name, inputs, tuple(outputs))
    if model.renewed is not None:
        ctx.notes["converted"] = f"its operator set {model.renewed} was read as {model.opset}"
    return replace(made, notes=made.notes.with_(**ctx.notes))


@cache
def converters() -> dict[str, Converter]:
    """Every family's converters, by operator."""
    table: dict[str, Converter] = {}
    for family in FAMILIES:
        table.update(import_module(f"{__name__}.{family}").CONVERTERS)
    return table


def add_inputs(ctx: Context, layout: str, shapes: dict[str, Sequence[int]]) -> list[str]:
    """Make the input tensors; their names."""
    model = ctx.model
    if "" in shapes and len(model.inputs) == 1:
        shapes[model.inputs[0].name] = shapes.pop("")
    unknown = [n for n in shapes if n not in {p.name for p in model.inputs}]
    if unknown:
        names = ", ".join(p.name for p in model.inputs)
        raise InputError(f'shapes must name inputs of the model ({names}), not "{unknown[0]}"', loc=model.loc)
    found = []
    for port in model.inputs:
        shape, dtype = input_shape(model, port, shapes.get(port.name)), port.dtype
        place = Loc(model.loc.file, port.name)
        if dtype is None or dtype.kind not in "fiub" or dtype in (np.uint16, np.uint64):
            raise ModelError(f"an input must be of numbers, not {dtype}", loc=place)
        kind = f32 if dtype.kind == "f" else from_numpy(dtype)
        groups = (
            channels_last(len(shape)) if layout == "nhwc" and len(shape) == 4 else [(a,) for a in range(len(shape))]
        )
        stored = tuple(shape[g[0]] for g in groups)
        tensor = ctx.add(Tensor(port.name, stored, kind))
        ctx.values[port.name] = grouped(tensor, stored, groups, len(shape))
        found.append(tensor)
    return found


def turn_images(ctx: Context) -> None:
    """Images that a layer will read channels last are turned where they come in, so that all readers see one layout."""
    for port in ctx.model.inputs:
        value = ctx.values[port.name]
        if len(value.axes) in (3, 4) and ctx.tensors[value.tensor].quant is None and read_as_image(ctx, port.name):
            ctx.record = border(ctx, "Input", port.name)
            groups = channels_last(len(value.axes))
            tensor = ctx.laid(value, groups)
            if tensor != value.tensor:
                ctx.values[port.name] = grouped(tensor, ctx.tensors[tensor].shape, groups, len(value.axes))


def border(ctx: Context, kind: str, name: str) -> Record:
    """What stands for a node where a value comes in or goes out."""
    return Record(kind, Taken(()), (), Attributes({}), Loc(ctx.model.loc.file, name), name)


def read_as_image(ctx: Context, name: str) -> bool:
    """Whether a layer over axes of space reads the name, itself or what is made of it at each place alone."""
    seen, left = {name}, [name]
    while left:
        for node in ctx.readers.get(left.pop(), []):
            if node.kind in SPATIAL:
                return True
            if node.kind in AT_EACH_PLACE:
                left += [n for n in node.outputs if n not in seen]
                seen.update(node.outputs)
    return False


SPATIAL = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize"})
AT_EACH_PLACE = frozenset({
    "Add", "Sub", "Mul", "Div", "BatchNormalization", "Relu", "Clip", "Identity", "Dropout", "Cast", "Concat", "Pad", "Split",
    "QuantizeLinear", "DequantizeLinear",
})  # fmt: skip


def input_shape(model: Model, port: Port, given: Sequence[int] | None) -> tuple[int, ...]:
    """The file's sizes, or those that the caller gives; an open batch size is 1."""
    place = Loc(model.loc.file, port.name)
    if given is not None:
        sizes = tuple(int(n) for n in given)
        stated = port.shape if port.shape is not None else sizes
        fits = len(sizes) == len(stated) and all(
            isinstance(s, str) or s == n for n, s in zip(sizes, stated, strict=True)
        )
        if not fits or any(n < 1 for n in sizes):
            raise InputError(f"its shape must fit {_text(stated)}, not {_text(sizes)}", loc=place)
        return _bounded(sizes, place)
    if port.shape is None:
        raise ModelError("its shape must be stated", loc=place, hint=f'load(..., shapes={{"{port.name}": (1, ...)}})')
    open_axes = [k for k, n in enumerate(port.shape) if isinstance(n, str)]
    if any(k > 0 for k in open_axes):
        example = ", ".join(
            "1" if k == 0 and isinstance(n, str) else "..." if isinstance(n, str) else str(n)
            for k, n in enumerate(port.shape)
        )
        raise ModelError(
            f"all sizes but the first must be fixed, not {_text(port.shape)}",
            loc=place,
            hint=f'load(..., shapes={{"{port.name}": ({example})}})',
        )
    sizes = tuple(1 if isinstance(n, str) else n for n in port.shape)
    if any(n < 1 for n in sizes):
        raise ModelError(f"its sizes must be positive, not {_text(sizes)}", loc=place)
    return _bounded(sizes, place)


def convert(ctx: Context) -> list[Obstacle]:
    """All nodes in order, constants first; what stands in the way of each that can't be converted."""
    obstacles: list[Obstacle] = []
    check_nodes(ctx, obstacles)
    fold_constants(ctx, obstacles)
    for node in ctx.model.nodes:
        assert node.loc.index is not None
        if node.loc.index in ctx.done or node.loc.index in ctx.bad:
            continue
        ctx.record = node
        missing = any(n not in ctx.values and n not in ctx.constants for n in names_read(node))  # what failed before
        if missing and (node.kind in converters() or node.kind in FOLDS):
            continue
        try:
            convert_node(ctx, node)
        except Unknown:
            problem = f"{node.kind} is not among the operators that skosh reads"
            obstacles.append(Obstacle(node.loc, problem, advice_for(node.kind)))
        except ModelError as error:
            if isinstance(error, UnsupportedError):
                raise
            obstacles.append(Obstacle(node.loc, f"{node.kind}: {error.message}", error.hint or advice_for(node.kind)))
    return sorted(obstacles, key=lambda o: -1 if o.loc.index is None else o.loc.index)


class Unknown(ModelError):
    """No converter has this operator."""


def convert_node(ctx: Context, node: Record) -> None:
    """Compute the node now, or let its converter have it. ModelError when neither can be; Unknown when there is none."""
    if fold(ctx, node):
        return
    if node.kind not in converters():
        if call_function(ctx, node):
            return
        raise Unknown("is not among the operators that skosh reads", hint=advice_for(node.kind))
    converted(ctx, node)


def converted(ctx: Context, node: Record) -> None:
    """Let the operator's converter have the node. ModelError for what it passes over that may change the answer."""
    node.inputs.forget()
    node.attributes.forget()
    converters()[node.kind](ctx, node)
    check_taken(ctx, node)
    for output in filter(None, node.outputs):
        made = output in ctx.values or output in ctx.constants
        if not made and (output in ctx.ends or output in ctx.readers) and not ctx.is_done(output):
            raise ModelError(f'its output "{output}" can\'t be computed', hint="end the model without it")


def check_taken(ctx: Context, node: Record) -> None:
    """ModelError unless all of the node's inputs and attributes were read, or can't matter."""
    attribute = passed_over(node.kind, node.attributes, ctx.opset)
    if attribute is not None:
        raise ModelError(f"{attribute} can't be computed", hint="export it without that attribute")
    for k in node.inputs.left():
        if node.inputs.plain[k]:
            raise ModelError(
                f'its input {k}, "{node.inputs.plain[k]}", can\'t be computed', hint="export it without that input"
            )


def check_nodes(ctx: Context, obstacles: list[Obstacle]) -> None:
    """Leave out the nodes that are not whole."""
    for node in ctx.model.nodes:
        if node.kind not in converters() and node.kind not in FOLDS:
            continue
        try:
            check_node(node)
        except ModelError as error:
            obstacles.append(
                Obstacle(node.loc, f"{node.kind}: {error.message}", error.hint or "export the model again")
            )
            assert node.loc.index is not None
            ctx.bad.add(node.loc.index)


def fold_constants(ctx: Context, obstacles: list[Obstacle]) -> None:
    """What hangs on constants alone, wherever it stands, so that a layer sees the constants behind it."""
    for node in ctx.model.nodes:
        assert node.loc.index is not None
        if node.loc.index in ctx.bad:
            continue
        try:
            if fold(ctx, node):
                ctx.done.add(node.loc.index)
        except ModelError as error:
            obstacles.append(Obstacle(node.loc, f"{node.kind}: {error.message}", error.hint or "check the file"))
            ctx.done.add(node.loc.index)


def fold(ctx: Context, node: Record) -> bool:
    """Compute the node now, if all its inputs are constant and it can be."""
    if any(n and n not in ctx.constants for n in node.inputs):
        return False
    node.inputs.forget()
    node.attributes.forget()
    if node.kind == "DequantizeLinear" and len(node.inputs) > 1:
        dequantize_constant(ctx, node)
        check_taken(ctx, node)
        return True
    values = Taken([ctx.constants[n] if n else None for n in node.inputs.plain])
    made = folded(node, values)
    if made is None:
        return False
    node.inputs.asked.update(values.asked)
    check_taken(ctx, node)
    ctx.constants.update(zip(node.outputs, made, strict=False))
    if node.kind in ("Identity", "Transpose", "Reshape") and node.inputs[0] in ctx.quants:
        moved_quant(ctx, node)
    return True


def moved_quant(ctx: Context, node: Record) -> None:
    """Quantized weights that are transposed or renamed stay quantized."""
    data, quant = ctx.quants[node.inputs[0]]
    made = folded(node, [data, *(ctx.constants[n] for n in node.inputs[1:])])
    if made is None or (quant.per_channel and node.kind == "Reshape"):
        return
    if quant.per_channel and node.kind == "Transpose":
        perm = list(node.attributes.get("perm", range(data.ndim)[::-1]))
        quant = type(quant)(quant.scales, quant.zero_points, perm.index(quant.axis))
    ctx.quants[node.outputs[0]] = (made[0], quant)


def output_of(ctx: Context, port: Port, layout: str, taken: Collection[str]) -> str:
    """The tensor of an output: float32 where the file says float, in the layout asked for."""
    value = ctx.value(port.name)
    if port.dtype is None or port.dtype.kind == "f":
        value = ctx.kept(value, ctx.floats(value.tensor))
    if port.name in ctx.constants:
        value = plain(value.tensor, value.stored)
    last = layout == "nhwc" and len(value.axes) == 4
    return ctx.output(ctx.laid(value, channels_last(4) if last else None), taken)


def _bounded(sizes: tuple[int, ...], place: Loc) -> tuple[int, ...]:
    if np.prod([float(n) for n in sizes]) > MAX_ELEMENTS:
        raise ModelError(f"it must have at most {MAX_ELEMENTS:,} elements, not {_text(sizes)}", loc=place)
    return sizes


def _text(sizes: Sequence[int | str]) -> str:
    return "[" + ", ".join(str(n) or "?" for n in sizes) + "]"
