"""The search: every layer's forms are tried, the best for the aim are taken, and the whole is measured beside the rules'.

Results are kept under the hash of all that they depend on: the graph, the target, the aim and skosh itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from skosh.base.aims import Aim
from skosh.base.errors import InputError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph
from skosh.lower.assemble import group_key
from skosh.lower.calls import with_constant_outputs_copied
from skosh.lower.forms import STYLES, Candidate, node_forms, style_of
from skosh.plan import plan_memory
from skosh.plan.liveness import Rounding, find_live, live_bytes
from skosh.plan.sharing import find_storages
from skosh.search.choice import Choice, LayerChoice, choice_from_json
from skosh.search.select import Layer, Limits, Option, rank, select
from skosh.search.trial import Cost, Trial, likeness, measured, trials
from skosh.search.whole import Whole, measure_whole
from skosh.targets import Target
from skosh.targets.toolchain import cached
from skosh.verify.samples import random_samples

Progress = Callable[[int, int], None]

TRIES = 4
"""So often a choice that doesn't keep the limits of RAM and flash is made anew."""


def search(
    graph: Graph,
    *,
    target: Target,
    optimize: Aim = "balanced",
    limits: Limits = (None, None),
    progress: Progress = lambda done, of: None,
) -> Choice:
    """The forms in which the layers of an optimized graph cost least for the aim, as measured in the target's emulator.

    progress: told how many steps are done, of how many. Never changes what is computed: each form's outputs are compared
    with the reference meaning as it is measured. The same graph and options give the same choice.

    Raises InputError for a target that isn't emulated, ToolError when its emulator is missing.
    """
    if target.is_host:
        raise InputError(
            f'a search counts instructions in an emulator, and "{target.name}" has none: its code runs on this computer',
            hint="leave the search out, or choose a device, for example cortex-m4",
        )
    graph = with_constant_outputs_copied(graph)

    def make(folder: Path) -> None:
        found = _searched(graph, target, optimize, limits, progress)
        (folder / "choice.json").write_text(json.dumps(found.as_json()), encoding="utf-8")

    folder = cached(("choice", own_digest(), digest(graph), target, optimize, limits), make)
    return choice_from_json(json.loads((folder / "choice.json").read_text(encoding="utf-8")))


def chosen_calls(graph: Graph, choice: Choice, target: Target) -> dict[int, tuple[Call, ...]]:
    """Node -> the calls that the choice says, where it isn't what the rules say."""
    graph = with_constant_outputs_copied(graph)
    return {i: node_forms(graph, graph.nodes[i], target, (form.style,))[form] for i, form in choice.forms.items()}


# ------------------------------------------------------------------------------------------------ the search itself


@dataclass(frozen=True, eq=False)
class _Candidates:
    """The forms of a node, that of the rules first, and a trial of each. Nodes that are alike share their trials."""

    node: int
    forms: Mapping[Candidate, tuple[Call, ...]]
    trials: tuple[Trial, ...]


def _searched(graph: Graph, target: Target, optimize: Aim, limits: Limits, progress: Progress) -> Choice:
    (inputs,) = random_samples(graph, 1).inputs
    values = run_graph(graph, inputs).values
    candidates = _candidates(graph, target, optimize, values)
    rules = measure_whole(graph, target, optimize, {})
    steps = len(candidates) + 2
    progress(1, steps)
    costs: list[list[Cost]] = []
    known: dict[tuple[Trial, ...], list[Cost]] = {}
    for c in candidates:
        if c.trials not in known:
            known[c.trials] = measured(graph.nodes[c.node], c.trials, values, target=target, optimize=optimize)
        costs.append(known[c.trials])
        progress(1 + len(costs), steps)
    live, bare = _live_bytes(graph, optimize)
    layers = [
        Layer(
            tuple(
                Option(cost, _routines(calls, optimize)) for cost, calls in zip(of_node, c.forms.values(), strict=True)
            ),
            live[c.node],
        )
        for c, of_node in zip(candidates, costs, strict=True)
    ]
    aimed = limits
    for _ in range(TRIES):
        picked = select(layers, rules.totals, bare, optimize, aimed)
        best, whole = _best_whole(graph, target, optimize, limits, candidates, picked, rules)
        over = (whole.totals.ram - (limits[0] or 0), whole.totals.flash - (limits[1] or 0))
        if not any(most is not None and more > 0 for most, more in zip(limits, over, strict=True)):
            break
        # estimates are some bytes off: aim as much lower as the whole came out too high
        ram, flash = (m if m is None else m - max(0, more) for m, more in zip(aimed, over, strict=True))
        aimed = (ram, flash)
    progress(steps, steps)
    return Choice(
        tuple(
            LayerChoice(
                c.node,
                graph.nodes[c.node].name or graph.nodes[c.node].op.kind,
                list(c.forms)[k],
                dict(zip(c.forms, of_node, strict=True)),
            )
            for c, of_node, k in zip(candidates, costs, best, strict=True)
        ),
        rules.totals,
        whole.totals,
    )


