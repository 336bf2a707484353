"""Numbers that say where they come from: a band, its unit, the conditions, the source, and how good the evidence is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from skosh.base.errors import InputError, Loc

EVIDENCE = ("measured", "datasheet", "derived", "assumed")
"""From the best to the weakest: somebody measured it; its maker says so; arithmetic from such; nobody has shown it."""


@dataclass(frozen=True)
class Source:
    """A document: title, revision (or date), the table or section of the figure, and where to find it."""

    title: str
    revision: str = ""
    table: str = ""
    address: str = ""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.title, self.revision, self.table) if part)


@dataclass(frozen=True)
class Figure:
    """A number as a band, ``low`` to ``high``, in ``unit``. ``conditions``: volts, MHz, regulator, temperature, ..."""

    name: str
    low: float
    high: float
    unit: str
    source: Source
    evidence: str
    conditions: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "value": [self.low, self.high], "unit": self.unit, "conditions": dict(self.conditions),
            "source": vars(self.source), "evidence": self.evidence,
        }  # fmt: skip


def read_source(told: Any, known: Mapping[str, Source], place: Loc) -> Source:
    """A source from a TOML value: the name of one in ``known``, or a table with title, revision, table, address."""
    if isinstance(told, str):
        if told not in known:
            raise InputError(f'source must be a table or one of {", ".join(known) or "none"}, not "{told}"', loc=place)
        return known[told]
    if not isinstance(told, Mapping):
        raise InputError(
            "every number must have a source", loc=place, hint='source = { title = "...", revision = "..." }'
        )
    strange = sorted(set(told) - {"title", "revision", "table", "address"})
    texts = all(isinstance(v, str) for v in told.values())
    if strange or not texts or not str(told.get("title", "")).strip():
        raise InputError(
            f"source must have a title, and may have revision, table and address, all texts, not {dict(told)}",
            loc=place,
        )
    return Source(**told)


def read_evidence(told: Any, place: Loc) -> str:
    """How good the evidence is, one of EVIDENCE."""
    if told not in EVIDENCE:
        raise InputError(f'evidence must be one of {", ".join(EVIDENCE)}, not "{told}"', loc=place)
    return str(told)


def read_band(told: Any, place: Loc) -> tuple[float, float]:
    """A number, or [low, high]; finite, low first."""
    band: Sequence[Any] = told if isinstance(told, list) else [told, told]
    numbers = [v for v in band if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(band) != 2 or len(numbers) != 2 or not float("-inf") < numbers[0] <= numbers[1] < float("inf"):
        raise InputError(f"value must be a number or [low, high], not {told}", loc=place)
    return float(numbers[0]), float(numbers[1])
