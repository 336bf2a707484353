"""A report on one compiled model: one HTML file that needs no network, for the screen in light or dark, and for paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

from skosh.deliver.charts import Bar, bar_chart, pixels
from skosh.deliver.facts import Facts, Picture
from skosh.deliver.graph_view import graph_section
from skosh.deliver.markup import Content, Markup, el, join, number, percent
from skosh.deliver.score import score_section
from skosh.deliver.trade import trade_section
from skosh.ir.graph import Graph
from skosh.plan import Plan, memory_map_svg
from skosh.verify.measure import LayerProfile, Profile
from skosh.verify.proof import Proof


def report_html(facts: Facts) -> str:
    """The page as text. The same facts give the same bytes."""
    style = Markup(files("skosh.deliver").joinpath("page.css").read_text(encoding="utf-8"))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{facts.title}: skosh report"),
        el("style", style),
    )
    parts = (
        tiles(facts), proof_box(facts), accuracy_section(facts), score_section(facts.score),
        trade_section(facts.aims, facts.optimize), graph_section(facts.graph, facts.plan, facts.profile.layers),
        layers_section(facts), charts_section(facts), memory_section(facts), changes_section(facts), boards_section(facts),
        usage_section(facts), again_section(facts),
    )  # fmt: skip
    script = Markup(files("skosh.deliver").joinpath("sort.js").read_text(encoding="utf-8"))
    shown = el("main", *(join(p, Markup("\n")) for p in parts if p))
    body = el("body", header(facts), shown, footer(facts), el("script", script))
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def header(facts: Facts) -> Markup:
    what = f"Compiled for {facts.target.name} ({facts.target.description}), optimized for {facts.optimize}."
    return el("header", el("p", "skosh report", class_="brand"), el("h1", facts.title), el("p", facts.summary or what))


def footer(facts: Facts) -> Markup:
    cycles = (
        "Instructions are counted by an emulator that runs the firmware. Cycles are modelled from published timings of the "
        "processor, not measured. Sizes come from the linker and hold everything that is linked."
    )
    made = f"{facts.name} for {facts.target.name}, optimize={facts.optimize}, skosh {facts.version}."
    return el("footer", el("p", cycles), el("p", made))


# ------------------------------------------------------------------------------------------------------------ headline


def tiles(facts: Facts) -> Markup:
    p = facts.profile
    shown: list[Markup] = []
    if facts.accuracies:
        last = facts.accuracies[-1]
        shown.append(tile("Accuracy", percent(last.share), "", f"{last.right:,} of {last.samples:,}: {last.who}"))
    shown += cost_list(p)
    if p.cycles_modelled is not None and facts.clock_mhz:
        ms = p.cycles_modelled / facts.clock_mhz / 1000
        shown.append(tile("Time", number(float(f"{ms:.3g}")), "ms", f"at {facts.clock_mhz:g} MHz, modelled"))
    return el("dl", *shown, class_="tiles", aria_label="headline figures")


def cost_tiles(p: Profile) -> Markup:
    """Flash, RAM, instructions and cycles of one run."""
    return el("dl", *cost_list(p), class_="tiles", aria_label="headline figures")


def cost_list(p: Profile) -> list[Markup]:
    shown: list[Markup] = []
    code = f"{number(p.flash.code)} code, " if p.flash.code else "without code: "
    flash = f"{code}{number(p.flash.weights)} weights"
    shown.append(tile("Flash", number(p.flash.total), "bytes", flash))
    stack = f", {number(p.ram.stack)} stack" if p.ram.stack is not None else ""
    shown.append(tile("RAM", number(p.ram.total), "bytes", f"{number(p.ram.arena)} arena{stack}"))
    if p.instructions is not None:
        each = f"{p.instructions / p.macs:.2f} for each of {number(p.macs)} MACs" if p.macs else "one inference"
        shown.append(tile("Instructions", number(p.instructions), "", each))
    if p.cycles_modelled is not None:
        shown.append(tile("Cycles", number(p.cycles_modelled), "", "modelled, one inference"))
    return shown


def tile(name: str, value: str, unit: str, note: str) -> Markup:
    measured = el("dd", value, " " if unit else None, el("span", unit, class_="unit") if unit else None, class_="value")
    return el("div", el("dt", name), measured, el("dd", note, class_="note"), class_="tile")


def proof_box(facts: Facts) -> Markup | None:
    proof = facts.proof
    if proof is None:
        return None
    what = f": {', '.join(proof.what)}" if proof.what else ""
    compared = f"{number(proof.elements)} numbers were compared with {against(proof)}{what}."
    if proof.bit_exact:
        title = f"Identical on {number(proof.samples)} samples, on {facts.target.name}"
        text = f"{compared} Not one differs{proof.reach}."
        return el("div", el("h2", "✓ " + title), el("p", text), class_="proof", role="note")
    first = f" First: {proof.first_difference}." if proof.first_difference is not None else ""
    text = f"{compared} {number(proof.mismatches)} differ.{first}"
    return el("div", el("h2", "✗ Not the same"), el("p", text), class_="proof failed", role="alert")


def against(proof: Proof) -> str:
    names = {
        "reference": "the reference meaning of the model",
        "host": "the same C on this computer",
        "tflm": "TensorFlow Lite Micro",
        "tosa": "Arm's TOSA reference model",
        "golden": "golden outputs",
        "library": "the library's own object, edges of its inputs included",
    }
    *most, last = [names.get(a, a) for a in proof.against] or ["nothing"]
    return f"{', '.join(most)} and {last}" if most else last


def accuracy_section(facts: Facts) -> Markup | None:
    if not facts.accuracies:
        return None
    rows = [
        el(
            "tr",
            el("th", a.who, scope="row"),
            bar_cell(percent(a.share, 2), a.share),
            num(f"{a.right:,} of {a.samples:,}"),
            el("td", a.note),
        )
        for a in facts.accuracies
    ]
    shown = el("div", table(("", "right", "samples", ""), rows, right=(1, 2)), class_="scroll", tabindex=0)
    parts: list[Content] = [el("h2", "Accuracy"), shown]
    if facts.pictures:
        wrong = sum(p.predicted != p.label for p in facts.pictures)
        note = "What the device saw, and what it said." + (
            " Red: wrong; the true label is in brackets." if wrong else ""
        )
        parts += [el("p", note, class_="note"), el("ul", *map(picture, facts.pictures), class_="pictures")]
    return el("section", *parts)


def picture(p: Picture) -> Markup:
    right = p.predicted == p.label
    said = p.predicted if right else f"{p.predicted} ({p.label})"
    label = f"label {p.label}, read as {p.predicted}"
    return el("li", pixels(p.pixels, label), el("b", said), class_=None if right else "wrong")


# -------------------------------------------------------------------------------------------------------------- layers


def layers_section(facts: Facts) -> Markup:
    p, layers = facts.profile, facts.profile.layers
    error = {e.layer: e for e in facts.errors}
    heads = ["", "layer", "output", "MACs", "instructions", "cycles", "weights, bytes"]
    if error:
        heads.append("int8 error")
    rows = []
    for k, layer in enumerate(layers):
        cells = [
            el("td", str(k), class_="faint"),
            el("th", layer.kind, el("span", own_name(layer), class_="own"), scope="row", title=layer.name),
            el("td", "×".join(map(str, layer.output)) or "1"),
            bar_cell(number(layer.macs), share(layer.macs, [x.macs for x in layers])),
            bar_cell(number(layer.instructions), share(layer.instructions, [x.instructions for x in layers])),
            bar_cell(number(layer.cycles_modelled), share(layer.cycles_modelled, [x.cycles_modelled for x in layers])),
            bar_cell(number(layer.weights), share(layer.weights, [x.weights for x in layers])),
        ]
        if error:
            cells.append(num(f"{error[layer.node].typical:.2f}" if layer.node in error else "–"))
        rows.append(el("tr", *cells, id=f"layer-{k}"))
    sums = [number(p.macs), number(p.instructions), number(p.cycles_modelled), number(p.flash.weights)]
    foot = el(
        "tr", el("td", ""), el("th", "all", scope="row"), el("td", ""), *map(num, sums), num("") if error else None
    )
    notes = (
        "The sums are of the program as it ships; the layers are measured in a build that marks where each one ends."
    )
    if error:
        notes += " int8 error: root mean square difference from the float layer, in steps of the output's scale."
    right = tuple(range(3, len(heads)))
    shown = el("div", table(heads, rows, right=right, foot=foot, sortable=True), class_="scroll", tabindex=0)
    return el("section", el("h2", "Layers"), shown, el("p", notes, class_="note"))


def own_name(layer: LayerProfile) -> str:
    """The end of the node's name in the model; nothing where it only repeats the kind."""
    name = layer.node.partition(";")[0].rstrip("/")
    name = "/".join(name.split("/")[-2:])
    name = name if len(name) <= 26 else f"…{name[-25:]}"
    return "" if name.lower() == layer.kind else name


