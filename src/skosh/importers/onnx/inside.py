"""Nodes in place of one node: bodies of functions, branches, unrolled loops, and operators said by others.

Each is converted as soon as it is named, so constants fold and layouts are followed as in the file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.errors import Loc, ModelError, UnsupportedError
from skosh.importers.onnx.checks import check_node
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Part, Record, in_order, names_read
from skosh.importers.onnx.taken import Attributes, Taken
from skosh.ir.graph import Array

NEWEST_FORM = 24
"""The operator set in which the bodies of this package's own operators are written."""

MAX_INSIDE = 20_000
"""Nodes that all bodies together may have."""


def run(ctx: Context, records: Sequence[Record], opset: int) -> None:
    """Convert the nodes of a body, in their order. ModelError, which names the operator, for the first that can't be."""
    outer, ctx.opset = ctx.opset, opset
    ctx.inside += len(records)
    if ctx.inside > MAX_INSIDE:
        raise ModelError(f"loops and functions must come to at most {MAX_INSIDE:,} nodes", hint="split the model")
    for record in records:
        for name in names_read(record):
            ctx.readers.setdefault(name, []).append(record)
    try:
        for record in records:
            if record.loc.index in ctx.done:
                continue
            try:
                check_node(record)
                ctx.convert(ctx, record)
            except UnsupportedError:
                raise
            except ModelError as error:
                raise ModelError(f"{record.kind}: {error.message}", hint=error.hint) from error
    finally:
        ctx.opset = outer


def put_in_place(ctx: Context, record: Record, part: Part, inputs: Sequence[str], hint: str = "") -> tuple[str, ...]:
    """The names of the results of a part whose own inputs are these names."""
    own = dict(zip(part.inputs, inputs, strict=False))
    inner = f"{record.name}/{hint}" if hint else record.name

    def renamed(name: str) -> str:
        return own.get(name, name)

    for name, data in part.constants.items():
        own[name] = ctx.fresh(f"{inner}/{name}")
        ctx.constants[own[name]] = data
    for node in part.nodes:
        own.update({n: ctx.fresh(f"{inner}/{n}") for n in node.outputs if n})
    nodes = [
        Record(
            n.kind, Taken([renamed(i) for i in n.inputs.plain]), tuple(renamed(o) for o in n.outputs),
            Attributes({k: _part_renamed(v, own) for k, v in n.attributes.plain.items()}),
            Loc(record.loc.file, record.loc.node, ctx.fresh_index()), n.name,
        )
        for n in part.nodes
    ]  # fmt: skip
    known = {"", *ctx.values, *ctx.constants}
    run(ctx, in_order(tuple(nodes), known), ctx.opset if part.opset is None else part.opset)
    return tuple(renamed(o) for o in part.outputs)


def _part_renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A part that reads names from outside, under their new names."""
    if not isinstance(value, Part):
        return value
    own = {*value.constants, *value.inputs, *(o for n in value.nodes for o in n.outputs)}
    outer = {old: new for old, new in names.items() if old not in own}
    nodes = tuple(
        replace(
            n, inputs=Taken([outer.get(i, i) for i in n.inputs.plain]),
            attributes=Attributes({k: _part_renamed(v, outer) for k, v in n.attributes.plain.items()}),
        )
        for n in value.nodes
    )  # fmt: skip
    return replace(value, nodes=nodes, outputs=tuple(outer.get(o, o) for o in value.outputs))


class Body:
    """Builds what a node means out of other operators of ONNX.

    An input is a name, or numbers that become a constant. Names that are made are unique.
    """

    def __init__(self, ctx: Context, record: Record) -> None:
        self.ctx, self.record = ctx, record
        self.name = next(filter(None, record.outputs), record.name)

    def of(
        self, kind: str, *inputs: str | float | Sequence[int] | Array, opset: int = NEWEST_FORM, **attributes: Any
    ) -> str:
        """The result of one more operator."""
        return self.several(kind, 1, *inputs, opset=opset, **attributes)[0]

    def several(
        self,
        kind: str,
        count: int,
        *inputs: str | float | Sequence[int] | Array,
        opset: int = NEWEST_FORM,
        **attributes: Any,
    ) -> tuple[str, ...]:
        """The first ``count`` results of one more operator."""
        names = [n if isinstance(n, str) else self.constant(n) for n in inputs]
        outputs = tuple(self.ctx.fresh(f"{self.name}/{kind}") for _ in range(count))
        self.put(kind, names, outputs, opset, attributes)
        return outputs

    def put(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], opset: int, attributes: Mapping[str, Any]
    ) -> None:
        loc = Loc(self.record.loc.file, self.record.loc.node, self.ctx.fresh_index())
        run(
            self.ctx,
            [Record(kind, Taken(inputs), tuple(outputs), Attributes(attributes), loc, self.record.name)],
            opset,
        )

    def constant(self, numbers: float | Sequence[int] | Array) -> str:
        """float32 for a number, int64 for a list of sizes or places, an array as it is."""
        name = self.ctx.fresh(f"{self.name}/number")
        data = (
            numbers
            if isinstance(numbers, np.ndarray | np.generic)
            else np.asarray(numbers, np.float32 if isinstance(numbers, float) else np.int64)
        )
        self.ctx.constants[name] = np.asarray(data)
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        return self.ctx.shape(name)

    def end(self, name: str, k: int = 0) -> None:
        """What was made is the record's output k; nothing where that has no name."""
        ctx, output = self.ctx, self.record.outputs[k] if k < len(self.record.outputs) else ""
        if not output:
            return
        if name in ctx.constants:
            ctx.constants[output] = ctx.constants[name]
            if name in ctx.quants:
                ctx.quants[output] = ctx.quants[name]
        else:
            ctx.values[output] = ctx.values[name]


def body(write: Callable[[Body, Record], str]) -> Callable[[Context, Record], None]:
    """A converter from a function that makes the first output's name."""

    def convert(ctx: Context, record: Record) -> None:
        b = Body(ctx, record)
        b.end(write(b, record))

    return convert
