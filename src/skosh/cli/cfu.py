"""``skosh cfu``: custom function units for a model: proposed, and written as a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.errors import InputError
from skosh.base.files import write_folder
from skosh.cli.options import Json, Output, Source
from skosh.cli.terminal import busy, number, out, print_json, row, stages, table

if TYPE_CHECKING:
    from skosh.explore.proposal import Proposal

EXAMPLE = "skosh cfu propose kws.tflite --no-place"
ACTIONS = ("propose", "build")


def command(
    action: Annotated[str, typer.Argument(metavar="propose|build", help="Compare units, or write one as a project.")],
    source: Source,
    cfu: Annotated[str | None, typer.Option(metavar="NAME", help="The unit to build, as propose names it.")] = None,
    output: Output = None,
    place: Annotated[bool, typer.Option(help="Place and route, for the clock; minutes.")] = True,
    json: Json = False,
) -> None:
    """Custom instructions for a model, on the soft core VexRiscv.

    propose: cycles of one inference with each unit, simulated and bit-exact, beside plain and tuned C on the core alone;
    LUTs, registers, multipliers and memories on an ECP5; the clock after placing and routing. The first run makes the
    simulators, which takes minutes; they are kept.

    build: Verilog, C header, test bench, constraints, Makefile, and the model's C, in a folder.
    """
    import skosh

    if action not in ACTIONS:
        raise InputError(f'the first argument must be propose or build, not "{action}"')
    if action == "build" and (cfu is None or output is None):
        raise InputError("build must be told which unit, and where to", hint="--cfu lanes -o DIR")
    with busy(f"reading {source.file}", quiet=json):
        graph = source.graph()
    if action == "build":
        from skosh.explore.project import files
        from skosh.explore.units import find

        assert cfu is not None and output is not None, "looked at before"
        unit, machine = find(cfu)
        with busy(f"writing {output}", quiet=json):
            made = files(unit, graph.name, skosh.compile(graph, target=machine.name).sources)
            written = write_folder(output, made)
        if json:
            print_json({"folder": str(written), "files": sorted(made)})
        else:
            out().print(f"{written}: {', '.join(sorted(made))}")
        return
    from skosh.explore.proposal import propose

    with stages(quiet=json) as told:
        proposal = propose(graph, place=place, told=told)
    if json:
        print_json(proposal.as_json())
    else:
        shown(proposal, graph.name)


def shown(proposal: Proposal, name: str) -> None:
    """The table of ways, the plain core first."""
    numbers = ("cycles", "over\ntuned C", "MHz", "LUT", "FF", "DSP", "BRAM")
    made = table("unit", *numbers, "bit-exact", right=numbers, title=f"{name} on VexRiscv, simulated")
    base = proposal.baseline
    row(made, "none, plain C", number(base.plain_cycles), f"{base.tuned_cycles / base.plain_cycles:.2f}", *["-"] * 6)
    row(made, "none, tuned C", number(base.tuned_cycles), "1.00", *["-"] * 6)
    for c in proposal.candidates:
        mhz = "-" if c.fmax_mhz is None else f"{c.fmax_mhz:.1f}"
        area = map(number, (c.lut, c.ff, c.dsp, c.bram))
        exact = "yes" if c.bit_exact else "no"
        row(made, c.name, number(c.cycles), f"{base.tuned_cycles / c.cycles:.2f}", mhz, *area, exact)
    out().print(made)
    out().print(f"Memory: {proposal.memory}. MHz: of the unit alone on an ECP5-25F, after placing and routing.")
