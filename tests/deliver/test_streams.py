"""A detector over a recording: counts beside the same in plain Python, the threshold that is chosen, the picture."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import skosh
from skosh import evaluate_stream, features
from skosh.base.errors import InputError

HOP = 0.1
EVENTS = [(10.0, 11.0), (40.0, 41.5), (70.0, 71.0), (100.0, 101.0)]


def scores(seed: int = 0, seconds: float = 120) -> Any:
    """Noise up to 0.6, with peaks in three of the four events and a false one."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(0, 0.6, round(seconds / HOP))
    for at, peak in ((10.3, 0.9), (40.8, 0.8), (101.3, 0.7), (55.0, 0.75)):
        found[round(at / HOP)] = peak
    return found


def plain(x: Any, threshold: float, tolerance: float, refractory: float) -> tuple[int, int, list[float]]:
    """(true, false, delays), in integers of hops."""
    found: dict[int, float] = {}
    wrong, last = 0, None
    for n, value in enumerate(x):
        t = (n + 1) * HOP
        if value < threshold or (last is not None and t - last < refractory - 1e-9):
            continue
        last = t
        for k, (start, end) in enumerate(EVENTS):
            if start <= t <= end + tolerance:
                found.setdefault(k, t - start)
                break
        else:
            wrong += 1
    return len(found), wrong, list(found.values())


def test_what_is_counted() -> None:
    report = evaluate_stream(scores(), events=EVENTS, hop=HOP, threshold=0.65)
    assert (report.chosen.true_accepts, report.chosen.false_accepts, report.events) == (3, 1, 4)
    assert report.hours == pytest.approx(120 / 3600)
    assert report.false_accepts_an_hour == pytest.approx(30) and report.true_accepts_an_hour == pytest.approx(90)
    assert report.miss_rate == 0.25
    assert np.allclose(report.chosen.delays, [0.4, 0.9, 1.4]) and report.delay == pytest.approx(0.9)


def test_tolerance_is_how_late_an_accept_may_be() -> None:
    report = evaluate_stream(scores(), events=EVENTS, hop=HOP, threshold=0.65, tolerance=0.2)
    assert (report.chosen.true_accepts, report.chosen.false_accepts) == (2, 2)


@pytest.mark.parametrize("refractory", [0.0, 0.35, 2.05])
def test_every_threshold_is_what_plain_python_counts(refractory: float) -> None:
    x = scores(1)
    report = evaluate_stream(x, events=EVENTS, hop=HOP, refractory=refractory)
    assert len(report.curve) > 100
    for point in report.curve[::10]:
        right, wrong, delays = plain(x, point.threshold, 0.5, refractory)
        assert (point.true_accepts, point.false_accepts) == (right, wrong)
        assert np.allclose(point.delays, delays)


def test_the_threshold_is_the_lowest_that_keeps_the_rate() -> None:
    none = evaluate_stream(scores(), events=EVENTS, hop=HOP, false_accepts_an_hour=0)
    assert (none.chosen.false_accepts, none.chosen.true_accepts) == (0, 2) and none.threshold == 0.8
    one = evaluate_stream(scores(), events=EVENTS, hop=HOP, false_accepts_an_hour=30)
    assert (one.chosen.false_accepts, one.chosen.true_accepts) == (1, 3) and one.threshold == 0.7
    lower = max(p.threshold for p in one.curve if p.threshold < one.threshold)
    again = evaluate_stream(scores(), events=EVENTS, hop=HOP, threshold=lower)
    assert again.false_accepts_an_hour > 30


def test_nothing_may_be_the_only_way() -> None:
    x = np.full(100, 0.9)
    report = evaluate_stream(x, events=[], hop=HOP, false_accepts_an_hour=1)
    assert report.chosen.false_accepts == 0 and report.threshold > 0.9 and np.isnan(report.miss_rate)
    assert json.loads(json.dumps(report.as_json()))["miss_rate"] is None


def test_the_picture_and_the_text() -> None:
    report = evaluate_stream(scores(), events=EVENTS, hop=HOP, threshold=0.65)
    tree = ElementTree.fromstring(report.svg())
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    path = max((e.get("d", "") for e in tree.iter("{http://www.w3.org/2000/svg}path")), key=len)
    assert path.count("L") == len(report.curve) - 1
    assert str(report) == (
        "threshold 0.65: 3 of 4 events found, 0.90 s after their start (median); 1 false accepts in 0.0333 hours, 30 an hour"
    )


def test_a_model_with_state_runs_over_the_recording() -> None:
    graph = features.smoothed(2, 3)
    x = np.stack([np.zeros(1200), scores()], axis=1).astype(np.float32)[:, None]
    report = evaluate_stream(graph, x, events=EVENTS, hop=HOP, threshold=0.5, column=1)
    build = skosh.compile(graph, target="host")
    means = build.run(x)[:, 1].astype(np.float64)
    assert report.chosen == evaluate_stream(means, events=EVENTS, hop=HOP, threshold=0.5).chosen
    assert evaluate_stream(build, x, events=EVENTS, hop=HOP, threshold=0.5, column=1).chosen == report.chosen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.zeros((3, 2))}, "one number for each run"),
        ({"scores": [0.5, float("nan")]}, "that of run 1 isn't"),
        ({"scores": []}, "and one at least"),
        ({"scores": ["high"]}, "scores must be numbers"),
        ({"hop": 0}, "hop must be above 0 s"),
        ({"events": [(5, 4)]}, "event 0 must begin before it ends"),
        ({"events": [(5, 500)]}, "within the 120 s"),
        ({"events": [(5, 7), (6, 8)]}, "event 1 must begin after the one before ended, at 7 s, not at 6 s"),
        ({"recording": np.zeros(3)}, "a recording must go with a Graph"),
        ({"scores": features.smoothed(2, 3)}, "must be given a recording"),
        (
            {"scores": features.smoothed(2, 3), "recording": np.zeros((3, 1, 2), np.float32), "column": 2},
            "column must be from 0 to 1",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"scores": scores(), "events": EVENTS, "hop": HOP, **changes}
    with pytest.raises(InputError, match=message):
        evaluate_stream(**given)
