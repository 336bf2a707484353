"""LSTM, GRU and RNN over a whole sequence of fixed length, one step after the other, as small operators on floats.

Both directions are the same steps in another order. The products with the input are one dense layer for all steps; each
step then has one dense layer for the hidden state, so the C functions are shared by the steps and only calls repeat.
The formulas are those of the ONNX operators' pages (gates in the order i o f c for LSTM, z r h for GRU). Sequences that end
earlier keep their state from there on, and give zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ir.graph import Array, Op
from skosh.ops.elements.activations import Logistic, Relu, Tanh
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Maximum, Minimum, Mul, Sub
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.movement import Concat, Slice, Split
from skosh.ops.moves.reshape import Reshape

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
FUNCTIONS: dict[str, Op] = {"Sigmoid": Logistic(), "Tanh": Tanh(), "Relu": Relu("relu")}
MAX_STEPS = 512
"""More steps than these would make a graph of many thousands of nodes."""


@dataclass(frozen=True)
class Layer:
    """One direction. name: of what it makes; w: [G*H, I], r: [G*H, H], wb and rb: [G*H]; squashes: of gates and states."""

    ctx: Context
    kind: str
    name: str
    w: Array
    r: Array
    wb: Array
    rb: Array
    after: bool  # GRU's linear_before_reset
    squashes: tuple[Op, ...]
    peepholes: Array | None = None  # [3 * H], of LSTM's gates i o f
    clip: float | None = None  # what gates' sums are held to
    coupled: bool = False  # LSTM's input_forget

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

    def gate(self, k: int, x: str) -> str:
        """The k-th function of the direction, of a sum."""
        if self.clip is not None:
            x = self.one(Maximum(), x, self.row(np.full(1, -self.clip, np.float32)))
            x = self.one(Minimum(), x, self.row(np.full(1, self.clip, np.float32)))
        return self.one(self.squashes[k], x)

    def step(self, x: str, h: str, c: str) -> tuple[str, str]:
        """(h, c) after one step. x: [B, G*H], the products with the input and all biases that can join them.

        h and c: empty before the first step, where they are zeros: what they would add or multiply is left out.
        """
        return {"LSTM": self.lstm, "GRU": self.gru, "RNN": self.rnn}[self.kind](x, h, c)

    def total(self, x: str, h: str) -> str:
        """x has both biases in it."""
        return self.one(Add(), x, self.dense(h, self.r, None)) if h else x

    def rnn(self, x: str, h: str, c: str) -> tuple[str, str]:
        return self.gate(0, self.total(x, h)), c

    def lstm(self, x: str, h: str, c: str) -> tuple[str, str]:
        i, o, f, g = self.parts(self.total(x, h), 4)
        i, f = self.peeped(i, 0, c), self.peeped(f, 2, c)
        opened = self.gate(0, i)
        added = self.one(Mul(), opened, self.gate(1, g))
        if c:
            kept = self.one(Sub(), self.row(np.ones(1, np.float32)), opened) if self.coupled else self.gate(0, f)
            c = self.one(Add(), self.one(Mul(), kept, c), added)
        else:
            c = added
        return self.one(Mul(), self.gate(0, self.peeped(o, 1, c)), self.one(self.squashes[2], c)), c

    def peeped(self, x: str, k: int, c: str) -> str:
        """A gate's sum with what it sees of the cell's state."""
        if self.peepholes is None or not c:
            return x
        own = self.peepholes[k * self.size : (k + 1) * self.size]
        return self.one(Add(), x, self.one(Mul(), c, self.row(own))) if own.any() else x

    def gru(self, x: str, h: str, c: str) -> tuple[str, str]:
        n = 2 * self.size
        xz, xr, xh = self.parts(x, 3)
        if h:
            hz, hr = self.parts(self.dense(h, self.r[:n], None), 2)
            xz, xr = self.one(Add(), xz, hz), self.one(Add(), xr, hr)
        z, r = self.gate(0, xz), self.gate(0, xr)
        if self.after:
            own = self.dense(h, self.r[n:], self.rb[n:]) if h else self.row(self.rb[n:])
            xh = self.one(Add(), xh, self.one(Mul(), r, own)) if h or self.rb[n:].any() else xh
        elif h:
            xh = self.one(Add(), xh, self.dense(self.one(Mul(), r, h), self.r[n:], None))
        new = self.gate(1, xh)
        if not h:
            return self.one(Sub(), new, self.one(Mul(), z, new)), c
        return self.one(Add(), new, self.one(Mul(), z, self.one(Sub(), h, new))), c


def recurrent(ctx: Context, record: Record) -> None:
    kind, a = record.kind, record.attributes
    shape, layout = ctx.shape(record.inputs[0]), int(a.get("layout", 0))
    if len(shape) != 3 or layout not in (0, 1):
        raise ModelError(f"the input must have shape [steps, batch, features] and layout 0 or 1, not {shape}")
    steps, batch, features = (shape[1], shape[0], shape[2]) if layout else shape
    if not 1 <= steps <= MAX_STEPS:
        raise ModelError(f"there must be 1 to {MAX_STEPS} steps, not {steps}", hint="export a shorter sequence")
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
    peepholes = ctx.known(record, 7, "P") if kind == "LSTM" else None
    if peepholes is not None and peepholes.shape != (count, 3 * size):
        raise ModelError(f"P must have shape {(count, 3 * size)}, not {peepholes.shape}")
    clip = a.get("clip")
    x = ctx.value(record.inputs[0])
    x = Value(x.tensor, x.stored, (x.axes[1], x.axes[0], x.axes[2])) if layout else x
    given = ctx.floats(ctx.laid(x, ((0, 1), (2,))))
    masks = [mask_of(ctx, record, t, batch) for t in range(steps)]
    found = []
    for d, way in enumerate(ways):
        name = f"{next(filter(None, record.outputs))}_{way}"
        layer = Layer(
            ctx, kind, name, w[d], r[d], bias[d, :rows], bias[d, rows:], bool(a.get("linear_before_reset", 0)),
            squashes_of(record, d, count), None if peepholes is None else peepholes[d], None if clip is None else float(clip),
            bool(a.get("input_forget", 0)),
        )  # fmt: skip
        states = [
            first(ctx, record.input(k), d, (count, batch, size), layout, name) for k in ((5, 6) if kind == "LSTM" else (5,))
        ]
        found.append(run(layer, given, masks, batch, way == "reverse", states[0], states[-1]))
    results = [[y for y, _, _ in found], [h for _, h, _ in found], [c for _, _, c in found]]
    for k, (output, tensors) in enumerate(zip(record.outputs, results, strict=False)):
        if not output:
            continue
        joined = tensors[0] if count == 1 else ctx.apply(Concat(1), tensors, output)[0]
        stored = (steps, batch, count, size) if k == 0 else (batch, count, size)
        value = plain(ctx.apply(Reshape(stored), (joined,), output)[0], stored)
        order = ((1, 0, 2, 3) if layout else (0, 2, 1, 3)) if k == 0 else ((0, 1, 2) if layout else (1, 0, 2))
        ctx.values[output] = Value(value.tensor, value.stored, tuple(value.axes[p] for p in order))


def run(
    layer: Layer, x: str, masks: Sequence[str], batch: int, reverse: bool, h: str, c: str
) -> tuple[str, str, str]:
    """(all h in the order of time [T * B, H], last h, last c); x: [T * B, I]. masks: which rows of a step count, or ""."""
    given, steps = layer.dense(x, layer.w, layer.early), len(masks)
    width = layer.w.shape[0]
    hidden = [""] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        step = Slice((t * batch, 0), (batch, width), (1, 1), (batch, width))
        new_h, new_c = layer.step(given if steps == 1 else layer.one(step, given), h, c)
        hidden[t] = new_h
        if masks[t]:
            zeros = layer.ctx.constant(f"{layer.name}_zeros", np.zeros((batch, layer.size), np.float32))
            hidden[t] = layer.one(Select(), masks[t], new_h, zeros)
            new_h = layer.one(Select(), masks[t], new_h, h or zeros)
            new_c = layer.one(Select(), masks[t], new_c, c or zeros) if layer.kind == "LSTM" else new_c
        h, c = new_h, new_c
    return (hidden[0] if steps == 1 else layer.one(Concat(0), *hidden)), h, c


def mask_of(ctx: Context, record: Record, t: int, batch: int) -> str:
    """[B, 1]: which sequences have a step t; empty where all do."""
    name = record.input(4)
    if not name:
        return ""
    if ctx.shape(name) != (batch,):
        raise ModelError(f"there must be a length for each of {batch} sequences, not {ctx.shape(name)}")
    if name in ctx.constants:
        alive = ctx.constants[name] > t
        return "" if alive.all() else ctx.constant(f"{name}_from_{t}", alive.reshape(-1, 1))
    lengths = ctx.once(Reshape((batch, 1)), ctx.as_type(ctx.laid(ctx.value(name)), i32), f"{name}_lengths")
    number = ctx.constant(f"{name}_{t}", np.full((1, 1), t, np.int32))
    return ctx.apply(Compare("<"), (number, lengths), f"{name}_from_{t}")[0]


def first(ctx: Context, name: str, d: int, shape: tuple[int, int, int], layout: int, made: str) -> str:
    """The state [B, H] before the first step; empty where it is zeros, as it is when the file gives none."""
    if not name:
        return ""
    count, batch, size = shape
    wanted = (batch, count, size) if layout else shape
    if ctx.shape(name) != wanted:
        raise ModelError(f'"{name}" must have shape {wanted}, not {ctx.shape(name)}')
    if name in ctx.constants:
        data = ctx.constants[name].swapaxes(0, 1) if layout else ctx.constants[name]
        return ctx.constant(f"{made}_first", data[d]) if data.any() else ""
    value = ctx.value(name)
    value = Value(value.tensor, value.stored, (value.axes[1], value.axes[0], value.axes[2])) if layout else value
    whole = ctx.floats(ctx.laid(value, ((0, 1), (2,))))
    step = Slice((d * batch, 0), (batch, size), (1, 1), (batch, size))
    return whole if count == 1 else ctx.apply(step, (whole,), made)[0]


def squashes_of(record: Record, d: int, count: int) -> tuple[Op, ...]:
    """The functions of one direction: of the gates, of what goes into the state, of what comes out."""
    usual = USUAL[record.kind]
    named = tuple(str(n) for n in record.attributes.get("activations", usual * count))
    if len(named) == len(usual) and count > 1:
        named *= count
    own = named[d * len(usual) : (d + 1) * len(usual)]
    if len(own) != len(usual) or any(n not in FUNCTIONS for n in own):
        raise ModelError(f"activations must be {len(usual)} of {', '.join(FUNCTIONS)} a direction, not {', '.join(named)}")
    return tuple(FUNCTIONS[n] for n in own)


CONVERTERS: dict[str, Any] = dict.fromkeys(GATES, recurrent)
