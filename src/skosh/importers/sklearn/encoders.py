"""Numbers that stand for categories. What was never seen gives zeros in one-hot codes, and -1 or what was asked as a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.frames import is_missing
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense
from skosh.importers.sklearn.preprocessing import one_hot_of
from skosh.ir.graph import Array
from skosh.ops.classical.tables import Encode
from skosh.ops.elements.comparisons import Compare, Select


def one_hot(model: Any, builder: Builder, x: str) -> str:
    """For each category of each feature, 1 where the feature is it, else 0; without the categories that were dropped.

    Infrequent categories are one, behind the others of their feature.
    """
    known = categories(model, builder, x)
    x = without_nan(builder, x, known)
    groups = [grouped(model, f) for f in range(len(known))]
    pairs = [(f, v) for f, values in enumerate(known) for v in np.where(np.isnan(values), MISSING, values)]
    rows, bias = columns_of(model, groups)
    if len(rows) == 0:
        raise ModelError("at least one category must be left")
    if len(rows) == len(pairs) and not bias.any() and np.array_equal(rows, np.eye(len(pairs))):
        return one_hot_of(builder, x, pairs)
    plain = np.flatnonzero(rows.any(axis=0))
    y = one_hot_of(builder, x, [pairs[k] for k in plain])
    if np.array_equal(rows[:, plain], np.eye(len(rows))) and not bias.any():
        return y
    return dense(builder, y, rows[:, plain], bias, "grouped")


def grouped(model: Any, f: int) -> list[int]:
    """The column, among those of feature f, of each category: infrequent ones share the last."""
    few = list(model.infrequent_categories_[f]) if is_rare(model, f) else []
    gone = any(map(is_missing, few))
    rare = np.array([(is_missing(c) and gone) or c in few for c in model.categories_[f].tolist()], bool)
    places = iter(range(len(rare)))
    return [int(np.count_nonzero(~rare)) if r else next(places) for r in rare]


def columns_of(model: Any, groups: list[list[int]]) -> tuple[Array, Array]:
    """(rows [columns, categories], bias [columns]): each output as a sum of the one-hot codes of all categories.

    An infrequent column that also stands for unknown values is 1 less the frequent ones.
    """
    total = sum(map(len, groups))
    rows: list[Array] = []
    bias: list[float] = []
    at = 0
    for f, group in enumerate(groups):
        drop = None if model.drop_idx_ is None or model.drop_idx_[f] is None else group[int(model.drop_idx_[f])]
        rare = max(group) if is_rare(model, f) else None
        for column in range(max(group) + 1):
            if column == drop:
                continue
            members = np.array([g == column for g in group], float)
            unknown_too = column == rare and model.handle_unknown in ("infrequent_if_exist", "warn")
            row = np.zeros(total)
            row[at : at + len(group)] = members - 1 if unknown_too else members
            rows.append(row)
            bias.append(float(unknown_too))
        at += len(group)
    return np.array(rows).reshape(-1, total), np.array(bias)


def is_rare(model: Any, f: int) -> bool:
    """Has the feature infrequent categories?"""
    return getattr(model, "_infrequent_enabled", False) and model.infrequent_categories_[f] is not None


def ordinal(model: Any, builder: Builder, x: str) -> str:
    """The place of each feature among its categories; of infrequent ones, one place behind the others."""
    if getattr(model, "_infrequent_enabled", False):
        raise ModelError("infrequent categories must not be grouped", hint="leave min_frequency and max_categories out")
    known = categories(model, builder, x)
    if any(is_text(v) and any(map(is_missing, v)) for v in model.categories_):
        raise ModelError("text that is missing must not be a category of its own", hint="fill it in before, with SimpleImputer")
    gone = builder.apply(Compare("!="), x, x, name="missing") if any(np.isnan(v).any() for v in known) else ""
    unknown = -1.0 if model.handle_unknown == "error" else float(model.unknown_value)
    values = builder.floats("categories", np.concatenate([np.where(np.isnan(v), np.float32(MISSING), v) for v in known]))
    y = builder.apply(Encode(tuple(len(v) for v in known), unknown), x, values, name="codes")
    if not gone:
        return y
    code = builder.floats("missing_code", missing_codes(model, known, unknown))
    return builder.apply(Select(), gone, code, y, name="codes_or_missing")


def missing_codes(model: Any, known: list[Array], unknown: float) -> Array:
    """float32 [1, features]: what NaN becomes, as a category or as an unknown value."""
    codes = [model.encoded_missing_value if np.isnan(v).any() else unknown for v in known]
    return np.array([codes], np.float32)


MISSING = 3.4028234663852886e38
"""Stands for NaN among categories: the largest float32, which no data has."""


def without_nan(builder: Builder, x: str, known: list[Array]) -> str:
    """x with MISSING for NaN, where NaN is a category."""
    if not any(np.isnan(v).any() for v in known):
        return x
    gone = builder.apply(Compare("!="), x, x, name="missing")
    return builder.apply(Select(), gone, builder.constant("missing_code", [[MISSING]]), x, name="with_missing")


def is_text(values: Any) -> bool:
    """Are these categories no numbers?"""
    return bool(np.asarray(values).dtype.kind not in "biuf")


def categories(model: Any, builder: Builder, x: str) -> list[Array]:
    """The categories of each feature, float32, NaN last. A ModelError unless they are numbers that float32 tells apart.

    Of text the numbers are its codes, from 0 in the library's order: the model's input holds these, see ``frames``.
    """
    found = []
    unseen = None if model.handle_unknown == "error" else float("nan")
    fills = builder.fills.pop(x, None)
    for f, values in enumerate(model.categories_):
        if is_text(values):
            listed = np.asarray(values, dtype=object).tolist()
            fill = fills[f] if fills is not None else None
            missing = float(listed.index(fill)) if fill is not None and fill in listed else float("nan")
            builder.told_categories(x, f, listed, unseen, missing)
            found.append(np.arange(len(listed), dtype=np.float32))
            continue
        if fills is not None:
            raise ModelError("text and numbers must be filled in by two steps", hint="one SimpleImputer for each kind")
        numbers = np.asarray(values, np.float64).astype(np.float32)
        if len(np.unique(numbers)) != len(numbers) or MISSING in numbers:
            raise ModelError(f"the categories of feature {f} must be different float32 numbers")
        found.append(numbers)
    return found


CONVERTERS = {"OneHotEncoder": one_hot, "OrdinalEncoder": ordinal}
