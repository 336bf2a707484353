"""``skosh links``: radios and wires, and what a bit and a message cost."""

from __future__ import annotations

from skosh.cli.devices import band
from skosh.cli.options import Json, OwnCatalogue
from skosh.cli.terminal import out, print_json, row, table

EXAMPLE = "skosh links --json"


def command(own: OwnCatalogue = None, json: Json = False) -> None:
    """Radios and wires: what a bit costs in bulk, what a message costs beside, what a kept connection draws.

    Energies are bands. --json gives every figure with its conditions, its source and its evidence.
    """
    from skosh.place.catalogue import catalogue
    from skosh.place.links import Link

    links = catalogue(own or ()).of("link")
    if json:
        print_json([r.as_json() for r in links])
        return
    right = ("nJ/bit in bulk", "message, uJ", "upkeep, uW", "kb/s", "most bytes")
    shown = table("link", "what", *right, "evidence", right=right)
    for record in links:
        link = Link(record)
        bulk = link.packet_bytes
        energy, rate = link.packets_uj(bulk).scaled(1000 / (8 * bulk)), link.goodput_kbps
        limit = record.find("message_bytes")
        cells = (str(energy), band(record.find("message_uj")), band(record.find("upkeep_uw")), str(rate), band(limit))
        row(shown, record.id, record.description, *cells, link.evidence)
    out().print(shown)
