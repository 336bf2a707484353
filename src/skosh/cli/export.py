"""``skosh export``: a model in another form: kept as it is, in TOSA, or compiled for an Ethos-U."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.errors import InputError
from skosh.base.files import write_file, write_folder
from skosh.cli.options import Json, LoadBudget, Model, TrustPickle, opened
from skosh.cli.terminal import busy, number, out, print_json

if TYPE_CHECKING:
    from skosh.ir.graph import Graph
    from skosh.machines.npu.ethos_u import EthosU
    from skosh.machines.npu.tosa import Tosa

EXAMPLE = "skosh export kws.tflite --to ethos-u --accelerator ethos-u55-128 -o kws-ethos-u"
KINDS = ("skosh", "tosa", "ethos-u")


def command(
    model: Model,
    kind: Annotated[str, typer.Option("--to", metavar="KIND", help="skosh, tosa or ethos-u: what it is to be.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The file, or the folder of ethos-u.  [default: NAME.skosh, NAME.tosa, NAME-ethos-u, here]",
        ),
    ] = None,
    accelerator: Annotated[
        str | None,
        typer.Option(
            metavar="A",
            help="Which Ethos-U: ethos-u55-32 to ethos-u85-2048, as Vela has them.  [default: ethos-u55-128]",
        ),
    ] = None,
    trust_pickle: TrustPickle = False,
    budget: LoadBudget = None,
    json: Json = False,
) -> None:
    """A model in another form.

    skosh: as it was read, in a file that every command reads, with no need of the library that made it. tosa, ethos-u: a
    .tflite model for neural processing units, by Arm's tools, in TOSA, or compiled by Vela for an Ethos-U.

    Sizes of ethos-u are Vela's, and its cycles are Vela's estimate: nothing was run. Needs the npu extra.
    """  # fmt: skip
    import skosh
    from skosh.machines.npu.ethos_u import to_ethos_u
    from skosh.machines.npu.tosa import to_tosa

    if kind not in KINDS:
        raise InputError(f'--to must be one of {", ".join(KINDS)}, not "{kind}"')
    if accelerator is not None and kind != "ethos-u":
        raise InputError("--accelerator is of --to ethos-u only")
    with busy(f"exporting {Path(model).name} to {kind}", quiet=json):
        graph = skosh.load(opened(model, trust_pickle, budget))
        if kind == "skosh":
            told = _write_skosh(graph, output or Path(f"{graph.name}.skosh"))
        elif kind == "tosa":
            told = _write_tosa(to_tosa(graph), output or Path(f"{graph.name}.tosa"))
        else:
            told = _write_ethos_u(
                to_ethos_u(graph, accelerator or "ethos-u55-128"), output or Path(f"{graph.name}-ethos-u")
            )
    facts, text = told
    if json:
        print_json({"model": graph.name, "to": kind, **facts})
    else:
        out().print(text, markup=False, soft_wrap=True)


def _write_skosh(graph: Graph, file: Path) -> tuple[dict[str, object], str]:
    size = graph.save(file).stat().st_size
    return {"file": str(file), "bytes": size}, f"{file}: {number(size)} bytes, {graph!r}"


def _write_tosa(made: Tosa, file: Path) -> tuple[dict[str, object], str]:
    write_file(file, made.content)
    used = ", ".join(f"{count} {op}" for op, count in made.operators.items())
    facts = {"file": str(file), "bytes": len(made.content), "operators": made.operators}
    return facts, f"{file}: {number(len(made.content))} bytes of TOSA: {used}"


def _write_ethos_u(made: EthosU, folder: Path) -> tuple[dict[str, object], str]:
    if folder.exists() and not folder.is_dir():
        raise InputError("must be a folder, or not there yet", loc=str(folder))
    write_folder(folder, made.files)
    dram = f", DRAM {number(made.dram_bytes)} bytes" if made.dram_bytes else ""
    lines = [
        f"{folder}: {', '.join(made.files)}",
        f"{made.accelerator}: {made.npu_operators} operators on the NPU, {made.cpu_operators} on the CPU",
        f"SRAM {number(made.sram_bytes)} bytes, flash {number(made.flash_bytes)} bytes{dram}",
        f"{number(made.estimated_cycles)} cycles at {made.clock_hz / 1e6:g} MHz: an estimate by Vela {made.vela} for"
        f" {made.system_config}, {made.memory_mode}; not measured",
        *(f"left to the CPU: {why}" for why in made.left_to_cpu),
    ]
    return {"folder": str(folder), "files": list(made.files), **made.as_json()}, "\n".join(lines)
