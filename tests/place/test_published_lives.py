"""The node lives of arXiv 2005.13003: 4.3 hours when each sample is sent by LoRa, 66.6 days with in-sensor analytics."""

from __future__ import annotations

from skosh.place.catalogue import catalogue, extended
from skosh.place.options import Option, Wants, all_options
from skosh.place.planner import make_setting
from tests.place.works import work

NODE = """
[source]
paper = { title = "arXiv 2005.13003", revision = "2020", table = "abstract: 230 mAh, each second, 4.3 h, 66.6 days, 104 days > 90 % of the bound by leakage", address = "https://arxiv.org/abs/2005.13003" }
fcc = { title = "47 CFR 15.247", table = "902 to 928 MHz: no duty cycle" }

[link.lora-us915]
like = "lora-sf10"
figures = [
  { name = "tx_ma", value = 114.7, evidence = "datasheet", source = "samr34", conditions = { dbm = 20, mhz = 915 } },
  { name = "duty_cycle", value = 1, evidence = "datasheet", source = "fcc" },
]

[chip.node]
like = "generic-cortex-m4"
figures = [
  { name = "sleep_ua", value = [80, 86], evidence = "derived", source = "paper", conditions = { as = "230 mAh in 104 / 0.9 days" } },
]

[device.node]
description = "a node of the paper"
target = "cortex-m4"
chip = "node"
clock_mhz = 64
flash = 262144
ram = 65536
source = "arXiv 2005.13003"
evidence = "assumed"

[battery.coin-230]
like = "cr2032"
figures = [{ name = "mah", value = 230, evidence = "datasheet", source = "paper" }]
"""  # noqa: E501

SOURCES = """
[source]
samr34 = { title = "SAM R34/R35 datasheet", table = "current consumption" }
"""


def lives(**changes: float) -> dict[str, Option]:
    known = extended(catalogue(), [("sources.toml", SOURCES), ("node.toml", NODE)])
    s = make_setting(known, device="node", link="lora-us915", battery="coin-230", rate=1.0, **changes)  # type: ignore[arg-type]
    return {o.name: o for o in all_options(work(cycles=20_000, raw_bytes=12), s, Wants())}


def test_each_sample_sent() -> None:
    """SF10 and +20 dBm, as in the United States at the longest range, 12 bytes each second."""
    hours = lives()["raw-cloud"].life_days.scaled(24)
    assert hours.holds(4.3), hours
    assert hours.high / hours.low < 2


def test_in_sensor_analytics() -> None:
    """The abstract doesn't say how many samples leave the node; one in 775 gives its life."""
    few = lives(report=1 / 775)["device"].life_days
    assert few.holds(66.6), few
    assert lives(report=1 / 300)["device"].life_days.high < 66.6 < lives(report=1 / 100_000)["device"].life_days.low, (
        "the share matters: the band isn't so wide that all shares give it"
    )


def test_what_leakage_leaves() -> None:
    """Nothing sent: the bound that the paper's 104 days are more than 90 % of."""
    bound = lives()["device"].life_days
    assert bound.holds(104 / 0.9), bound
