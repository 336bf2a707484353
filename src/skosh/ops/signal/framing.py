"""Windows of a stream that comes in hops: each run takes one hop and gives the newest whole window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i16, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call, kernel, par, seq, widen, wrap
from skosh.ops.common import check_dtype, given, required


@kernel
def framed(x: i16[S], past: i16[H], age: i32[1], y: i16[W], *, runs):
    """y = the past and the first of x, zeros in the first runs; then the past moves on by S."""
    ready = 0
    if age[0] >= runs:
        ready = 1
    for n in par(H):
        y[n] = wrap(i16, widen(past[n]) * ready)
    for m in par(W - H):
        y[H + m] = wrap(i16, widen(x[m]) * ready)
    for i in seq(H - S):
        past[i] = past[i + S]
    for j in par(S):
        past[H - S + j] = x[j]
    if age[0] < runs:
        age[0] = age[0] + 1


@kernel
def framed_floats(x: f32[S], past: f32[H], age: i32[1], y: f32[W], *, runs):
    """The same of floats."""
    for n in par(H):
        y[n] = 0.0
        if age[0] >= runs:
            y[n] = past[n]
    for m in par(W - H):
        y[H + m] = 0.0
        if age[0] >= runs:
            y[H + m] = x[m]
    for i in seq(H - S):
        past[i] = past[i + S]
    for j in par(S):
        past[H - S + j] = x[j]
    if age[0] < runs:
        age[0] = age[0] + 1


@dataclass(frozen=True)
class Framer(Op):
    """y = a window of a stream, [1, window]. Inputs: x [1, hop], past [H], age int32[1]; outputs: y, past, age.

    x, past and y are int16 or float32.

    H is the smallest multiple of the hop with H + hop >= window. In run n, y is samples (n + 1) hop - H - hop and on: whole
    windows begin where the stream does, and follow each other by a hop. As long as there is no whole window, the first
    H / hop runs, y is zeros.
    """

    window: int
    kind = "framer"
    update = ((1, 1), (2, 2))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, past, age = required(inputs, 3)
        check_dtype(x, i16, f32)
        check_dtype(past, x.dtype)
        check_dtype(age, i32)
        if len(x.shape) != 2 or x.shape[0] != 1 or not 1 <= x.size < self.window:
            raise ModelError(f"a hop must be one row, shorter than the window of {self.window}, not {list(x.shape)}")
        if past.shape != (kept(self.window, x.size),) or age.shape != (1,):
            raise ModelError(f'"{past.name}" must have {kept(self.window, x.size)} samples, "{age.name}" one number')
        return Type((1, self.window), x.dtype), Type(past.shape, x.dtype), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, past, age = given(values, 0).reshape(-1), given(values, 1), given(values, 2)
        runs, known = past.size // x.size, np.concatenate([past, x])
        y = known[: self.window] if age[0] >= runs else np.zeros(self.window, x.dtype)
        return y[None], known[x.size :], np.minimum(age + 1, runs).astype(np.int32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, past, _ = required(inputs, 3)
        numbers = {"S": x.size, "H": past.size, "W": self.window, "runs": past.size // x.size}
        kernel_of = framed if x.dtype == i16 else framed_floats
        return (call(kernel_of, x=In(0), past=Out(1), age=Out(2), y=Out(0), **numbers),)


def kept(window: int, hop: int) -> int:
    """How many samples of the past a framer keeps."""
    return (-(-window // hop) - 1) * hop