def label(k: int, layer: LayerProfile) -> str:
    return f"{k} {layer.kind}"


def share(value: int | None, all_: Sequence[int | None]) -> float:
    most = max((v or 0 for v in all_), default=0)
    return (value or 0) / most if most else 0.0


def charts_section(facts: Facts) -> Markup:
    p = facts.profile
    weights = [Bar(label(k, x), x.weights) for k, x in enumerate(p.layers) if x.weights]
    code = [Bar("code, startup", p.flash.code, "code")] if p.flash.code else []
    flash = el("section", el("h2", "Flash by layer"), el("p", "Bytes. Layers of one kind share their code.", class_="note"),
               bar_chart("flash by layer", [*code, *weights], "bytes"))  # fmt: skip
    if p.cycles_modelled is None:
        cost, what = [Bar(label(k, x), x.macs) for k, x in enumerate(p.layers) if x.macs], "MACs"
    else:
        cost, what = (
            [Bar(label(k, x), x.cycles_modelled or 0) for k, x in enumerate(p.layers) if x.cycles_modelled],
            "cycles",
        )
    note = "Modelled cycles of one inference." if what == "cycles" else "Multiply-accumulates of one inference."
    time = el("section", el("h2", f"{what[0].upper()}{what[1:]} by layer"), el("p", note, class_="note"),
              bar_chart(f"{what} by layer", cost, what))  # fmt: skip
    return el("div", time, flash, class_="two")


