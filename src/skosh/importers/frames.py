"""Tables with names: which column is which, and which number in the C stands for which category.

``notes["encode"]`` makes rows of numbers of what the library takes, ``notes["decode"]`` the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Array


@dataclass(frozen=True)
class Column:
    """name: as the model was fitted, "" when it had none. categories: in the order of their codes, None for numbers.
    unseen: what stands for a category that was not there in fitting; None: the library refuses it. missing: what stands for
    no value at all, the code of what is put in its place, say."""

    name: str
    categories: tuple[Any, ...] | None = None
    unseen: float | None = float("nan")
    missing: float = float("nan")


@dataclass(frozen=True)
class Frame:
    """The columns of a model's input ``x`` [1, columns]. pandas: what the library is given back, a frame or plain rows."""

    columns: tuple[Column, ...]
    where: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def has_categories(self) -> bool:
        return any(c.categories is not None for c in self.columns)

    def encode(self, x: Any) -> Array:
        """float32 [rows, columns] of a frame, columns by their names in any order; or of rows, columns by their places.

        Numbers in rows that are all numbers are the codes themselves. InputError for a column that is absent, for what is no
        number, and for a category that the model doesn't know where its library refuses such.
        """
        if hasattr(x, "columns") and hasattr(x, "__getitem__"):
            return self._stacked([self._column(x, n) for n in range(len(self.columns))])
        rows = np.asarray(x)
        if rows.dtype.kind in "biuf" or not self.has_categories:
            return np.asarray(rows.astype(np.float32) if rows.dtype.kind in "biufO" else self._floats(rows))
        rows = np.asarray(x, dtype=object)
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise InputError(f"rows must have {len(self.columns)} columns, not {rows.shape[1:]}", loc=self.where)
        return self._stacked([rows[:, n] for n in range(rows.shape[1])])

    def _column(self, x: Any, n: int) -> Any:
        found = [str(c) for c in x.columns]
        if not any(self.names):
            if len(found) != len(self.columns):
                raise InputError(f"the frame must have {len(self.columns)} columns, not {len(found)}", loc=self.where)
            return x[x.columns[n]]
        if found.count(self.names[n]) != 1:
            lacks = [name for name in self.names if name not in found]
            what = f'no column "{lacks[0]}"' if lacks else f'several columns "{self.names[n]}"'
            raise InputError(
                f"the frame must have the columns that the model was fitted with, but has {what}", loc=self.where,
                hint=f"columns: {', '.join(self.names[:12])}",
            )  # fmt: skip
        return x[x.columns[found.index(self.names[n])]]

    def _stacked(self, columns: Sequence[Any]) -> Array:
        made = [self._codes(c, values) for c, values in zip(self.columns, columns, strict=True)]
        return np.stack(made, axis=1).astype(np.float32)

    def _codes(self, column: Column, values: Any) -> Array:
        if column.categories is None:
            return self._floats(np.asarray(values))
        code = {c: float(n) for n, c in enumerate(column.categories)}
        gone = next((float(n) for n, c in enumerate(column.categories) if is_missing(c)), column.missing)
        out = np.full(len(values), np.nan)
        for n, value in enumerate(np.asarray(values, dtype=object).tolist()):
            if is_missing(value):
                out[n] = gone
            elif (found := code.get(value)) is not None:
                out[n] = found
            elif column.unseen is not None:
                out[n] = column.unseen
            else:
                raise InputError(
                    f'column "{column.name}" must hold categories that the model knows, not {value!r}', loc=self.where,
                    hint=f"it knows {', '.join(map(str, column.categories[:8]))}",
                )  # fmt: skip
        return out

    def _floats(self, values: Array) -> Array:
        try:
            return np.asarray(values.astype(np.float64).astype(np.float32))
        except (TypeError, ValueError) as error:
            raise InputError(f"columns of numbers must hold numbers: {error}", loc=self.where) from error

    def tells(self, rows: Array) -> Array:
        """[rows]: whether all codes of a row are codes of categories, or NaN, so that a frame can say the same."""
        good = np.ones(len(rows), bool)
        for n, c in enumerate(self.columns):
            if c.categories is not None:
                code = rows[:, n]
                good &= np.isnan(code) | ((code >= 0) & (code < len(c.categories)) & (code == np.floor(code)))
        return good

    def decode(self, rows: Array) -> Any:
        """A pandas frame of rows of the C's numbers; what is no code of a category is missing."""
        import pandas as pd

        made = {}
        for n, c in enumerate(self.columns):
            if c.categories is None:
                made[c.name or n] = rows[:, n]
            else:
                known = (rows[:, n] >= 0) & (rows[:, n] < len(c.categories)) & (rows[:, n] == np.floor(rows[:, n]))
                codes = np.where(known, rows[:, n], -1).astype(int)
                if c.missing == c.missing or any(map(is_missing, c.categories)):  # what is no code is then no missing value
                    made[c.name or n] = pd.Series([(*c.categories, "(unseen)")[k] for k in codes], dtype=object)
                else:
                    made[c.name or n] = pd.Categorical.from_codes(codes, categories=list(c.categories))
        return pd.DataFrame(made)

    def example(self, rng: np.random.Generator) -> tuple[Array]:
        """A random row: codes where there are categories, sometimes none of them."""
        row = rng.standard_normal(len(self.columns))
        for n, c in enumerate(self.columns):
            if c.categories is not None:
                some = c.unseen is None or rng.integers(8) > 0
                row[n] = rng.integers(0, len(c.categories)) if some else np.nan
        return (row[None].astype(np.float32),)

    @property
    def known(self) -> dict[int, tuple[str, ...]]:
        """Column number -> its categories as text, in the order of their codes."""
        return {n: tuple(map(str, c.categories)) for n, c in enumerate(self.columns) if c.categories is not None}


def is_missing(value: Any) -> bool:
    """None, NaN, or pandas' own."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value
