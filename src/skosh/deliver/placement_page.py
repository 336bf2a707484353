"""Where a model should run, as a page: the best option, what it gives up, what would change it, and what all rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files

from skosh.deliver.charts import Bar, bar_chart
from skosh.deliver.markup import Markup, el, join
from skosh.deliver.report import num, table, tile
from skosh.place.band import Band, short
from skosh.place.flips import Flip
from skosh.place.options import Option
from skosh.place.planner import Answer

WIDTH, HEIGHT = 680, 380
LEFT, RIGHT, TOP, BOTTOM = 74, 96, 18, 48
LINE, LETTER = 16, 7
TILES = "grid-template-columns:repeat(auto-fit,minmax(196px,1fr))"  # a band is longer than a number
MOST_SPLITS = 5  # in the table; --json has all


def placement_html(answer: Answer) -> str:
    """One HTML file that needs no network. The same answer gives the same bytes."""
    style = Markup(files("skosh.deliver").joinpath("page.css").read_text(encoding="utf-8"))
    title = f"{answer.work.name} on {answer.setting.board.name} over {answer.setting.link_record.id}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{title}: where to compute"),
        el("style", style),
    )
    parts = (
        tiles(answer), front_section(answer), flips_section(answer), options_section(answer), parts_section(answer),
        refused_section(answer), figures_section(answer),
    )  # fmt: skip
    top = el("header", el("p", "skosh place", class_="brand"), el("h1", title), el("p", summary(answer)))
    body = el("body", top, el("main", *(join(p, Markup("\n")) for p in parts if p is not None)), footer(answer))
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def summary(answer: Answer) -> str:
    """The answer in a sentence or two."""
    rate = answer.setting.rate
    often = f"{short(rate)} decisions a second" if rate >= 1 else f"a decision every {short(1 / rate)} s"
    if answer.best is None:
        return f"At {often}, no option is allowed: see below what forbids each."
    here = next((o for o in answer.options if o.name == "device"), None)
    text = f"Best for {answer.aim} at {often}: {answer.best.what}."
    if here is not None and here.allowed and here.name != answer.best.name and answer.aim == "energy":
        times = here.energy_uj.middle / answer.best.energy_uj.middle
        text += f" Computing all on the device would take {short(times)} times the energy."
    return text


def footer(answer: Answer) -> Markup:
    text = (
        f"Cycles are modelled from skosh's own run of {answer.work.name} for {answer.work.target}; energies are bands from the "
        "catalogue's figures, each with its source. What the sensor draws is left out: it is the same for all options."
    )
    return el("footer", el("p", text))


def tiles(answer: Answer) -> Markup:
    best, even = answer.best, answer.break_even
    shown = []
    if best is not None:
        life, (energy, unit) = best.life_days, energy_of(best.energy_uj)
        shown = [
            tile("Best", best.name.partition(" after ")[0], "", best.leaves + " leaves the device"),
            tile(f"Energy, {unit}", energy, "", "a decision, asleep in between"),
            tile(
                "Latency, ms", short(best.latency_ms[1]), "", f"95th percentile; median {short(best.latency_ms[0])} ms"
            ),
            tile("Battery, days", str(life), "", f"of {answer.setting.battery.id}"),
        ]
    shown.append(tile("Break-even, MACs/byte", str(even), "", "fewer for each byte not sent: send; more: compute"))
    if best is not None and best.accuracy is not None:
        shown.append(tile("Accuracy", f"{100 * best.accuracy:.2f}", "%", "on the samples given"))
    return el("dl", *shown, class_="tiles", aria_label="headline figures", style=TILES)


def energy_of(band: Band) -> tuple[str, str]:
    """A band of uJ as text and unit."""
    return (str(band.scaled(1e-3)), "mJ") if band.high >= 1000 else (str(band), "µJ")


# --------------------------------------------------------------------------------------------------- Pareto front


def front_section(answer: Answer) -> Markup | None:
    allowed = [o for o in answer.options if o.allowed]
    if len(allowed) < 2:
        return None
    note = (
        "Each allowed option: further left is less energy, further down is sooner. A bar is the band of the energy. Those in "
        "orange are on the Pareto front: no other option is better in energy, latency and accuracy at once."
    )
    return el("section", el("h2", "Energy against latency"), el("p", note, class_="note"), front_chart(answer, allowed))


def front_chart(answer: Answer, allowed: Sequence[Option]) -> Markup:
    """Logarithmic axes; names stand beside the options of the front and beside those that are no splits."""
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    xs = Scale.over([v for o in allowed for v in (o.energy_uj.low, o.energy_uj.high)])
    ys = Scale.over([o.latency_ms[1] for o in allowed])
    floor = TOP + down
    title = "; ".join(
        f"{o.name}: {o.energy_uj} µJ, {short(o.latency_ms[1])} ms" for o in allowed if shown_by_name(o, answer)
    )
    parts: list[Markup] = [el("title", title), el("path", d=f"M{LEFT} {TOP}V{floor}H{LEFT + across}", class_="axis")]
    for tick in xs.ticks():
        x = LEFT + across * xs.place(tick)
        parts += [
            el("path", d=f"M{x:.1f} {floor}v5", class_="axis"),
            el("text", short(tick), x=f"{x:.1f}", y=floor + 20, text_anchor="middle", class_="faint"),
        ]
    for tick in ys.ticks():
        y = floor - down * ys.place(tick)
        parts += [
            el("path", d=f"M{LEFT} {y:.1f}h-5", class_="axis"),
            el("text", short(tick), x=LEFT - 9, y=f"{y + 4:.1f}", text_anchor="end", class_="faint"),
        ]
    parts += [
        el("text", "energy of a decision, µJ", x=LEFT + across / 2, y=HEIGHT - 6, text_anchor="middle", class_="faint"),
        el("text", "latency, 95th percentile, ms", x=LEFT + 8, y=TOP + 2, class_="faint"),
    ]
    spots = []
    for o in sorted(allowed, key=lambda o: o.name in answer.front):
        y = floor - down * ys.place(o.latency_ms[1])
        low, high = (LEFT + across * xs.place(v) for v in (o.energy_uj.low, o.energy_uj.high))
        on_front = o.name in answer.front
        kind = "code" if on_front else "tensor"
        high = max(high, low + 3)
        shape = el("rect", x=f"{low:.1f}", y=f"{y - 3.5:.1f}", width=f"{high - low:.1f}", height=7, rx=3.5, class_=kind,
                   opacity=None if on_front else "0.6")  # fmt: skip
        parts.append(shape)
        if shown_by_name(o, answer):
            spots.append((o, high, y))
    parts += labels(spots)
    return el("svg", *parts, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", style=f"max-width:{WIDTH}px")


def shown_by_name(o: Option, answer: Answer) -> bool:
    return o.name in answer.front or not o.after


def labels(spots: Sequence[tuple[Option, float, float]]) -> list[Markup]:
    """Names to the right of the bars; one that would lie on another moves down, a line shows where it belongs."""
    placed: list[tuple[float, float, float]] = []
    found: list[Markup] = []
    for o, x, y in sorted(spots, key=lambda s: (s[2], s[1])):
        name = o.name if len(o.name) <= 28 else f"{o.name[:27]}…"
        wide, start = LETTER * len(name), x + 8
        end = start + wide > WIDTH
        start = WIDTH - wide - 2 if end else start
        height = y - 8 if end else y
        while any(abs(height - h) < LINE and start < b and a < start + wide for a, b, h in placed):
            height += LINE / 2
        placed.append((start, start + wide, height))
        if abs(height - y) > LINE:
            found.append(el("path", d=f"M{x:.1f} {y:.1f}L{start - 2:.1f} {height:.1f}", class_="axis", opacity="0.6"))
        found.append(el("text", name, x=f"{start:.1f}", y=f"{height + 4:.1f}"))
    return found


class Scale:
    """A logarithmic axis."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    @staticmethod
    def over(values: Sequence[float]) -> Scale:
        """A little wider than the values."""
        some = [v for v in values if 0 < v < math.inf] or [1.0]
        return Scale(min(some) / 1.15, max(some) * 1.15)

    def place(self, value: float) -> float:
        """From 0 to 1."""
        inside = min(max(value, self.low), self.high)
        return math.log(inside / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Round values: 1, 2 and 5 times powers of ten, or powers of ten alone where there would be many."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        fine = [m * 10.0**d for d in decades for m in (1, 2, 5) if self.low <= m * 10.0**d <= self.high]
        coarse = [10.0**d for d in decades if self.low <= 10.0**d <= self.high]
        return fine if len(fine) <= 7 else coarse


# ------------------------------------------------------------------------------------------------------ what flips


def flips_section(answer: Answer) -> Markup:
    heads = ("", "today", "changes at", "best then")
    if not answer.flips:
        text = "No event rate, data rate, distance or battery that was tried changes the answer."
        return el("section", el("h2", "What would change the answer"), el("p", text, class_="note"))
    rows = [
        el(
            "tr",
            el("th", f.what, scope="row"),
            num(with_unit(f.now, f)),
            num(border(f)),
            el("td", f.best_then or "nothing"),
        )
        for f in answer.flips
    ]
    note = "The nearest value at which another option becomes the best, all else as it is."
    shown = el("div", table(heads, rows, right=(1, 2)), class_="scroll", tabindex=0)
    return el("section", el("h2", "What would change the answer"), el("p", note, class_="note"), shown)


def border(flip: Flip) -> str:
    """The value from which on the answer is another one, and on which side."""
    return f"{with_unit(flip.to, flip)} or {'less' if flip.to < flip.now else 'more'}"


def with_unit(value: float, flip: Flip) -> str:
    return f"{float(f'{value:.4g}'):,g} {flip.unit}".strip()


# -------------------------------------------------------------------------------------------------------- options


def options_section(answer: Answer) -> Markup | None:
    shown, hidden = listed(answer)
    if not shown:
        return None
    measured = any(o.accuracy is not None for o in shown)
    heads = [
        "option",
        "energy, µJ",
        "median, ms",
        "95 %, ms",
        "life, days",
        "bytes",
        "USD a month",
        *["accuracy"] * measured,
        "leaves",
    ]
    rows = [option_row(o, answer, measured) for o in shown]
    numbers = tuple(range(1, 7 + measured))
    block = el("div", table(heads, rows, right=numbers), class_="scroll", tabindex=0)
    more = el("p", f"{hidden} more splits, which cost more energy, are in --json.", class_="note") if hidden else None
    return el("section", el("h2", "Options that are allowed"), block, more)


def listed(answer: Answer) -> tuple[list[Option], int]:
    """Allowed options, the least energy first, with few splits; and how many splits are left out."""
    allowed = sorted((o for o in answer.options if o.allowed), key=lambda o: o.energy_uj.middle)
    splits = [o for o in allowed if o.after]
    kept = {o.name for o in splits[:MOST_SPLITS]} | set(answer.front)
    shown = [o for o in allowed if not o.after or o.name in kept]
    return shown, len(allowed) - len(shown)


def option_row(o: Option, answer: Answer, measured: bool) -> Markup:
    best = answer.best is not None and o.name == answer.best.name
    name = el("b", o.name) if best else o.name
    front = el("span", " front", class_="faint") if o.name in answer.front and not best else None
    cells = [
        num(str(o.energy_uj)), num(short(o.latency_ms[0])), num(short(o.latency_ms[1])), num(str(o.life_days)),
        num(short(o.bytes)), num(short(o.money_month)),
    ]  # fmt: skip
    if measured:
        cells.append(num("–" if o.accuracy is None else f"{100 * o.accuracy:.2f} %"))
    return el("tr", el("th", name, front, scope="row", title=o.what), *cells, el("td", o.leaves))


def parts_section(answer: Answer) -> Markup | None:
    """Bars of what the energy is for: of the best option, and of the device alone where that is another one."""
    chosen = [o for o in answer.options if answer.best is not None and o.name in (answer.best.name, "device")]
    if not chosen:
        return None
    sections = [
        el("section", el("h2", o.name), el("p", "What its energy is for, µJ, the middle of the band.", class_="note"),
           bar_chart(o.name, [Bar(n, round(b.middle), "code" if n == "compute" else "tensor") for n, b in o.parts], "µJ"))
        for o in chosen
    ]  # fmt: skip
    return el("div", *sections, class_="two") if len(sections) > 1 else sections[0]


def refused_section(answer: Answer) -> Markup | None:
    refused = [(o.name, o.why_not) for o in answer.options if not o.allowed]
    splits = [entry for entry in refused if entry[0].startswith("split-")]
    shown = [entry for entry in refused if entry not in splits[MOST_SPLITS:]] + list(answer.not_tried)
    if not shown:
        return None
    rows = [el("tr", el("th", name, scope="row"), el("td", why, style="white-space:normal")) for name, why in shown]
    more = len(refused) + len(answer.not_tried) - len(shown)
    left = el("p", f"{more} more splits, for the like reasons.", class_="note") if more else None
    block = el("div", table(("option", "why not"), rows), class_="scroll", tabindex=0)
    return el("section", el("h2", "Options that are not"), block, left)


def figures_section(answer: Answer) -> Markup:
    """Every figure that the answer rests on, the weakest evidence first."""
    order = ("assumed", "derived", "datasheet", "measured")
    used = sorted(answer.setting.used, key=lambda f: order.index(f.evidence))
    rows = [
        el("tr", el("th", f.name, scope="row"), num(str(Band.of(f))), el("td", f.unit), el("td", f.evidence),
           el("td", str(f.source), style="white-space:normal"))
        for f in used
    ]  # fmt: skip
    note = f"{len(answer.assumed)} of {len(used)} figures are assumed: nobody has shown them. Yours replace them: --catalogue."
    block = el(
        "div", table(("figure", "value", "unit", "evidence", "source"), rows, right=(1,)), class_="scroll", tabindex=0
    )
    return el("section", el("h2", "What this rests on"), el("p", note, class_="note"), block)
