"""How a detector does over a long recording: true and false accepts, delays, and what each threshold would trade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.deliver.markup import Markup, el, number, percent
from skosh.ir.graph import Array

MOST_THRESHOLDS = 400
HIGHEST = 300  # of these, so many are the highest scores: false accepts are decided there

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520, 280, 76, 40, 14, 44


@dataclass(frozen=True)
class Operating:
    """What a threshold does. ``delays``: seconds from the start of each event that was found to its accept."""

    threshold: float
    true_accepts: int
    false_accepts: int
    delays: tuple[float, ...]


@dataclass(frozen=True)
class StreamReport:
    """A detector over ``hours`` of recording with ``events`` events, at the threshold of ``chosen``.

    curve: what every threshold that was tried does, the lowest first; a DET curve in numbers. wanted: the false accepts an hour
    for which the threshold was chosen, None where it was given.
    """

    hours: float
    events: int
    chosen: Operating
    curve: tuple[Operating, ...]
    wanted: float | None

    @property
    def threshold(self) -> float:
        return self.chosen.threshold

    @property
    def false_accepts_an_hour(self) -> float:
        return self.chosen.false_accepts / self.hours

    @property
    def true_accepts_an_hour(self) -> float:
        return self.chosen.true_accepts / self.hours

    @property
    def miss_rate(self) -> float:
        """The share of events that weren't found; NaN where there were none."""
        return self.misses_of(self.chosen)

    @property
    def delay(self) -> float:
        """Seconds from the start of an event to its accept, the median; NaN where none was found."""
        return float(np.median(self.chosen.delays)) if self.chosen.delays else math.nan

    def misses_of(self, point: Operating) -> float:
        return 1 - point.true_accepts / self.events if self.events else math.nan

    def as_json(self) -> dict[str, Any]:
        return {
            "hours": self.hours, "events": self.events, "threshold": self.threshold, "true_accepts": self.chosen.true_accepts,
            "false_accepts": self.chosen.false_accepts, "true_accepts_an_hour": self.true_accepts_an_hour,
            "false_accepts_an_hour": self.false_accepts_an_hour, "miss_rate": _or_none(self.miss_rate),
            "delay_s": _or_none(self.delay), "wanted_false_accepts_an_hour": self.wanted,
            "curve": [
                {"threshold": p.threshold, "false_accepts_an_hour": p.false_accepts / self.hours,
                 "miss_rate": _or_none(self.misses_of(p))}
                for p in self.curve
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        found = f"{self.chosen.true_accepts} of {self.events} events found"
        late = f", {self.delay:.2f} s after their start (median)" if self.chosen.delays else ""
        rate = f"{self.chosen.false_accepts} false accepts in {self.hours:.3g} hours, {self.false_accepts_an_hour:.3g} an hour"
        return f"threshold {self.threshold:.4g}: {found}{late}; {rate}"

    def svg(self) -> str:
        """The DET curve: false accepts an hour to the right, misses upwards."""
        return det_chart(self)

    def _repr_html_(self) -> str:
        return f"{el('p', str(self))}{det_chart(self)}"


def evaluated(
    scores: Array, events: Sequence[tuple[float, float]], *, hop: float, threshold: float | None, false_accepts_an_hour: float,
    tolerance: float, refractory: float,
) -> StreamReport:  # fmt: skip
    """``skosh.evaluate_stream`` of scores, float[runs]."""
    if scores.ndim != 1 or not len(scores):
        raise InputError(f"scores must be one number for each run, and one at least, not {list(scores.shape)}")
    if not np.isfinite(scores).all():
        raise InputError(f"scores must be finite numbers, but that of run {int(np.flatnonzero(~np.isfinite(scores))[0])} isn't")
    if not (hop > 0 and tolerance >= 0 and refractory >= 0 and false_accepts_an_hour >= 0):
        raise InputError("hop must be above 0 s; tolerance, refractory and false_accepts_an_hour must be 0 or more")
    spans = _spans(events, len(scores) * hop)
    hours = len(scores) * hop / 3600
    tried = _thresholds(scores)
    curve = tuple(operating(scores, spans, t, hop, tolerance, refractory) for t in tried)
    if threshold is not None:
        return StreamReport(hours, len(spans), operating(scores, spans, threshold, hop, tolerance, refractory), curve, None)
    chosen = len(curve) - 1  # above all scores, so that it accepts nothing
    while chosen and curve[chosen - 1].false_accepts <= false_accepts_an_hour * hours:
        chosen -= 1
    return StreamReport(hours, len(spans), curve[chosen], curve, false_accepts_an_hour)


def operating(
    scores: Array, spans: Sequence[tuple[float, float]], threshold: float, hop: float, tolerance: float, refractory: float
) -> Operating:
    """Accepts are runs whose score is at least the threshold, but none within ``refractory`` of the accept before."""
    starts = np.array([s for s, _ in spans])
    found: dict[int, float] = {}
    wrong, free = 0, -math.inf
    for n in np.flatnonzero(scores >= threshold):
        t = (int(n) + 1) * hop  # a run is over at the end of its hop
        if t < free:
            continue
        free = t + refractory
        k = int(np.searchsorted(starts, t, side="right")) - 1
        if k < 0 or t > spans[k][1] + tolerance:
            wrong += 1
        else:
            found.setdefault(k, t - spans[k][0])
    return Operating(float(threshold), len(found), wrong, tuple(found.values()))


def det_chart(report: StreamReport) -> Markup:
    """False accepts an hour on a logarithmic axis, with those of none at its left end; the threshold's place as a circle."""
    across, floor = WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM
    points = [(p.false_accepts / report.hours, report.misses_of(p)) for p in report.curve]
    some = [rate for rate, _ in points if rate > 0]
    low = math.floor(math.log10(min(some, default=0.1)))
    high = max(math.ceil(math.log10(max(some, default=1.0))), low + 1)
    zero = 28.0  # the room at the left for rates of 0

    def place(rate: float, misses: float) -> tuple[float, float]:
        along = 0.0 if rate <= 0 else zero + (across - zero) * (math.log10(rate) - low) / (high - low)
        height = 0.0 if math.isnan(misses) else misses
        return LEFT + min(max(along, 0.0), across), TOP + (floor - TOP) * (1 - height)

    path = "".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(place(*p) for p in points))
    x, y = place(report.false_accepts_an_hour, report.miss_rate)
    parts: list[Markup] = [
        el("title", f"DET curve; {report}"),
        el("path", d=f"M{LEFT} {TOP}V{floor}H{LEFT + across}", class_="axis", fill="none", stroke="currentColor", opacity=0.4),
        el("path", d=path, fill="none", stroke="currentColor", stroke_width=2),
        el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5, class_="code"),
        el("text", "0", x=LEFT, y=floor + 18, text_anchor="middle", class_="faint"),
        el("text", "false accepts an hour", x=LEFT + across / 2, y=HEIGHT - 4, text_anchor="middle", class_="faint"),
        el("text", "missed", x=LEFT - 8, y=TOP + (floor - TOP) / 2, text_anchor="end", class_="faint"),
    ]
    parts += [
        el("text", percent(m, 0), x=LEFT - 8, y=f"{TOP + (floor - TOP) * (1 - m) + 4:.1f}", text_anchor="end", class_="faint")
        for m in (0.0, 1.0)
    ]
    parts += [
        el("text", number(10.0**k), x=f"{place(10.0**k, 0)[0]:.1f}", y=floor + 18, text_anchor="middle", class_="faint")
        for k in range(low, high + 1)
    ]
    view, space = f"0 0 {WIDTH} {HEIGHT}", "http://www.w3.org/2000/svg"
    return el("svg", *parts, xmlns=space, class_="chart", viewBox=view, role="img", style=f"max-width:{WIDTH}px")


def _thresholds(scores: Array) -> list[float]:
    """Scores to try, the lowest first, and one above all: all of them where they are few."""
    known = np.unique(scores.astype(np.float64))
    if len(known) > MOST_THRESHOLDS:
        rest = known[:-HIGHEST]
        chosen = np.linspace(0, len(rest) - 1, MOST_THRESHOLDS - HIGHEST).round().astype(int)
        known = np.concatenate([rest[chosen], known[-HIGHEST:]])
    return [*known.tolist(), float(np.nextafter(known[-1], np.inf))]


def _spans(events: Sequence[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    found = [(float(start), float(end)) for start, end in events]
    for k, (start, end) in enumerate(found):
        if not 0 <= start < end <= seconds + 1e-6:
            raise InputError(f"event {k} must begin before it ends, within the {seconds:g} s, not at {start:g} to {end:g} s")
        if k and start < found[k - 1][1]:
            raise InputError(f"event {k} must begin after the one before ended, at {found[k - 1][1]:g} s, not at {start:g} s")
    return found


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
