"""What a message costs on a link: energy, time on air and time in all, from the radio's currents and its packets.

A packet: payload and overhead at the rate of the air, sent at the sending power; then ``listen_us`` at the listening power
(acknowledgement, gaps, clear channel) and ``idle_us`` at none:

    E(packet) = P_tx * (payload + overhead) * 8 / rate + P_rx * listen

A message is packets, of which a share ``loss`` is sent again, 1 / (1 - loss) times in the mean, and what it costs beside
them (``message_uj``). LoRa's time on air is the formula of Semtech's AN1200.13.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt

from skosh.base.evidence import EVIDENCE, Figure
from skosh.place.band import ZERO, Band
from skosh.place.catalogue import Record

P95 = 1.645  # standard deviations above the mean


@dataclass(frozen=True)
class Link:
    """A link of the catalogue, with its arithmetic. ``supply``: the conditions asked for, such as "+8 dBm".

    ``rate``: bits on air times this (1: as it stands). ``loss``: a share of lost packets instead of the record's.
    """

    record: Record
    supply: str | None = None
    rate: float = 1.0
    loss_is: float | None = None

    @cached_property
    def _bands(self) -> dict[str, Band | None]:
        return {}

    def _find(self, name: str) -> Band | None:
        if name not in self._bands:
            found = self.record.find(name, self.supply)
            self._bands[name] = None if found is None else Band.of(found)
        return self._bands[name]

    def _get(self, name: str, otherwise: Band = ZERO) -> Band:
        found = self._find(name)
        return otherwise if found is None else found

    def _must(self, name: str) -> Band:
        return Band.of(self.record.figure(name, self.supply))

    @property
    def is_lora(self) -> bool:
        return self.record.texts.get("kind_of_radio") == "lora"

    @cached_property
    def tx_mw(self) -> Band:
        power = self._find("tx_mw")
        return power if power is not None else self._must("tx_ma") * self._must("volts")

    @cached_property
    def rx_mw(self) -> Band:
        power = self._find("rx_mw")
        return power if power is not None else self._must("rx_ma") * self._must("volts")

    @cached_property
    def packet_bytes(self) -> int:
        return int(self._must("packet_bytes").low)

    @cached_property
    def loss(self) -> Band:
        return self._get("loss") if self.loss_is is None else Band(self.loss_is, self.loss_is)

    @cached_property
    def tries(self) -> Band:
        """How often a packet is sent, in the mean."""
        return Band(1 / (1 - min(self.loss.low, 0.99)), 1 / (1 - min(self.loss.high, 0.99)))

    def air_ms(self, payload: int) -> Band:
        """Time on air of one packet, ms. The band's low end is the quickest."""
        if payload not in self._airs:
            self._airs[payload] = self._air_ms(payload)
        return self._airs[payload]

    @cached_property
    def _airs(self) -> dict[int, Band]:
        return {}

    def _air_ms(self, payload: int) -> Band:
        overhead = int(self._get("overhead_bytes").high)
        if self.is_lora:
            ms = lora_air_ms(
                payload + overhead,
                int(self._must("spreading_factor").low),
                self._must("bandwidth_khz").low,
                int(self._must("coding_rate").low),
                int(self._must("preamble_symbols").low),
            )
            return Band(ms, ms).scaled(1 / self.rate)
        bits = 8 * (payload + overhead)
        rate = self._must("rate_kbps")
        return Band(bits / rate.high, bits / rate.low).scaled(1 / self.rate)

    def _packets(self, payload: int) -> list[tuple[int, int]]:
        """(how many, payload) of full packets and of the last."""
        full, rest = divmod(payload, self.packet_bytes)
        return [(n, size) for n, size in ((full, self.packet_bytes), (1 if rest or not full else 0, rest)) if n]

    def packets_uj(self, payload: int) -> Band:
        """Energy of all packets of a message, sent once, uJ (mW times ms)."""
        listen = self._get("listen_us").scaled(1e-3)
        total = ZERO
        for count, size in self._packets(payload):
            total += (self.tx_mw * self.air_ms(size) + self.rx_mw * listen).scaled(count)
        return total

    def message_uj(self, payload: int) -> Band:
        """Energy of a message with packets sent again, and of what a message costs beside them, uJ."""
        return self.packets_uj(payload) * self.tries + self._get("message_uj")

    def on_air_ms(self, payload: int) -> Band:
        """Time on air of a message, with what is sent again, ms: what a duty cycle counts."""
        total = ZERO
        for count, size in self._packets(payload):
            total += self.air_ms(size).scaled(count)
        return total * self.tries

    def transfer_ms(self, payload: int) -> tuple[float, float]:
        """Median and 95th percentile of the time from the first packet to the last acknowledgement, ms.

        The middle of the bands; lost packets are a negative binomial number, taken as normal.
        """
        pause = (self._get("listen_us") + self._get("idle_us")).scaled(1e-3).middle
        loss, total, spread = self.loss.middle, 0.0, 0.0
        for count, size in self._packets(payload):
            each = self.air_ms(size).middle + pause
            total += count * each / (1 - min(loss, 0.99))
            spread += count * each**2 * loss / (1 - min(loss, 0.99)) ** 2
        return total, total + P95 * sqrt(spread)

    @cached_property
    def access_ms(self) -> tuple[float, float]:
        """Median and 95th percentile of the wait before a message may go, ms."""
        found = self._get("access_ms")
        return found.low, found.high

    @cached_property
    def goodput_kbps(self) -> Band:
        """Payload bits a second in bulk."""
        pause = (self._get("listen_us") + self._get("idle_us")).scaled(1e-3)
        time = self.air_ms(self.packet_bytes) + pause
        bits = 8 * self.packet_bytes
        return Band(bits / time.high, bits / time.low)

    @cached_property
    def nj_per_bit(self) -> Band:
        """Energy of a bit in bulk with retries, nJ."""
        return (self.packets_uj(self.packet_bytes) * self.tries).scaled(1000 / (8 * self.packet_bytes))

    @cached_property
    def upkeep_uw(self) -> Band:
        return self._get("upkeep_uw")

    @cached_property
    def radio_sleep_uw(self) -> Band:
        return self._get("radio_sleep_uw")

    @cached_property
    def join_uj(self) -> Band | None:
        """Energy to connect anew; None where that isn't a choice."""
        found = self._find("join_mj")
        return None if found is None else found.scaled(1000)

    @cached_property
    def join_ms(self) -> tuple[float, float]:
        found = self._get("join_ms")
        return found.low, found.high

    @cached_property
    def message_limit(self) -> int | None:
        """Most bytes that a message carries; None where there is no such limit."""
        found = self._find("message_bytes")
        return None if found is None else int(found.low)

    @cached_property
    def duty_cycle(self) -> float | None:
        found = self._find("duty_cycle")
        return None if found is None else found.low

    @cached_property
    def used(self) -> tuple[Figure, ...]:
        """The figures that the arithmetic rests on."""
        found = (self.record.find(n, self.supply) for n in USED)
        return tuple(f for f in found if f is not None)

    @cached_property
    def evidence(self) -> str:
        """The weakest evidence among them."""
        return weakest(self.used)


USED = (
    "volts", "tx_ma", "rx_ma", "tx_mw", "rx_mw", "rate_kbps", "packet_bytes", "overhead_bytes", "listen_us", "idle_us",
    "message_uj", "upkeep_uw", "loss", "access_ms", "duty_cycle", "message_bytes", "join_mj", "spreading_factor",
)  # fmt: skip


def weakest(figures: tuple[Figure, ...]) -> str:
    """The weakest evidence of some figures."""
    return weaker(*(f.evidence for f in figures))


def weaker(*evidence: str) -> str:
    """The weakest of some."""
    return max(evidence, key=EVIDENCE.index, default="measured")


def lora_air_ms(payload: int, sf: int, bandwidth_khz: float, coding_rate: int, preamble: int) -> float:
    """Time on air of a LoRa packet with explicit header and CRC, ms; low data rate optimization where a symbol takes > 16 ms.

    Source: Semtech AN1200.13, section 4.
    """
    symbol = 2**sf / bandwidth_khz
    slow = 2 if symbol > 16 else 0
    symbols = 8 + max(ceil((8 * payload - 4 * sf + 28 + 16) / (4 * (sf - slow))) * (coding_rate + 4), 0)
    return float((preamble + 4.25 + symbols) * symbol)
