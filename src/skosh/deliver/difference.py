"""Two builds side by side: sizes, time, layers, and whether they give the same outputs for the same inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from skosh.base.errors import InputError
from skosh.base.files import read_text
from skosh.ir.graph import Array, Graph
from skosh.verify.measure import Profile
from skosh.verify.samples import random_samples

SAMPLES = 20


class Side(Protocol):
    """What of a Build is asked."""

    @property
    def source(self) -> Graph: ...
    def profile(self) -> Profile: ...
    def run(self, x: Any) -> Any: ...


@dataclass(frozen=True)
class Figure:
    """A number of both; None where one of them has it not."""

    name: str
    first: int | None
    second: int | None


@dataclass(frozen=True)
class Outputs:
    """samples: how many inputs both were given. elements: of all outputs. largest: the largest difference."""

    samples: int
    elements: int
    mismatches: int
    largest: float


@dataclass(frozen=True)
class Difference:
    """outputs: None where they can't be compared, and ``why_not`` says why."""

    names: tuple[str, str]
    figures: tuple[Figure, ...]
    layers: tuple[Figure, ...]
    outputs: Outputs | None
    why_not: str = ""

    @property
    def sentence(self) -> str:
        if self.outputs is None:
            return f"outputs were not compared: {self.why_not}"
        o = self.outputs
        if not o.mismatches:
            return f"the same outputs: {o.elements:,} elements of {o.samples} random inputs are identical"
        differ = f"{o.mismatches:,} of {o.elements:,} elements of {o.samples} random inputs differ"
        return f"other outputs: {differ}, by at most {o.largest:g}"

    def as_json(self) -> dict[str, Any]:
        def told(f: Figure) -> dict[str, Any]:
            return {"first": f.first, "second": f.second}

        return {
            "names": list(self.names),
            **{f.name: told(f) for f in self.figures},
            "layers": [{"name": f.name, **told(f)} for f in self.layers],
            "outputs": None if self.outputs is None else vars(self.outputs),
            "why_not": self.why_not or None,
        }


@dataclass(frozen=True)
class Costs:
    """figures: by the names of FIGURES. layers: cycles (or instructions, or MACs, where those are not known) by layer."""

    figures: Mapping[str, int | None]
    layers: Mapping[str, int]


def compared(first: Side | Costs, second: Side | Costs, *, names: tuple[str, str]) -> Difference:
    """Two builds, or what folders of C tell of themselves."""
    a, b = (side if isinstance(side, Costs) else costs_of(side.profile().as_json()) for side in (first, second))
    figures = tuple(Figure(name, a.figures.get(name), b.figures.get(name)) for name in FIGURES)
    alike = [*a.layers, *(n for n in b.layers if n not in a.layers)]
    layers = tuple(Figure(n, a.layers.get(n), b.layers.get(n)) for n in alike)
    if isinstance(first, Costs) or isinstance(second, Costs):
        return Difference(names, figures, layers, None, "a folder of C is not run")
    return Difference(names, figures, layers, *outputs_of(first, second))


FIGURES = ("macs", "instructions", "cycles_modelled", "code", "weights", "arena", "stack")


def costs_of(profile: Mapping[str, Any]) -> Costs:
    """Of a profile as JSON tells it. Layers are called by what follows the model's name: 00_conv2d."""
    flat = {**profile, **profile["flash"], **profile["ram"]}
    costs: dict[str, int] = {}
    for layer in profile["layers"]:
        known = (layer.get("cycles_modelled"), layer.get("instructions"), layer["macs"])
        costs[_place(layer["name"], len(costs))] = int(next(c for c in known if c is not None))
    return Costs({name: flat.get(name) for name in FIGURES}, costs)


def _place(name: str, index: int) -> str:
    """ "kws_03_dense" of any model is "03_dense"."""
    head, mark, tail = name.partition(f"_{index:02}_")
    return f"{index:02}_{tail}" if mark else head


def outputs_of(first: Side, second: Side) -> tuple[Outputs | None, str]:
    """The same random inputs to both; why not, where their inputs or outputs are not alike."""
    for what, names in (("inputs", "inputs"), ("outputs", "outputs")):
        shapes = [
            [(t.dtype.name, t.shape) for t in s.source.required(getattr(s.source, names))] for s in (first, second)
        ]
        if shapes[0] != shapes[1]:
            said = (", ".join(f"{d}{list(shape)}" for d, shape in side) for side in shapes)
            return None, f"the {what} are not alike: {' and '.join(said)}"
    given = random_samples(first.source, SAMPLES).inputs
    ports = first.source.required(first.source.inputs)
    columns = [np.stack([x[i].reshape(t.shape) for x in given]) for i, t in enumerate(ports)]
    batch: Any = [c.reshape(-1, *c.shape[2:]) if c.shape[1:2] == (1,) else c for c in columns]
    ours, theirs = (_arrays(s.run(batch[0] if len(batch) == 1 else batch)) for s in (first, second))
    apart = [_apart(a, b) for a, b in zip(ours, theirs, strict=True)]
    largest = max((float(np.nanmax(d, initial=0)) for d, _ in apart), default=0.0)
    return Outputs(SAMPLES, sum(a.size for a in ours), sum(int(n) for _, n in apart), largest), ""


def _arrays(given: Any) -> Sequence[Array]:
    return given if isinstance(given, tuple) else (given,)


def _apart(a: Array, b: Array) -> tuple[Array, int]:
    """(how far apart each element is, how many differ)"""
    same = (a == b) | ((a != a) & (b != b))
    return np.abs(a.astype(np.float64) - b.astype(np.float64)), int((~same).sum())


def read_folder(folder: Path) -> Costs:
    """What a folder of ``skosh compile`` tells of itself. InputError where it holds no model for a device, or several."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            told = json.loads(read_text(path))
            found.append(costs_of(told["profile"]))
        except (UnicodeDecodeError, ValueError, LookupError, TypeError):
            continue
    if len(found) != 1:
        raise InputError(
            f"the folder must hold one model that was compiled for a device, not {len(found)}", loc=str(folder),
            hint="skosh compile MODEL --target cortex-m4 -o DIR writes one",
        )  # fmt: skip
    return found[0]
