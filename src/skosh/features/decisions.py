"""Decisions behind a classifier, one run after another: scores become what is said, and said once.

Scores come as float32[1, classes], or as int8 with ``quant``, their scale and zero point, from an int8 network:
``network.then(recognized(4, quant=(1 / 256, -128)))``. What is remembered is a state of the graph.
"""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import f32, i8, i32
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.ir.graph import Array, Graph, Quant, Tensor
from skosh.ops.elements.comparisons import Compare, Logical, Select
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum
from skosh.ops.elements.quantization import Cast, Dequantize
from skosh.ops.moves.movement import Concat, Slice
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import ArgMax, ReduceMax, Sum

NOTHING = -1
"""What a decision is where none was made."""


def smoothed(classes: int, runs: int, *, quant: tuple[float, int] | None = None, name: str = "smoothed") -> Graph:
    """The mean of each score over the last ``runs`` runs, or over those there were: float32[1, classes].

    Raises InputError unless there is a class and a run at least.
    """
    _check(classes=classes, runs=runs)
    b = Builder(name)
    scores, x = _scores(b, classes, quant)
    mean, _ = _mean(b, x, runs)
    return b.graph([scores], [mean])


def wake_word(
    runs: int = 5, cutoff: float = 0.85, *, quant: tuple[float, int] | None = None, name: str = "wake_word"
) -> Graph:
    """(int32[1, 1], 1 where the word was heard; float32[1, 1], the mean of the last ``runs`` scores).

    Heard is where the mean is above ``cutoff``. The mean is 0 until there were ``runs`` scores, as in microWakeWord. The scores
    come as [1, 1]. Raises InputError where a number is out of range.
    """
    _check(runs=runs)
    _within("cutoff", cutoff)
    b = Builder(name)
    scores, x = _scores(b, 1, quant)
    mean, count = _mean(b, x, runs)
    (whole,) = b.apply("whole", Compare(">="), count, _integer(b, "runs", runs))
    (mean,) = b.apply("mean_of_all", Select(), whole, mean, _real(b, "none_yet", 0.0))
    (above,) = b.apply("above", Compare(">"), mean, _real(b, "cutoff", cutoff))
    (heard,) = b.apply("heard", Cast(i32), above)
    return b.graph([scores], [heard, mean])


def recognized(
    classes: int,
    *,
    average: int = 25,
    threshold: float = 0.8,
    suppression: int = 50,
    minimum: int = 3,
    quant: tuple[float, int] | None = None,
    name: str = "recognized",
) -> Graph:
    """(int32[1, 1], a class that is newly recognized or -1; float32[1, 1], the score of the likeliest).

    Scores are averaged over the last ``average`` runs, or those there were. The likeliest class is recognized where its average
    is above ``threshold``, there were ``minimum`` runs at least, and it isn't the class recognized last, or was recognized more
    than ``suppression`` runs ago. So a word is said once, as by RecognizeCommands of TensorFlow's speech examples, whose times
    are runs here. Raises InputError where a number is out of range.
    """
    _check(classes=classes, average=average, minimum=minimum)
    if suppression < 0 or minimum > average:
        found = f"{suppression} and {minimum} of {average}"
        raise InputError(f"suppression must be 0 or more, minimum at most average, not {found}")
    _within("threshold", threshold)
    b = Builder(name)
    scores, x = _scores(b, classes, quant)
    mean, count = _mean(b, x, average)
    top, best = _likeliest(b, mean)
    last, wait = (b.memory(n, np.zeros((1, 1), np.int32)) for n in ("last_plus_one", "wait"))
    (enough,) = b.apply("enough", Compare(">="), count, _integer(b, "minimum", minimum))
    (above,) = b.apply("above", Compare(">"), best, _real(b, "threshold", threshold))
    (named,) = b.apply("top_plus_one", Add(), top, _integer(b, "one", 1))
    (other,) = b.apply("another", Compare("!="), named, last)
    (waited,) = b.apply("waited", Compare("<="), wait, _integer(b, "no_wait", 0))
    (free,) = b.apply("free", Logical("or"), other, waited)
    (sure,) = b.apply("sure", Logical("and"), enough, above)
    (new,) = b.apply("new", Logical("and"), sure, free)
    (said,) = b.apply("said", Select(), new, top, _integer(b, "nothing", NOTHING))
    (last_next,) = b.apply("last_next", Select(), new, named, last)
    b.remember(last, last_next)
    b.remember(wait, counted_down(b, new, wait, suppression))
    return b.graph([scores], [said, best])


