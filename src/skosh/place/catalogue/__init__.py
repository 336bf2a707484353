"""The catalogue: chips, links, gateways, clouds, batteries and methods, as records of figures that say where they come from.

Every ``*.toml`` beside this file holds records, and so does a person's own file, which adds records or overrides figures:

    [source.my-meter]                     # a source by name, for several figures
    title = "Joulescope JS220"
    revision = "2026-11-02"

    [link.ble-1m]                         # [KIND.ID]; KIND: chip, link, gateway, cloud, battery, method, device
    description = "..."                   # texts are free
    like = "ble-2m"                       # figures not given here are those of another record of the kind
    figures = [
      { name = "tx_ma", value = [5.9, 6.2], evidence = "measured", source = "my-meter", conditions = { volts = 3.0 } },
    ]

``[device.ID]`` is a board, as in ``targets/boards.py``. Numbers stand only in figures, so none is without its source.
Several figures of one name are the same under other conditions: the first is what is used when nothing else is asked for.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from skosh.base.errors import InputError, Loc
from skosh.base.evidence import Figure, Source, read_band, read_evidence, read_source
from skosh.place.catalogue.names import FIGURES
from skosh.targets import Device, devices
from skosh.targets.boards import read_device

KINDS = ("chip", "link", "gateway", "cloud", "battery", "method")
ENVIRONMENT = "SKOSH_CATALOGUE"


@dataclass(frozen=True)
class Record:
    """One thing of the catalogue. ``texts``: what is said of it in words, such as "rule" or "like"."""

    id: str
    kind: str
    description: str
    figures: tuple[Figure, ...]
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def _by_name(self) -> dict[str, tuple[Figure, ...]]:
        found: dict[str, list[Figure]] = {}
        for f in self.figures:
            found.setdefault(f.name, []).append(f)
        return {name: tuple(figures) for name, figures in found.items()}

    def all(self, name: str) -> tuple[Figure, ...]:
        """Every figure of a name, each under other conditions, the preferred one first."""
        return self._by_name.get(name, ())

    def find(self, name: str, supply: str | None = None) -> Figure | None:
        """The figure of a name, under the supply that is asked for ("3 V SMPS"), else the first; None when there is none."""
        found = self.all(name)
        chosen = [f for f in found if f.conditions.get("supply") == supply] if supply is not None else ()
        return next(iter(chosen or found), None)

    def figure(self, name: str, supply: str | None = None) -> Figure:
        """The same; an InputError when there is none."""
        found = self.find(name, supply)
        if found is None:
            raise InputError(
                f'{self.kind} "{self.id}" has no figure {name} ({FIGURES[name].meaning})',
                hint=f"give one in a catalogue of your own: --catalogue FILE.toml, or {ENVIRONMENT}",
            )
        return found

    @property
    def supplies(self) -> tuple[str, ...]:
        """The supplies under which figures are known, the preferred one first."""
        return tuple(dict.fromkeys(str(f.conditions["supply"]) for f in self.figures if "supply" in f.conditions))

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "kind": self.kind, "description": self.description, **self.texts,
            "figures": [f.as_json() for f in self.figures],
        }  # fmt: skip


@dataclass(frozen=True)
class Catalogue:
    """All records, by kind and id, and the boards."""

    records: Mapping[tuple[str, str], Record]
    boards: Mapping[str, Device]

    def of(self, kind: str) -> tuple[Record, ...]:
        return tuple(r for r in self.records.values() if r.kind == kind)

    def record(self, kind: str, name: str) -> Record:
        """One record; an InputError that lists the known ids."""
        found = self.records.get((kind, name))
        if found is None:
            known = ", ".join(r.id for r in self.of(kind))
            raise InputError(f'{kind} must be one of {known}, not "{name}"')
        return found

    def board(self, name: str) -> Device:
        """The board of a name; an InputError that lists the known ones."""
        if name not in self.boards:
            raise InputError(f'device must be one of {", ".join(self.boards)}, not "{name}"')
        return self.boards[name]

    def chip_of(self, board: Device) -> Record | None:
        """What the board's chip draws; for a chip without a record, the wide bands of its kind of core."""
        return self.records.get(("chip", board.chip)) or self.records.get(("chip", f"generic-{board.target}"))

    def board_json(self, board: Device) -> dict[str, Any]:
        """A board with all figures: those of its own, and those of its chip."""
        chip = self.chip_of(board)
        own = [
            Figure(name, value, value, unit, board.source, board.evidence)
            for name, value, unit in (
                ("clock_mhz", board.clock_mhz, "MHz"), ("flash", board.flash, "bytes"), ("ram", board.ram, "bytes"),
            )
        ]  # fmt: skip
        figures = [*own, *(chip.figures if chip is not None else ())]
        return {
            "id": board.name, "name": board.name, "kind": "device", "description": board.description,
            "target": board.target, "chip": board.chip, "clock_mhz": board.clock_mhz, "flash": board.flash,
            "ram": board.ram, "arduino": board.arduino, "platformio": board.platformio, "zephyr": board.zephyr,
            "source": vars(board.source), "evidence": board.evidence,
            "figures": [f.as_json() for f in figures],
        }  # fmt: skip


