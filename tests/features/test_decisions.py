"""Decisions and changes: the graphs beside the same written in plain Python, on this computer's C and on the device's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

import skosh
from skosh import features
from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph

F = np.float32
CLASSES = 4


def scores(runs: int, seed: int = 0) -> Array:
    """[runs, 1, CLASSES]: stretches in which a class is likely, with noise."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0, 0.6, (runs, CLASSES))
    level[np.arange(runs), np.repeat(rng.integers(0, CLASSES, runs // 10 + 1), 10)[:runs]] += 0.5
    return level.astype(F)[:, None]


def totals(rows: deque[Array]) -> Array:
    total = np.zeros_like(rows[0])
    for row in rows:
        total = total + row
    return total


def means(x: Array, runs: int) -> Iterator[tuple[Array, int]]:
    rows: deque[Array] = deque(maxlen=runs)
    for row in x[:, 0]:
        rows.append(row)
        yield totals(rows) / F(len(rows)), len(rows)


def plain_smoothed(x: Array, runs: int) -> list[tuple[float, ...]]:
    return [tuple(mean.tolist()) for mean, _ in means(x, runs)]


def plain_wake_word(x: Array, runs: int, cutoff: float) -> list[tuple[float, ...]]:
    heard = [mean[0] if count == runs else F(0) for mean, count in means(x, runs)]
    return [(int(m > F(cutoff)), float(m)) for m in heard]


def plain_recognized(x: Array, average: int, threshold: float, suppression: int, minimum: int) -> list[tuple[float, ...]]:
    last, wait, found = None, 0, []
    for mean, count in means(x, average):
        top = int(mean.argmax())
        if count >= minimum and mean[top] > F(threshold) and (top != last or wait == 0):
            said, last, wait = top, top, suppression
        else:
            said, wait = -1, max(wait - 1, 0)
        found.append((said, float(mean[top])))
    return found


def plain_voted(x: Array, runs: int, needed: int) -> list[tuple[float, ...]]:
    votes: deque[int] = deque(maxlen=runs)
    found = []
    for row in x[:, 0]:
        votes.append(int(row.argmax()))
        winner = max(range(CLASSES), key=votes.count)
        found.append((winner if votes.count(winner) >= needed else -1, votes.count(winner)))
    return found


def plain_hysteresis(x: Array, on: float, off: float) -> list[tuple[float, ...]]:
    is_on, found = False, []
    for (value,) in x[:, 0]:
        is_on = value >= F(on) or (is_on and value >= F(off))
        found.append((int(is_on),))
    return found


def plain_refractory(x: Array, runs: int) -> list[tuple[float, ...]]:
    again, found = 0, []
    for n, event in enumerate(x[:, 0, 0].tolist()):
        passes = event != 0 and n >= again
        again = n + runs + 1 if passes else again
        found.append((event if passes else 0,))
    return found


def plain_cusum(x: Array, mean: float, slack: float, threshold: float) -> list[tuple[float, ...]]:
    up, down, found = F(0), F(0), []
    for (value,) in x[:, 0]:
        up, down = max(F(0), up + (value - F(mean + slack))), max(F(0), down + (F(mean - slack) - value))
        change = 1 if up > F(threshold) else -1 if down > F(threshold) else 0
        found.append((change, float(max(up, down))))
        if change:
            up = down = F(0)
    return found


def plain_page_hinkley(x: Array, threshold: float, delta: float, minimum: int, forget: float) -> list[tuple[float, ...]]:
    count, mean, total, lowest, found = 0, F(0), F(0), F(0), []
    for (value,) in x[:, 0]:
        count += 1
        mean = mean + (value - mean) / F(count)
        total = total * F(forget) + (value - mean - F(delta))
        lowest = min(lowest, total)
        alarm = count >= minimum and total - lowest > F(threshold)
        found.append((int(alarm), float(total - lowest)))
        if alarm:
            count, mean, total, lowest = 0, F(0), F(0), F(0)
    return found


def steps(seed: int = 0) -> Array:
    """[240, 1, 1]: noise around 0, then 1, then -1."""
    levels = np.repeat([0.0, 1.0, -1.0], 80)
    return (levels + np.random.default_rng(seed).normal(0, 0.4, 240)).astype(F)[:, None, None]


EVENTS = (np.random.default_rng(3).random(120) < 0.4).astype(np.int32)[:, None, None] * 7
Plain = Callable[[Array], list[tuple[float, ...]]]
CASES: dict[str, tuple[Graph, Array, Plain]] = {
    "smoothed": (features.smoothed(CLASSES, 5), scores(60), lambda x: plain_smoothed(x, 5)),
    "of one run": (features.smoothed(CLASSES, 1), scores(20), lambda x: plain_smoothed(x, 1)),
    "wake word": (features.wake_word(5, 0.5), scores(90)[:, :, :1], lambda x: plain_wake_word(x, 5, 0.5)),
    "recognized": (
        features.recognized(CLASSES, average=6, threshold=0.55, suppression=9, minimum=3), scores(200),
        lambda x: plain_recognized(x, 6, 0.55, 9, 3),
    ),
    "voted": (features.voted(CLASSES, 7), scores(90), lambda x: plain_voted(x, 7, 4)),
    "hysteresis": (features.hysteresis(0.7, 0.3), steps(), lambda x: plain_hysteresis(x, 0.7, 0.3)),
    "refractory": (features.refractory(5), EVENTS, lambda x: plain_refractory(x, 5)),
    "cusum": (features.cusum(0.0, 0.5, 4.0), steps(), lambda x: plain_cusum(x, 0.0, 0.5, 4.0)),
    "page-hinkley": (
        features.page_hinkley(5.0, delta=0.05, minimum=20, forget=0.99), steps(),
        lambda x: plain_page_hinkley(x, 5.0, 0.05, 20, 0.99),
    ),
}  # fmt: skip


def answers(outputs: Array | tuple[Array, ...], runs: int) -> list[tuple[float, ...]]:
    columns = outputs if isinstance(outputs, tuple) else (outputs,)
    return [tuple(v for c in columns for v in c[n].reshape(-1).tolist()) for n in range(runs)]


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_plain_python_gives(case: str) -> None:
    graph, x, plain = CASES[case]
    found, want = answers(skosh.compile(graph, target="host").run(x), len(x)), plain(x)
    assert found == want
    said = {row[0] for row in want}
    assert len(said) > 1, "these samples must show both answers"


@pytest.mark.parametrize("case", CASES)
def test_the_device_gives_the_same_bits(case: str) -> None:
    graph, x, _ = CASES[case]
    assert skosh.compile(graph, target="cortex-m4").verify(x[:40]).bit_exact


def test_int8_scores_of_a_network_go_on_to_a_decision() -> None:
    quant = (1 / 256, -128)
    first = features.smoothed(CLASSES, 3, quant=quant)
    q = np.random.default_rng(0).integers(-128, 128, (30, 1, CLASSES)).astype(np.int8)
    real = ((q.astype(np.int32) + 128) / F(256)).astype(F)
    assert answers(skosh.compile(first, target="host").run(q), 30) == plain_smoothed(real, 3)
    chain = first.then(features.recognized(CLASSES, average=2, minimum=1, threshold=0.6, suppression=4))
    means_of = np.array(plain_smoothed(real, 3), F)[:, None]
    found = answers(skosh.compile(chain, target="host").run(q), 30)
    assert found == plain_recognized(means_of, 2, 0.6, 4, 1)


def test_a_change_is_found_soon_and_not_before() -> None:
    change, _ = skosh.compile(features.cusum(0.0, 0.5, 4.0), target="host").run(steps())
    at = np.flatnonzero(change.reshape(-1))
    assert 80 <= at[0] < 100 and change.reshape(-1)[at[0]] == 1
    assert (change.reshape(-1)[180:] <= 0).all() and -1 in change.reshape(-1)[160:175]


def test_the_sliding_mean_is_that_of_microwakeword() -> None:
    """Its own code decides on the probabilities that a stand-in for its network gives."""
    wheel = pytest.importorskip("pymicro_wakeword.microwakeword")
    chances = np.random.default_rng(5).integers(150, 256, 60)
    chances[30:] -= 80
    fake = SimpleNamespace(
        TfLiteTensorCopyFromBuffer=lambda *_: None, TfLiteInterpreterInvoke=lambda *_: None,
        TfLiteTensorByteSize=lambda *_: 1,
    )  # fmt: skip
    given = iter(chances)
    fake.TfLiteTensorCopyToBuffer = lambda tensor, at, size: np.ctypeslib.as_array(
        wheel.ctypes.cast(at, wheel.ctypes.POINTER(wheel.ctypes.c_uint8)), (1,)
    ).__setitem__(0, next(given))  # fmt: skip
    word = object.__new__(wheel.MicroWakeWord)
    word.__dict__.update(
        lib=fake, model=1, interpreter=1, stride=1, _features=[], _probabilities=deque(maxlen=5), probability_cutoff=0.8,
        sliding_window_size=5, input_scale=1.0, input_zero_point=0, input_dtype=np.uint8, output_dtype=np.uint8,
        input_tensor=0, output_tensor=0, output_scale=1 / 256, output_zero_point=0, debug_probabilities=False,
    )  # fmt: skip
    want = [bool(word.process_streaming(np.zeros((1, 1, 40), F))) for _ in chances]
    word.interpreter = None  # nothing to close
    word.model = None
    heard, _ = skosh.compile(features.wake_word(5, 0.8), target="host").run((chances / 256).astype(F)[:, None, None])
    assert heard.reshape(-1).astype(bool).tolist() == want and len(set(want)) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: features.smoothed(3, 0), "runs must be 1 or more, not 0"),
        (lambda: features.wake_word(5, 1.5), "cutoff must be from 0 to 1, not 1.5"),
        (lambda: features.recognized(3, average=2), "minimum at most average"),
        (lambda: features.voted(3, 4, needed=5), "needed must be at most the 4 votes"),
        (lambda: features.hysteresis(0.2, 0.4), "off must be at most on"),
        (lambda: features.refractory(0), "runs must be 1 or more"),
        (lambda: features.cusum(0, -1, 2), "slack must be 0 or more"),
        (lambda: features.page_hinkley(0), "threshold must be above 0"),
        (lambda: features.smoothed(3, 2, quant=(0.0, 0)), "a scale must be above 0"),
    ],
)
def test_what_is_refused(make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
