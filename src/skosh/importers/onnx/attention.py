"""Attention in one operator: the usual kind by operators that have integer forms, all others by the body that ONNX gives it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.functions import call_function
from skosh.importers.onnx.linear import product
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ir.graph import Array
from skosh.ops.elements.elementwise import Add
from skosh.ops.reductions.softmax import Softmax


def attention(ctx: Context, record: Record) -> None:
    """softmax(scale * Q K^T + mask) V, for each head. Q, K, V: [B, H, S, D], or [B, S, H * D] with the number of heads said.

    Caches, groups of heads, windows, caps, masks that are computed, and rows that see nothing go by ONNX's own body.
    """
    if not usual(ctx, record):
        if not call_function(ctx, record):
            raise ModelError("the onnx package must know this operator's body", hint="pip install --upgrade onnx")
        return
    a, names = record.attributes, [record.input(k) for k in range(4)]
    flat = len(ctx.shape(names[0])) == 3
    q, k, v = (_heads(ctx, n, a.get("q_num_heads" if i == 0 else "kv_num_heads", 0)) for i, n in enumerate(names[:3]))
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
        scores = ctx.kept(scores, ctx.real(Add(open=True), (scores.tensor, laid), f"{out}_masked")[0])
    (weights,) = ctx.real(Softmax(scale), (ctx.laid(scores),), f"{out}_weights")
    y = product(ctx, plain(weights, scores.shape), v, out)
    if flat:
        y = Value(y.tensor, y.stored, (y.axes[0], y.axes[2], y.axes[1], y.axes[3]))
        y = ctx.reshaped(y, (y.shape[0], y.shape[1], y.shape[2] * y.shape[3]))
    ctx.values[out] = y


def usual(ctx: Context, record: Record) -> bool:
    """Whether there are as many heads everywhere, no cache, and at most a constant mask that leaves every row something."""
    a, names = record.attributes, [record.input(k) for k in range(7)]
    windows = (a.get("left_window_size", -1), a.get("right_window_size", -1))
    if any(names[4:]) or any(record.outputs[1:]) or a.get("softcap", 0.0) or windows != (-1, -1):
        return False
    shapes = [ctx.shape(n) for n in names[:3]]
    if len({len(s) for s in shapes}) != 1 or len(shapes[0]) not in (3, 4):
        raise ModelError(f"queries, keys and values must all have 3 or 4 dimensions, not {shapes}")
    if len(shapes[0]) == 4 and not shapes[0][1] == shapes[1][1] == shapes[2][1]:
        return False
    if len(shapes[0]) == 3 and a.get("q_num_heads", 0) != a.get("kv_num_heads", 0):
        return False
    if names[3] and names[3] not in ctx.constants:
        return False
    queries, keys = (s[1 if len(s) == 3 else 2] for s in shapes[:2])
    if names[3] and ctx.constants[names[3]].shape[-1] != keys:
        return False
    mask = _mask(ctx, names[3], bool(a.get("is_causal", 0)), queries, keys)
    return mask is None or bool((np.max(mask, -1) > -np.inf).all() and not np.isnan(mask).any())


def _heads(ctx: Context, name: str, count: int) -> Value:
    """[B, H, S, D]."""
    x = ctx.value(name)
    if len(x.shape) == 4:
        return x
    if len(x.shape) != 3 or count < 1 or x.shape[2] % count:
        raise ModelError(f"queries, keys and values of shape {list(x.shape)} must divide into {count} heads")
    x = ctx.reshaped(x, (x.shape[0], x.shape[1], count, x.shape[2] // count))
    return Value(x.tensor, x.stored, (x.axes[0], x.axes[2], x.axes[1], x.axes[3]))


def _mask(ctx: Context, name: str, causal: bool, queries: int, keys: int) -> Array | None:
    """What is added to the scores, float32; None when nothing is."""
    found: Array | None = None
    if name:
        given = ctx.constants[name]
        found = np.where(given, 0.0, -np.inf) if given.dtype == bool else given
        if found.ndim and (
            found.shape[-1] not in (1, keys) or (found.ndim > 1 and found.shape[-2] not in (1, queries))
        ):
            raise ModelError(f"the mask must broadcast to {queries} queries and {keys} keys, not {list(found.shape)}")
    if causal:
        later = np.where(np.tril(np.ones((queries, keys), bool)), 0.0, -np.inf)
        found = later if found is None else found + later
    return found


CONVERTERS: dict[str, Any] = {"Attention": attention}
