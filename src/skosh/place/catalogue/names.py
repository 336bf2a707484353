"""The figures that records may have: unit and meaning of each name."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    unit: str
    meaning: str


FIGURES: dict[str, Meaning] = {
    # ---- chips: what computing costs
    "pj_per_cycle": Meaning("pJ", "energy of a cycle while computing, the whole chip"),
    "pj_per_mac": Meaning("pJ", "energy of a multiply-accumulate of an int8 network, all else included"),
    "kws_uj": Meaning("uJ", "one inference of MLPerf Tiny's keyword spotting"),
    "vww_uj": Meaning("uJ", "one inference of MLPerf Tiny's visual wake words"),
    "ic_uj": Meaning("uJ", "one inference of MLPerf Tiny's image classification"),
    "ad_uj": Meaning("uJ", "one inference of MLPerf Tiny's anomaly detection"),
    "kws_cycles_per_mac": Meaning("cycles", "cycles of a multiply-accumulate of keyword spotting, of another runtime"),
    "vww_cycles_per_mac": Meaning("cycles", "cycles of a multiply-accumulate of visual wake words, of another runtime"),
    "kws_per_s": Meaning("1/s", "inferences a second of keyword spotting"),
    "vww_per_s": Meaning("1/s", "inferences a second of visual wake words"),
    "ic_per_s": Meaning("1/s", "inferences a second of image classification"),
    "ad_per_s": Meaning("1/s", "inferences a second of anomaly detection"),
    "kws_ms": Meaning("ms", "time of one inference of keyword spotting"),
    "wakeword_mw": Meaning("mW", "mean power of an always-on wake word"),
    "active_ma": Meaning("mA", "current while computing"),
    "active_mw": Meaning("mW", "power while computing"),
    "active_ua_per_mhz": Meaning("uA/MHz", "current while computing, for each MHz of the clock"),
    "idle_ma": Meaning("mA", "current while the processor waits, awake"),
    "sleep_ua": Meaning("uA", "current asleep, ready to wake by a clock or an event"),
    "deep_sleep_ua": Meaning("uA", "current in the deepest sleep, which loses memory"),
    "sleep_uw": Meaning("uW", "power asleep"),
    "wake_us": Meaning("us", "time from asleep to computing"),
    "volts": Meaning("V", "supply"),
    "gmac_per_s": Meaning("GMAC/s", "peak throughput"),
    "gmac_per_s_per_w": Meaning("GMAC/s/W", "peak efficiency"),
    # ---- links: a radio, its packets, what is paid by message and what by time
    "tx_ma": Meaning("mA", "current while sending"),
    "rx_ma": Meaning("mA", "current while listening"),
    "tx_mw": Meaning("mW", "power while sending"),
    "rx_mw": Meaning("mW", "power while listening"),
    "rate_kbps": Meaning("kb/s", "bits on air a second"),
    "packet_bytes": Meaning("bytes", "most that a packet carries"),
    "overhead_bytes": Meaning("bytes", "bytes on air beside a packet's payload"),
    "listen_us": Meaning("us", "listening for each packet: acknowledgement, gaps, clear channel"),
    "idle_us": Meaning("us", "waiting for each packet, which draws little"),
    "message_uj": Meaning("uJ", "energy of a message beside its packets: start of the radio, receive windows, tail"),
    "message_bytes": Meaning("bytes", "most that a message carries"),
    "join_mj": Meaning("mJ", "energy to connect anew, where a connection isn't kept"),
    "join_ms": Meaning("ms", "time to connect anew"),
    "upkeep_uw": Meaning("uW", "mean power of a kept connection"),
    "radio_sleep_uw": Meaning("uW", "power of the radio asleep"),
    "loss": Meaning("share", "packets that are lost and sent again"),
    "access_ms": Meaning("ms", "waiting before a message may go, [median, 95th percentile]"),
    "duty_cycle": Meaning("share", "most of the time that may be spent on air"),
    "spreading_factor": Meaning("", "LoRa's spreading factor"),
    "bandwidth_khz": Meaning("kHz", "LoRa's bandwidth"),
    "coding_rate": Meaning("", "LoRa's coding rate is 4/(4 + this)"),
    "preamble_symbols": Meaning("symbols", "LoRa's preamble"),
    "money_per_mb": Meaning("USD", "price of a megabyte sent"),
    "money_per_month": Meaning("USD", "price of being connected, a month"),
    "nj_per_bit": Meaning("nJ", "energy of a bit in bulk, framing included"),
    "goodput_kbps": Meaning("kb/s", "payload bits a second in bulk"),
    "fade_db_per_sf": Meaning("dB", "what one step of the spreading factor buys"),
    "path_loss_exponent": Meaning("", "exponent of distance in path loss"),
    # ---- gateways and clouds
    "rtt_ms": Meaning("ms", "there and back from gateway or base station, [median, 95th percentile]"),
    "gmac_per_s_remote": Meaning("GMAC/s", "what a gateway or a worker of a cloud computes of an int8 network"),
    "busy_w": Meaning("W", "power while computing"),
    "idle_w": Meaning("W", "power while waiting"),
    "money_per_million_messages": Meaning("USD", "price of a million messages"),
    "message_unit_bytes": Meaning("bytes", "a message up to so long is paid as one"),
    "money_per_million_calls": Meaning("USD", "price of a million requests to a function"),
    "money_per_gb_s": Meaning("USD", "price of a gigabyte of memory for a second"),
    "cycles_per_byte": Meaning("cycles", "cycles of the device for each raw byte"),
    # ---- batteries
    "mah": Meaning("mAh", "capacity"),
    "self_discharge_percent_year": Meaning("%", "what a battery loses by itself in a year"),
    "usable": Meaning("share", "share of the capacity that reaches the circuit"),
}
