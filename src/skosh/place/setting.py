"""Where a model may run, and under which conditions: the board and its chip, the link, gateway, cloud, battery, rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from skosh.base.errors import InputError
from skosh.base.evidence import Figure
from skosh.place.band import Band
from skosh.place.catalogue import Catalogue, Record
from skosh.place.links import Link, weakest
from skosh.targets import Device

AIMS = ("energy", "latency", "life", "cost")


@dataclass(frozen=True)
class Setting:
    """rate: decisions a second. report: share of decisions made on the device that are sent on (0: they are acted on there).

    supply: conditions of the chip's figures. data_rate: kb/s on air instead of the record's; distance: in units of that for
    which the record holds, made up for by sending power; mah: the battery's capacity instead of the record's.
    fragments: most messages that a decision may take on a link with a payload limit. clock_mhz: instead of the board's.
    """

    catalogue: Catalogue
    board: Device
    chip: Record
    link_record: Record
    gateway: Record
    cloud: Record
    battery: Record
    rate: float
    supply: str | None = None
    report: float = 0.0
    data_rate: float | None = None
    distance: float = 1.0
    mah: float | None = None
    loss: float | None = None
    fragments: int = 1
    clock_mhz: float | None = None

    # ------------------------------------------------------------------------------------------------ the device

    @property
    def period_s(self) -> float:
        return 1 / self.rate

    @property
    def mhz(self) -> float:
        return self.clock_mhz or self.board.clock_mhz

    @cached_property
    def pj_per_cycle(self) -> Band:
        return Band.of(self.chip.figure("pj_per_cycle", self.supply))

    @cached_property
    def sleep_uw(self) -> Band:
        """The device asleep. Where no sleep current is known, nothing."""
        power = self.chip.find("sleep_uw")
        if power is not None:
            return Band.of(power)
        current, volts = self.chip.find("sleep_ua"), self.chip.find("volts", self.supply)
        return Band(0, 0) if current is None or volts is None else Band.of(current) * Band.of(volts)

    @cached_property
    def wake_us(self) -> Band:
        found = self.chip.find("wake_us")
        return Band(0, 0) if found is None else Band.of(found)

    @cached_property
    def evidence(self) -> str:
        """The weakest evidence of what the device draws."""
        found = (self.chip.find("pj_per_cycle", self.supply), self.chip.find("sleep_ua"))
        return weakest(tuple(f for f in found if f is not None))

    def compute_uj(self, cycles: Band) -> Band:
        return (cycles * self.pj_per_cycle).scaled(1e-6)

    def compute_ms(self, cycles: Band) -> float:
        return cycles.middle / self.mhz / 1000

    @cached_property
    def wake_uj(self) -> Band:
        """Waking, at the power of computing."""
        return (self.wake_us * self.pj_per_cycle).scaled(self.mhz * 1e-6)

    # -------------------------------------------------------------------------------------------------- the link

    @cached_property
    def link(self) -> Link:
        rate = self.link_record.find("rate_kbps")
        factor = 1.0 if self.data_rate is None or rate is None else self.data_rate / rate.middle
        found = Link(self.link_record, rate=factor, loss_is=self.loss)
        return found if self.distance == 1.0 else Louder(found.record, None, factor, self.loss, self.distance)

    # ----------------------------------------------------------------------------------------------- the battery

    @cached_property
    def battery_j(self) -> Band:
        """Energy that reaches the circuit, J."""
        mah = Band.of(self.battery.figure("mah")) if self.mah is None else Band(self.mah, self.mah)
        volts, usable = self.battery.figure("volts"), self.battery.find("usable")
        share = Band(1, 1) if usable is None else Band.of(usable)
        return (mah * Band.of(volts) * share).scaled(3.6)

    @cached_property
    def self_discharge_w(self) -> Band:
        found = self.battery.find("self_discharge_percent_year")
        return Band(0, 0) if found is None else (self.battery_j * Band.of(found)).scaled(0.01 / (365.25 * 86_400))

    # ------------------------------------------------------------------------------------------------- the rest

    @cached_property
    def used(self) -> tuple[Figure, ...]:
        """The figures that the answer rests on."""
        names = (
            (self.chip, ("pj_per_cycle", "sleep_ua", "wake_us", "volts")),
            (self.gateway, ("rtt_ms", "gmac_per_s_remote")),
            (self.cloud, ("rtt_ms", "gmac_per_s_remote", "money_per_million_messages", "money_per_gb_s")),
            (self.battery, ("mah", "usable")),
        )
        found = [r.find(n, self.supply if r is self.chip else None) for r, ns in names for n in ns]
        return (*self.link.used, *(f for f in found if f is not None))

    def with_(self, **changes: object) -> Setting:
        return replace(self, **changes)  # type: ignore[arg-type]  # names of fields, from this package


@dataclass(frozen=True)
class Louder(Link):
    """A link whose sender makes up for distance by power: 10 n log10(distance) dB more, n the exponent of path loss.

    Sending power between and beyond two figures with dBm is P = a + b * 10^(dBm / 10), fitted through them.
    """

    distance: float = 1.0

    @cached_property
    def tx_mw(self) -> Band:
        points = [f for f in self.record.all("tx_ma") if "dbm" in f.conditions]
        exponent, volts = self.record.figure("path_loss_exponent"), Band.of(self.record.figure("volts"))
        if len(points) < 2:
            raise InputError(f'the link "{self.record.id}" is known at one sending power only: distance must be 1')
        low, high = points[0], points[1]
        before, after = (10 ** (float(p.conditions["dbm"]) / 10) for p in (low, high))
        slope = (high.middle - low.middle) / (after - before)
        decibels = float(low.conditions["dbm"]) + 10 * exponent.middle * math.log10(self.distance)
        more = slope * (10 ** (decibels / 10) - before)
        return (Band(low.low + more, low.high + more)) * volts


def reach(record: Record) -> float | None:
    """How many times farther the loudest known sending power reaches; None where only one is known."""
    points = [f for f in record.all("tx_ma") if "dbm" in f.conditions]
    exponent = record.find("path_loss_exponent")
    if len(points) < 2 or exponent is None:
        return None
    decibels = max(float(p.conditions["dbm"]) for p in points) - float(points[0].conditions["dbm"])
    return float(10 ** (decibels / (10 * exponent.middle)))