def memory_section(facts: Facts) -> Markup:
    plan = facts.plan
    bound = (
        "No order of layers and no placement can need less: that is proved."
        if plan.optimal
        else f"({plan.bound_kind}.)"
    )
    text = (
        f"The arena holds inputs, outputs and everything between, {number(plan.arena_bytes, 'bytes')} at its fullest. {bound} "
        "Each rectangle is a tensor: how long it lives, and where."
    )
    drawn = Markup(memory_map_svg(*with_short_names(facts.graph, plan)).strip())
    return el("section", el("h2", "Memory over time"), el("p", text, class_="note"), el("div", drawn, class_="scroll"))


def with_short_names(graph: Graph, plan: Plan) -> tuple[Graph, Plan]:
    """For the picture: nodes called as in the other tables; tensors by the end of their names where that tells them
    apart, else by the layer that makes them."""
    step = {index: k for k, index in enumerate(plan.order)}
    makers = {
        n: f"{step[i]} {node.op.kind}" + (f" ({o})" if len(node.outputs) > 1 else "")
        for i, node in enumerate(graph.nodes)
        for o, n in enumerate(node.outputs)
    }
    ends = {n: n.partition(";")[0].rstrip("/").rpartition("/")[2] or n for n in graph.tensors}
    common = {e for e, count in Counter(ends.values()).items() if count > 1 or len(e) > 18}
    names = {n: end if end not in common else makers.get(n, n) for n, end in ends.items()}
    nodes = tuple(
        replace(
            node,
            name=f"{step[i]} {node.op.kind}",
            inputs=tuple(names.get(n, n) for n in node.inputs),
            outputs=tuple(names.get(n, n) for n in node.outputs),
        )
        for i, node in enumerate(graph.nodes)
    )
    buffers = tuple(replace(b, tensors=tuple(names[n] for n in b.tensors)) for b in plan.buffers)
    return replace(graph, nodes=nodes), replace(plan, buffers=buffers)


