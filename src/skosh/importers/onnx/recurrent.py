"""LSTM, GRU and RNN over a whole sequence of fixed length, one step after the other, as small operators on floats.

Both directions are the same steps in another order. The products with the input are one dense layer for all steps; each
step then has one dense layer for the hidden state, so the C functions are shared by the steps and only calls repeat.
The formulas are those of the ONNX operators' pages (gates in the order i o f c for LSTM, z r h for GRU).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import plain
from skosh.ir.graph import Array, Op
from skosh.ops.elements.activations import Logistic, Relu, Tanh
from skosh.ops.elements.elementwise import Add, Mul, Sub
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.movement import Concat, Slice, Split
from skosh.ops.moves.reshape import Reshape

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
MAX_STEPS = 256
"""More steps than these would make a graph of thousands of nodes."""


@dataclass(frozen=True)
class Layer:
    """One direction. name: of what it makes; w: [G*H, I], r: [G*H, H], wb and rb: [G*H]; squash: of RNN's sum."""

    ctx: Context
    kind: str
    name: str
    w: Array
    r: Array
    wb: Array
    rb: Array
    after: bool  # GRU's linear_before_reset
    squash: Op

    @property
    def early(self) -> Array:
        """The biases that join the products with the input: all but what GRU's reset gate multiplies."""
        rb = self.rb.copy()
        if self.kind == "GRU" and self.after:
            rb[2 * self.size :] = 0
        return np.asarray(self.wb.astype(np.float64) + rb, np.float32)

    @property
    def size(self) -> int:
        return int(self.r.shape[1])

    def one(self, op: Op, *inputs: str) -> str:
        return self.ctx.apply(op, inputs, self.name)[0]

    def dense(self, x: str, w: Array, bias: Array | None) -> str:
        ctx = self.ctx
        biases = () if bias is None else (ctx.constant(f"{self.name}_bias", bias),)
        return self.one(Dense(), x, ctx.constant(f"{self.name}_weights", w), *biases)

    def row(self, numbers: Array) -> str:
        return self.ctx.constant(f"{self.name}_row", numbers.reshape(1, -1))

    def parts(self, x: str, count: int) -> tuple[str, ...]:
        return self.ctx.apply(Split(1, (self.size,) * count), (x,), self.name) if count > 1 else (x,)

    def step(self, x: str, h: str, c: str) -> tuple[str, str]:
        """(h, c) after one step. x: [1, G*H], the products with the input and all biases that can join them.

        h and c: empty before the first step, where they are zeros: what they would add or multiply is left out.
        """
        return {"LSTM": self.lstm, "GRU": self.gru, "RNN": self.rnn}[self.kind](x, h, c)

    def total(self, x: str, h: str) -> str:
        """x has both biases in it."""
        return self.one(Add(), x, self.dense(h, self.r, None)) if h else x

    def rnn(self, x: str, h: str, c: str) -> tuple[str, str]:
        return self.one(self.squash, self.total(x, h)), c

    def lstm(self, x: str, h: str, c: str) -> tuple[str, str]:
        i, o, f, g = self.parts(self.total(x, h), 4)
        added = self.one(Mul(), self.one(Logistic(), i), self.one(Tanh(), g))
        c = self.one(Add(), self.one(Mul(), self.one(Logistic(), f), c), added) if c else added
        return self.one(Mul(), self.one(Logistic(), o), self.one(Tanh(), c)), c

    def gru(self, x: str, h: str, c: str) -> tuple[str, str]:
        n = 2 * self.size
        xz, xr, xh = self.parts(x, 3)
        if h:
            hz, hr = self.parts(self.dense(h, self.r[:n], None), 2)
            xz, xr = self.one(Add(), xz, hz), self.one(Add(), xr, hr)
        z, r = self.one(Logistic(), xz), self.one(Logistic(), xr)
        if self.after:
            own = self.dense(h, self.r[n:], self.rb[n:]) if h else self.row(self.rb[n:])
            xh = self.one(Add(), xh, self.one(Mul(), r, own)) if h or self.rb[n:].any() else xh
        elif h:
            xh = self.one(Add(), xh, self.dense(self.one(Mul(), r, h), self.r[n:], None))
        new = self.one(Tanh(), xh)
        if not h:
            return self.one(Sub(), new, self.one(Mul(), z, new)), c
        return self.one(Add(), new, self.one(Mul(), z, self.one(Sub(), h, new))), c


