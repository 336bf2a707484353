"""``skosh devices``: boards that one can buy, and what their chips draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from skosh.cli.options import Json, OwnCatalogue
from skosh.cli.terminal import number, out, print_json, row, table

if TYPE_CHECKING:
    from skosh.base.evidence import Figure

EXAMPLE = "skosh devices --target cortex-m4"


def command(
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="T", help="Only those with this machine.")
    ] = None,
    chips: Annotated[
        bool, typer.Option("--chips", help="Every chip of the catalogue instead, on a board of the list or not.")
    ] = False,
    own: OwnCatalogue = None,
    json: Json = False,
) -> None:
    """Boards that one can buy: memories in bytes, and the energy of a cycle, as a band with its evidence.

    --json gives every figure with its conditions, its source and its evidence.
    """
    from skosh.place.catalogue import catalogue
    from skosh.targets import target as find_target

    wanted = None if target is None else find_target(target).name
    known = catalogue(own or ())
    if chips:
        _chips(known, json)
        return
    found = [d for d in known.boards.values() if wanted in (None, d.target)]
    if json:
        print_json([known.board_json(d) for d in found])
        return
    right = ("MHz", "flash", "RAM", "pJ/cycle")
    shown = table("device", "what", "target", *right, "evidence", right=right)
    for d in found:
        chip = known.chip_of(d)
        energy = None if chip is None else chip.find("pj_per_cycle")
        cells = (band(energy), "" if energy is None else energy.evidence)
        row(shown, d.name, d.description, d.target, f"{d.clock_mhz:g}", number(d.flash), number(d.ram), *cells)
    out().print(shown)


def _chips(known: object, json: bool) -> None:
    from skosh.place.catalogue import Catalogue

    assert isinstance(known, Catalogue), "a catalogue was read"
    records = known.of("chip")
    if json:
        print_json([r.as_json() for r in records])
        return
    right = ("pJ/cycle", "pJ/MAC", "asleep, uA")
    shown = table("chip", "what", *right, "evidence", right=right)
    for r in records:
        cycle, mac, asleep = (r.find(name) for name in ("pj_per_cycle", "pj_per_mac", "sleep_ua"))
        best = cycle or mac or (r.figures[0] if r.figures else None)
        cells = (band(cycle), band(mac), band(asleep))
        row(shown, r.id, r.description, *cells, "" if best is None else best.evidence)
    out().print(shown)


def band(figure: Figure | None) -> str:
    """``274 to 283``; a dash for what isn't known."""
    if figure is None:
        return "-"
    low, high = f"{figure.low:,.4g}", f"{figure.high:,.4g}"
    return low if low == high else f"{low} to {high}"
