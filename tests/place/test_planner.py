"""The planner: rules that forbid, the best against all options written out again, flips that flip."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import InputError
from skosh.place.band import Band
from skosh.place.compress import Compressed
from skosh.place.options import Option, Wants, all_options, best_of, without_dominated_cuts
from skosh.place.planner import plan
from skosh.place.setting import AIMS, Setting
from skosh.place.work import CutWork, Partial, Work
from tests.place.works import setting, work

BOARDS = ("nucleo-l4r5zi", "nucleo-u385rg-q", "nrf52840-dk", "pico", "bluepill-f103c8")
LINKS = ("ble-1m", "ble-2m", "802154", "wifi", "lora-sf7", "lora-sf12", "nb-iot", "lte-m", "ethernet", "uart")


def options(w: Work, s: Setting, **wants: Any) -> dict[str, Option]:
    return {o.name: o for o in all_options(w, s, Wants(**wants))}


# ----------------------------------------------------------------------------------------- against all, written again


def energy_again(w: Work, s: Setting, cycles: Band, sent: float, size: int) -> float:
    """Middle of the energy of a decision, uJ, from the catalogue's figures alone, for links of packets."""

    def ends(name: str) -> tuple[float, float]:
        f = s.link_record.find(name)
        return (0.0, 0.0) if f is None else (f.low, f.high)

    total = 0.0
    for i in (0, 1):
        chip = {
            n: (s.chip.figure(n).low, s.chip.figure(n).high)[i]
            for n in ("pj_per_cycle", "sleep_ua", "volts", "wake_us")
        }
        uj = (cycles.low, cycles.high)[i] * chip["pj_per_cycle"] / 1e6
        uj += chip["wake_us"] * chip["pj_per_cycle"] * s.board.clock_mhz / 1e6
        uj += (chip["sleep_ua"] * chip["volts"] + ends("radio_sleep_uw")[i]) / s.rate
        if sent:
            tx = ends("tx_mw")[i] or ends("tx_ma")[i] * ends("volts")[i]
            rx = ends("rx_mw")[i] or ends("rx_ma")[i] * ends("volts")[i]
            packets = [int(ends("packet_bytes")[0])] * (size // int(ends("packet_bytes")[0]))
            if size % int(ends("packet_bytes")[0]) or not packets:
                packets.append(size % int(ends("packet_bytes")[0]))
            each = [
                tx * 8 * (p + ends("overhead_bytes")[1]) / ends("rate_kbps")[1 - i] + rx * ends("listen_us")[i] / 1000
                for p in packets
            ]
            message = sent * (sum(each) / (1 - ends("loss")[i]) + ends("message_uj")[i])
            total_kept = message + ends("upkeep_uw")[i] / s.rate
            total_anew = message + sent * ends("join_mj")[i] * 1000
            anew = (
                s.link_record.find("join_mj") is not None
                and sent * sum(ends("join_mj")) * 1000 < sum(ends("upkeep_uw")) / s.rate
            )
            uj += total_anew if anew else total_kept
        total += uj / 2
    return total


@st.composite
def cases(draw: st.DrawFn) -> tuple[Work, Setting]:
    cycles = draw(st.floats(1e3, 5e8))
    raw = draw(st.integers(16, 60_000))
    count = draw(st.integers(0, 6))
    shares = sorted(draw(st.lists(st.floats(0.01, 0.99), min_size=count, max_size=count)))
    made = tuple(
        CutWork(f"layer{i}", Band(cycles * x, cycles * x), int(cycles * (1 - x)), draw(st.integers(1, raw)), 1000, 1000)
        for i, x in enumerate(shares)
    )
    compressed = draw(st.sampled_from([None, Compressed("png", raw * 0.5, raw * 0.6, 0.5, 10)]))
    w = work(cycles, raw, made, compressed=compressed)
    link = draw(st.sampled_from([name for name in LINKS if not name.startswith("lora")]))
    return w, setting(draw(st.sampled_from(BOARDS)), link, rate=draw(st.floats(1e-4, 20)))


@given(cases())
@settings(max_examples=60, deadline=None)
def test_the_best_is_the_least_of_all(case: tuple[Work, Setting]) -> None:
    """Energies of all options are computed again, from figures and packets; the planner's best has the least of them."""
    w, s = case
    found = options(w, s)
    png = s.catalogue.record("method", "png").figure("cycles_per_byte")
    again = {"device": energy_again(w, s, w.cycles, 0.0, 0)}
    for where in ("fog", "cloud"):
        again[f"raw-{where}"] = energy_again(w, s, Band(0, 0), 1.0, w.raw_bytes)
        if w.compressed is not None:
            cycles = Band(png.low * w.raw_bytes, png.high * w.raw_bytes)
            again[f"compressed-{where}"] = energy_again(w, s, cycles, 1.0, math.ceil(w.compressed.mean))
        for c in w.cuts:
            again[f"split-{where} after {c.after}"] = energy_again(w, s, c.cycles, 1.0, c.bytes)
    assert found.keys() == again.keys()
    for name, o in found.items():
        assert o.energy_uj.middle == pytest.approx(again[name], rel=1e-9), name
    best = best_of(tuple(found.values()), "energy")
    allowed = [again[name] for name, o in found.items() if o.allowed]
    assert (best is None) == (not allowed)
    assert best is None or again[best.name] == pytest.approx(min(allowed), rel=1e-9)


@given(cases(), st.sampled_from(AIMS))
@settings(max_examples=40, deadline=None)
def test_dominated_cuts_are_never_the_best(case: tuple[Work, Setting], aim: str) -> None:
    w, s = case
    whole, pruned = (best_of(all_options(x, s, Wants()), aim) for x in (w, without_dominated_cuts(w)))
    if whole is not None and aim != "cost":  # money knows how much is computed in the cloud, by fractions of a cent
        assert (pruned is not None and pruned.energy_uj.middle <= whole.energy_uj.middle * (1 + 1e-9)) or aim == "latency"
        assert pruned is not None and (aim != "latency" or pruned.latency_ms[1] <= whole.latency_ms[1] * 1.001)


# ----------------------------------------------------------------------------------------------------------- flips


@pytest.mark.parametrize("link", ["ble-1m", "wifi", "802154", "nb-iot", "lora-sf7", "uart"])
@pytest.mark.parametrize("aim", ["energy", "latency", "life", "cost"])
def test_flips_flip(link: str, aim: str) -> None:
    """At the number the best is what is said, just before it is still today's; numbers between are bisected."""
    cut = CutWork("middle", Band(3e6, 3e6), 1_000_000, 200, 1000, 1000)
    w, s = work(8.8e6, 9216, (cut,)), setting(link=link, rate=0.01)
    answer = plan(w, s, Wants(), aim)
    name = "" if answer.best is None else answer.best.name
    for f in answer.flips:
        assert f.best_then != name

        def at(value: float, what: str = f.what) -> str:
            turned = {
                "event rate": lambda: s.with_(rate=value), "data rate": lambda: s.with_(data_rate=value),
                "distance": lambda: s.with_(distance=value),
                "spreading factor": lambda: s.with_(link_record=s.catalogue.record("link", f"lora-sf{int(value)}")),
            }[what]()  # fmt: skip
            best = best_of(all_options(w, turned, Wants()), aim)
            return "" if best is None else best.name

        assert at(f.to) == f.best_then, f
        if f.what != "spreading factor":
            assert at(f.now + (f.to - f.now) * 0.98) == name, f


def test_the_battery_flips_where_a_life_is_asked_for() -> None:
    """Sending each second costs more than the cell holds for a month; with a larger one the quicker option is allowed."""
    w = work(3e6, 200)
    answer = plan(w, setting("nucleo-u385rg-q", "wifi", rate=0.2), Wants(life_days=60), "latency")
    flips = {f.what: f for f in answer.flips}
    assert "battery" in flips
    turned = setting("nucleo-u385rg-q", "wifi", rate=0.2, mah=flips["battery"].to)
    best = best_of(all_options(w, turned, Wants(life_days=60)), "latency")
    assert (best.name if best is not None else "") == flips["battery"].best_then


def test_always_compute_locally_is_false_on_a_plain_m4_with_a_good_link() -> None:
    """9,216 bytes of a grey frame and 8.8 million cycles: M4 sends, the near-threshold M33 computes, LoRa always computes."""
    w, gentle = work(), setting(rate=0.5)
    assert plan(w, gentle, Wants()).best.name == "raw-fog"  # type: ignore[union-attr]
    assert plan(w, setting("nucleo-u385rg-q", rate=0.5), Wants()).best.name == "device"  # type: ignore[union-attr]
    assert plan(w, setting(link="lora-sf7", rate=0.5), Wants()).best.name == "device"  # type: ignore[union-attr]
    rates = [f for f in plan(w, gentle, Wants()).flips if f.what == "data rate"]
    assert rates and rates[0].best_then == "device" and rates[0].to < 1000


# ----------------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("w", "s", "name", "letter"),
    [
        (
            work(raw_bytes=300),
            setting(link="lora-sf7", rate=1e-4),
            "raw-fog",
            "payload: 300 bytes a decision, LoRaWAN EU868",
        ),
        (
            work(raw_bytes=51),
            setting(link="lora-sf12", rate=0.01),
            "raw-cloud",
            "duty cycle: 2.95 % of the time on air, ETSI EN",
        ),
        (work(raw_bytes=51), setting(link="nb-iot", rate=0.01), "raw-fog", "nb-iot ends at an operator"),
        (
            work(raw_bytes=30_000),
            setting(link="nb-iot", rate=1e-4),
            "raw-cloud",
            "payload: 30,000 bytes a decision, NB-IoT",
        ),
        (work(raw_bytes=40_000), setting(rate=3.0), "raw-fog", "the link would be busy 1"),
        (work(cycles=1e9), setting(rate=1.0), "device", "the processor would be busy 833 % of the time"),
        (work(flash=1 << 22), setting(), "device", "nucleo-l4r5zi has 2,097,152 bytes of flash, this needs 4,194,304"),
        (work(ram=1 << 20), setting(), "device", "nucleo-l4r5zi has 655,360 bytes of RAM, this needs 1,048,576"),
    ],
)
def test_a_rule_says_why(w: Work, s: Setting, name: str, letter: str) -> None:
    o = options(w, s)[name]
    assert not o.allowed
    assert o.why_not.startswith(letter), o.why_not


