"""Operator sets 1 to 6 as their successors say the same: what became an input, a default or a rule of broadcasting since.

Sets from 7 on are read as they are. Nothing here knows values: a node's attributes tell it all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body
from skosh.importers.onnx.reader import Model, Record
from skosh.importers.onnx.taken import Attributes, Taken
from skosh.ops.moves.movement import normal_axis

AS_READ = 7
"""The oldest operator set whose nodes are read as they are."""

ALIGNED = "skosh.Aligned"
BROADCASTING = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater", "PRelu"})
TYPES = {
    "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BOOL": 9, "FLOAT16": 10, "DOUBLE": 11,
}  # fmt: skip


def renewed(model: Model) -> Model:
    """The model in operator set 7; the same model where it is of that or a newer one."""
    if model.opset >= AS_READ:
        return model
    nodes = [made for node in model.nodes for made in _renewed(node)]
    numbered = tuple(replace(n, loc=replace(n.loc, index=i)) for i, n in enumerate(nodes))
    return replace(model, nodes=numbered, opset=AS_READ, renewed=model.opset)


def _renewed(node: Record) -> list[Record]:
    a = dict(node.attributes.plain)
    for name in ("consumed_inputs", "is_test"):  # of memory; of training, which no exported model is in
        a.pop(name, None)
    inputs, before = list(node.inputs.plain), []
    match node.kind:
        case kind if kind in BROADCASTING and ("axis" in a or "broadcast" in a):
            axis = a.pop("axis", None)
            if not a.pop("broadcast", 0) and kind != "PRelu":
                axis = None
            if axis is not None and len(inputs) == 2:
                name = f"{node.outputs[0]}/aligned"
                operands = Taken((inputs[1], inputs[0]))
                before.append(Record(ALIGNED, operands, (name,), Attributes({"axis": int(axis)}), node.loc, node.name))
                inputs[1] = name
        case "Gemm":
            a.pop("broadcast", None)
        case "Cast" if isinstance(a.get("to"), str):
            if a["to"].upper() not in TYPES:
                raise ModelError(f'a cast must be to a type, not "{a["to"]}"', loc=node.loc)
            a["to"] = TYPES[a["to"].upper()]
        case "Concat":
            a.setdefault("axis", 1)
        case "Reshape" if "shape" in a:
            name = f"{node.outputs[0]}/shape"
            shape = Attributes({"value": np.asarray(a.pop("shape"), np.int64)})
            before.append(Record("Constant", Taken(()), (name,), shape, node.loc, node.name))
            inputs.append(name)
        case "Pad" if "paddings" in a:
            a["pads"] = a.pop("paddings")
        case "Upsample" if "height_scale" in a:
            a["scales"] = (1.0, 1.0, float(a.pop("height_scale")), float(a.pop("width_scale", 1.0)))
        case "Tile" if len(inputs) == 3:
            raise ModelError(
                "a tile must name the repeats of all axes", loc=node.loc, hint="export it with a newer set"
            )
    return [*before, replace(node, inputs=Taken(inputs), attributes=Attributes(a))]


def aligned(ctx: Context, record: Record) -> None:
    """The first input with axes of size 1 behind it, so that its first axis meets ``axis`` of the second input."""
    own, rank = ctx.shape(record.inputs[0]), len(ctx.shape(record.inputs[1]))
    axis = normal_axis(int(record.attributes["axis"]), rank)
    if axis + len(own) > rank:
        raise ModelError(f"{list(own)} must fit {rank} axes from axis {axis} on")
    b = Body(ctx, record)
    b.end(b.of("Reshape", record.inputs[0], (*own, *(1,) * (rank - axis - len(own)))))


CONVERTERS: dict[str, Any] = {ALIGNED: aligned}
