"""``skosh xpu``: one model on every kind of unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skosh.cli.options import Json, Source
from skosh.cli.terminal import busy, number, out, print_json, row, stages, table

if TYPE_CHECKING:
    from skosh.explore.xpu import Units

EXAMPLE = "skosh xpu kws.tflite"


def command(source: Source, json: Json = False) -> None:
    """A model on a core, with wide and custom instructions, on a GPU and an NPU: cycles or time, area, and whether bit-exact.

    Each row says how its number was come by: simulated, modelled, measured, estimated; or why there is none. Rows of one
    core compare directly, others don't: clocks and processes differ. The first run makes the simulators, which takes minutes.
    """
    from skosh.explore.xpu import units

    with busy(f"reading {source.file}", quiet=json):
        graph = source.graph()
    with stages(quiet=json) as told:
        found = units(graph, told)
    if json:
        print_json(found.as_json())
        return
    show(found, f"{graph.name}: one inference")


def show(found: Units, title: str) -> None:
    """The table, and below it how each number was come by."""
    numbers = ("cycles", "µs", "LUT", "DSP")
    shown = table("unit", "target", "bit-exact", *numbers, right=numbers, title=title)
    for r in found.rows:
        area = r.area or {}
        exact = "-" if r.bit_exact is None else "yes" if r.bit_exact else "no"
        took = "-" if r.time_us is None else f"{r.time_us:,.1f}"
        row(shown, r.unit, r.target, exact, number(r.cycles), took, number(area.get("lut")), number(area.get("dsp")))
    console = out()
    console.print(shown)
    for r in found.rows:
        console.print(f"{r.unit}: {r.how}")
