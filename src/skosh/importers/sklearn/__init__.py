"""scikit-learn: a fitted estimator or pipeline becomes a float32 Graph.

A family is ``skosh.importers.sklearn.<name>`` with ``CONVERTERS``: class name -> converter. A converter reads the
attributes that fitting left (those that end in "_"), so scikit-learn itself is never imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any

from skosh.base.errors import InputError, Loc, ModelError, Obstacle, UnsupportedError
from skosh.importers.frames import Column, Frame
from skosh.importers.sklearn.attributes import Taken, check_all_taken, overridden
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.outputs import OUTPUTS
from skosh.importers.sklearn.texts import TextInput, is_vectorizer
from skosh.importers.sklearn.wrappers import PREDICTING, parts_inside
from skosh.ir.graph import Graph

FAMILIES = (
    "scalers", "preprocessing", "encoders", "linear", "neural", "svm", "discriminant", "bayes", "neighbors", "mixture",
    "composite", "trees", "ensembles", "text", "wrappers", "expansions", "several",
)  # fmt: skip

CHECKED = (
    "scalers", "preprocessing", "linear", "neural", "svm", "discriminant", "bayes", "neighbors", "mixture", "wrappers",
    "expansions",
)  # fmt: skip
"""Families whose converters take all attributes of an estimator that a prediction hangs on, see ``attributes``."""

OF_ONE_KIND = ("AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor")
"""Ensembles whose members all are fitted copies of ``estimator_``."""

FILE = "<sklearn>"

Converter = Callable[[Any, Builder, str], str]
"""(fitted estimator, builder, name of its input [1, features]) -> name of its output."""


def load(source: Any, name: str | None = None, output: str | None = None, **options: Any) -> Graph:
    """A float32 Graph that computes what the estimator gives for a row.

    Input: ``x`` [1, features]; where the first step reads text, ``text``, uint8 [1, length], ``length=256`` being an option.
    Output of a regressor: values [1, targets], or [1] when the target was one-dimensional.
    ``output``, for a classifier: "label", "proba" or "decision", see ``outputs``. When it is left out: "proba" of logistic
    regression and networks, "label" of all others. ``notes["classes"]``: the labels in order. ``options``: what else a
    family takes, see ``trees``.

    Raises ModelError when something is not fitted, not finite or has no such output, InputError when ``output`` is none of
    these words, and one UnsupportedError with all steps that skosh can't compile.
    """
    if output is not None and output not in OUTPUTS:
        raise InputError(f'output must be "label", "proba" or "decision", not {output!r}', loc=FILE)
    steps = flattened(source)
    check_steps(steps)
    if not steps:
        raise ModelError("the pipeline must have at least one step that does something", loc=FILE)

    builder = Builder(FILE, output, convert_inside)
    builder.options = options
    text = text_input(steps[0], builder) if reads_text(steps[0][1]) else None
    if text is None:
        value = builder.input("x", (1, int(steps[0][1].n_features_in_)))
        if (names := getattr(steps[0][1], "feature_names_in_", None)) is not None:
            builder.frame = Frame(tuple(Column(str(n)) for n in names), FILE)
    else:
        value = builder.byte_input("text", (1, text.length))
        builder.notes |= {"encode": text.encode, "example": text.example, "meaning": {"text": text.meaning}}
    value = convert_steps(steps, builder, value)
    if unknown := sorted(set(options) - builder.taken):
        raise InputError(f'{_class(steps[-1][1])} has no option "{unknown[0]}"', loc=FILE)
    if output is not None and "output" not in builder.notes:
        raise ModelError(f"{_class(steps[-1][1])} has no {output} to give", loc=FILE, hint="leave output out")
    graph = builder.graph(name or snake(_class(steps[-1][1])), value)
    if builder.original is None:
        return graph
    inner = builder.original(graph)  # what the last step says; it is asked where it is the only one
    alone = len(steps) == 1
    return replace(graph, notes=graph.notes.with_(library=inner if alone else None, unasked=None if alone else True))


def check_steps(steps: list[tuple[str, Any]]) -> None:
    """One UnsupportedError with every obstacle, or a ModelError about the first step that is not fitted."""
    obstacles = [
        o
        for i, (step, estimator) in enumerate(steps)
        for o in obstacles_of(step, estimator, i == len(steps) - 1, first=i == 0)
    ]
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=FILE)
    for step, estimator in steps:
        if not reads_text(estimator) and getattr(estimator, "n_features_in_", None) is None:
            raise ModelError(
                f"{_class(estimator)} must be fitted", loc=Loc(FILE, step), hint="call its fit method first"
            )


def convert_steps(steps: list[tuple[str, Any]], builder: Builder, value: str) -> str:
    """Each step's nodes after the last one's. The letters of a step's converter get its name."""
    outer, last = builder.prefix, builder.last
    for i, (step, estimator) in enumerate(steps):
        named = [outer] if outer else []
        builder.prefix = "_".join([*named, step] if len(steps) > 1 else named)
        builder.last = last and i == len(steps) - 1
        try:
            value = converted(estimator, builder, value)
        except ModelError as error:
            if error.loc is not None:
                raise
            raise ModelError(error.message, loc=Loc(FILE, builder.prefix or step), hint=error.hint) from error
    return value


