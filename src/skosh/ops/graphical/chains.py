"""Hidden chains: filtering and smoothing step by step, and over a window; the most probable path.

Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition" (1989): the forward and
backward procedures, the Viterbi algorithm. All of float32, probabilities as logarithms; ``move[i, j]``: from state i to j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i16, i32, u8
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call
from skosh.language.mathf import exp, log
from skosh.language.vectorized import apply
from skosh.ops.classical.distances import sum_in_order
from skosh.ops.common import check_dtype, given, required
from skosh.ops.graphical import chain_kernels as k
from skosh.ops.graphical.emissions import LOG_ZERO, NOTHING, largest_of_row

ZERO, NAN = np.float32(0), np.float32(np.nan)


@dataclass(frozen=True)
class FilterStep(Op):
    """One step of the forward filter. Inputs: scores [1, K], status [1], moves (two, see ``moved``), predicted [K] (a state).

    Outputs: the probabilities [1, K] of the states given all observations so far; predicted, for the next step; status.
    Scores and predicted are logarithms. An observation that no state explains (status ``impossible``), or a bad one, is
    passed over; the probabilities are NaN.
    """

    impossible: int
    kind = "filter_step"
    update = ((4, 1),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        score, status, move, shift, predicted = required(inputs, 5)
        states = check_chain(score, move, predicted, shift)
        check_dtype(status, i32)
        return Type((1, states), f32), Type((states,), f32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        score, status, move, shift, predicted = (given(values, i) for i in range(5))
        log_y = predicted + score[0]
        y, possible = shares(log_y)
        found = int(status[0]) or (0 if possible else self.impossible)
        following = moved(log_y if found == 0 else predicted, move, shift)
        y = y if found == 0 else np.full_like(y, NAN)
        return y[None], following, np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 5)[2].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        bound = {"score": In(0), "status": In(1), "move": In(2), "shift": In(3), "y": Out(0), "predicted": Out(1)}
        sizes = sizes_of(required(inputs, 5)[4].size, inputs[3])
        work = {"log_y": Scratch(sizes["K"], f32, "log_y"), "power": Scratch(sizes["K"], i32, "power")}
        return (call(k.filter_step, after=Out(2), impossible=self.impossible, **bound, **work, **MARKS, **sizes),)


@dataclass(frozen=True)
class LagStep(Op):
    """One step of smoothing: the state at the oldest observation of a window, given all so far.

    Inputs: scores [1, K], status [1], moves (two, see ``moved``); states: window [W, K] of scores, predicted [K] before the
    oldest, held [1], how many are in the window. Outputs: probabilities [1, K], the three states, status. Scores and
    predicted are logarithms. While the window fills, the answer is about the very first observation.
    """

    impossible: int
    kind = "lag_step"
    update = ((4, 1), (5, 2), (6, 3))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        score, status, move, shift, window, predicted, held = required(inputs, 7)
        states = check_chain(score, move, predicted, shift)
        check_dtype(status, i32)
        check_dtype(held, i32)
        if len(window.shape) != 2 or window.shape[1] != states:
            raise ModelError(f"the window must have {states} columns, not shape {list(window.shape)}")
        return Type((1, states), f32), Type(window.shape, f32), Type((states,), f32), Type((1,), i32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        score, status, move, shift, window, predicted, held = (given(values, i) for i in range(7))
        window, n = window.copy(), int(held[0])
        if n >= len(window):
            after = predicted + window[0]
            predicted = moved(after if top_of(after) > NOTHING else predicted, move, shift)
            window[:-1] = window[1:].copy()
            n = len(window) - 1
        window[n] = score[0] if status[0] == 0 else ZERO
        behind = np.zeros_like(predicted)
        for t in range(n, 0, -1):
            behind = moved(window[t] + behind, move.T, transposed(shift))
        y, possible = shares((predicted + window[0]) + behind)
        found = int(status[0]) or (0 if possible else self.impossible)
        y = y if found == 0 else np.full_like(y, NAN)
        return y[None], window, predicted, np.array([n + 1], np.int32), np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        _, _, move, _, window, _, _ = required(inputs, 7)
        return move.size * window.shape[0]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        window = required(inputs, 7)[4]
        sizes = sizes_of(window.shape[1], inputs[3]) | {"W": window.shape[0]}
        bound = {"score": In(0), "status": In(1), "move": In(2), "shift": In(3), "y": Out(0), "window": Out(1)}
        bound |= {"predicted": Out(2), "held": Out(3), "after": Out(4)}
        return (call(k.lag_step, impossible=self.impossible, **bound, **scratch(sizes, "behind"), **MARKS, **sizes),)


@dataclass(frozen=True)
class ForwardBackward(Op):
    """The probability [T, K] of each state at each time, given the first ``length`` observations; 0 beyond. And a status.

    Inputs: scores [T, K] and start [K], logarithms; moves (two, see ``moved``); length int32 [1], which is ``bad`` outside
    1 to T; status [1].
    """

    impossible: int
    bad: int
    kind = "forward_backward"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        score, start, move, shift, length, status = required(inputs, 6)
        check_chain(score, move, start, shift)
        check_dtype(length, i32)
        check_dtype(status, i32)
        return Type(score.shape, f32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        score, start, move, shift, length, status = (given(values, i) for i in range(6))
        found, n = _checked_length(int(length[0]), len(score), int(status[0]), self.bad, 0)
        y = np.zeros_like(score)
        for t in range(n):
            reached = (start if t == 0 else moved(y[t - 1], move, shift)) + score[t]
            y[t], possible = below(reached)
            found = found or (0 if possible else self.impossible)
        behind = np.zeros_like(start)
        for t in range(n - 1, -1, -1):
            if t < n - 1:
                behind = moved(score[t + 1] + behind, move.T, transposed(shift))
            y[t], _ = shares(y[t] + behind)
        return (np.full_like(y, NAN) if found else y), np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        score, _, move, _, _, _ = required(inputs, 6)
        return 2 * score.shape[0] * move.size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        steps, states = required(inputs, 6)[0].shape
        sizes = sizes_of(states, inputs[3]) | {"T": steps}
        bound = {"score": In(0), "start": In(1), "move": In(2), "shift": In(3), "length": In(4), "status": In(5)}
        numbers = {"impossible": self.impossible, "bad": self.bad, **MARKS, **sizes}
        return (call(k.forward_backward, y=Out(0), after=Out(1), **bound, **scratch(sizes, "behind"), **numbers),)


@dataclass(frozen=True)
class SequenceScore(Op):
    """The logarithm of the likelihood of all observations, [1, 1]: -inf where it is 0, NaN where the status isn't 0.

    Inputs: scores [T, K] and start [K], logarithms; moves (two, see ``moved``); status [1].
    """

    kind = "sequence_score"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        score, start, move, shift, status = required(inputs, 5)
        check_chain(score, move, start, shift)
        check_dtype(status, i32)
        return (Type((1, 1), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        score, start, move, shift, status = (given(values, i) for i in range(5))
        acc = rest = ZERO
        y, possible = start, True
        for t in range(len(score)):
            reached = (start if t == 0 else moved(y, move, shift)) + score[t]
            top = top_of(reached)
            possible = possible and bool(top > NOTHING)
            y, _ = below(reached)
            total = acc + top
            rest = rest + (acc - (total - top) if abs(top) > abs(acc) else top - (total - acc))
            acc = total
        final = sum_in_order(np.where(y > NOTHING, apply(exp, y), np.where(np.isnan(y), y, ZERO)))
        value = acc + (rest + apply(log, final)) if possible else np.float32(-np.inf)
        return (np.full((1, 1), NAN if status[0] else value, np.float32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        score, _, move, _, _ = required(inputs, 5)
        return score.shape[0] * move.size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        steps, states = required(inputs, 5)[0].shape
        sizes = sizes_of(states, inputs[3]) | {"T": steps}
        bound = {"score": In(0), "start": In(1), "move": In(2), "shift": In(3), "status": In(4), "y": Out(0)}
        return (call(k.sequence_score, **bound, **scratch(sizes, "ahead"), **MARKS, **sizes),)


MARKS: dict[str, Any] = {"nan": math.nan, "nothing": NOTHING, "zero": LOG_ZERO}
"""What kernels know logarithms of 0 by."""


def sizes_of(states: int, shift: Tensor | None) -> dict[str, Any]:
    """K states; P: does each move have a power of two of its own?"""
    assert shift is not None, "checked by infer"
    return {"K": states, "P": int(shift.size > 1)}


def scratch(sizes: dict[str, Any], direction: str) -> dict[str, Scratch]:
    """Three rows of work for a step of the chain."""
    states = sizes["K"]
    return {
        direction: Scratch(states, f32, direction), "work": Scratch(states, f32, "work"),
        "power": Scratch(states, i32, "power"),
    }  # fmt: skip


@dataclass(frozen=True)
class Viterbi(Op):
    """The states int32 [T] of the path with the highest score, -1 beyond ``length``; of equal ones, the first. And a status.

    Inputs: scores [T, K]; start [K] and moves [K, K], logarithms like the scores; length int32 [1]; status [1].
    """

    impossible: int
    bad: int
    kind = "viterbi"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        score, start, move, length, status = required(inputs, 5)
        check_chain(score, move, start)
        check_dtype(length, i32)
        check_dtype(status, i32)
        return Type(score.shape[:1], i32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        score, start, move, length, status = (given(values, i) for i in range(5))
        found, n = _checked_length(int(length[0]), len(score), int(status[0]), self.bad, 1)
        best = start + score[0]
        origins = []
        for t in range(1, n):
            value = best[:, None] + move
            origins.append(first_largest(value.T))
            best = largest_of_row(value.T) + score[t]
            top = largest_of_row(best)
            best = best - top if top > np.float32(NOTHING) else best
        state = int(first_largest(best))
        found = found or (0 if best[state] > np.float32(NOTHING) else self.impossible)
        y = np.full(len(score), -1, np.int32)
        if found == 0:
            y[n - 1] = state
            for t in range(n - 2, -1, -1):
                state = int(origins[t][state])
                y[t] = state
        return y, np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        score, _, move, _, _ = required(inputs, 5)
        return (score.shape[0] - 1) * move.size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        sizes = dict(zip("TK", required(inputs, 5)[0].shape, strict=True))
        origin = u8 if sizes["K"] <= 256 else i32
        bound: dict[str, Any] = {"score": In(0), "start": In(1), "move": In(2), "length": In(3), "status": In(4)}
        bound |= {"y": Out(0), "after": Out(1), "best": Scratch(2 * sizes["K"], f32, "best"), "B": origin}
        bound |= {"origin": Scratch(sizes["T"] * sizes["K"], origin, "origin"), "nothing": NOTHING}
        return (call(k.viterbi, impossible=self.impossible, bad=self.bad, **sizes, **bound),)


def check_chain(rows: Tensor, move: Tensor, start: Tensor, shift: Tensor | None = None) -> int:
    """The number of states of rows [T, K], moves [K, K] and start [K]; a ModelError when they don't fit."""
    for t in (rows, move, start):
        check_dtype(t, f32)
    states = start.size
    if len(rows.shape) != 2 or rows.shape[1] != states or move.shape != (states, states):
        raise ModelError(f"a chain of {states} states must have moves [{states}, {states}], not {list(move.shape)}")
    if shift is not None:
        check_dtype(shift, i16)
        if shift.size not in (1, states * states):
            raise ModelError(f"there must be a power of two for each move, or one for all, not {shift.size}")
    return states