def catalogue(own: Iterable[str | Path] = ()) -> Catalogue:
    """skosh's catalogue with a person's files on top: those of SKOSH_CATALOGUE (separated as in PATH), then ``own``.

    Raises InputError when a file can't be read, or has a number without source and evidence.
    """
    named = [p for p in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if p]
    return _with_files(tuple(str(p) for p in (*named, *own)))


def _with_files(paths: Sequence[str]) -> Catalogue:
    found = _shipped()
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"can't be read: {getattr(error, 'strerror', None) or 'it is no text'}", loc=path
            ) from error
        found = extended(found, [(path, text)])
    return found


@cache
def _shipped() -> Catalogue:
    folder = files("skosh.place") / "catalogue"
    texts = [
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".toml")
    ]
    return extended(Catalogue({}, {board.name: board for board in devices()}), texts)


def extended(base: Catalogue, texts: Sequence[tuple[str, str]]) -> Catalogue:
    """The catalogue with the records of TOML texts, (file, text) each; figures of records that exist are replaced by name."""
    told = [(file, _parsed(file, text)) for file, text in texts]
    sources = {
        name: read_source(value, {}, Loc(file, f"source.{name}"))
        for file, tables in told
        for name, value in tables.get("source", {}).items()
    }
    records, boards = dict(base.records), dict(base.boards)
    for file, tables in told:
        strange = sorted(set(tables) - {*KINDS, "source", "device"})
        if strange:
            raise InputError(
                f'a catalogue has tables {", ".join(KINDS)}, device and source, not "{strange[0]}"', loc=file
            )
        for name, values in tables.get("device", {}).items():
            boards[name] = read_device(name, values, file)
        for kind in KINDS:
            for name, values in tables.get(kind, {}).items():
                records[kind, name] = _read(kind, name, values, sources, records, Loc(file, f"{kind}.{name}"))
    return Catalogue(records, boards)


def _parsed(file: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"must be TOML: {error}", loc=file) from error


def _read(
    kind: str,
    name: str,
    values: Any,
    sources: Mapping[str, Source],
    known: Mapping[tuple[str, str], Record],
    place: Loc,
) -> Record:
    if not isinstance(values, Mapping):
        raise InputError(f"a {kind} must be a table", loc=place)
    texts = {key: value for key, value in values.items() if key != "figures"}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise InputError(
                f"{key} must be a text, not {value}", loc=place,
                hint='a number is a figure: { name = "...", value = ..., evidence = "...", source = "..." }',
            )  # fmt: skip
    told = values.get("figures", [])
    if not isinstance(told, list) or not all(isinstance(f, Mapping) for f in told):
        raise InputError("figures must be a list of tables", loc=place)
    figures = tuple(_figure(f, sources, place) for f in told)
    like = texts.pop("like", None)
    if like is not None and (kind, like) not in known:
        raise InputError(f'like must name a {kind} that comes before, not "{like}"', loc=place)
    before = known.get((kind, name)) or (known[kind, like] if like is not None else None)
    if before is None:
        return Record(name, kind, texts.pop("description", name), figures, MappingProxyType(texts))
    replaced = {f.name for f in figures}
    kept = tuple(f for f in before.figures if f.name not in replaced)
    description = texts.pop("description", before.description)
    return replace(
        before,
        id=name,
        description=description,
        figures=(*figures, *kept),
        texts=MappingProxyType({**before.texts, **texts}),
    )


def _figure(told: Mapping[str, Any], sources: Mapping[str, Source], place: Loc) -> Figure:
    name = told.get("name")
    if name not in FIGURES:
        raise InputError(f'figure must be one of {", ".join(FIGURES)}, not "{name}"', loc=place)
    here = Loc(place.file, f"{place.node}.{name}")
    strange = sorted(set(told) - {"name", "value", "evidence", "source", "conditions"})
    if strange:
        raise InputError(f"a figure has name, value, evidence, source and conditions, not {strange[0]}", loc=here)
    if "value" not in told:
        raise InputError("a figure must have a value", loc=here)
    low, high = read_band(told["value"], here)
    if low < 0:
        raise InputError(f"value must be >= 0, not {told['value']}", loc=here)
    source, evidence = read_source(told.get("source"), sources, here), read_evidence(told.get("evidence"), here)
    conditions = told.get("conditions", {})
    if not isinstance(conditions, Mapping):
        raise InputError("conditions must be a table", loc=here)
    return Figure(str(name), low, high, FIGURES[name].unit, source, evidence, MappingProxyType(dict(conditions)))
