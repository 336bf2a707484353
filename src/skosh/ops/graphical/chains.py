"""Hidden chains: filtering and smoothing step by step, and over a window; the most probable path.

Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition" (1989): the forward and
backward procedures with scaling, the Viterbi algorithm. All of float32; ``move[i, j]``: from state i to state j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32, u8
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call
from skosh.ops.classical.distances import sum_in_order
from skosh.ops.common import check_dtype, given, required
from skosh.ops.graphical import chain_kernels as k
from skosh.ops.graphical.emissions import NOTHING, largest_of_row

ONE, ZERO, NAN = np.float32(1), np.float32(0), np.float32(np.nan)


@dataclass(frozen=True)
class FilterStep(Op):
    """One step of the forward filter. Inputs: likelihoods [1, K], status [1], moves [K, K], predicted [K] (a state).

    Outputs: the probabilities [1, K] of the states given all observations so far; predicted, for the next step; status.
    An observation that no state explains (status ``impossible``), or a bad one, is passed over; the probabilities are NaN.
    """

    impossible: int
    kind = "filter_step"
    update = ((3, 1),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        like, status, move, predicted = required(inputs, 4)
        states = check_chain(like, move, predicted)
        check_dtype(status, i32)
        return Type((1, states), f32), Type((states,), f32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        like, status, move, predicted = (given(values, i) for i in range(4))
        weight = predicted * like[0]
        total = sum_in_order(weight)
        found = int(status[0]) or (0 if total > 0 else self.impossible)
        y = weight / total if found == 0 else predicted / sum_in_order(predicted)
        following = moved(y, move)
        y = y if found == 0 else np.full_like(y, NAN)
        return y[None], following, np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 4)[2].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        states = required(inputs, 4)[3].size
        bound: dict[str, Any] = {"like": In(0), "status": In(1), "move": In(2), "y": Out(0)}
        bound |= {"predicted": Out(1), "after": Out(2)}
        following = Scratch(states, f32, "next")
        return (call(k.filter_step, next=following, nan=math.nan, impossible=self.impossible, K=states, **bound),)


@dataclass(frozen=True)
class LagStep(Op):
    """One step of smoothing: the state at the oldest observation of a window, given all so far.

    Inputs: likelihoods [1, K], status [1], moves [K, K]; states: window [W, K] of likelihoods, predicted [K] before the
    oldest, held [1], how many are in the window. Outputs: probabilities [1, K], the three states, status. While the
    window fills, the answer is about the very first observation.
    """

    impossible: int
    kind = "lag_step"
    update = ((3, 1), (4, 2), (5, 3))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        like, status, move, window, predicted, held = required(inputs, 6)
        states = check_chain(like, move, predicted)
        check_dtype(status, i32)
        check_dtype(held, i32)
        if len(window.shape) != 2 or window.shape[1] != states:
            raise ModelError(f"the window must have {states} columns, not shape {list(window.shape)}")
        return Type((1, states), f32), Type(window.shape, f32), Type((states,), f32), Type((1,), i32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        like, status, move, window, predicted, held = (given(values, i) for i in range(6))
        window, n = window.copy(), int(held[0])
        if n >= len(window):
            weight = predicted * window[0]
            total = sum_in_order(weight)
            predicted = moved(weight / total if total > 0 else predicted, move)
            window[:-1] = window[1:].copy()
            n = len(window) - 1
        window[n] = like[0] if status[0] == 0 else ONE
        behind = np.full_like(predicted, ONE)
        for t in range(n, 0, -1):
            behind = backward(behind, window[t], move)
        weight = (predicted * window[0]) * behind
        total = sum_in_order(weight)
        found = int(status[0]) or (0 if total > 0 else self.impossible)
        y = weight / total if found == 0 else np.full_like(weight, NAN)
        return y[None], window, predicted, np.array([n + 1], np.int32), np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        _, _, move, window, _, _ = required(inputs, 6)
        return move.size * window.shape[0]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        window = required(inputs, 6)[3]
        sizes = dict(zip("WK", window.shape, strict=True))
        bound: dict[str, Any] = {"like": In(0), "status": In(1), "move": In(2), "y": Out(0), "window": Out(1)}
        bound |= {"predicted": Out(2), "held": Out(3), "after": Out(4), "work": Scratch(2 * sizes["K"], f32, "work")}
        return (call(k.lag_step, nan=math.nan, impossible=self.impossible, **sizes, **bound),)


@dataclass(frozen=True)
class ForwardBackward(Op):
    """The probability [T, K] of each state at each time, given the first ``length`` observations; 0 beyond. And a status.

    Inputs: likelihoods [T, K]; start [K]; moves [K, K]; length int32 [1], which is ``bad`` outside 1 to T; status [1].
    """

    impossible: int
    bad: int
    kind = "forward_backward"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        like, start, move, length, status = required(inputs, 5)
        check_chain(like, move, start)
        check_dtype(length, i32)
        check_dtype(status, i32)
        return Type(like.shape, f32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        like, start, move, length, status = (given(values, i) for i in range(5))
        found, n = _checked_length(int(length[0]), len(like), int(status[0]), self.bad, 0)
        y = np.zeros_like(like)
        for t in range(n):
            weight = (start if t == 0 else moved(y[t - 1], move)) * like[t]
            total = sum_in_order(weight)
            found = found or (0 if total > 0 else self.impossible)
            y[t] = weight / total if total > 0 else ZERO
        behind = np.full_like(start, ONE)
        for t in range(n - 2, -1, -1):
            behind = backward(behind, like[t + 1], move)
            weight = y[t] * behind
            total = sum_in_order(weight)
            y[t] = weight / total if total > 0 else ZERO
        return (np.full_like(y, NAN) if found else y), np.array([found], np.int32)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        like, _, move, _, _ = required(inputs, 5)
        return 2 * like.shape[0] * move.size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        sizes = dict(zip("TK", required(inputs, 5)[0].shape, strict=True))
        bound: dict[str, Any] = {"like": In(0), "start": In(1), "move": In(2), "length": In(3), "status": In(4)}
        bound |= {"y": Out(0), "after": Out(1), "work": Scratch(2 * sizes["K"], f32, "work")}
        return (call(k.forward_backward, nan=math.nan, impossible=self.impossible, bad=self.bad, **sizes, **bound),)


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


def check_chain(rows: Tensor, move: Tensor, start: Tensor) -> int:
    """The number of states of rows [T, K], moves [K, K] and start [K]; a ModelError when they don't fit."""
    for t in (rows, move, start):
        check_dtype(t, f32)
    states = start.size
    if len(rows.shape) != 2 or rows.shape[1] != states or move.shape != (states, states):
        raise ModelError(f"a chain of {states} states must have moves [{states}, {states}], not {list(move.shape)}")
    return states


def _checked_length(length: int, most: int, status: int, bad: int, otherwise: int) -> tuple[int, int]:
    """(status, observations that count)."""
    return (status, length) if 1 <= length <= most else (bad, otherwise)


def moved(p: Array, move: Array) -> Array:
    """sum over i of p[i] * move[i, j], in order."""
    return sum_in_order((p[:, None] * move).T)


def backward(behind: Array, like: Array, move: Array) -> Array:
    """sum over j of move[i, j] * (like[j] * behind[j]), in order, over the largest."""
    y = sum_in_order(move * (like * behind))
    largest = largest_of_row(np.concatenate([[ZERO], y]))
    return y / largest if largest > 0 else np.zeros_like(y)


def first_largest(x: Array) -> Array:
    """Where the largest along the last axis first is; NaN wins only in the first place."""
    largest, place = x[..., 0], np.zeros(x.shape[:-1], np.int32)
    for i in range(1, x.shape[-1]):
        wins = x[..., i] > largest
        largest, place = np.where(wins, x[..., i], largest), np.where(wins, i, place)
    return place
