"""Products of activations in a form of their own: Einsum, and attention in one operator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.linear import product
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ops.dense import Dense
from skosh.ops.elementwise import Add
from skosh.ops.softmax import Softmax


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


def attention(ctx: Context, record: Record) -> None:
    """softmax(scale * Q K^T + mask) V, for each head. Q, K, V: [B, H, S, D], or [B, S, H * D] with the number of heads said."""
    a, names = record.attributes, [record.input(k) for k in range(4)]
    if a.get("softcap", 0.0):
        raise ModelError("attention must have no softcap")
    flat = len(ctx.shape(names[0])) == 3
    q, k, v = (_heads(ctx, n, a.get("q_num_heads" if i == 0 else "kv_num_heads", 0)) for i, n in enumerate(names[:3]))
    if q.shape[:2] != k.shape[:2] or k.shape[:3] != v.shape[:3]:
        raise ModelError("queries, keys and values must have as many heads")
    scale = float(a.get("scale", 1 / math.sqrt(q.shape[-1])))
    out = record.outputs[0]
    turned = Value(k.tensor, k.stored, (*k.axes[:2], k.axes[3], k.axes[2]))
    scores = product(ctx, q, turned, f"{out}_scores")
    mask = _mask(ctx, names[3], bool(a.get("is_causal", 0)), q.shape[2], k.shape[2])
    if mask is not None:
        with np.errstate(over="ignore"):
            ctx.constants[f"{out}_mask"] = (mask / np.float32(scale)).astype(np.float32)
        laid = ctx.constant_like(f"{out}_mask", scores)
        if laid is None:
            raise ModelError("the mask must broadcast to the scores")
        scores = ctx.kept(scores, ctx.real(Add(), (scores.tensor, laid), f"{out}_masked")[0])
    (weights,) = ctx.real(Softmax(scale), (ctx.laid(scores),), f"{out}_weights")
    y = product(ctx, plain(weights, scores.shape), v, out)
    if flat:
        y = Value(y.tensor, y.stored, (y.axes[0], y.axes[2], y.axes[1], y.axes[3]))
        y = ctx.reshaped(y, (y.shape[0], y.shape[1], y.shape[2] * y.shape[3]))
    ctx.values[out] = y


def _heads(ctx: Context, name: str, count: int) -> Value:
    """[B, H, S, D]."""
    x = ctx.value(name)
    if len(x.shape) == 4:
        return x
    if len(x.shape) != 3 or count < 1 or x.shape[2] % count:
        raise ModelError(f"queries, keys and values of shape {list(x.shape)} must divide into {count} heads")
    x = ctx.reshaped(x, (x.shape[0], x.shape[1], count, x.shape[2] // count))
    return Value(x.tensor, x.stored, (x.axes[0], x.axes[2], x.axes[1], x.axes[3]))


def _mask(ctx: Context, name: str, causal: bool, queries: int, keys: int) -> Any:
    """What is added to the scores, float32; None when nothing is."""
    found = None
    if name:
        if name not in ctx.constants:
            raise ModelError("the mask must be constant")
        given = ctx.constants[name]
        found = np.where(given, 0.0, -np.inf) if given.dtype == bool else given
    if causal:
        later = np.where(np.tril(np.ones((queries, keys), bool)), 0.0, -np.inf)
        found = later if found is None else found + later
    return found


CONVERTERS: dict[str, Any] = {"Einsum": einsum, "Attention": attention}
