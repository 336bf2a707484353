"""What would have to change for the answer to be another one: each as one number, found by search, and checked.

A number is changed step by step, up and down, until the best option is another one; then the place is bisected. What is
given is the value nearest to today's (in its logarithm) at which the best option is another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from skosh.place.options import Option, Wants, all_options, best_of, without_dominated_cuts
from skosh.place.setting import Setting, reach
from skosh.place.work import Work

STEPS, BISECTIONS = 20, 16
TOLERANCE = 1.001  # the other answer holds so far beyond the border: a value that is rounded still flips


@dataclass(frozen=True)
class Flip:
    """At ``to`` of ``what`` (in ``unit``, today ``now``) the best option is ``best_then``; "" where nothing is allowed."""

    what: str
    unit: str
    now: float
    to: float
    best_then: str


@dataclass(frozen=True)
class Knob:
    """A number of the setting: its value now, the least and the most to try, and the setting with another value."""

    what: str
    unit: str
    now: float
    least: float
    most: float
    turned: Callable[[float], Setting]


def knobs(s: Setting, wants: Wants) -> tuple[Knob, ...]:
    """Event rate, data rate, distance, battery: those that the link has and that can matter."""
    found = [Knob("event rate", "Hz", s.rate, s.rate / 1e5, s.rate * 1e5, lambda v: s.with_(rate=v))]
    rate = s.link_record.find("rate_kbps")
    if rate is not None:
        now = rate.middle if s.data_rate is None else s.data_rate
        found.append(Knob("data rate", "kb/s", now, now / 1e3, now * 1e3, lambda v: s.with_(data_rate=v)))
    farther = reach(s.link_record)
    if farther is not None and not s.link.is_lora:
        found.append(
            Knob("distance", "times", s.distance, s.distance, max(farther, s.distance), lambda v: s.with_(distance=v))
        )
    if wants.life_days is None:
        return tuple(
            found
        )  # a larger battery changes all lives alike: only a life that is asked for can flip the answer
    mah = s.battery.figure("mah").middle if s.mah is None else s.mah
    found.append(Knob("battery", "mAh", mah, mah / 1e3, mah * 1e3, lambda v: s.with_(mah=v)))
    return tuple(found)


def find_flips(work: Work, s: Setting, wants: Wants, aim: str, best: Option | None) -> tuple[Flip, ...]:
    """One for each knob that can change the answer."""
    name = "" if best is None else best.name
    work = without_dominated_cuts(work)

    def answer(setting: Setting) -> str:
        found = best_of(all_options(work, setting, wants), aim)
        return "" if found is None else found.name

    found = [_nearest(knob, name, answer) for knob in knobs(s, wants)]
    if s.link.is_lora:
        found.append(_spreading(s, name, answer))
    return tuple(f for f in found if f is not None)


def _nearest(knob: Knob, name: str, answer: Callable[[Setting], str]) -> Flip | None:
    """The nearest value with another answer, of those above and below."""
    tried = [_first(knob, end, name, answer) for end in (knob.most, knob.least)]
    values = [v for v in tried if v is not None]
    if not values:
        return None
    to = min(values, key=lambda v: abs(math.log(v / knob.now)))
    then = answer(knob.turned(to))
    assert then != name, f"at {to} the answer must be another one"
    return Flip(knob.what, knob.unit, knob.now, to, then)


def _first(knob: Knob, end: float, name: str, answer: Callable[[Setting], str]) -> float | None:
    """The value between now and an end where the answer first changes; None where it never does."""
    if end == knob.now:
        return None
    before = knob.now
    for i in range(1, STEPS + 1):
        value = knob.now * (end / knob.now) ** ((i / STEPS) ** 1.5)
        if answer(knob.turned(value)) != name:
            return _bisected(knob, before, value, name, answer)
        before = value
    return None


def _bisected(knob: Knob, same: float, other: float, name: str, answer: Callable[[Setting], str]) -> float:
    """The border between a value with the same answer and one with another, a little on the other side, in four digits."""
    far = other
    for _ in range(BISECTIONS):
        middle = math.sqrt(same * other)
        if answer(knob.turned(middle)) == name:
            same = middle
        else:
            other = middle
    beyond = other * TOLERANCE if far > same else other / TOLERANCE
    rounded = float(f"{beyond:.4g}")
    for value in (rounded, other):
        if answer(knob.turned(value)) != name:
            return value
    return far


def _spreading(s: Setting, name: str, answer: Callable[[Setting], str]) -> Flip | None:
    """The nearest spreading factor with another answer; the links are those of the catalogue, lora-sf7 to lora-sf12."""
    now = int(s.link_record.figure("spreading_factor").low)
    for sf in sorted((n for n in range(7, 13) if n != now), key=lambda n: abs(n - now)):
        then = answer(s.with_(link_record=s.catalogue.record("link", f"lora-sf{sf}")))
        if then != name:
            return Flip("spreading factor", "", now, sf, then)
    return None
