"""What the digits demo found, and how a terminal shows it: a few digits with what the device said, then accuracy, cost and
proof."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from skosh.deliver import Accuracy, Picture
from skosh.verify.measure import Profile
from skosh.verify.proof import Proof

SHADES = " ░▒▓█"


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the tour found. accuracies: float, int8 reference, device. pictures: the test images, in order."""

    folder: Path
    target: str
    accuracies: tuple[Accuracy, ...]
    profile: Profile
    proof: Proof
    pictures: tuple[Picture, ...]

    def __rich__(self) -> Any:
        return summary(self)

    def __str__(self) -> str:
        return plain(self)


def summary(result: DemoResult) -> RenderableType:
    """Everything, as one thing to print."""
    right = [p for p in result.pictures if p.predicted == p.label]
    wrong = [p for p in result.pictures if p.predicted != p.label]
    shown = [*right[:2], *(wrong or right[2:])[:1]]
    parts: list[RenderableType] = [
        Columns([drawn(p) for p in shown], padding=(0, 2)), accuracy_table(result), cost_table(result), proof_line(result),
        Text.assemble("\nopen ", (str(result.folder / "report.html"), "bold")),
    ]  # fmt: skip
    return Group(*parts)


def plain(result: DemoResult) -> str:
    """The same without colour."""
    console = Console(width=100, color_system=None, highlight=False, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(summary(result))
    return captured.get().rstrip()


def drawn(picture: Picture) -> Panel:
    """Two characters a pixel, in five shades."""
    levels = np.rint(np.clip(picture.pixels, 0, 1) * (len(SHADES) - 1)).astype(int)
    rows = "\n".join("".join(SHADES[v] * 2 for v in row) for row in levels)
    if picture.predicted == picture.label:
        said, style = called(picture.predicted), "green"
    else:
        said, style = f"{called(picture.predicted)}? it is {called(picture.label)}", "red"
    return Panel(Text(rows), title=said, border_style=style, expand=False, padding=(0, 1))


def called(digit: str) -> str:
    return f"an {digit}" if digit == "8" else f"a {digit}"


def accuracy_table(result: DemoResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (("accuracy", "left"), ("right", "right"), ("of", "right"), ("", "right"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for a in result.accuracies:
        table.add_row(a.who, f"{a.right:,}", f"{a.samples:,}", f"{100 * a.share:.2f} %", a.note)
    return table


def cost_table(result: DemoResult) -> Table:
    p = result.profile
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"cost on {result.target}")
    table.add_column("", justify="right")
    table.add_column("")
    table.add_row("flash", f"{p.flash.total:,}", f"bytes: {p.flash.code:,} code, {p.flash.weights:,} weights")
    stack = f", {p.ram.stack:,} stack" if p.ram.stack is not None else ""
    table.add_row("RAM", f"{p.ram.total:,}", f"bytes: {p.ram.arena:,} arena{stack}")
    if p.instructions is not None:
        each = f"one image, {p.instructions / p.macs:.2f} for each of {p.macs:,} MACs"
        table.add_row("instructions", f"{p.instructions:,}", each)
    if p.cycles_modelled is not None:
        ms = p.cycles_modelled / 64e3
        table.add_row("cycles", f"{p.cycles_modelled:,}", f"modelled: {ms:.2f} ms at 64 MHz")
    return table


def proof_line(result: DemoResult) -> Text:
    proof = result.proof
    if proof.bit_exact:
        what = (
            f"{proof.elements:,} numbers of {proof.samples:,} images, the same bits on the device as in the reference"
        )
        return Text.assemble(("✓ identical: ", "bold green"), what)
    return Text.assemble(
        ("✗ not the same: ", "bold red"), f"{proof.mismatches:,} numbers differ; {proof.first_difference}"
    )