def voted(
    classes: int, runs: int, *, needed: int | None = None, quant: tuple[float, int] | None = None, name: str = "voted"
) -> Graph:
    """(int32[1, 1], the class that most of the last ``runs`` runs found likeliest, or -1; int32[1, 1], its votes).

    needed: so many votes, more than half by default; of classes with as many votes, the first. Raises InputError where a number
    is out of range.
    """
    wanted = runs // 2 + 1 if needed is None else needed
    _check(classes=classes, runs=runs, needed=wanted)
    if wanted > runs:
        raise InputError(f"needed must be at most the {runs} votes that there are, not {wanted}")
    b = Builder(name)
    scores, x = _scores(b, classes, quant)
    top, _ = _likeliest(b, x)
    (mine,) = b.apply("vote", Compare("=="), top, b.constant("classes", np.arange(classes, dtype=np.int32)[None]))
    (vote,) = b.apply("votes_now", Cast(f32), mine)
    winner, most = _likeliest(b, _total(b, vote, runs), "winner")
    (votes,) = b.apply("votes", Cast(i32), most)
    (enough,) = b.apply("enough", Compare(">="), votes, _integer(b, "needed", wanted))
    (said,) = b.apply("said", Select(), enough, winner, _integer(b, "nothing", NOTHING))
    return b.graph([scores], [said, votes])


def counted_down(b: Builder, start: Tensor, wait: Tensor, runs: int) -> Tensor:
    """``runs`` where ``start`` is true, else one less than ``wait``, down to 0."""
    (less,) = b.apply("one_less", Add(), wait, _integer(b, "minus_one", -1))
    (less,) = b.apply("not_below_0", Maximum(), less, _integer(b, "no_run", 0))
    (after,) = b.apply("wait_next", Select(), start, _integer(b, "wait_runs", runs), less)
    return after


# -------------------------------------------------------------------------------------------------------------- stages


def _scores(b: Builder, classes: int, quant: tuple[float, int] | None) -> tuple[Tensor, Tensor]:
    """(the input, its scores in float32)."""
    if quant is None:
        x = b.add(Tensor("scores", (1, classes), f32))
        return x, x
    scale, zero_point = quant
    if not (scale > 0 and i8.min <= zero_point <= i8.max):
        raise InputError(f"a scale must be above 0, a zero point from {i8.min} to {i8.max}, not {scale}, {zero_point}")
    q = b.add(Tensor("scores", (1, classes), i8, Quant((float(np.float32(scale)),), (zero_point,))))
    (x,) = b.apply("real_scores", Dequantize(), q)
    return q, x


def _total(b: Builder, x: Tensor, runs: int) -> Tensor:
    """The sum over the last ``runs`` runs, the oldest first; of runs that weren't, zeros."""
    if runs == 1:
        return x
    past = b.memory("scores_before", np.zeros((runs - 1, x.shape[1]), np.float32))
    (rows,) = b.apply("last_scores", Concat(0), past, x)
    kept = (runs - 1, x.shape[1])
    (after,) = b.apply("scores_after", Slice((1, 0), kept, (1, 1), kept), rows)
    b.remember(past, after)
    (total,) = b.apply("total", Sum((0,), keep_dims=True), rows)
    return total


def _mean(b: Builder, x: Tensor, runs: int) -> tuple[Tensor, Tensor]:
    """(the mean over the last ``runs`` runs or those there were, how many there were, int32[1, 1])."""
    before = b.memory("runs_before", np.zeros((1, 1), np.int32))
    (more,) = b.apply("one_more", Add(), before, _integer(b, "one_run", 1))
    (count,) = b.apply("count", Minimum(), more, _integer(b, "most_runs", runs))
    b.remember(before, count)
    (number,) = b.apply("count_in_floats", Cast(f32), count)
    (mean,) = b.apply("mean", Div(), _total(b, x, runs), number)
    return mean, count


def _likeliest(b: Builder, x: Tensor, name: str = "top") -> tuple[Tensor, Tensor]:
    """(the first class of the largest score, that score), both [1, 1]."""
    (at,) = b.apply(f"{name}_class", ArgMax(1), x)
    (top,) = b.apply(name, Reshape((1, 1)), at)
    (best,) = b.apply(f"{name}_score", ReduceMax((1,), keep_dims=True), x)
    return top, best


def _integer(b: Builder, name: str, value: int) -> Tensor:
    return b.constant(name, _one(value, np.int32))


def _real(b: Builder, name: str, value: float) -> Tensor:
    return b.constant(name, _one(value, np.float32))


def _one(value: float, kind: type) -> Array:
    return np.array([[value]], kind)


def _check(**counts: int) -> None:
    for what, count in counts.items():
        if count < 1:
            raise InputError(f"{what} must be 1 or more, not {count}")


def _within(what: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{what} must be from 0 to 1, not {value}")
