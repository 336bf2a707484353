"""Every way to place a model, with what it costs: energy, latency, life, bytes, money, accuracy, and what leaves the device.

    E(decision) = wake + cycles * E(cycle) + sent * E(message) + upkeep + asleep
    T(decision) = wake + cycles / clock + access + transfer + there and back + compute there

Energies are bands: their low end takes every figure at its low end, their high end at its high end. Latencies are a median
and a 95th percentile; parts that vary apart are added as if independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from skosh.place.band import ZERO, Band
from skosh.place.links import weaker
from skosh.place.setting import Setting
from skosh.place.work import CutWork, Work

MONTH_S = 365.25 * 86_400 / 12
FUNCTION_GB = 0.5  # memory of a function in the cloud, as it is paid for
LIVES = 100 * 365.25  # days: longer than any battery lives, so not shown as more


@dataclass(frozen=True)
class Wants:
    """What an option must hold: p95 latency at most ``deadline_ms``, ``accuracy`` at least, nothing sent, days of life."""

    deadline_ms: float | None = None
    accuracy: float | None = None
    stay_on_device: bool = False
    life_days: float | None = None


@dataclass(frozen=True)
class Option:
    """One way. energy_uj: a decision. latency_ms: median, 95th percentile. bytes: sent for a decision, in the mean.

    parts: the energy by what it is for. leaves: what others could see. after: where a split cuts.
    """

    name: str
    what: str
    where: str
    allowed: bool
    why_not: str
    energy_uj: Band
    latency_ms: tuple[float, float]
    bytes: float
    life_days: Band
    money_month: float
    accuracy: float | None
    leaves: str
    parts: tuple[tuple[str, Band], ...]
    evidence: str
    after: str = ""


@dataclass(frozen=True)
class _Plan:
    """What an option does: on the device, on the link, beyond."""

    name: str
    what: str
    where: str  # device, fog, cloud
    leaves: str
    cycles: Band = ZERO
    cycles_p95: Band | None = None  # where samples take differently many
    sent: float = 0.0  # share of decisions with a message
    bytes: int = 0  # of that message
    biggest: int = 0  # the largest such message, for limits; 0: the same
    macs: int = 0  # beyond
    flash: int = 0
    ram: int = 0
    accuracy: float | None = None
    after: str = ""
    impossible: str = ""


def all_options(work: Work, setting: Setting, wants: Wants) -> tuple[Option, ...]:
    """Every option that can be costed, allowed or not: device, early exit, hierarchy, raw, compressed, features, splits."""
    return tuple(_costed(p, setting, wants) for p in _plans(work, setting) if not p.impossible)


def not_tried(work: Work, setting: Setting) -> tuple[tuple[str, str], ...]:
    """(name, what is missing) of options whose cost needs a measurement that wasn't made."""
    return tuple((p.name, p.impossible) for p in _plans(work, setting) if p.impossible)


def without_dominated_cuts(work: Work) -> Work:
    """Without cuts that compute more here than an earlier one and send as much: no number of a setting makes them best.

    Computing beyond is quicker than here, so that holds for latency too.
    """
    kept: list[CutWork] = []
    for cut in sorted(work.cuts, key=lambda c: (c.cycles.middle, c.bytes)):
        if not kept or cut.bytes < min(k.bytes for k in kept):
            kept.append(cut)
    return replace(work, cuts=tuple(kept))


