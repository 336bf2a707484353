"""``skosh stream``: a model over a window as one that takes a hop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skosh.cli.options import Json, Output, Source
from skosh.cli.terminal import busy, number, out, print_json, row, table

EXAMPLE = "skosh stream kws.tflite --hop 2 -o kws_stream.skosh"


def command(
    source: Source,
    hop: Annotated[int, typer.Option(metavar="ROWS", help="Rows of the input that come with each push.")],
    axis: Annotated[int, typer.Option(metavar="N", help="The axis of the input along which time goes.")] = 1,
    output: Output = None,
    json: Json = False,
) -> None:
    """Turn a model over a window into one that takes a hop of it, and remembers what it needs of what came before.

    The answers are those of the window, bit for bit. The table says how many rows of each layer's window are computed with each
    push: the new ones, and those that see padding at the ends of the window. The file, a .skosh, is compiled like any other.
    """
    import skosh
    from skosh.features.streaming import layers

    with busy(f"reading {source.file}", quiet=json):
        graph = source.graph()
        made = skosh.stream(graph, hop=hop, axis=axis)
        found = layers(graph, hop=hop, axis=axis)
    written = made.save(Path(output)) if output is not None else None
    if json:
        rows = [{"name": r.name, "rows": r.rows, "computed": r.computed} for r in found]
        print_json({"file": None if written is None else str(written), "hop": hop, "layers": rows})
        return
    numbers = ("rows", "computed")
    shown = table("layer", *numbers, right=numbers, title=f"{graph.name}, {hop} rows a push")
    for r in found:
        row(shown, r.name, number(r.rows), number(r.computed))
    out().print(shown)
    if written is not None:
        out().print(f"{written}", soft_wrap=True)
