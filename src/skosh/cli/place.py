"""``skosh place``: communicate or compute? Where a model should run, what each way costs, and what would change that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.cli.options import Json, Optimize, OwnCatalogue, Samples, Source
from skosh.cli.quantize import arrays, given_file
from skosh.cli.terminal import out, print_json, row, stages, table

if TYPE_CHECKING:
    from rich.console import Console

    from skosh.place.options import Option
    from skosh.placing import Placement

EXAMPLE = "skosh place kws.tflite --device nrf52840-dk --link ble-1m --rate 0.1 --raw-bytes 32000"


def command(
    source: Source,
    device: Annotated[str, typer.Option("--device", "-d", metavar="ID", help="The board; `skosh devices` lists them.")],
    link: Annotated[
        str, typer.Option("--link", "-l", metavar="ID", help="The radio or wire; `skosh links` lists them.")
    ],
    rate: Annotated[float, typer.Option(metavar="HZ", help="Decisions a second.")] = 1.0,
    samples: Samples = None,
    aim: Annotated[str, typer.Option(metavar="AIM", help="energy, latency, life or cost.")] = "energy",
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="Latest 95th percentile, for example 200ms.")
    ] = None,
    accuracy: Annotated[float | None, typer.Option(metavar="A", help="The least, from 0 to 1.")] = None,
    stay: Annotated[
        bool, typer.Option("--stay-on-device", help="No samples, features or activations leave it.")
    ] = False,
    life: Annotated[float | None, typer.Option("--life", metavar="DAYS", help="The least life of the battery.")] = None,
    gateway: Annotated[str, typer.Option(metavar="ID", help="The fog.")] = "pi4",
    cloud: Annotated[str, typer.Option(metavar="ID", help="The cloud.")] = "aws",
    battery: Annotated[str, typer.Option(metavar="ID", help="cr2032, aa-2, lipo-1000 or one of yours.")] = "cr2032",
    mah: Annotated[
        float | None, typer.Option(metavar="MAH", help="The battery's capacity, instead of its record's.")
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(metavar="R.npy", help="The sensor's own samples, integers, where the model reads features."),
    ] = None,
    raw_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Bytes of a raw sample, where there are none to show.")
    ] = None,
    small: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="A small model to ask first: hierarchical inference.")
    ] = None,
    early: Annotated[bool, typer.Option("--early-exit", help="Fit early exits too; takes a while.")] = False,
    supply: Annotated[
        str | None, typer.Option(metavar="S", help='Conditions of the chip\'s figures, such as "3 V SMPS".')
    ] = None,
    report: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of decisions made here that are sent on.")
    ] = 0.0,
    data_rate: Annotated[float | None, typer.Option(metavar="KBPS", help="On air, instead of the link's.")] = None,
    distance: Annotated[float, typer.Option(metavar="F", help="Times as far, made up for by sending power.")] = 1.0,
    loss: Annotated[float | None, typer.Option(metavar="SHARE", help="Lost packets, instead of the link's.")] = None,
    fragments: Annotated[
        int, typer.Option(metavar="N", help="Most messages a decision, where messages are short.")
    ] = 1,
    clock: Annotated[float | None, typer.Option("--clock", metavar="MHZ", help="Instead of the board's.")] = None,
    optimize: Optimize = "balanced",
    own: OwnCatalogue = None,
    page: Annotated[
        Path | None, typer.Option("--html", "--output", "-o", metavar="FILE.html", help="The answer as a page.")
    ] = None,
    json: Json = False,
) -> None:
    """Where should a model run: on the device, on a gateway (fog), in the cloud, or in pieces? And what would change that?

    Costs are skosh's own cycles of this model for this board, times figures of the catalogue, as bands. Accuracy is
    measured on your samples. Exit status 1 when no option is allowed.
    """
    from skosh.placing import place

    given, labels = None if samples is None else arrays(given_file(samples)), source.answers()
    with stages(quiet=json) as say:
        say(f"reading {source.file}")
        found = place(
            source.graph(), given, None if labels is None else arrays(labels),
            device=device, link=link, gateway=gateway, cloud=cloud, battery=battery, rate=rate, aim=aim, deadline=deadline,
            accuracy=accuracy, stay_on_device=stay, life=life, raw=None if raw is None else arrays(raw), raw_bytes=raw_bytes,
            small=None if small is None else str(small), early=early, optimize=optimize, catalogue=own or (), say=say,
            supply=supply, report=report, data_rate=data_rate, distance=distance, mah=mah, loss=loss, fragments=fragments,
            clock_mhz=clock,
        )  # fmt: skip
    if page is not None:
        found.report(page)
    if json:
        print_json(found.as_json())
    else:
        show(found, out())
        if page is not None:
            out().print(f"open {page}", markup=False)
    raise typer.Exit(0 if found.best is not None else 1)


def show(found: Placement, console: Console) -> None:
    """The answer as tables."""
    from skosh.deliver.placement_page import border, listed, summary, with_unit
    from skosh.place.band import short

    answer = found.answer
    console.print(summary(answer), markup=False, style="green" if answer.best is not None else "red")
    right = ("energy, uJ", "median, ms", "95 %, ms", "life, days", "bytes", "USD/month", "accuracy")
    shown = table("option", *right, "leaves", right=right)
    options, hidden = listed(answer)
    for o in options:
        mark = "* " if o == answer.best else "  "
        row(shown, mark + o.name, str(o.energy_uj), *(short(v) for v in o.latency_ms), str(o.life_days), short(o.bytes),
            short(o.money_month), "-" if o.accuracy is None else f"{100 * o.accuracy:.2f} %", o.leaves)  # fmt: skip
    console.print(shown)
    if hidden:
        console.print(f"and {hidden} more splits, which cost more energy", style="dim")
    refused: dict[str, list[Option]] = {}
    for o in answer.options:
        if not o.allowed:
            refused.setdefault(o.why_not, []).append(o)
    for why, those in refused.items():
        names = those[0].name if len(those) == 1 else f"{those[0].name} and {len(those) - 1} more"
        console.print(f"not {names}: {why}", markup=False, style="dim")
    for name, why in answer.not_tried:
        console.print(f"not tried, {name}: {why}", markup=False, style="dim")
    console.print(f"break-even: {answer.break_even} MACs for each byte not sent", markup=False)
    for f in answer.flips:
        then = f.best_then or "nothing is allowed"
        console.print(f"{f.what}: {with_unit(f.now, f)} today; at {border(f)}: {then}", markup=False)
    count = len(answer.assumed)
    console.print(
        f"{count} of the {len(answer.setting.used)} figures it rests on are assumed (--html lists them)", markup=False
    )
