"""Numbers that stand for categories. What was never seen gives zeros in one-hot codes, and -1 or what was asked as a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.preprocessing import one_hot_of
from skosh.ir.graph import Array
from skosh.ops.tables import Encode


def one_hot(model: Any, builder: Builder, x: str) -> str:
    """For each category of each feature, 1 where the feature is it, else 0; without the categories that were dropped."""
    known = categories(model)
    dropped = model.drop_idx_ if model.drop_idx_ is not None else [None] * len(known)
    pairs = [
        (f, v)
        for f, values in enumerate(known)
        for place, v in enumerate(values)
        if dropped[f] is None or place != dropped[f]
    ]
    if not pairs:
        raise ModelError("at least one category must be left")
    return one_hot_of(builder, x, pairs)


def ordinal(model: Any, builder: Builder, x: str) -> str:
    """The place of each feature among its categories."""
    known = categories(model)
    unknown = -1.0 if model.handle_unknown == "error" else float(model.unknown_value)
    if np.isnan(unknown):
        raise ModelError("unknown_value must be a number, not NaN")
    values = builder.constant("categories", np.concatenate(known))
    return builder.apply(Encode(tuple(len(v) for v in known), unknown), x, values, name="codes")


def categories(model: Any) -> list[Array]:
    """The categories of each feature, float32. A ModelError unless they are numbers that float32 tells apart."""
    if getattr(model, "_infrequent_enabled", False):
        raise ModelError("infrequent categories must not be grouped", hint="leave min_frequency and max_categories out")
    found = []
    for f, values in enumerate(model.categories_):
        if np.asarray(values).dtype.kind not in "biuf":
            raise ModelError(f"the categories of feature {f} must be numbers, not text", hint="encode text as numbers")
        numbers = np.asarray(values, np.float64).astype(np.float32)
        if np.isnan(numbers).any() or len(np.unique(numbers)) != len(numbers):
            raise ModelError(f"the categories of feature {f} must be different float32 numbers, none of them NaN")
        found.append(numbers)
    return found


CONVERTERS = {"OneHotEncoder": one_hot, "OrdinalEncoder": ordinal}
