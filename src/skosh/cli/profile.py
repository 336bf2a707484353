"""``skosh profile``: what a model costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from skosh.base.errors import SkoshError
from skosh.cli.letters import ended
from skosh.cli.options import Json, Making, Source, Targets, is_pattern, targets_of
from skosh.cli.terminal import WIDE, bar, busy, compiling, number, out, print_json, row, table

if TYPE_CHECKING:
    from rich.table import Table

    from skosh.verify.measure import LayerProfile, Profile

EXAMPLE = "skosh profile kws.tflite --target cortex-m4 --target cortex-m0plus"


def command(
    source: Source,
    target: Targets = None,
    making: Making = Making(),
    json: Json = False,
) -> None:
    """Instructions, modelled cycles, flash and RAM of one inference, in all and by layer.

    Instructions are counted by the emulator. Cycles are modelled from published timings, not measured. Sizes are bytes
    from the linker map. With --json and several targets the answer is a list.
    """
    targets = targets_of(target)
    some = any(map(is_pattern, target or ()))  # of many machines, those that can't are told of, and passed over
    profiles = []
    with busy(f"reading {source.file}", quiet=json):
        graph = source.graph()
    for t in targets:
        with compiling(f"compiling and running {graph.name} on {t}", search=making.search, quiet=json) as progress:
            try:
                profiles.append(making.build(graph, t, progress=progress).profile())
            except SkoshError as error:
                if not some:
                    raise
                ended(error)
    if not profiles:
        raise typer.Exit(1)
    if json:
        print_json(profiles[0].as_json() if len(targets) == 1 else [p.as_json() for p in profiles])
        return
    console = out()
    console.print(totals(profiles, f"{graph.name}, optimize={making.optimize}, {number(profiles[0].macs)} MACs"))
    console.print(by_layer(profiles, console.width))
    if any(p.exits for p in profiles):
        console.print(by_exit(profiles))


def totals(profiles: Sequence[Profile], title: str) -> Table:
    """One line a target."""
    kinds = {"modelled" if p.cycles is None else "simulated" for p in profiles}
    numbers = ("instructions", "per\nMAC", f"cycles\n({' or '.join(sorted(kinds))})", "code", "weights", "arena", "stack")
    shown = table("target", *numbers, right=numbers, title=title)
    for p in profiles:
        per_mac = f"{p.instructions / p.macs:.2f}" if p.instructions is not None and p.macs else "-"
        sizes = (p.flash.code if p.instructions is not None else None, p.flash.weights, p.ram.arena, p.ram.stack)
        cycles = p.cycles_modelled if p.cycles is None else p.cycles
        row(shown, p.target, number(p.instructions), per_mac, number(cycles), *map(number, sizes))
    return shown


def by_exit(profiles: Sequence[Profile]) -> Table:
    """One line for each way through a model with early exits: how many samples take it, and what that costs."""
    right = ("samples", "instructions", "cycles (modelled)")
    shown = table("exit", "after", "target", *right, right=right)
    for p in profiles:
        for e in p.exits:
            costs = (number(e.instructions), number(e.cycles_modelled))
            row(shown, e.exit, e.after or "-", p.target, f"{100 * e.share:.1f} %", *costs)
    return shown


def by_layer(profiles: Sequence[Profile], width: int) -> Table:
    """One line a layer: MACs, weights, and what it costs on each target, with a bar that shows its share.

    width: columns of the terminal.
    """
    first, wide = profiles[0], width >= WIDE
    names = max((len(layer.name) for layer in first.layers), default=0)
    bars = max(6, min(24, (width - names - (40 if wide else 12)) // len(profiles) - 15))
    numbers = ("MACs", "weights") if wide else ("MACs",)
    shown = table("layer", *(("output",) if wide else ()), *numbers, right=numbers)
    for p in profiles:
        shown.add_column(p.target, justify="right", no_wrap=True)
        shown.add_column("", width=bars, no_wrap=True)
    most = [max((cost(layer) for layer in p.layers), default=0) for p in profiles]
    for i, layer in enumerate(first.layers):
        cells: list[object] = [layer.name, number(layer.macs)]
        if wide:
            cells = [layer.name, "x".join(map(str, layer.output)) or "1", number(layer.macs), number(layer.weights)]
        for p, top in zip(profiles, most, strict=True):
            same = p.layers[i] if i < len(p.layers) else layer
            cells += [number(same.instructions or None), bar(cost(same) / top if top else 0.0, bars)]
        row(shown, *cells)
    return shown


def cost(layer: LayerProfile) -> int:
    """Instructions, or MACs where nothing was executed."""
    return layer.macs if layer.instructions is None else layer.instructions
