"""What a conditional random field is given: items with attributes, as python-crfsuite takes them, and as the C does.

An item is a dict or a list. {"word": "on", "cap": True, "speed": 0.5, "near": {"left": 1.0}} has the attributes "word:on",
"cap", "speed" and "near:left" with values 1, 1, 0.5 and 1; ["a", "b"] has "a" and "b" with value 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Array

Run = Callable[[Sequence[Array]], Any]


def attributes(item: Any) -> Iterator[tuple[str, float]]:
    """(attribute, value) of an item, in its order. InputError for what is neither text, number, dict, list nor set."""
    if not isinstance(item, Mapping):
        for key in item:
            yield _text(key), 1.0
        return
    for key, value in item.items():
        name = _text(key)
        if isinstance(value, dict | list | set):
            for inner, weight in attributes(value):
                yield f"{name}:{inner}", weight
        elif isinstance(value, str | bytes):
            yield f"{name}:{_text(value)}", 1.0
        else:
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise InputError(f'the value of attribute "{name}" must be text or a number, not {value!r}') from None
            yield name, number


def _text(key: Any) -> str:
    if not isinstance(key, str | bytes):
        raise InputError(f"an attribute must be named by text, not {key!r}")
    return key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Items:
    """Feature dicts as the arrays that the C takes.

    places: attribute -> its number. most: attributes of an item at most, None for a dense matrix of all values.
    values: may a value differ from 1?
    """

    places: Mapping[str, int]
    most: int | None
    values: bool

    def arrays(self, sequence: Sequence[Any], rows: int) -> list[Array]:
        """[attributes int32 [rows, most], perhaps values float32 alike], or [values float32 [rows, all attributes]].

        What the model doesn't know is left out, as the library does; rows without an item are empty.
        """
        known = [[(self.places[a], v) for a, v in attributes(item) if a in self.places] for item in sequence]
        if self.most is None:
            dense = np.zeros((rows, len(self.places)), np.float32)
            for t, row in enumerate(known):
                for a, v in row:
                    dense[t, a] += v
            return [dense]
        index, value = np.full((rows, self.most), -1, np.int32), np.zeros((rows, self.most), np.float32)
        for t, row in enumerate(known):
            if len(row) > self.most:
                raise InputError(f"an item must have at most {self.most} attributes that the model knows, not {len(row)}",
                                 hint="load the model with a larger number: attributes=")  # fmt: skip
            for f, (a, v) in enumerate(row):
                if not self.values and v != 1:
                    raise InputError(f"every value must be 1 in a model loaded with values=False, not {v:g}")
                index[t, f], value[t, f] = a, v
        return [index, value] if self.values else [index]


@dataclass(frozen=True)
class Windows:
    """``predict`` of a model over windows: labels as ``CRF.predict``, or probabilities as ``CRF.predict_marginals``."""

    items: Items
    labels: tuple[str, ...]
    length: int
    marginals: bool

    def __call__(self, run: Run, x: Sequence[Sequence[Any]]) -> Any:
        """x: sequences of items. InputError when one has more than ``length``."""
        for sequence in x:
            if len(sequence) > self.length:
                raise InputError(f"a sequence must have at most {self.length} items, not {len(sequence)}",
                                 hint="load the model with a larger length=")  # fmt: skip
        some = [sequence for sequence in x if len(sequence)]
        rows = iter(self._answers(run, some) if some else ())
        return as_objects([next(rows) if len(sequence) else [] for sequence in x])

    def _answers(self, run: Run, x: Sequence[Sequence[Any]]) -> list[list[Any]]:
        ports = [np.stack(port) for port in zip(*(self.items.arrays(s, self.length) for s in x), strict=True)]
        y = run([*ports, np.array([[len(s)] for s in x], np.int32)])
        if self.marginals:
            return [named(row[: len(s)], self.labels) for row, s in zip(y, x, strict=True)]
        return [[self.labels[k] for k in row[: len(s)]] for row, s in zip(y, x, strict=True)]


@dataclass(frozen=True)
class Steps:
    """``predict`` of a model item by item: for each, the probabilities of the labels given what came before it."""

    items: Items
    labels: tuple[str, ...]

    def __call__(self, run: Run, x: Sequence[Sequence[Any]]) -> Any:
        """x: sequences of items; each begins anew."""
        return as_objects([named(run(self.items.arrays(s, len(s))), self.labels) if len(s) else [] for s in x])


def named(rows: Array, labels: tuple[str, ...]) -> list[dict[str, float]]:
    """One dict of probabilities for each row [labels]."""
    return [dict(zip(labels, map(float, row), strict=True)) for row in rows]


def as_objects(rows: list[list[Any]]) -> Array:
    """As the library's ``predict`` gives them: an array of lists, of two dimensions when all are of one length."""
    return np.array(rows, dtype=object)
