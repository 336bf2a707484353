"""What a search leaves: a form for each layer, and what was measured on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from skosh.lower.forms import Candidate
from skosh.search.trial import Cost


@dataclass(frozen=True)
class Totals:
    """A whole model in the emulator. ``time``: modelled cycles, or instructions where there are none; else bytes."""

    time: int
    flash: int
    arena: int
    stack: int

    @property
    def ram(self) -> int:
        return self.arena + self.stack


@dataclass(frozen=True)
class LayerChoice:
    """One layer. ``node``: its number in the optimized graph. ``costs``: each form that was tried, that of the rules first."""

    node: int
    name: str
    chosen: Candidate
    costs: Mapping[Candidate, Cost]

    @property
    def rules(self) -> Candidate:
        return next(iter(self.costs))


@dataclass(frozen=True)
class Choice:
    """What a search decided. ``rules`` and ``chosen``: the whole model by the rules, and as chosen."""

    layers: tuple[LayerChoice, ...]
    rules: Totals
    chosen: Totals

    @property
    def forms(self) -> dict[int, Candidate]:
        """Node -> form, where it isn't that of the rules."""
        return {layer.node: layer.chosen for layer in self.layers if layer.chosen != layer.rules}

    def as_json(self) -> dict[str, Any]:
        """For programs; ``choice_from_json`` reads it back."""
        layers = [
            {
                "node": layer.node,
                "name": layer.name,
                "chosen": asdict(layer.chosen),
                "costs": [{**asdict(form), **asdict(cost)} for form, cost in layer.costs.items()],
            }
            for layer in self.layers
        ]
        return {"rules": asdict(self.rules), "chosen": asdict(self.chosen), "layers": layers}


def choice_from_json(given: Mapping[str, Any]) -> Choice:
    """What ``Choice.as_json`` gave."""
    layers = []
    for entry in given["layers"]:
        costs = {}
        for of_form in entry["costs"]:
            form = Candidate(of_form.pop("recipe"), of_form.pop("style"))
            costs[form] = Cost(**of_form)
        layers.append(LayerChoice(entry["node"], entry["name"], Candidate(**entry["chosen"]), costs))
    return Choice(tuple(layers), Totals(**given["rules"]), Totals(**given["chosen"]))
