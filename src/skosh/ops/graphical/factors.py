"""Factors of discrete random variables: the steps of variable elimination, and reading its evidence and its answer.

A factor is a tensor [elements], a table over variables of which the last counts fastest; probabilities are float32, or
wide numbers or logarithms (see ``semirings``). Elimination: Zhang and Poole, "A simple approach to Bayesian network
computations" (1994); maximization with traceback: Dechter, "Bucket elimination" (1999).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, i32, i64, u8, u16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call
from skosh.language.vectorized import apply
from skosh.ops.common import check_dtype, given, required
from skosh.ops.graphical import factor_kernels as k
from skosh.ops.graphical.semirings import Semiring, semiring

MOST_FACTORS = 3
SUMS = (k.sum_of_1, k.sum_of_2, k.sum_of_3)
SUMS_WITHIN = (k.sum_within_1, k.sum_within_2, k.sum_within_3)
MAXIMA = (k.max_of_1, k.max_of_2, k.max_of_3)


@dataclass(frozen=True)
class Eliminate(Op):
    """The product of one to three factors, and the variable on the last axis summed ("sum") or maximized ("max") out of it.

    sizes: states of each joint variable. scopes: for each factor, its variables by their places in ``sizes``, in rising
    order, the last of ``sizes`` among them in all or, for a plain product, in none; this last one then has 1 state.
    observed: this row of the last input, spans [E, 2], says from and to which state the sum goes.
    Outputs: the factor over the others; with "max" also the states where it is reached. float32 results are scaled by a
    power of two so that the largest is in [1, 2).
    """

    sizes: tuple[int, ...]
    scopes: tuple[tuple[int, ...], ...]
    reduce: str = "sum"
    observed: int | None = None
    kind = "eliminate"

    @property
    def rows(self) -> int:
        """Elements of the output."""
        return math.prod(self.sizes[:-1])

    @property
    def states_type(self) -> DType:
        return u8 if self.sizes[-1] <= 256 else i32

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.reduce in ("sum", "max") and 1 <= len(self.scopes) <= MOST_FACTORS
        assert self.reduce == "sum" or self.observed is None, "evidence is summed over"
        factors = required(inputs, len(self.scopes) + (self.observed is not None))[: len(self.scopes)]
        for t, scope in zip(factors, self.scopes, strict=True):
            assert scope == tuple(sorted(set(scope))), f"a scope must be in rising order, not {scope}"
            check_dtype(t, factors[0].dtype)
            check_dtype(t, f32, i32, i64)
            count = math.prod(self.sizes[v] for v in scope)
            if t.shape != (count,):
                raise ModelError(f'"{t.name}" must be a factor of {count} elements, not of shape {list(t.shape)}')
        value = Type((self.rows,), factors[0].dtype)
        return (value, Type((self.rows,), self.states_type)) if self.reduce == "max" else (value,)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        ring = semiring(required(outputs, len(outputs))[0].dtype)
        product, *others = (self._spread(given(values, i), scope) for i, scope in enumerate(self.scopes))
        for factor in others:
            product = apply(ring.product, product, factor)
        product = np.broadcast_to(product, self.sizes)
        if self.reduce == "max":
            best = product.argmax(axis=-1)
            value = np.take_along_axis(product, best[..., None], axis=-1).reshape(-1)
            return scaled(value), best.reshape(-1).astype(self.states_type.np)
        start, stop = 0, self.sizes[-1]
        if self.observed is not None:
            start, stop = given(values, len(self.scopes))[self.observed]
        acc = np.full(self.sizes[:-1], ring.zero, ring.dtype.np)
        for s in range(start, stop):
            acc = apply(ring.total, acc, product[..., s])
        return (scaled(acc.reshape(-1)),)

    def _spread(self, factor: Array, scope: tuple[int, ...]) -> Array:
        """The factor with an axis for each joint variable, of size 1 for those it doesn't know."""
        return factor.reshape([n if v in scope else 1 for v, n in enumerate(self.sizes)])

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return math.prod(self.sizes) * max(1, len(self.scopes) - 1)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        out, *_ = required(outputs, len(outputs))
        ring, count, n = semiring(out.dtype), len(self.scopes), self.sizes[-1]
        tables, steps, inner = row_tables(self.sizes[:-1], self.scopes)
        bound: dict[str, Any] = {"y": Out(0), "N": n, "H": len(tables[0]), "L": inner, "T": out.dtype}
        index = u16 if max(int(t.max()) for t in tables) <= u16.max else i32
        bound["I"] = index
        for i, letter in enumerate("abc"[:count]):
            elements = math.prod(self.sizes[v] for v in self.scopes[i])
            bound |= {letter: In(i), f"step_{letter}": steps[i], "PQR"[i]: elements // n}
            bound[f"at_{letter}"] = Const(tables[i].astype(index.np), "rows")
        if count > 1:
            bound["product"] = ring.product
        if self.reduce == "max":
            made = call(MAXIMA[count - 1], best=Out(1), B=self.states_type, **bound)
        else:
            bound |= {"zero": _number(ring, ring.zero), "total": ring.total}
            if self.observed is None:
                made = call(SUMS[count - 1], **bound)
            else:
                made = call(SUMS_WITHIN[count - 1], span=In(count, 2 * self.observed), **bound)
        return (made,) if out.dtype != f32 else (made, call(k.scale_to_one, y=Out(0), N=self.rows))


def row_tables(sizes: Sequence[int], scopes: Sequence[Sequence[int]]) -> tuple[list[Array], list[int], int]:
    """(first row of each group of output rows, distance of rows in a group, rows in a group), the first two by factor.

    sizes: of the variables that stay. A group is as many of the last variables as every factor walks with one stride.
    """
    strides = []
    for scope in scopes:
        stride, at = [0] * len(sizes), 1
        for v in reversed([v for v in scope if v < len(sizes)]):
            stride[v] = at
            at *= sizes[v]
        strides.append(stride)
    inner, first = 1, len(sizes)
    while first > 0:
        v = first - 1
        if first < len(sizes) and any(s[v] != s[first] * sizes[first] for s in strides):
            break
        inner, first = inner * sizes[v], v
    outer = np.indices(sizes[:first]).reshape(first, -1) if first else np.zeros((0, 1), np.int64)
    tables = [np.asarray(s[:first], np.int64) @ outer for s in strides]
    return tables, [s[-1] if s else 0 for s in strides], inner


def scaled(value: Array) -> Array:
    """float32 numbers times a power of two, the largest in [1, 2); logarithms as they are."""
    if value.dtype != np.float32 or not value.max() > 0:
        return value
    exponent = min(int(value.max().view(np.int32)) >> 23, 253)
    return np.asarray(value * np.int32((254 - exponent) << 23).view(np.float32))


@dataclass(frozen=True)
class ReadEvidence(Op):
    """Evidence int32 [1, E], a state each or -1 for "not observed", as spans [E, 2] of states; and a status [1].

    states: how many each variable has. missing: may evidence be absent? bad: the status of a number that is no state.
    """

    states: tuple[int, ...]
    missing: bool
    bad: int
    kind = "read_evidence"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i32)
        if x.shape != (1, len(self.states)):
            raise ModelError(f"evidence must have shape [1, {len(self.states)}], not {list(x.shape)}")
        return Type((len(self.states), 2), i32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (evidence,), states = given(values, 0), np.array(self.states, np.int32)
        known = (evidence >= 0) & (evidence < states)
        wrong = ~known & ((evidence != -1) | (not self.missing))
        start = np.where(known, evidence, 0)
        span = np.stack([start, np.where(known, start + 1, states)], axis=1)
        return span.astype(np.int32), np.array([self.bad if wrong.any() else 0], np.int32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        states = Const(np.array(self.states, np.int32), "states")
        numbers = {"E": len(self.states), "missing": int(self.missing), "bad": self.bad}
        return (call(k.read_evidence, evidence=In(0), states=states, span=Out(0), status=Out(1), **numbers),)


@dataclass(frozen=True)
class Condition(Op):
    """The part of a table that the evidence leaves. Inputs: table [rows, elements], its rows counted by the observed
    variables, the last fastest; spans [E, 2]. which: these variables by their places in the spans; states: of each."""

    which: tuple[int, ...]
    states: tuple[int, ...]
    kind = "condition"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        table, _ = required(inputs, 2)
        check_dtype(table, f32, i32, i64)
        rows = math.prod(self.states)
        if len(table.shape) != 2 or table.shape[0] != rows:
            raise ModelError(f"the table must have {rows} rows, not shape {list(table.shape)}")
        return (Type(table.shape[1:], table.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        observed = tuple(int(given(values, 1)[w, 0]) for w in self.which)
        return (given(values, 0)[np.ravel_multi_index(observed, self.states)].copy(),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        table, span = required(inputs, 2)
        consts = {
            "which": Const(np.array(self.which, np.int32), "which"),
            "states": Const(np.array(self.states, np.int32), "states"),
        }
        sizes: dict[str, Any] = dict(zip("RL", table.shape, strict=True)) | {"K": len(self.which), "E": span.shape[0]}
        return (call(k.condition, table=In(0), span=In(1), y=Out(0), T=table.dtype, **consts, **sizes),)


@dataclass(frozen=True)
class Normalize(Op):
    """Probabilities float32 [1, *shape] from a factor and a status [1]; and the status that results.

    Where the factor's total is nothing (impossible) or the status is not 0, they are NaN.
    """

    shape: tuple[int, ...]
    impossible: int
    kind = "normalize"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        p, status = required(inputs, 2)
        check_dtype(p, f32, i32, i64)
        check_dtype(status, i32)
        if p.size != math.prod(self.shape):
            raise ModelError(f"a factor of {math.prod(self.shape)} elements must be normalized, not of {p.size}")
        return Type((1, *self.shape), f32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        p, before = given(values, 0), int(given(values, 1)[0])
        ring = semiring(required(inputs, 2)[0].dtype)
        total = np.array(ring.zero, ring.dtype.np)
        for value in p:
            total = apply(ring.total, total, value)
        status = before if before or total > nothing(ring) else self.impossible
        y = np.full(p.size, np.nan, np.float32) if status else apply(ring.ratio, p, total)
        return y.reshape(1, *self.shape), np.array([status], np.int32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        p, _ = required(inputs, 2)
        ring = semiring(p.dtype)
        numbers = {"zero": _number(ring, ring.zero), "nothing": nothing(ring), "nan": math.nan}
        bound: dict[str, Any] = {"total": ring.total, "ratio": ring.ratio, "T": p.dtype, "N": p.size}
        bound |= {"p": In(0), "status": In(1), "y": Out(0), "after": Out(1), "impossible": self.impossible}
        return (call(k.normalize, **bound, **numbers),)


@dataclass(frozen=True)
class BackTrack(Op):
    """Decides one more variable: states int32 [Q] with that of ``place`` set to the best one, given those decided before.

    Inputs: best states [elements], over the variables ``scope`` of ``sizes`` states (places among the Q); states.
    """

    place: int
    scope: tuple[int, ...]
    sizes: tuple[int, ...]
    kind = "back_track"
    inplace = ((1, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        best, states = required(inputs, 2)
        check_dtype(states, i32)
        if best.size != math.prod(self.sizes):
            raise ModelError(f"there must be {math.prod(self.sizes)} best states, not {best.size}")
        return (Type(states.shape, i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        states = given(values, 1).copy()
        states[self.place] = given(values, 0).reshape(self.sizes)[tuple(states[v] for v in self.scope)]
        return (states,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        best, states = required(inputs, 2)
        strides = [math.prod(self.sizes[i + 1 :]) for i in range(len(self.sizes))]
        which = Const(np.array(self.scope or (0,), np.int32), "which")
        stride = Const(np.array(strides or (0,), np.int32), "stride")
        sizes: dict[str, Any] = {"N": best.size, "Q": states.size, "K": max(1, len(strides)), "place": self.place}
        bound: dict[str, Any] = {"best": In(0), "states": In(1), "out": Out(0), "B": best.dtype}
        return (call(k.back_track, which=which, stride=stride, **bound, **sizes),)


@dataclass(frozen=True)
class Decide(Op):
    """The answer int32 [1, Q], and the status [1]: from states [Q], the value [1] that they reach, and a status before.

    Where the value is nothing (impossible) or the status is not 0, all states are -1.
    """

    impossible: int
    kind = "decide"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        states, value, status = required(inputs, 3)
        check_dtype(states, i32)
        check_dtype(value, f32, i32, i64)
        check_dtype(status, i32)
        return Type((1, states.size), i32), Type((1,), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        states, (value,), (before,) = given(values, 0), given(values, 1), given(values, 2)
        ring = semiring(required(inputs, 3)[1].dtype)
        status = int(before) if before or value > nothing(ring) else self.impossible
        return (np.full_like(states, -1) if status else states)[None], np.array([status], np.int32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        states, value, _ = required(inputs, 3)
        bound: dict[str, Any] = {"states": In(0), "value": In(1), "status": In(2), "y": Out(0), "after": Out(1)}
        bound |= {
            "T": value.dtype,
            "Q": states.size,
            "impossible": self.impossible,
            "nothing": nothing(semiring(value.dtype)),
        }
        return (call(k.decide, **bound),)


def nothing(ring: Semiring) -> float | int:
    """What isn't above it is the probability 0; sums of the logarithm of 0 drift upward a little."""
    return 0.0 if ring.dtype == f32 else int(ring.zero) // 2


def _number(ring: Semiring, value: float) -> float | int:
    return float(value) if ring.dtype == f32 else int(value)


__all__ = [
    "MOST_FACTORS", "BackTrack", "Condition", "Decide", "Eliminate", "Normalize", "ReadEvidence", "Tensor", "row_tables",
]  # fmt: skip
