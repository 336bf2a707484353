"""Filters of streams in float32: second-order sections and finite impulse responses, hop by hop, with what they remember.

The meaning is scipy's: ``scipy.signal.sosfilt`` (direct form II transposed) and ``lfilter(taps, 1, x)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call, kernel, par, seq
from skosh.ops.common import check_constant, check_dtype, given, required
from skosh.ops.signal.spectrum import data_of


@kernel
def sections(x: f32[N, C], sos: f32[S, 5], state: f32[S, C, 2], y: f32[N, C]):
    """y = x through each section: y[n] = b0 x[n] + z0; z0 = b1 x[n] - a1 y[n] + z1; z1 = b2 x[n] - a2 y[n]."""
    for n in seq(N):
        for c in par(C):
            value = x[n, c]
            for s in seq(S):
                new = sos[s, 0] * value + state[s, c, 0]
                state[s, c, 0] = (sos[s, 1] * value - sos[s, 3] * new) + state[s, c, 1]
                state[s, c, 1] = sos[s, 2] * value - sos[s, 4] * new
                value = new
            y[n, c] = value


@kernel
def impulse_response(x: f32[N, C], taps: f32[K], past: f32[K - 1, C], joined: f32[K - 1 + N, C], y: f32[M, C], *, every):
    """y[m] = the sum of taps[k] x[every m - k]; then the past moves on by N."""
    for h, c in par(K - 1, C):
        joined[h, c] = past[h, c]
    for n, c2 in par(N, C):
        joined[K - 1 + n, c2] = x[n, c2]
    for m, c3 in par(M, C):
        total = 0.0
        for k in seq(K):
            total += taps[k] * joined[m * every + K - 1 - k, c3]
        y[m, c3] = total
    for h2, c4 in par(K - 1, C):
        past[h2, c4] = joined[N + h2, c4]


@dataclass(frozen=True)
class Sections(Op):
    """y = x through second-order sections, one after the other.

    Inputs: x float32[N, C], samples of C channels; sos float32[S, 5], constant: b0, b1, b2, a1, a2 of a section, a0 = 1; state
    float32[S, C, 2]. Outputs: y float32[N, C], state.
    """

    kind = "second_order_sections"
    update = ((2, 1),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, sos, state = required(inputs, 3)
        for t in (x, sos, state):
            check_dtype(t, f32)
        check_constant(sos)
        if len(x.shape) != 2 or len(sos.shape) != 2 or sos.shape[1] != 5:
            raise ModelError(f"sections must be [S, 5] of samples [N, C], not {list(sos.shape)} of {list(x.shape)}")
        if state.shape != (sos.shape[0], x.shape[1], 2):
            raise ModelError(f'"{state.name}" must have shape {[sos.shape[0], x.shape[1], 2]}, not {list(state.shape)}')
        return Type(x.shape, f32), Type(state.shape, f32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, sos, _ = required(inputs, 3)
        return x.size * sos.size

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        y, sos, state = given(values, 0).copy(), given(values, 1), given(values, 2).copy()
        with np.errstate(all="ignore"):
            for n in range(len(y)):
                for s, (b0, b1, b2, a1, a2) in enumerate(sos):
                    x = y[n].copy()
                    y[n] = b0 * x + state[s, :, 0]
                    state[s, :, 0] = (b1 * x - a1 * y[n]) + state[s, :, 1]
                    state[s, :, 1] = b2 * x - a2 * y[n]
        return y, state

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, sos, _ = required(inputs, 3)
        table = Const(data_of(sos).reshape(sos.shape), "sections")
        sizes = {"N": x.shape[0], "C": x.shape[1], "S": sos.shape[0]}
        return (call(sections, x=In(0), sos=table, state=Out(1), y=Out(0), **sizes),)


@dataclass(frozen=True)
class ImpulseResponse(Op):
    """y[m] = sum over k of taps[k] x[every m - k]: a filter, and every ``every``-th of what it gives.

    Inputs: x float32[N, C], N a multiple of ``every``; taps float32[K], constant, K >= 2; past float32[K - 1, C]. Outputs: y
    float32[N / every, C], past, and the two joined.
    """

    every: int = 1
    kind = "impulse_response"
    update = ((2, 1),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, taps, past = required(inputs, 3)
        for t in (x, taps, past):
            check_dtype(t, f32)
        check_constant(taps)
        if len(x.shape) != 2 or len(taps.shape) != 1 or taps.size < 2:
            raise ModelError(f"a filter must have 2 taps or more for samples [N, C], not {taps.size} for {list(x.shape)}")
        if self.every < 1 or x.shape[0] % self.every:
            raise ModelError(f"a hop of {x.shape[0]} samples must be a multiple of the {self.every} of which one stays")
        if past.shape != (taps.size - 1, x.shape[1]):
            raise ModelError(f'"{past.name}" must have shape {[taps.size - 1, x.shape[1]]}, not {list(past.shape)}')
        joined = (past.shape[0] + x.shape[0], x.shape[1])
        return Type((x.shape[0] // self.every, x.shape[1]), f32), Type(past.shape, f32), Type(joined, f32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, taps, _ = required(inputs, 3)
        return x.size // self.every * taps.size

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, taps, past = given(values, 0), given(values, 1), given(values, 2)
        joined = np.concatenate([past, x])
        y = np.zeros((len(x) // self.every, x.shape[1]), np.float32)
        with np.errstate(all="ignore"):
            for k in range(taps.size):  # sums in the order of memory
                first = taps.size - 1 - k
                y += taps[k] * joined[first : first + len(x) : self.every]
        return y, joined[len(x) :], joined

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, taps, _ = required(inputs, 3)
        sizes = {"N": x.shape[0], "C": x.shape[1], "K": taps.size, "M": x.shape[0] // self.every}
        table = Const(data_of(taps), "taps")
        buffers = {"x": In(0), "taps": table, "past": Out(1), "joined": Out(2), "y": Out(0)}
        return (call(impulse_response, **buffers, **sizes, every=self.every),)
