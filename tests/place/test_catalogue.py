"""The catalogue: no number without source and evidence; a person's own file adds and overrides; the arithmetic of links."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from skosh.base.errors import InputError
from skosh.base.evidence import EVIDENCE, Figure
from skosh.place.catalogue import Catalogue, catalogue, extended
from skosh.place.links import Link, lora_air_ms
from skosh.targets import devices, names
from tests.cli.run import run

KNOWN = catalogue()
LINKS = (
    "ble-1m", "ble-2m", "802154", "wifi", *(f"lora-sf{n}" for n in range(7, 13)), "nb-iot", "lte-m", "ethernet", "uart",
)  # fmt: skip
FIGURE = '[link.mine]\nfigures = [{ name = "tx_ma", value = 5, %s }]\n'


def figures() -> Iterator[tuple[str, Figure]]:
    for record in KNOWN.records.values():
        for f in record.figures:
            yield f"{record.kind}.{record.id}.{f.name}", f


def test_every_number_has_source_and_evidence() -> None:
    shown = list(figures())
    assert len(shown) > 400
    for place, f in shown:
        assert f.evidence in EVIDENCE, place
        assert f.source.title, place
        assert f.source.revision or f.source.address or f.source.table, place
        assert 0 <= f.low <= f.high, place
    for board in devices():
        assert board.evidence in EVIDENCE, board.name
        assert board.source.title, board.name
        assert board.target in names(siblings=True), board.name
        assert not board.chip or ("chip", board.chip) in KNOWN.records, board.name


def numbers(value: Any, inside_figures: bool = False) -> Iterator[Any]:
    """Numbers of a TOML file that stand outside figures."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key != "figures":
                yield from numbers(child)
    elif isinstance(value, list):
        for child in value:
            yield from numbers(child)
    elif isinstance(value, int | float):
        yield value


def test_the_files_hold_numbers_only_in_figures() -> None:
    for entry in (files("skosh.place") / "catalogue").iterdir():
        if entry.name.endswith(".toml"):
            assert list(numbers(tomllib.loads(entry.read_text(encoding="utf-8")))) == [], entry.name


def test_what_is_recalled_is_assumed() -> None:
    """Figures whose source says that nobody has read it again."""
    weak = [(place, f) for place, f in figures() if "recalled" in f.source.table or "nobody" in f.source.table]
    assert len(weak) > 50
    for place, f in weak:
        assert f.evidence == "assumed", place


