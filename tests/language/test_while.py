"""``while bounded(condition, rounds)``: what it means, what is refused, and that a broken promise shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skosh import schedule
from skosh.base.dtypes import i32
from skosh.base.errors import ScheduleError
from skosh.emit.functions import kernel_text
from skosh.ir.interpret_kernel import Trap, run_kernel
from skosh.ir.kernel import While, walk
from skosh.language import bounded, kernel, par, widen
from skosh.lower.unused import without_unused_locals
from tests.language.test_language import refused


@kernel
def halvings(x: i32[N], y: i32[N], *, most):
    """y = how often x can be halved."""
    for i in par(N):
        rest = x[i]
        count = 0
        while bounded(rest > 1, most):
            half = rest // 2
            rest = half
            count += 1
        y[i] = count


def run(values, most, made=halvings):
    y = np.zeros(len(values), np.int32)
    numbers = {v.name: {"N": len(values), "most": most}[v.name] for v in made.numbers}
    run_kernel(made, {"x": np.array(values, np.int32), "y": y}, numbers)
    return y.tolist()


def test_it_runs_while_the_condition_holds():
    assert run([1, 2, 7, 1024, 0], 10) == [0, 1, 2, 10, 0]


def test_more_rounds_than_promised_are_a_trap():
    with pytest.raises(Trap, match="a while loop ran more than its 9 rounds"):
        run([1024], 9)


def test_schedules_go_around_it():
    tiled = schedule.unroll_and_jam(schedule.bind(halvings, {"N": 5, "most": 12}), "i", 2)
    assert sum(isinstance(s, While) for s in walk(tiled.body)) == 3
    assert run([1, 2, 7, 1024, 0], 12, tiled) == [0, 1, 2, 10, 0]


@kernel
def never(x: i32[N], y: i32[N], *, on):
    for i in par(N):
        unread = 0
        y[i] = x[i]
        while bounded(on > 0, 3):
            y[i] = 0
            unread = 1  # noqa: F841


def test_what_is_known_is_folded():
    bound = schedule.bind(never, {"N": 2, "on": 0})
    assert not any(isinstance(s, While) for s in walk(bound.body))
    assert "unread" not in kernel_text(
        replace(never, body=without_unused_locals(never.body)), "never", lambda name: name
    )


def test_the_c_is_a_while_loop():
    text = kernel_text(halvings, "halvings", lambda name: name)
    assert "        while (rest > 1) {\n            int32_t half = rest / 2;\n" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("while a > 0:\n    pass", "a while loop must say how often it runs at most"),
        ("while bounded(a, 3):\n    pass", "a condition must be bool, not i32"),
        ("while bounded(a > 0, i64(a)):\n    pass", "the number of rounds must be i32, not i64"),
    ],
)
def test_what_is_refused(text, message):
    assert refused(text) == message


def test_the_hint_shows_the_way():
    with pytest.raises(ScheduleError, match=r"Hint: while bounded\(condition, rounds\)"):

        @kernel
        def endless(x: i32[N], y: i32[N]):
            while x[0] > 0:
                y[0] = widen(x[0])
