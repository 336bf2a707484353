"""Products of activations in a form of their own: Einsum."""

from __future__ import annotations

import math
from typing import Any

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.linear import product
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ops.layers.dense import Dense


def einsum(ctx: Context, record: Record) -> None:
    """Of two inputs: letters in both and in the output count batches, those in both alone are summed over."""
    terms, _, out = str(record.attributes.get("equation", "")).replace(" ", "").partition("->")
    letters = terms.split(",")
    if "." in terms or not out or any(len(set(t)) != len(t) for t in (*letters, out)) or len(letters) != 2:
        raise ModelError("an Einsum must be of two inputs, each letter once in each, with its output said", hint=HINT)
    (a, b), names = letters, record.inputs
    if len(names) != 2 or any(len(ctx.shape(n)) != len(t) for n, t in zip(names, letters, strict=True)):
        raise ModelError("an Einsum's letters must be the axes of its inputs", hint=HINT)
    batch = [c for c in out if c in a and c in b]
    rows, columns = ([c for c in out if c in t and c not in u] for t, u in ((a, b), (b, a)))
    summed = [c for c in a if c in b and c not in out]
    if set(a) | set(b) != {*batch, *rows, *columns, *summed} or set(out) != {*batch, *rows, *columns}:
        raise ModelError("an Einsum must sum only over letters that both inputs have", hint=HINT)
    sizes = {c: n for t, name in zip(letters, names, strict=True) for c, n in zip(t, ctx.shape(name), strict=True)}
    left = _matrix(ctx, names[0], a, (batch, rows, summed), sizes)
    if names[1] in ctx.constants and not batch:
        w = ctx.constants[names[1]].transpose([b.index(c) for c in (*columns, *summed)])
        weights = ctx.constant(names[1], w.reshape(math.prod(sizes[c] for c in columns), -1))
        (made,) = ctx.apply(Dense(keep_dims=True), (ctx.floats(ctx.laid(left)), weights), record.outputs[0])
        y = plain(made, ctx.tensors[made].shape)
    else:
        right = _matrix(ctx, names[1], b, (batch, summed, columns), sizes)
        y = product(ctx, left, right, record.outputs[0])
    made_order = [*batch, *rows, *columns]
    y = ctx.reshaped(y, tuple(sizes[c] for c in made_order))
    ctx.values[record.outputs[0]] = Value(y.tensor, y.stored, tuple(y.axes[made_order.index(c)] for c in out))


HINT = "write it as MatMul and Transpose"


def _matrix(ctx: Context, name: str, term: str, groups: Any, sizes: dict[str, int]) -> Value:
    """The input as [batches..., product of the second group, product of the third]."""
    x = ctx.value(name)
    batch, second, third = groups
    turned = Value(x.tensor, x.stored, tuple(x.axes[term.index(c)] for c in (*batch, *second, *third)))
    return ctx.reshaped(
        turned, (*(sizes[c] for c in batch), *(math.prod(sizes[c] for c in group) for group in (second, third)))
    )


CONVERTERS: dict[str, Any] = {"Einsum": einsum}
