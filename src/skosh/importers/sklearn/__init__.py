"""scikit-learn: a fitted estimator or pipeline becomes a float32 Graph.

A family is ``skosh.importers.sklearn.<name>`` with ``CONVERTERS``: class name -> converter. A converter reads the
attributes that fitting left (those that end in "_"), so scikit-learn itself is never imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from skosh.base.errors import Loc, ModelError, Obstacle, UnsupportedError
from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Graph

FAMILIES = ("scalers", "linear", "neural")

FILE = "<sklearn>"

Converter = Callable[[Any, Builder, str], str]
"""(fitted estimator, builder, name of its input [1, features]) -> name of its output."""


def load(source: Any, name: str | None = None) -> Graph:
    """A float32 Graph that computes what ``predict_proba`` of a classifier or ``predict`` of a regressor gives for a row.

    Input: ``x`` [1, features]. Output: probabilities [1, classes]; [1, 1] for two classes, the second one's; values
    [1, targets], or [1] when the target was one-dimensional. ``notes["classes"]``: a classifier's labels in order.

    Raises ModelError when something is not fitted or not finite, and one UnsupportedError with all steps that skosh
    can't compile.
    """
    steps = flattened(source)
    obstacles = [
        o for i, (step, estimator) in enumerate(steps) if (o := obstacle(step, estimator, i == len(steps) - 1))
    ]
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=FILE)
    if not steps:
        raise ModelError("the pipeline must have at least one step that does something", loc=FILE)
    for step, estimator in steps:
        if getattr(estimator, "n_features_in_", None) is None:
            raise ModelError(
                f"{_class(estimator)} must be fitted", loc=Loc(FILE, step), hint="call its fit method first"
            )

    builder = Builder(FILE)
    value = builder.input("x", (1, int(steps[0][1].n_features_in_)))
    for step, estimator in steps:
        builder.prefix = step if len(steps) > 1 else ""
        try:
            value = converter_of(estimator)(estimator, builder, value)
        except ModelError as error:
            if error.loc is not None:
                raise
            raise ModelError(error.message, loc=Loc(FILE, step), hint=error.hint) from error
    return builder.graph(name or snake(_class(steps[-1][1])), value)


@cache
def converters() -> dict[str, Converter]:
    """Every family's converters, by class name."""
    table: dict[str, Converter] = {}
    for family in FAMILIES:
        table.update(import_module(f"{__name__}.{family}").CONVERTERS)
    return table


def converter_of(estimator: Any) -> Converter:
    """The converter of the estimator's class, or of the nearest scikit-learn class that it derives from."""
    return converters()[_known_class(estimator) or ""]


def flattened(source: Any) -> list[tuple[str, Any]]:
    """(step name, estimator) of a pipeline in order, pipelines inside it opened, steps that do nothing left out."""
    if not _is_pipeline(source):
        return [(snake(_class(source)), source)]
    out: list[tuple[str, Any]] = []
    for step, estimator in source.steps:
        if estimator is None or isinstance(estimator, str):  # "passthrough"
            continue
        inner = flattened(estimator)
        nested = _is_pipeline(estimator)
        out += [(f"{step}_{n}" if nested else step, e) for n, e in inner]
    return out


def obstacle(step: str, estimator: Any, last: bool) -> Obstacle | None:
    """What stands in the way of converting this step, if anything does."""
    loc = Loc(FILE, step)
    if _known_class(estimator) is None:
        known = ", ".join(converters())
        return Obstacle(loc, f"{_class(estimator)} is not among the estimators that skosh reads", f"use one of {known}")
    if not last and not hasattr(estimator, "transform"):
        return Obstacle(loc, f"{_class(estimator)} predicts, so it must be the last step", "compile it alone")
    return None


def snake(name: str) -> str:
    """``MLPClassifier`` -> ``mlp_classifier``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _class(estimator: Any) -> str:
    return type(estimator).__name__


def _known_class(estimator: Any) -> str | None:
    names = (c.__name__ for c in type(estimator).__mro__ if c.__module__.partition(".")[0] == "sklearn")
    return next((n for n in names if n in converters()), None)


def _is_pipeline(estimator: Any) -> bool:
    return any(c.__name__ == "Pipeline" and c.__module__.startswith("sklearn.") for c in type(estimator).__mro__)