def _checked_length(length: int, most: int, status: int, bad: int, otherwise: int) -> tuple[int, int]:
    """(status, observations that count)."""
    return (status, length) if 1 <= length <= most else (bad, otherwise)


def split_moves(move: Array) -> tuple[Array, Array]:
    """Moves >= 0 [K, K] in float64 as ``moved`` takes them: (float32 numbers, powers of two int16, [1] if all are 0).

    float32 holds the moves themselves where none is below 2^-40 of the largest: sums leave out what is 2^-86 smaller.
    """
    largest = float(move.max())
    if not move.any() or float(move[move > 0].min()) >= largest * 2.0**-40:
        return move.astype(np.float32), np.zeros(1, np.int16)
    part, power = np.frexp(move)
    return part.astype(np.float32), power.astype(np.int16)


def moved(x: Array, move: Array, shift: Array) -> Array:
    """log of the sum over i of exp(x[i]) move[i, j] 2^shift[i, j], up to a number that is the same for all j.

    shift: int16 [K, K], or one 0. However small an element is, nothing of it is lost while it is the largest of a sum.
    """
    alive = x > NOTHING
    x = x - top_of(x)
    power = apply(k.power_of, x)
    part = np.where(alive, apply(k.part_of, x, power), ZERO)
    powers = power[:, None] + (shift.reshape(move.shape) if shift.size == move.size else np.int32(shift[0]))
    there = (part[:, None] > 0) & (move > 0)
    high = np.where(there, powers, np.int32(k.LOWEST)).max(axis=0)
    terms = (part[:, None] * move) * apply(k.two_to, np.minimum(powers - high, 0))
    total = sum_in_order(np.concatenate([np.zeros((1, terms.shape[1]), np.float32), terms]).T)
    return apply(k.log_of, total, high, np.float32(LOG_ZERO))


