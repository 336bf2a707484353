"""Which form each layer takes, when all costs are known.

    speed           the least time; then flash and RAM
    balanced        the least product time * time * flash * RAM: a percent of time is worth a percent of flash and one of RAM
    flash           no more flash than by the rules; as little as can be, where a percent is worth WEIGHT percents of time
    ram             the least arena, and no more RAM than by the rules; as little as can be, weighed in the same way

Time adds up over layers. Flash does too, but a routine that several layers share counts once. RAM is the most that any
layer needs: tensors alive while it runs, scratch memory, and the deepest stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from skosh.base.aims import Aim
from skosh.search.choice import Totals
from skosh.search.trial import Cost

WEIGHT = 8
"""What is saved must be worth its time: without, a routine 40 bytes shorter would be taken at five times the time."""

SWEEPS = 20  # over all layers; in practice two or three change something
MOST_LIMITS = 12  # limits of RAM that are tried


Limits = tuple[int | None, int | None]
"""RAM and flash, bytes; None: as much as it takes."""


@dataclass(frozen=True, eq=False)
class Option:
    """A form of a layer. ``routines``: what tells apart the routines it calls: options with equal ones share their code."""

    cost: Cost
    routines: object


@dataclass(frozen=True, eq=False)
class Layer:
    """``options``: that of the rules first. ``live``: bytes of tensors alive while it runs."""

    options: tuple[Option, ...]
    live: int


def rank(totals: Totals, rules: Totals, optimize: Aim, limits: Limits = (None, None)) -> tuple[int, ...]:
    """Less is better. limits: RAM and flash; what is beyond them counts before everything else."""
    t, f, r = totals.time, totals.flash, totals.ram
    beyond = sum(max(0, have - most) for have, most in zip((r, f), limits, strict=True) if most is not None)
    aims = {
        "balanced": (t * t * f * r,),
        "flash": (max(0, f - rules.flash), f**WEIGHT * t),
        "ram": (totals.arena, max(0, r - rules.ram), r**WEIGHT * t),
    }
    return (beyond, *aims.get(optimize, (t, f, r)))


def select(
    layers: Sequence[Layer], rules: Totals, bare: int, optimize: Aim, limits: Limits = (None, None)
) -> tuple[int, ...]:
    """The number of an option for each layer. rules: the whole model with every layer's option 0. bare: the arena without
    any scratch memory.

    Searched by changing one layer at a time, from several starts, for several limits of RAM: a good choice, and never one
    that is estimated worse than the rules, but not always the best.
    """
    best = tuple(0 for _ in layers)
    if not layers:
        return best
    estimate = _Estimate(layers, rules, bare, optimize, limits)
    best_rank = estimate.rank(best)
    for allowed in _allowed(layers, bare, separable=optimize not in ("ram", "balanced") and limits[0] is None):
        for start in _starts(layers, allowed):
            found = _descend(estimate, list(start), allowed)
            reached = estimate.rank(found)
            if reached < best_rank:
                best, best_rank = found, reached
    return best


class _Estimate:
    """Totals of the whole model for any choice: those of the rules, and the differences."""

    def __init__(self, layers: Sequence[Layer], rules: Totals, bare: int, optimize: Aim, limits: Limits) -> None:
        self.layers, self.bare, self.rules, self.optimize, self.limits = layers, bare, rules, optimize, limits
        self.offset = Totals(0, 0, 0, 0)
        plain = self.totals([0 for _ in layers])
        self.offset = Totals(rules.time - plain.time, rules.flash - plain.flash, 0, rules.stack - plain.stack)

    def rank(self, choice: Sequence[int]) -> tuple[int, ...]:
        return rank(self.totals(choice), self.rules, self.optimize, self.limits)

    def totals(self, choice: Sequence[int]) -> Totals:
        taken = [layer.options[k] for layer, k in zip(self.layers, choice, strict=True)]
        shared: dict[object, int] = {}
        for o in taken:
            shared[o.routines] = max(shared.get(o.routines, 0), o.cost.shared)
        flash = sum(o.cost.code + o.cost.weights for o in taken) + sum(shared.values())
        arena = max((layer.live + o.cost.scratch for layer, o in zip(self.layers, taken, strict=True)), default=0)
        stack = max((o.cost.stack for o in taken), default=0)
        time = sum(o.cost.time for o in taken)
        offset = self.offset
        return Totals(time + offset.time, flash + offset.flash, max(self.bare, arena), stack + offset.stack)


def _allowed(layers: Sequence[Layer], bare: int, *, separable: bool) -> Iterator[list[list[int]]]:
    """The options of each layer within a limit of the arena, for several limits; all of them where RAM comes last."""
    everything = [list(range(len(layer.options))) for layer in layers]
    yield everything
    if separable:
        return
    needs = [[max(bare, layer.live + o.cost.scratch) for o in layer.options] for layer in layers]
    least = max(min(n) for n in needs)
    steps = sorted({n for of_layer in needs for n in of_layer if n >= least})
    for limit in steps[:MOST_LIMITS]:
        yield [[k for k in ks if of_layer[k] <= limit] for ks, of_layer in zip(everything, needs, strict=True)]


def _starts(layers: Sequence[Layer], allowed: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """As the rules have it, the fastest of each layer, the smallest of each layer."""
    yield tuple(0 if 0 in ks else ks[0] for ks in allowed)
    sizes: tuple[Callable[[Cost], int], ...] = (
        lambda c: c.time,
        lambda c: c.shared + c.code + c.weights,
        lambda c: c.weights,
    )
    for size in sizes:
        yield tuple(
            min(ks, key=lambda k: (size(layer.options[k].cost), k)) for layer, ks in zip(layers, allowed, strict=True)
        )


def _descend(estimate: _Estimate, choice: list[int], allowed: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """One layer after the other takes what is best for the whole, until nothing changes; then layers that could share."""
    best = estimate.rank(choice)
    for _ in range(SWEEPS):
        before = list(choice)
        for i, ks in enumerate(allowed):
            for k in ks:
                kept, choice[i] = choice[i], k
                reached = estimate.rank(choice)
                if reached < best:
                    best = reached
                else:
                    choice[i] = kept
        for together in _together(estimate.layers, allowed, choice):
            reached = estimate.rank(together)
            if reached < best:
                best, choice = reached, together
        if choice == before:
            break
    return tuple(choice)


def _together(layers: Sequence[Layer], allowed: Sequence[Sequence[int]], choice: Sequence[int]) -> Iterator[list[int]]:
    """For each routine that several layers could call: the choice in which all of them do."""
    users: dict[object, list[tuple[int, int]]] = {}
    for i, ks in enumerate(allowed):
        for k in ks:
            users.setdefault(layers[i].options[k].routines, []).append((i, k))
    for pairs in users.values():
        if len(pairs) > 1:
            changed = list(choice)
            for i, k in pairs:
                changed[i] = k
            yield changed
