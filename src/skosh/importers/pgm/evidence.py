"""Evidence as people have it: names of states, in dicts or in frames of categories. ``Build.predict`` takes it so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError, Loc
from skosh.ir.graph import Array


@dataclass(frozen=True)
class NamedEvidence:
    """(run, x) -> the answers of the compiled query.

    x: a frame whose columns are variables; a dict, variable -> state or -> one for each row; a list of dicts; or an array
    [rows, E] in the order of ``evidence``. States by name, in an array of integers by number; None, NaN and what is left out:
    not observed. Probabilities come as ``run`` gives them, most probable states [rows, Q] by name.
    """

    evidence: tuple[str, ...]
    query: tuple[str, ...]
    states: Mapping[str, tuple[str, ...]]
    named: bool
    loc: Loc

    def __call__(self, run: Callable[[Array], Any], x: Any) -> Any:
        y = run(self.numbers(x))
        if not self.named:
            return y
        return np.array([[self._name(v, s) for v, s in zip(self.query, row, strict=True)] for row in y.tolist()], object)

    def _name(self, variable: str, state: int) -> str | None:
        return self.states[variable][state] if state >= 0 else None

    def numbers(self, x: Any) -> Array:
        """int32 [rows, E]: states by number, -1 where there is none. InputError for what is no state."""
        if isinstance(x, np.ndarray) and x.dtype.kind in "iu":
            return np.asarray(x, np.int32).reshape(-1, len(self.evidence))
        if hasattr(x, "columns"):  # a frame
            return self._columns({str(c): list(x[c]) for c in x.columns}, len(x))
        if isinstance(x, Mapping):
            columns = {str(v): list(s) if isinstance(s, list | tuple | np.ndarray) else [s] for v, s in x.items()}
            return self._columns(columns, max((len(s) for s in columns.values()), default=1))
        rows = list(x)
        if rows and all(isinstance(row, Mapping) for row in rows):
            known = [{str(v): s for v, s in row.items()} for row in rows]
            return np.array([[self._number(v, row.get(v)) for v in self.evidence] for row in known], np.int32)
        listed = np.asarray(x)
        if listed.dtype.kind in "iu":
            return self.numbers(listed)
        table = np.asarray(x, object).reshape(-1, len(self.evidence))
        return np.array([[self._number(v, s) for v, s in zip(self.evidence, row, strict=True)] for row in table], np.int32)

    def _columns(self, columns: Mapping[str, Sequence[Any]], rows: int) -> Array:
        made = np.full((rows, len(self.evidence)), -1, np.int32)
        for e, v in enumerate(self.evidence):
            if v in columns:
                if len(columns[v]) != rows:
                    raise InputError(f'"{v}" must have {rows} states, as the others, not {len(columns[v])}', loc=self.loc)
                made[:, e] = [self._number(v, s) for s in columns[v]]
        return made

    def _number(self, variable: str, state: Any) -> int:
        missing = isinstance(state, float | np.floating) and np.isnan(state)
        if state is None or missing or type(state).__name__ in ("NAType", "NaTType"):  # pandas has its own
            return -1
        whole = isinstance(state, float | np.floating) and float(state).is_integer()
        name = str(int(state)) if whole else str(state)
        names = self.states[variable]
        if name not in names:
            raise InputError(
                f'"{variable}" must be one of {", ".join(names)}, not {name!r}', loc=self.loc,
                hint="an array of integers gives states by number, -1 for one that wasn't observed",
            )  # fmt: skip
        return names.index(name)