def converted(estimator: Any, builder: Builder, value: str) -> str:
    """The nodes of one estimator. ModelError when it has fitted attributes that nobody reads."""
    convert = converter_of(estimator)
    if convert.__module__.rpartition(".")[2] not in CHECKED:
        return convert(estimator, builder, value)
    taken = Taken(estimator)
    value = convert(taken, builder, value)
    if builder.last or not hasattr(estimator, "predict"):  # before other steps a predictor only transforms
        check_all_taken(taken)
    return value


def convert_inside(estimator: Any, builder: Builder, value: str) -> str:
    """An estimator or pipeline inside another one."""
    steps = flattened(estimator)
    check_steps(steps)
    return convert_steps(steps, builder, value)


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
    source = stands_for(source)
    if _does_nothing(source):
        return []
    if not _is_pipeline(source):
        return [(snake(_class(source)), source)]
    out: list[tuple[str, Any]] = []
    for step, estimator in source.steps:
        if estimator is None or isinstance(estimator, str) or _does_nothing(estimator):  # "passthrough"
            continue
        inner = flattened(estimator)
        nested = _is_pipeline(stands_for(estimator))
        out += [(f"{step}_{n}" if nested else step, e) for n, e in inner]
    return out


def stands_for(source: Any) -> Any:
    """The estimator that a search found, or that was fitted to the inliers; itself for all others."""
    names = {c.__name__ for c in type(source).__mro__ if c.__module__.startswith("sklearn.")}
    for kind, found, hint in (
        ("BaseSearchCV", "best_estimator_", "call its fit method first, with refit=True"),
        ("RANSACRegressor", "estimator_", "call its fit method first"),
        ("FrozenEstimator", "estimator", "freeze a fitted estimator"),
    ):
        if kind in names:
            if not hasattr(source, found):
                raise ModelError(f"{_class(source)} must be fitted", loc=FILE, hint=hint)
            return stands_for(getattr(source, found))
    return source


def obstacles_of(step: str, estimator: Any, last: bool, first: bool = False) -> list[Obstacle]:
    """What stands in the way of converting this step, and the estimators that it is made of."""
    loc = Loc(FILE, step)
    if _known_class(estimator) is None:
        return [Obstacle(loc, f"{_class(estimator)} is not among the estimators that skosh reads", advice(estimator))]
    if (method := overridden(estimator, _known_class(estimator) or "")) is not None:
        advice_ = f"give the {_known_class(estimator)} inside, if its answers are meant"
        return [Obstacle(loc, f"{_class(estimator)} has a {method} of its own, which skosh can't read", advice_)]
    if reads_text(estimator) and not first:
        return [Obstacle(loc, f"{_class(estimator)} reads text, so it must be the first step", "put it before the others")]
    if not last and not hasattr(estimator, "transform"):
        return [Obstacle(loc, f"{_class(estimator)} predicts, so it must be the last step", "compile it alone")]
    if callable(getattr(estimator, "kernel", None)):
        return [
            Obstacle(loc, "the kernel is a function, which skosh can't compile", "use linear, poly, rbf or sigmoid")
        ]
    beside = first and _known_class(estimator) == "FeatureUnion"
    voting = hasattr(estimator, "voting") or _known_class(estimator) in ("VotingRegressor", *OF_ONE_KIND, *PREDICTING)
    found: list[Obstacle] = []
    for name, part in parts_of(estimator):
        inner = named_steps(name, part)
        found += [
            o
            for i, (n, e) in enumerate(inner)
            for o in obstacles_of(f"{step}_{n}", e, voting and i == len(inner) - 1, first=beside and i == 0)
        ]
    return found


