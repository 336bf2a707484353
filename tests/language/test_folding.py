"""Conditions that constants decide: never left in C, where a compiler warns of them, and never decided wrongly."""

from __future__ import annotations

import random

import pytest

from skosh import schedule
from skosh.base.dtypes import bool_, i32
from skosh.ir.fold import fold
from skosh.ir.kernel import Binary, Const, Expr, If, Var, walk
from skosh.language import kernel, par

HOLDS = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__}


@kernel
def inner(x: i32[N], y: i32[N], *, W, K):
    """Copies where a window of K fits a row of W."""
    for i in par(N):
        y[i] = 0
        if i >= 0 and 0 <= i <= W - K:
            y[i] = x[i]


@pytest.mark.parametrize(("width", "asks"), [(9, True), (8, False), (3, False)])
def test_a_window_that_never_fits_is_no_question(width: int, asks: bool) -> None:
    bound = schedule.bind(inner, {"N": 12, "W": width, "K": 9})
    assert any(isinstance(s, If) for s in walk(bound.body)) == asks


@pytest.mark.parametrize("seed", range(200))
def test_conditions_keep_their_meaning(seed: int) -> None:
    r = random.Random(seed)
    asked = [(r.choice("ab"), r.choice(list(HOLDS)), r.randint(-2, 2), r.random() < 0.5) for _ in range(r.randint(2, 5))]
    condition: Expr = Const(True, bool_)
    for name, op, bound, turned in asked:
        sides: tuple[Expr, Expr] = (Var(name, i32), Const(bound, i32))
        one = Binary(op, *(reversed(sides) if turned else sides), bool_)
        condition = Binary("and", condition, one, bool_) if r.random() < 0.7 else Binary("and", one, condition, bool_)

    def holds(values: dict[str, int]) -> bool:
        return all(HOLDS[op](*((k, values[n]) if turned else (values[n], k))) for n, op, k, turned in asked)

    true = [holds({"a": a, "b": b}) for a in range(-5, 6) for b in range(-5, 6)]
    folded = fold(condition)
    assert any(true) != (isinstance(folded, Const) and not folded.value)