def test_messages_in_fragments_are_allowed_when_asked_for() -> None:
    assert options(work(raw_bytes=300), setting(link="lora-sf7", rate=1e-4, fragments=2))["raw-fog"].allowed


def test_what_is_wanted() -> None:
    w, s = work(accuracy=0.9), setting(rate=0.1)
    assert options(w, s, stay_on_device=True)["raw-fog"].why_not == "raw samples would leave the device"
    assert options(w, s, stay_on_device=True)["device"].allowed
    assert "later than 50 ms" in options(w, s, deadline_ms=50)["raw-cloud"].why_not
    assert "0.95 is wanted" in options(w, s, accuracy=0.95)["device"].why_not
    assert "are wanted" in options(w, s, life_days=1e5)["device"].why_not
    nothing = plan(w, s, Wants(accuracy=0.95))
    assert nothing.best is None
    with pytest.raises(InputError, match="an accuracy can be asked for only when it is measured"):
        plan(work(), s, Wants(accuracy=0.5))
    with pytest.raises(InputError, match='aim must be one of energy, latency, life, cost, not "speed"'):
        plan(w, s, Wants(), "speed")


@pytest.mark.parametrize(
    ("changes", "letter"),
    [
        ({"device": "pdp-11"}, "device must be one of"),
        ({"link": "avian"}, "link must be one of ble-1m"),
        ({"rate": 0.0}, "rate must be > 0, not 0.0"),
        ({"rate": math.nan}, "rate must be > 0, not nan"),
        ({"loss": 1.5}, "loss must be from 0 to 1, not 1.5"),
        ({"supply": "9 V"}, 'supply of stm32l4r5 must be one of "3 V SMPS", "1.8 V"'),
        ({"battery": "potato"}, "battery must be one of cr2032"),
    ],
)
def test_settings_that_are_wrong(changes: dict[str, Any], letter: str) -> None:
    with pytest.raises(InputError) as caught:
        setting(**changes)
    assert str(caught.value).startswith(letter)