def changes_section(facts: Facts) -> Markup:
    b, a = facts.before, facts.after
    what = (
        ("layers", b.layers, a.layers),
        ("MACs", b.macs, a.macs),
        ("constants, bytes", b.constant_bytes, a.constant_bytes),
    )
    rows = [
        el("tr", el("th", name, scope="row"), num(number(before)), num(number(after)), num(change(before, after)))
        for name, before, after in what
    ]
    same = all(before == after for _, before, after in what)
    text = (
        "Nothing in this model could be left out: it is compiled as it was given."
        if same
        else "The optimizer leaves out what can't change the result. Every output bit stays the same."
    )
    return el("section", el("h2", "Before and after the optimizer"), el("p", text, class_="note"),
              table(("", "given", "compiled", "change"), rows, right=(1, 2, 3)))  # fmt: skip


def change(before: int, after: int) -> str:
    if before == after:
        return "same"
    return f"{100 * (after - before) / before:+.1f} %".replace("-", "−") if before else f"+{after:,}"


def boards_section(facts: Facts) -> Markup | None:
    p = facts.profile
    if not facts.boards or p.cycles_modelled is None:
        return None
    rows = []
    for d in facts.boards:
        flash, ram = p.flash.total / d.flash, p.ram.total / d.ram
        fits = el("td", "fits") if max(flash, ram) <= 1 else el("td", el("b", "too large"), class_="wrong")
        rows.append(
            el(
                "tr",
                el("th", d.description, scope="row"),
                num(f"{d.clock_mhz:g} MHz"),
                num(f"{p.cycles_modelled / d.clock_mhz / 1000:.3g} ms"),
                bar_cell(percent(flash), min(1.0, flash)),
                bar_cell(percent(ram), min(1.0, ram)),
                fits,
            )
        )
    heads = ("board", "clock", "one inference", "of its flash", "of its RAM", "")
    shown = el("div", table(heads, rows, right=(1, 2, 3, 4)), class_="scroll", tabindex=0)
    note = f"Boards with a {facts.target.name}; times are modelled, with no wait states of the flash."
    return el("section", el("h2", "Boards"), shown, el("p", note, class_="note"))


# --------------------------------------------------------------------------------------------------------------- texts


def usage_section(facts: Facts) -> Markup:
    text = "Two C files and a header: C99, no heap, nothing to port, reentrant. The caller gives the arena."
    parts: list[Content] = [
        el("h2", "Use it"),
        el("p", text, class_="note"),
        el("pre", el("code", facts.usage), tabindex=0),
    ]
    if facts.files:
        rows = [
            el("tr", el("th", el("code", n), scope="row"), num(number(size) if size else ""), el("td", what))
            for n, size, what in facts.files
        ]
        shown = table(("file", "bytes of text", ""), rows, right=(1,))
        parts.append(el("div", shown, class_="scroll", style="margin-top:14px"))
    return el("section", *parts)


def again_section(facts: Facts) -> Markup | None:
    if not facts.commands:
        return None
    return el("section", el("h2", "Get the same again"), el("pre", el("code", "\n".join(facts.commands)), tabindex=0))


# -------------------------------------------------------------------------------------------------------------- tables


def table(
    heads: Sequence[str], rows: Sequence[Markup], right: Sequence[int] = (), foot: Markup | None = None, sortable: bool = False
) -> Markup:
    """right: the columns of numbers. sortable: a click on a heading sorts; without scripts the rows stay as they are."""
    top = el("tr", *(el("th", h, scope="col", class_="n" if i in right else None) for i, h in enumerate(heads)))
    bottom = el("tfoot", foot) if foot is not None else None
    return el("table", el("thead", top), el("tbody", *rows), bottom, class_="sortable" if sortable else None)


def num(text: str) -> Markup:
    return el("td", text, class_="n")


def bar_cell(text: str, fraction: float) -> Markup:
    """A number with a bar below it; the bar says nothing that the number doesn't."""
    return el("td", text, el("i", style=f"--p:{100 * fraction:.1f}%", aria_hidden="true"), class_="n bar")
