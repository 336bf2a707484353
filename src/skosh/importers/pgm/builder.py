"""The graph builder of the classical models, with integer inputs, states, several outputs and a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, from_numpy, i32
from skosh.importers.sklearn.builder import Builder
from skosh.ir.face import Face
from skosh.ir.graph import FIRST_STATUS, Array, Graph, State, Status, Tensor

IMPOSSIBLE, BAD_INPUT = FIRST_STATUS, FIRST_STATUS + 1
CODES = (
    ("IMPOSSIBLE", "what was observed has probability 0 in this model: there is no answer"),
    ("BAD_INPUT", "an input is no state, symbol or length that the model knows"),
)


class ModelBuilder(Builder):
    """``limits`` and ``meaning`` become the notes of these names: what integers an input takes, what a port's elements are."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.states: list[State] = []
        self.limits: dict[str, tuple[Any, Any]] = {}
        self.meaning: dict[str, str] = {}

    def integer_input(
        self, name: str, shape: tuple[int, ...], low: Any, high: Any, meaning: str, dtype: DType = i32
    ) -> str:
        """A model input of integers from low to high, both inclusive, numbers or arrays."""
        self.inputs.append(name)
        self.limits[name] = (low, high)
        self.meaning[name] = meaning
        return self._add(Tensor(name, shape, dtype))

    def state(self, name: str, initial: Array) -> str:
        """A state: what it is before a run. ``keep`` says what it is afterwards."""
        self.states.append(State(name, name, name, initial))
        return self._add(Tensor(name, initial.shape, from_numpy(initial.dtype)))

    def keep(self, name: str, after: str) -> None:
        """The state called ``name`` has the value of the tensor ``after`` when a run ends."""
        self.states = [replace(s, after=after) if s.name == name else s for s in self.states]

    def finish(self, name: str, outputs: Sequence[str], status: str | None = None) -> Graph:
        """The graph. status: the tensor that says why there is no answer."""
        graph = self.graph(name, outputs[0])
        notes = Face(**{**self.notes, "limits": self.limits, "meaning": self.meaning})
        return replace(
            graph,
            outputs=(*outputs, *([status] if status else [])),
            states=tuple(self.states),
            status=Status(status, CODES) if status else None,
            notes=notes,
        )


def zeros(count: int) -> Array:
    return np.zeros(count, np.int32)
