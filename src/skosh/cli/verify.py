"""``skosh verify``: is the compiled model the model, bit for bit?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from skosh.base.errors import InputError
from skosh.cli.options import Json, Making, Samples, Source, Target
from skosh.cli.terminal import compiling, counting, number, out, print_json

if TYPE_CHECKING:
    from skosh.verify import Proof
    from skosh.verify.library import Agreement

EXAMPLE = "skosh verify kws.tflite --target cortex-m4 --golden kws.npz --against reference,host,tflm"
DEFAULT_SAMPLES = 20


def command(
    source: Source,
    target: Target = "cortex-m4",
    making: Making = Making(),
    samples: Samples = None,
    golden: Annotated[
        str | None, typer.Option(metavar="FILE.npz", help='"inputs", and the "outputs" that they must give.')
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="reference (always), host, tflm, tosa, library: whom to compare with, by commas.  "
            "[default: reference, and library where the file holds a fitted object]",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run the compiled firmware, and compare it bit for bit with the model's meaning, layer by layer.

    Exit status 0 when no element differs, 1 when some do.
    """
    if samples is not None and golden is not None:
        raise InputError("--samples and --golden can't both be given", hint="the golden file brings its own inputs")
    wanted = golden if golden is not None else as_count_or_file(samples)
    with compiling(f"compiling {source.file} for {target}", search=making.search, quiet=json) as told:
        build = making.build(source.opened(), target, progress=told)
        total = len(build.samples(wanted))
        others = tuple(part.strip() for part in (against or "").split(",") if part.strip())
    with counting(f"running {build.program.name} on {target}", total, quiet=json) as progress:
        proof = build.verify(samples=wanted, against=others or None, progress=progress)
    if json:
        print_json(proof.as_json())
    else:
        out().print(
            verdict(proof, f"{build.program.name} on {target}"),
            markup=False,
            style="green" if proof.bit_exact else "red",
        )
    raise typer.Exit(0 if proof.bit_exact else 1)


def as_count_or_file(text: str | None) -> int | str:
    """ "20" is a count; anything else names a file."""
    if text is None:
        return DEFAULT_SAMPLES
    try:
        count = int(text)
    except ValueError:
        return text
    if count <= 0:
        raise InputError(f"--samples must be a positive count or a file, not {count}")
    return count


def verdict(proof: Proof, what: str) -> str:
    """The proof in a sentence or two."""
    asked = library_text(proof.library)
    first = "" if proof.bit_exact else f"\nThe first: {proof.first_difference}."
    return f"{what}: {proof.sentence}.{first}{asked}"


def library_text(library: Agreement | None) -> str:
    """What was asked of the library's own object, and how near the answers are; nothing where none was asked."""
    if library is None:
        return ""
    edges = ", ".join(f"{count} {kind}" for kind, count in library.edges.items() if count)
    beside = f", of which at the edges {edges}" if edges else ""
    near = f"; numbers within {library.largest_error:.1e} of the largest" if library.largest_error else ""
    ties = f"; {library.ties} labels whose scores are equal there differ" if library.ties else ""
    text = f"\n{library.name}: {number(library.rows)} rows asked{beside}{near}{ties}."
    return text + "".join(f"\nIt refuses {kind}: {said}" for kind, said in library.refused.items())
