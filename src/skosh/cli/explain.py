"""``skosh explain``: which form each layer took, and why the others didn't fit."""

from __future__ import annotations

from dataclasses import asdict

from skosh.cli.options import Json, Name, Optimize, Source, Target
from skosh.cli.terminal import busy, out, print_json, row, table

EXAMPLE = "skosh explain kws.tflite --target cortex-m4"


def command(
    source: Source,
    target: Target = "cortex-m4",
    optimize: Optimize = "balanced",
    name: Name = None,
    json: Json = False,
) -> None:
    """Which of the target's forms computes each layer, and why each other form doesn't.

    A form is another way to compute what an operator asks for: with the machine's own instructions, in lanes, with weights in
    fewer bits. "plain" is the operator's own kernel. The rules take the first form that fits; `skosh compile --search`
    measures all that do.
    """
    from skosh.base.aims import as_aim
    from skosh.lower.explain import explained
    from skosh.pipeline import compile_to_c
    from skosh.targets import target as find_target

    with busy(f"compiling {source.file} for {target}", quiet=json):
        machine = find_target(target)
        graph = source.graph()
        lowered = compile_to_c(graph, target=machine, optimize=optimize, name=name, until="plan").lowered
        assert lowered is not None, "planning leaves it"
        layers = explained(lowered, machine, as_aim(optimize))
    if json:
        print_json({"target": target, "optimize": optimize, "layers": [asdict(layer) for layer in layers]})
        return
    shown = table("layer", "kind", "taken", "kernels", "why not another", title=f"{graph.name} on {target}, {optimize}")
    for layer in layers:
        reasons = "\n".join(f"{r.form}: {r.reason}" for r in layer.refused if not r.reason.startswith("not for "))
        row(shown, layer.name, layer.kind, layer.taken, "\n".join(layer.kernels), reasons)
    out().print(shown)