def transposed(shift: Array) -> Array:
    """Powers of two of moves the other way."""
    return shift.T if shift.ndim == 2 else shift


def top_of(x: Array) -> Any:
    """The largest that is a number."""
    return largest_of_row(np.concatenate([[np.float32(-np.inf)], x]))


def shares(x: Array) -> tuple[Array, bool]:
    """(exp(x) over their sum, is there one above 0?)"""
    top = top_of(x)
    y = np.where((x > NOTHING) | np.isnan(x), apply(exp, x - top), ZERO)
    total = sum_in_order(y)
    return np.where(total > 0, y / total, ZERO), bool(top > NOTHING and total > 0)


def below(x: Array) -> tuple[Array, bool]:
    """(x less the largest, is that above nothing and no NaN among them?)"""
    top = top_of(x)
    y = np.where((x > NOTHING) | np.isnan(x), x - top, np.float32(LOG_ZERO))
    return y, bool(top > NOTHING and not np.isnan(sum_in_order(y)))


def first_largest(x: Array) -> Array:
    """Where the largest along the last axis first is; NaN wins only in the first place."""
    largest, place = x[..., 0], np.zeros(x.shape[:-1], np.int32)
    for i in range(1, x.shape[-1]):
        wins = x[..., i] > largest
        largest, place = np.where(wins, x[..., i], largest), np.where(wins, i, place)
    return place