def recurrent(ctx: Context, record: Record) -> None:
    kind, a, names = record.kind, record.attributes, [record.input(k) for k in range(8)]
    shape = ctx.shape(names[0])
    if len(shape) != 3 or shape[1] != 1 or not 1 <= shape[0] <= MAX_STEPS or a.get("layout", 0) != 0:
        raise ModelError(
            f"the input must have shape [steps, 1, features] with at most {MAX_STEPS} steps and layout 0, not {shape}",
            hint="export with batch 1, and a shorter sequence if need be",
        )
    steps, _, features = shape
    w, r, bias = (ctx.known(record, k, what) for k, what in ((1, "W"), (2, "R"), (3, "B")))
    assert w is not None and r is not None, "checked before"
    direction = a.get("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        raise ModelError(f'direction must be forward, reverse or bidirectional, not "{direction}"')
    ways = ("forward", "reverse") if direction == "bidirectional" else (direction,)
    size = r.shape[-1]
    rows, count = GATES[kind] * size, len(ways)
    if a.get("hidden_size", size) != size:
        raise ModelError(f"hidden_size must be that of R, {size}, not {a['hidden_size']}")
    bias = np.zeros((count, 2 * rows), np.float32) if bias is None else bias
    wanted = ((count, rows, features), (count, rows, size), (count, 2 * rows))
    if (w.shape, r.shape, bias.shape) != wanted:
        raise ModelError(f"W, R and B must have shapes {wanted}, not {(w.shape, r.shape, bias.shape)}")
    squashes = [squash_of(record, d, count) for d in range(count)]
    refuse(ctx, record, names, steps)
    x = ctx.floats(ctx.laid(ctx.value(names[0]), ((0, 1), (2,))))
    found = []
    for d, way in enumerate(ways):
        name = f"{record.outputs[0] or record.name}_{way}"
        wb, rb = bias[d, :rows], bias[d, rows:]
        layer = Layer(ctx, kind, name, w[d], r[d], wb, rb, bool(a.get("linear_before_reset", 0)), squashes[d])
        states = [first(ctx, names[k], d, count, size, name) for k in ((5, 6) if kind == "LSTM" else (5,))]
        found.append(run(layer, x, steps, way == "reverse", states[0], states[-1]))
    results = [[y for y, _, _ in found], [h for _, h, _ in found], [c for _, _, c in found]]
    for k, (output, tensors) in enumerate(zip(record.outputs, results, strict=False)):
        if output:
            joined = tensors[0] if count == 1 else ctx.apply(Concat(1), tensors, output)[0]
            out_shape = (steps, count, 1, size) if k == 0 else (count, 1, size)
            ctx.values[output] = plain(ctx.apply(Reshape(out_shape), (joined,), output)[0], out_shape)


def run(layer: Layer, x: str, steps: int, reverse: bool, h: str, c: str) -> tuple[str, str, str]:
    """(all h in the order of time [T, H], last h, last c); x: [T, I]."""
    given = layer.dense(x, layer.w, layer.early)
    width = layer.w.shape[0]
    hidden = [""] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        row = given if steps == 1 else layer.one(Slice((t, 0), (1, width), (1, 1), (1, width)), given)
        h, c = layer.step(row, h, c)
        hidden[t] = h
    return (hidden[0] if steps == 1 else layer.one(Concat(0), *hidden)), h, c


def first(ctx: Context, name: str, d: int, count: int, size: int, made: str) -> str:
    """The state [1, H] before the first step; empty where it is zeros, as it is when the file gives none."""
    if not name:
        return ""
    if ctx.shape(name) != (count, 1, size):
        raise ModelError(f'"{name}" must have shape {(count, 1, size)}, not {ctx.shape(name)}')
    if name in ctx.constants and not ctx.constants[name].any():
        return ""
    if name in ctx.constants:
        return ctx.constant(f"{made}_first", ctx.constants[name][d])
    whole = ctx.floats(ctx.laid(ctx.value(name), ((0, 1), (2,))))
    return whole if count == 1 else ctx.apply(Slice((d, 0), (1, size), (1, 1), (1, size)), (whole,), made)[0]


def squash_of(record: Record, d: int, count: int) -> Op:
    """What RNN applies to its sum; LSTM and GRU have their usual functions only."""
    usual = USUAL[record.kind]
    named = tuple(str(n) for n in record.attributes.get("activations", usual * count))
    own = named[d * len(usual) : (d + 1) * len(usual)]
    if own != usual and not (record.kind == "RNN" and own == ("Relu",)):
        raise ModelError(f"activations must be {', '.join(usual)} in each direction, not {', '.join(named)}")
    return Relu("relu") if own == ("Relu",) else Tanh()


def refuse(ctx: Context, record: Record, names: Sequence[str], steps: int) -> None:
    """A ModelError for what is rare and not done: clipping, coupled gates, peepholes, sequences of several lengths."""
    if "clip" in record.attributes or record.attributes.get("input_forget", 0):
        raise ModelError("clip and input_forget must be absent")
    lengths = ctx.known(record, 4, "the lengths")
    if lengths is not None and (lengths != steps).any():
        raise ModelError(f"the sequence must be {steps} steps long, not {lengths.tolist()}")
    peepholes = ctx.known(record, 7, "P")
    if peepholes is not None and (peepholes != 0).any():
        raise ModelError("peepholes must be absent")


CONVERTERS: dict[str, Any] = dict.fromkeys(GATES, recurrent)