# ------------------------------------------------------------------------------------------------------------ costs


def test_supply_and_report_and_parts() -> None:
    w = work()
    thrifty, wasteful = (options(w, setting(supply=x))["device"] for x in ("3 V SMPS", "3 V LDO"))
    assert wasteful.energy_uj.low > 2 * thrifty.energy_uj.high
    told = options(w, setting(report=0.5))["device"]
    parts = dict(told.parts)
    assert parts["radio"].low > 0 and parts["upkeep"].low > 0 and told.bytes == 1.0
    assert sum(b.middle for b in parts.values()) == pytest.approx(told.energy_uj.middle)
    assert dict(thrifty.parts)["radio"] == Band(0, 0), "nothing is sent, nothing is kept up"


def test_hierarchies_send_sometimes() -> None:
    """Median latency is local where less than half is sent, the 95th percentile is of those that go up."""
    some = Partial(Band(1e5, 1e5), Band(1e5, 1e5), 0.97, sent=0.2, macs=1000, flash=1000, ram=1000)
    w, s = work(hierarchy=some, accuracy=0.98), setting()
    o, raw = options(w, s)["hierarchical-fog"], options(w, s)["raw-fog"]
    assert o.latency_ms[0] < 1.0 < raw.latency_ms[0] < o.latency_ms[1]
    assert o.bytes == pytest.approx(0.2 * w.input_bytes)
    assert dict(o.parts)["radio"].low == pytest.approx(0.2 * dict(raw.parts)["radio"].low)
    assert (o.accuracy, raw.accuracy) == (0.97, 0.98)
    rare = replace(some, sent=0.01)
    assert options(replace(w, hierarchy=rare), s)["hierarchical-fog"].latency_ms[1] < 1.0


