"""What a model is to the planner: work and bytes, as measured; nothing here knows a device's energy or a link."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.place.band import Band
from skosh.place.compress import Compressed


@dataclass(frozen=True)
class CutWork:
    """A place to cut: cycles of the head, MACs of the tail, bytes that cross. ram: the least that the head needs, bytes."""

    after: str
    cycles: Band
    tail_macs: int
    bytes: int
    weights: int
    ram: int


@dataclass(frozen=True)
class Partial:
    """A way to compute less, or to ask for help, by sample: cycles in the mean and at the 95th percentile.

    sent: share of samples that go up. macs: of what runs there. flash, ram: bytes on the device. note: how it was found.
    """

    cycles: Band
    cycles_p95: Band
    accuracy: float
    sent: float = 0.0
    macs: int = 0
    flash: int = 0
    ram: int = 0
    note: str = ""


@dataclass(frozen=True)
class Work:
    """A model on a target.

    cycles: modelled, of one inference (a band where only instructions are known). raw_bytes: what the sensor gives for a
    decision; input_bytes: what the model reads, fewer where a front end makes features of them; result_bytes: a decision.
    compressed: measured on samples, None without. accuracy: on labelled samples, None without.
    """

    name: str
    target: str
    cycles: Band
    macs: int
    flash: int
    ram: int
    code: int
    raw_bytes: int
    input_bytes: int
    result_bytes: int
    front_end: bool
    cuts: tuple[CutWork, ...] = ()
    compressed: Compressed | None = None
    accuracy: float | None = None
    early: Partial | None = None
    hierarchy: Partial | None = None
    why_no_early: str = "needs labelled samples: its accuracy is measured, never guessed"
    why_no_hierarchy: str = "needs labelled samples and a small model: --small FILE"