def advice(estimator: Any) -> str:
    """Which of the known estimators are most like one that isn't: of its kind, with a name like its."""
    name = _class(estimator)
    kinds = [kind for kind in ("Classifier", "Regressor") if f"{kind}Mixin" in {c.__name__ for c in type(estimator).__mro__}]
    alike = get_close_matches(name, converters(), n=2, cutoff=0.45)
    usual = {
        "Classifier": ["RandomForestClassifier", "LogisticRegression", "SVC"],
        "Regressor": ["RandomForestRegressor", "Ridge", "SVR"],
    }
    usual_ones = [u for kind in kinds for u in usual[kind]] or ["StandardScaler", "PCA", "PolynomialFeatures"]
    return f"the nearest are {', '.join(dict.fromkeys([*alike, *usual_ones]))}; docs/scikit-learn.md has all"


def reads_text(estimator: Any) -> bool:
    """Is its input text: a vectorizer, or a union of such?"""
    if is_vectorizer(estimator):
        return True
    if _known_class(estimator) != "FeatureUnion":
        return False
    firsts = [flattened(e)[:1] for _, e in parts_of(estimator)]
    return bool(firsts) and all(steps and reads_text(steps[0][1]) for steps in firsts)


def text_input(step: tuple[str, Any], builder: Builder) -> TextInput:
    """The text that the first step reads. InputError when the option ``length`` is no number of bytes."""
    length = builder.take("length", TextInput.length)
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length < 1 << 16:
        raise InputError(f"length, of a text in bytes, must be from 1 to 65,535, not {length}", loc=FILE)
    return TextInput.of(vectorizers_of(step[1]), length)


def vectorizers_of(estimator: Any) -> list[Any]:
    """The vectorizers that read the text."""
    if is_vectorizer(estimator):
        return [estimator]
    return [v for _, part in parts_of(estimator) for v in vectorizers_of(flattened(part)[0][1])]


def named_steps(name: str, part: Any) -> list[tuple[str, Any]]:
    """The steps of a pipeline under ``name``; an estimator is one step called so."""
    part = stands_for(part)
    return [(f"{name}_{n}", e) for n, e in flattened(part)] if _is_pipeline(part) else [(name, part)]


def parts_of(estimator: Any) -> list[tuple[str, Any]]:
    """(name, estimator) of what a ColumnTransformer, a FeatureUnion, an ensemble or a wrapper is made of."""
    if _known_class(estimator) == "ColumnTransformer":
        found = getattr(estimator, "transformers_", estimator.transformers)
    elif _known_class(estimator) == "FeatureUnion":
        found = estimator.transformer_list
    elif _known_class(estimator) in ("VotingClassifier", "VotingRegressor"):
        found = estimator.estimators
    elif _known_class(estimator) in OF_ONE_KIND:
        found = [("member", getattr(estimator, "estimator_", None))]
    elif _known_class(estimator) in PREDICTING:
        found = parts_inside(estimator)
    else:
        return []
    return [(n, e) for n, e, *_ in found if e is not None and not isinstance(e, str) and not _does_nothing(e)]


def snake(name: str) -> str:
    """``MLPClassifier`` -> ``mlp_classifier``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _class(estimator: Any) -> str:
    return type(estimator).__name__


def _known_class(estimator: Any) -> str | None:
    names = (c.__name__ for c in type(estimator).__mro__ if c.__module__.partition(".")[0] == "sklearn")
    return next((n for n in names if n in converters()), None)


def _does_nothing(estimator: Any) -> bool:
    """A FunctionTransformer without a function."""
    return _class(estimator) == "FunctionTransformer" and estimator.func is None


def _is_pipeline(estimator: Any) -> bool:
    return any(c.__name__ == "Pipeline" and c.__module__.startswith("sklearn.") for c in type(estimator).__mro__)
