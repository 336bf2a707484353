"""``skosh profile``: what a model costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.cli.options import Json, Model, Optimize
from skosh.cli.terminal import bar, busy, number, out, print_json, row, table

if TYPE_CHECKING:
    from rich.table import Table

    from skosh.verify.measure import LayerProfile, Profile

EXAMPLE = "skosh profile kws.tflite --target cortex-m4 --target cortex-m0plus"


def command(
    model: Model,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", metavar="T", help="The machine; may be given again.  [default: cortex-m4]"),
    ] = None,
    optimize: Optimize = "balanced",
    json: Json = False,
) -> None:
    """Instructions, modelled cycles, flash and RAM of one inference, in all and by layer.

    Instructions are counted by the emulator. Cycles are modelled from published timings, not measured. Sizes are bytes
    from the linker map. With --json and several targets the answer is a list.
    """
    import skosh

    targets = tuple(dict.fromkeys(target or ["cortex-m4"]))
    profiles = []
    with busy(f"reading {Path(model).name}", quiet=json):
        graph = skosh.load(model)
    for t in targets:
        with busy(f"compiling and running {graph.name} on {t}", quiet=json):
            profiles.append(skosh.compile(graph, target=t, optimize=optimize).profile())
    if json:
        print_json(profiles[0].as_json() if len(profiles) == 1 else [p.as_json() for p in profiles])
        return
    console = out()
    console.print(totals(profiles, f"{graph.name}, optimize={optimize}, {number(profiles[0].macs)} MACs"))
    console.print(by_layer(profiles))


def totals(profiles: Sequence[Profile], title: str) -> Table:
    """One line a target."""
    numbers = ("instructions", "per MAC", "cycles (modelled)", "code", "weights", "arena", "stack")
    shown = table("target", *numbers, right=numbers, title=title)
    for p in profiles:
        per_mac = f"{p.instructions / p.macs:.2f}" if p.instructions is not None and p.macs else "-"
        sizes = (p.flash.code if p.instructions is not None else None, p.flash.weights, p.ram.arena, p.ram.stack)
        row(shown, p.target, number(p.instructions), per_mac, number(p.cycles_modelled), *map(number, sizes))
    return shown


def by_layer(profiles: Sequence[Profile]) -> Table:
    """One line a layer: MACs, weights, and what it costs on each target, with a bar that shows its share."""
    first, width = profiles[0], 24 if len(profiles) == 1 else 12
    shown = table("layer", "output", "MACs", "weights", right=("MACs", "weights"))
    for p in profiles:
        shown.add_column(p.target, justify="right", no_wrap=True)
        shown.add_column("", width=width, no_wrap=True)
    most = [max((cost(layer) for layer in p.layers), default=0) for p in profiles]
    for i, layer in enumerate(first.layers):
        shape = "x".join(map(str, layer.output)) or "1"
        cells: list[object] = [layer.name, shape, number(layer.macs), number(layer.weights)]
        for p, top in zip(profiles, most, strict=True):
            same = p.layers[i] if i < len(p.layers) else layer
            cells += [number(same.instructions or None), bar(cost(same) / top if top else 0.0, width)]
        row(shown, *cells)
    return shown


def cost(layer: LayerProfile) -> int:
    """Instructions, or MACs where nothing was executed."""
    return layer.macs if layer.instructions is None else layer.instructions