def _plans(work: Work, s: Setting) -> Iterator[_Plan]:
    front = _front_end(work, s)
    label = "decisions" if s.report else "nothing"
    yield _Plan(
        "device", "all on the device", "device", label, front + work.cycles, sent=s.report, bytes=work.result_bytes,
        flash=work.flash, ram=work.ram, accuracy=work.accuracy,
    )  # fmt: skip
    yield _early(work, s, front, label)
    for where in ("fog", "cloud"):
        yield _hierarchy(work, where, front)
    for where in ("fog", "cloud"):
        yield _Plan(
            f"raw-{where}", f"raw samples up, all in the {where}", where, "raw samples", sent=1.0, bytes=work.raw_bytes,
            macs=work.macs, accuracy=work.accuracy,
        )  # fmt: skip
        yield _compressed(work, s, where)
        if work.front_end:
            yield _Plan(
                f"features-{where}", f"features here, the model in the {where}", where, "features", front, sent=1.0,
                bytes=work.input_bytes, macs=work.macs, accuracy=work.accuracy,
            )  # fmt: skip
        for cut in work.cuts:
            yield _split(work, cut, where, front)


def _front_end(work: Work, s: Setting) -> Band:
    """Cycles that make features of raw samples."""
    if not work.front_end:
        return ZERO
    return Band.of(s.catalogue.record("method", "features").figure("cycles_per_byte")).scaled(work.raw_bytes)


def _early(work: Work, s: Setting, front: Band, label: str) -> _Plan:
    e = work.early
    if e is None:
        return _Plan("early-exit", "stops where it is sure", "device", label, impossible=work.why_no_early)
    return _Plan(
        "early-exit", f"stops where it is sure: {e.note}", "device", label, front + e.cycles, front + e.cycles_p95,
        s.report, work.result_bytes, flash=e.flash or work.flash, ram=e.ram or work.ram, accuracy=e.accuracy,
    )  # fmt: skip


def _hierarchy(work: Work, where: str, front: Band) -> _Plan:
    h, name = work.hierarchy, f"hierarchical-{where}"
    if h is None:
        what = f"a small model here, the large one in the {where} when unsure"
        return _Plan(name, what, where, "inputs of which it is unsure", impossible=work.why_no_hierarchy)
    return _Plan(
        name, f"a small model here, the large one in the {where} for {100 * h.sent:.0f} %: {h.note}", where,
        f"{100 * h.sent:.0f} % of the inputs", front + h.cycles, front + h.cycles_p95, h.sent, work.input_bytes,
        macs=h.macs, flash=h.flash, ram=h.ram, accuracy=h.accuracy,
    )  # fmt: skip


def _compressed(work: Work, s: Setting, where: str) -> _Plan:
    c, name = work.compressed, f"compressed-{where}"
    if c is None:
        return _Plan(
            name, f"raw samples up, compressed, all in the {where}", where, "raw samples",
            impossible="needs samples: compressed sizes are measured, never assumed",
        )  # fmt: skip
    each = Band.of(s.catalogue.record("method", c.method).figure("cycles_per_byte"))
    return _Plan(
        name, f"raw samples up, compressed to {100 * c.ratio:.0f} % ({c.method}), all in the {where}", where, "raw samples",
        each.scaled(work.raw_bytes), sent=1.0, bytes=math.ceil(c.mean), biggest=math.ceil(c.p95), macs=work.macs,
        accuracy=work.accuracy,
    )  # fmt: skip