@pytest.mark.parametrize(
    ("given", "letter"),
    [
        ('evidence = "measured"', "mine.toml: \"link.mine.tx_ma\": every number must have a source. Hint: source = {"),
        ('source = { title = "T" }', 'mine.toml: "link.mine.tx_ma": evidence must be one of measured, datasheet, derived,'),
        ('source = "nobody", evidence = "measured"', "source must be a table or one of none, not \"nobody\""),
        ('source = { title = " " }, evidence = "measured"', "source must have a title"),
        ('source = { title = "T" }, evidence = "sure"', 'not "sure"'),
    ],
)  # fmt: skip
def test_a_number_without_source_or_evidence_is_refused(given: str, letter: str) -> None:
    with pytest.raises(InputError) as caught:
        extended(Catalogue({}, {}), [("mine.toml", FIGURE % given)])
    assert letter in str(caught.value)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("[link.mine]\ntx_ma = 5", "tx_ma must be a text, not 5"),
        ("[links.mine]", 'a catalogue has tables chip, link, gateway, cloud, battery, method, device and source, not "links"'),
        ('[link.mine]\nlike = "yours"', 'like must name a link that comes before, not "yours"'),
        ('[link.mine]\nfigures = [{ name = "speed", value = 1 }]', 'not "speed"'),
        ('[link.mine]\nfigures = [{ name = "tx_ma", value = [2, 1], source = { title = "T" }, evidence = "measured" }]',
         "value must be a number or [low, high], not [2, 1]"),
        ('[device.mine]\ndescription = "D"\ntarget = "cortex-m4"\nclock_mhz = 1\nflash = 1\nram = 1\nevidence = "measured"',
         "every number must have a source"),
        ("[link", "must be TOML"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(text: str, letter: str) -> None:
    with pytest.raises(InputError) as caught:
        extended(Catalogue({}, {}), [("mine.toml", text)])
    assert str(caught.value).startswith("mine.toml: ")
    assert letter in str(caught.value)


OWN = """
[source.meter]
title = "our meter"
revision = "2026-11"
[link.ble-1m]
figures = [{ name = "tx_ma", value = [5.9, 6.2], evidence = "measured", source = "meter" }]
[link.ours]
like = "ble-1m"
description = "our radio"
[device.ours]
description = "our board"
target = "cortex-m4"
chip = "nrf52840"
clock_mhz = 32
flash = 65536
ram = 16384
evidence = "measured"
source = { title = "our schematic", revision = "3" }
"""


def test_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    links = {r["id"]: r for r in run("links", "--catalogue", file, "--json").json}
    sending = [f for f in links["ble-1m"]["figures"] if f["name"] == "tx_ma"]
    assert [(f["value"], f["evidence"], f["source"]["title"]) for f in sending] == [
        ([5.9, 6.2], "measured", "our meter")
    ]
    assert links["ours"]["description"] == "our radio"
    assert [f["value"] for f in links["ours"]["figures"] if f["name"] == "tx_ma"] == [[5.9, 6.2]]
    monkeypatch.setenv("SKOSH_CATALOGUE", str(file))
    boards = {d["name"]: d for d in run("devices", "--json").json}
    assert boards["ours"]["flash"] == 65536
    assert "ours" in run("devices").out
    monkeypatch.setenv("SKOSH_CATALOGUE", str(tmp_path / "none.toml"))
    ran = run("links")
    assert ran.status == 2
    assert "none.toml: can't be read" in ran.err


def test_links_and_devices_as_records() -> None:
    links = run("links", "--json").json
    assert set(LINKS) <= {r["id"] for r in links}
    boards = run("devices", "--json").json
    assert {"flash", "ram", "clock_mhz", "pj_per_cycle"} <= {
        f["name"] for b in boards if b["id"] == "nrf52840-dk" for f in b["figures"]
    }
    for record in [*links, *boards, *run("devices", "--chips", "--json").json]:
        for f in record["figures"]:
            assert f["source"]["title"] and f["evidence"] in EVIDENCE, (record["id"], f)
    shown = run("links")
    assert shown.status == 0
    assert all(name in shown.out for name in LINKS)


@pytest.mark.parametrize("link", ["ble-1m", "ble-2m", "802154"])
def test_the_arithmetic_gives_the_figures_of_the_list(link: str) -> None:
    """nJ a bit at each payload for which the catalogue keeps it; derived there by hand from the same currents."""
    record = KNOWN.record("link", link)
    checked = 0
    for f in record.all("nj_per_bit"):
        size = int(str(f.conditions["payload"]).removesuffix(" B"))
        computed = Link(record).packets_uj(size).scaled(1000 / (8 * size))
        assert computed.low * 0.94 <= f.middle <= computed.high * 1.06, (link, size, computed)
        checked += 1
    assert checked >= 2
    assert Link(record).goodput_kbps.middle == pytest.approx(record.figure("goodput_kbps").middle, rel=0.02)


@pytest.mark.parametrize(
    ("sf", "short", "long"),
    [(7, 61.7, 118), (8, 113, 216), (9, 206, 390), (10, 412, 698), (11, 823, 1561), (12, 1483, 2793)],
)
def test_airtime_of_lora(sf: int, short: float, long: float) -> None:
    """12 and 51 bytes with 13 of overhead, as in tables of AN1200.13's formula; 41.5 mA at 3.3 V."""
    assert lora_air_ms(12 + 13, sf, 125, 1, 8) == pytest.approx(short, rel=0.01)
    assert lora_air_ms(51 + 13, sf, 125, 1, 8) == pytest.approx(long, rel=0.01)
    link = Link(KNOWN.record("link", f"lora-sf{sf}"))
    assert link.air_ms(51).middle == pytest.approx(long, rel=0.01)
    assert link.packets_uj(51).middle == pytest.approx(41.5 * 3.3 * long, rel=0.01)
    assert link.record.figure("nj_per_bit").middle == pytest.approx(link.packets_uj(51).middle * 1000 / 408, rel=0.01)
    a_day = 0.01 * 86_400_000 / link.air_ms(51).middle
    assert a_day == pytest.approx({7: 7320, 8: 4007, 9: 2215, 10: 1237, 11: 554, 12: 309}[sf], rel=0.01)


def test_packets_of_a_message() -> None:
    link = Link(KNOWN.record("link", "ble-1m"), loss_is=0.0)
    one, two = link.packets_uj(244), link.packets_uj(488)
    assert two.middle == pytest.approx(2 * one.middle)
    assert link.packets_uj(245).middle < two.middle
    assert link.packets_uj(0).low > 0, "an empty message is a packet too"
    assert Link(link.record, loss_is=0.5).message_uj(244).low == pytest.approx(
        2 * one.low + link.record.figure("message_uj").low
    )
    median, late = Link(link.record, loss_is=0.3).transfer_ms(9216)
    assert link.transfer_ms(9216)[0] < median < late
