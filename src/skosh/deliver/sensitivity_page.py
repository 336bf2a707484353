"""Which layer loses what, as a page: the bars show how much noise each layer alone puts into the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from skosh.deliver.markup import Markup, el, join, number, percent
from skosh.deliver.report import bar_cell, num, table
from skosh.quantizer import Sensitivity


def sensitivity_html(title: str, scheme: str, samples: int, found: Sequence[Sensitivity]) -> str:
    """One HTML file that needs no network. The same findings give the same bytes."""
    style = Markup(files("skosh.deliver").joinpath("page.css").read_text(encoding="utf-8"))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{title}: what {scheme} costs"),
        el("style", style),
    )
    intro = (
        f"Each layer alone was quantized as {scheme}, all others computed in floats, on {number(samples)} samples. Noise is "
        "the size of the difference that this makes to the model's output, as a share of the output's size."
    )
    shown = el("div", _table(found), class_="scroll", tabindex=0)
    section = el("section", el("h2", "Layers"), shown)
    body = el(
        "body", el("header", el("p", "skosh", class_="brand"), el("h1", title), el("p", intro)), el("main", section)
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _table(found: Sequence[Sensitivity]) -> Markup:
    heads = ["layer", "weights", "signal / noise, dB", "noise"]
    agrees, knows = any(s.agreement is not None for s in found), any(s.accuracy is not None for s in found)
    heads += ["same answer"] * agrees + ["accuracy"] * knows
    most = max((noise(s) for s in found), default=0.0) or 1.0
    rows = []
    for s in found:
        cells = [
            el("th", s.kind, el("span", s.layer, class_="own"), scope="row", title=s.layer),
            num(number(s.parameters)),
            num(f"{s.noise_db:.1f}"),
            bar_cell(percent(noise(s), 2), noise(s) / most),
        ]
        cells += [num("–" if s.agreement is None else percent(s.agreement))] * agrees
        cells += [num("–" if s.accuracy is None else percent(s.accuracy))] * knows
        rows.append(el("tr", *cells))
    return join(table(heads, rows, right=tuple(range(1, len(heads)))))


def noise(s: Sensitivity) -> float:
    """The noise as a share of the signal, both as root mean squares."""
    return float(10 ** (-s.noise_db / 20))