def test_money_is_of_bytes_messages_and_computing() -> None:
    w, s = work(raw_bytes=12_000), setting(rate=1.0)
    found = options(w, s)
    month = 365.25 * 86_400 / 12
    seconds = w.macs / 27.5e9
    want = month * (3 * 1e-6 + 0.2e-6 + 0.5 * seconds * 0.0000166667)
    assert found["raw-cloud"].money_month == pytest.approx(want, rel=1e-6)
    assert found["raw-fog"].money_month == found["device"].money_month == 0.0


# ------------------------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize("chip", ["stm32l4r5", "stm32u575", "stm32u385"])
@pytest.mark.parametrize("task", ["kws", "vww", "ic", "ad"])
def test_energies_of_mlperf_tiny_lie_in_the_bands(chip: str, task: str) -> None:
    """With MLPerf's own cycles: clock over throughput."""
    board = {"stm32l4r5": "nucleo-l4r5zi", "stm32u575": "nucleo-u575zi-q", "stm32u385": "nucleo-u385rg-q"}[chip]
    s = setting(board)
    cycles = s.board.clock_mhz * 1e6 / s.chip.figure(f"{task}_per_s").middle
    measured = s.chip.figure(f"{task}_uj").middle
    band = s.compute_uj(Band(cycles, cycles))
    assert band.holds(measured), (band, measured)
    assert band.high / band.low < 1.25, "a band that holds everything says nothing"