def _split(work: Work, cut: CutWork, where: str, front: Band) -> _Plan:
    return _Plan(
        f"split-{where} after {cut.after}", f"layers up to {cut.after} here, the rest in the {where}", where,
        "activations", front + cut.cycles, sent=1.0, bytes=cut.bytes, macs=cut.tail_macs, flash=work.code + cut.weights,
        ram=cut.ram, accuracy=work.accuracy, after=cut.after,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------- costs


def _costed(p: _Plan, s: Setting, wants: Wants) -> Option:
    link = s.link
    message, upkeep = _radio(p, s) if p.sent else (ZERO, ZERO)
    parts = (
        ("compute", s.compute_uj(p.cycles)), ("wake", s.wake_uj), ("radio", message), ("upkeep", upkeep),
        ("sleep", (s.sleep_uw + link.radio_sleep_uw).scaled(s.period_s)),
    )  # fmt: skip
    energy = ZERO
    for _, part in parts:
        energy += part
    power = energy.scaled(1e-6 * s.rate) + s.self_discharge_w
    life = (s.battery_j / power).scaled(1 / 86_400)
    life = Band(min(life.low, LIVES), min(life.high, LIVES))
    bare = Option(
        p.name, p.what, p.where, True, "", energy, _latency(p, s), p.sent * p.bytes, life, _money(p, s), p.accuracy,
        p.leaves, parts, _evidence(p, s), p.after,
    )  # fmt: skip
    why = _refused(p, s) or _unwanted(bare, wants)
    return bare if not why else replace(bare, allowed=False, why_not=why)


def _radio(p: _Plan, s: Setting) -> tuple[Band, Band]:
    """Energy of the messages of a decision, and of the connection: kept, or made anew each time, whichever is less."""
    link = s.link
    message, kept = link.message_uj(p.bytes).scaled(p.sent), link.upkeep_uw.scaled(s.period_s)
    if link.join_uj is not None and link.join_uj.scaled(p.sent).middle < kept.middle:
        return message + link.join_uj.scaled(p.sent), ZERO
    return message, kept


def _joins(p: _Plan, s: Setting) -> bool:
    """Is the connection made anew for each message?"""
    link = s.link
    return link.join_uj is not None and link.join_uj.scaled(p.sent).middle < link.upkeep_uw.scaled(s.period_s).middle


def _latency(p: _Plan, s: Setting) -> tuple[float, float]:
    """Median and 95th percentile, ms. Of options that send sometimes, each percentile is of those that it falls on."""
    here = s.wake_us.middle / 1000 + s.compute_ms(p.cycles)
    late = s.wake_us.middle / 1000 + s.compute_ms(p.cycles_p95 or p.cycles)
    if p.where == "device" or not p.sent:
        return here, max(here, late)
    link, beyond = s.link, s.gateway if p.where == "fog" else s.cloud
    rtt, speed = beyond.figure("rtt_ms"), beyond.figure("gmac_per_s_remote")
    waits = [
        link.transfer_ms(p.bytes), link.access_ms, (rtt.low, rtt.high),
        (p.macs / speed.middle / 1e6, p.macs / speed.low / 1e6 if speed.low else math.inf),
    ]  # fmt: skip
    if p.where == "cloud":
        near = s.gateway.figure("rtt_ms")
        waits.append((near.low, near.high))
    if _joins(p, s):
        waits.append(link.join_ms)
    median = sum(a for a, _ in waits)
    spread = math.sqrt(sum((b - a) ** 2 for a, b in waits))
    there = here + median, max(here, late) + median + spread
    return (there[0] if p.sent > 0.5 else here), (there[1] if p.sent > 0.05 else max(here, late))


def _money(p: _Plan, s: Setting) -> float:
    """US dollars a month: the link's bytes, the cloud's messages and its computing. The middle of the bands."""
    messages = p.sent * s.rate * MONTH_S
    total = 0.0
    by_byte, by_month = s.link_record.find("money_per_mb"), s.link_record.find("money_per_month")
    if p.sent:
        total += 0.0 if by_byte is None else by_byte.middle * messages * p.bytes / 1e6
        total += 0.0 if by_month is None else by_month.middle
    if p.where == "cloud":
        unit = max(s.cloud.figure("message_unit_bytes").middle, 1)
        total += s.cloud.figure("money_per_million_messages").middle * 1e-6 * messages * math.ceil(p.bytes / unit)
        total += s.cloud.figure("money_per_million_calls").middle * 1e-6 * messages
        seconds = p.macs / (s.cloud.figure("gmac_per_s_remote").middle * 1e9)
        total += s.cloud.figure("money_per_gb_s").middle * FUNCTION_GB * seconds * messages
    return total


def _evidence(p: _Plan, s: Setting) -> str:
    """The weakest evidence that its energy rests on."""
    return weaker(s.evidence, s.link.evidence) if p.sent else s.evidence


# --------------------------------------------------------------------------------------------------------- rules


def _refused(p: _Plan, s: Setting) -> str:
    """The rule that forbids an option, "" when none does: memory, the processor's time, payload, duty cycle, time on air."""
    board, link = s.board, s.link
    if p.flash > board.flash:
        return f"{board.name} has {board.flash:,} bytes of flash, this needs {p.flash:,}"
    if p.ram > board.ram:
        return f"{board.name} has {board.ram:,} bytes of RAM, this needs {p.ram:,}"
    busy = s.compute_ms(p.cycles) / 1000 * s.rate
    if busy > 1:
        return f"the processor would be busy {100 * busy:,.0f} % of the time"
    if not p.sent:
        return ""
    if p.where == "fog" and s.link_record.texts.get("privacy") == "radio to an operator's network":
        return f"{s.link_record.id} ends at an operator: there is no gateway of yours to compute on"
    most = link.message_limit
    size = p.biggest or p.bytes
    if most is not None and size > most * s.fragments:
        rule = s.link_record.texts.get("payload_rule", f"a message carries at most {most:,} bytes")
        return f"payload: {size:,} bytes a decision, {rule}"
    air = link.on_air_ms(p.bytes).middle / 1000 * p.sent * s.rate
    if link.duty_cycle is not None and air > link.duty_cycle:
        rule = s.link_record.texts.get("rule", f"at most {100 * link.duty_cycle:g} % of the time on air")
        return f"duty cycle: {100 * air:,.3g} % of the time on air, {rule}"
    time = link.transfer_ms(p.bytes)[0] / 1000 * p.sent * s.rate
    if time > 1:
        return f"the link would be busy {100 * time:,.0f} % of the time"
    return ""


def _unwanted(o: Option, wants: Wants) -> str:
    """What the user asked for and an option doesn't give, "" when it gives all."""
    if wants.stay_on_device and o.where != "device":
        return f"{o.leaves} would leave the device"
    if wants.deadline_ms is not None and o.latency_ms[1] > wants.deadline_ms:
        return f"95th percentile of {o.latency_ms[1]:,.3g} ms, later than {wants.deadline_ms:g} ms"
    if wants.accuracy is not None and (o.accuracy is None or o.accuracy < wants.accuracy):
        reached = "not measured: give labelled samples" if o.accuracy is None else f"{o.accuracy:.4f}"
        return f"accuracy is {reached}; {wants.accuracy:g} is wanted"
    if wants.life_days is not None and o.life_days.middle < wants.life_days:
        return f"lives {o.life_days.middle:,.3g} days, {wants.life_days:g} are wanted"
    return ""


# ---------------------------------------------------------------------------------------------------- the choice


def score(o: Option, aim: str) -> tuple[float, ...]:
    """Less is better. Ties go to less energy, then to less latency."""
    energy, late = o.energy_uj.middle, o.latency_ms[1]
    first = {"energy": energy, "latency": late, "life": -o.life_days.middle, "cost": o.money_month}[aim]
    return first, energy, late


def best_of(options: Sequence[Option], aim: str) -> Option | None:
    """The allowed option with the least score, the earlier of equals; None where nothing is allowed."""
    allowed = [o for o in options if o.allowed]
    return min(allowed, key=lambda o: score(o, aim), default=None)


def pareto(options: Sequence[Option]) -> tuple[Option, ...]:
    """The allowed options that no other allowed one beats in energy, latency and accuracy at once."""
    allowed = [o for o in options if o.allowed]

    def costs(o: Option) -> tuple[float, float, float]:
        return o.energy_uj.middle, o.latency_ms[1], -(o.accuracy or 0.0)

    def beats(a: Option, b: Option) -> bool:
        return all(x <= y for x, y in zip(costs(a), costs(b), strict=True)) and costs(a) != costs(b)

    return tuple(o for o in allowed if not any(beats(a, o) for a in allowed))