def _candidates(graph: Graph, target: Target, optimize: Aim, values: Mapping[str, Array]) -> list[_Candidates]:
    """The nodes that can be computed in more than one way. Forms whose C is the same are one."""
    own = style_of(optimize)
    styles = (own, *(s for s in STYLES if s != own))
    nodes = {i: n for i, n in enumerate(graph.nodes) if _can_be_tried(graph, i)}
    all_forms = {i: node_forms(graph, node, target, styles) for i, node in nodes.items()}
    cohorts: dict[object, list[Mapping[str, int | float]]] = {}
    for forms in all_forms.values():
        for calls in forms.values():
            for call in calls:
                cohorts.setdefault(group_key(call, optimize), []).append(call.numbers)
    found = []
    known: dict[object, list[Trial]] = {}
    for i, node in nodes.items():
        ways = list(all_forms[i].values())
        key = likeness(graph, node, ways)
        if key not in known:
            known[key] = trials(graph, node, ways, values, target=target, optimize=optimize, cohorts=cohorts)
        made = known[key]
        kept: dict[str, tuple[Candidate, tuple[Call, ...], Trial]] = {}
        for (form, calls), trial in zip(all_forms[i].items(), made, strict=True):
            kept.setdefault(trial.text, (form, calls, trial))
        if len(kept) > 1:
            found.append(_Candidates(i, {f: c for f, c, _ in kept.values()}, tuple(t for _, _, t in kept.values())))
    return found


def _can_be_tried(graph: Graph, index: int) -> bool:
    """Not views, which cost nothing, nor nodes that change a state in place."""
    node = graph.nodes[index]
    inputs = [graph.tensors[n] for n in node.inputs if n]
    return not node.op.view and not node.op.update and any(not t.is_constant for t in inputs)


def _routines(calls: Sequence[Call], optimize: Aim) -> object:
    return frozenset(group_key(c, optimize) for c in calls)


def _live_bytes(graph: Graph, optimize: Aim) -> tuple[dict[int, int], int]:
    """Node -> bytes of tensors alive while it runs, and the arena, both without any scratch memory."""
    plan = plan_memory(graph, optimize=optimize)
    found = find_storages(graph)
    live = live_bytes(find_live(graph, found, plan.order, {}, Rounding(plan.align)))
    return {node: live[step] for step, node in enumerate(plan.order)}, plan.arena_bytes


def _best_whole(
    graph: Graph,
    target: Target,
    optimize: Aim,
    limits: Limits,
    candidates: Sequence[_Candidates],
    picked: Sequence[int],
    rules: Whole,
) -> tuple[Sequence[int], Whole]:
    """What was picked, where the whole model is better for it than by the rules. With time as the aim, layers that turn out
    slower in the whole than by the rules go back."""

    def ranked(whole: Whole) -> tuple[int, ...]:
        return rank(whole.totals, rules.totals, optimize, limits)

    best, best_whole = tuple(0 for _ in candidates), rules
    tried = tuple(picked)
    while tried != best:
        calls = {c.node: list(c.forms.values())[k] for c, k in zip(candidates, tried, strict=True) if k}
        whole = measure_whole(graph, target, optimize, calls)
        if ranked(whole) < ranked(best_whole):
            best, best_whole = tried, whole
        if optimize != "speed":
            break
        slower = [whole.time_of.get(c.node, 0) > rules.time_of.get(c.node, 0) for c in candidates]
        if not any(bad and k for bad, k in zip(slower, tried, strict=True)):
            break
        tried = tuple(0 if bad else k for bad, k in zip(slower, tried, strict=True))
    return best, best_whole


# ------------------------------------------------------------------------------------------------ what results depend on


@cache
def own_digest() -> str:
    """A hash of skosh's own files: a search by another version is another search."""
    h = hashlib.sha256()

    def add(folder: Traversable) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir() and entry.name != "__pycache__":
                add(entry)
            elif entry.name.endswith((".py", ".c", ".h", ".zig")):
                h.update(entry.name.encode() + b"\0" + entry.read_bytes())

    add(files("skosh"))
    return h.hexdigest()


def digest(thing: object) -> str:
    """A hash of a graph, or of any other frozen data: what is in it, whatever it is called in memory."""
    h = hashlib.sha256()
    _add(h, thing)
    return h.hexdigest()


def _add(h: hashlib._Hash, thing: object) -> None:
    if isinstance(thing, np.ndarray):
        h.update(f"{thing.dtype}{thing.shape}".encode() + np.ascontiguousarray(thing).tobytes())
    elif is_dataclass(thing) and not isinstance(thing, type):
        h.update(type(thing).__name__.encode())
        for f in fields(thing):
            _add(h, getattr(thing, f.name))
    elif isinstance(thing, Mapping):
        _add(h, list(thing.items()))
    elif isinstance(thing, list | tuple):
        h.update(f"{len(thing)}".encode())
        for item in thing:
            _add(h, item)
    else:
        h.update(repr(thing).encode() + b"\0")
