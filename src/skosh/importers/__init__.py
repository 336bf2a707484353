"""Floor 4: a file or a fitted object becomes a Graph. Importers are found by name and imported only when one is used.

An importer is ``load(source, name=None, **options) -> Graph``; it raises a ModelError for what can't be read and one
UnsupportedError that lists every obstacle.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base import registry
from skosh.base.budget import Budget, budgeted, spend
from skosh.base.errors import InputError
from skosh.base.files import read_text
from skosh.importers.clean import with_plain_names
from skosh.importers.originals import of_estimator
from skosh.ir.graph import Graph

IMPORTERS: registry.Table = {
    "tflite": "skosh.importers.tflite:load",
    "sklearn": "skosh.importers.sklearn:load",
    "onnx": "skosh.importers.onnx:load",
    "torch": "skosh.importers.torch:load",
    "xgboost": "skosh.importers.xgboost:load",
    "lightgbm": "skosh.importers.lightgbm:load",
    "saved": "skosh.importers.saved:load",
    "pgmpy": "skosh.importers.pgm.pgmpy:load",
    "bif": "skosh.importers.pgm.bif:load",
    "xmlbif": "skosh.importers.pgm.xmlbif:load",
    "hmmlearn": "skosh.importers.pgm.hmm:load",
    "crf": "skosh.importers.crf:load",
    "skosh": "skosh.importers.skosh_file:load",
    "keras": "skosh.importers.keras:load",
}

SUFFIXES = {
    ".tflite": "tflite", ".lite": "tflite", ".onnx": "onnx", ".json": "xgboost", ".ubj": "xgboost", ".txt": "lightgbm",
    ".pt2": "torch", ".pt": "torch", ".pth": "torch",
    ".bif": "bif", ".xmlbif": "xmlbif", ".xml": "xmlbif", ".crfsuite": "crf",
    ".skosh": "skosh", ".keras": "keras", ".h5": "keras",
    ".skops": "saved", ".pkl": "saved", ".pickle": "saved", ".joblib": "saved",
}  # fmt: skip
"""File name endings, and the importer that reads such files."""

LIBRARIES: dict[str, str] = {
    "sklearn": "sklearn", "onnx": "onnx", "torch": "torch", "xgboost": "xgboost", "lightgbm": "lightgbm",
    "pgmpy": "pgmpy", "hmmlearn": "hmmlearn", "sklearn_crfsuite": "crf",
}  # fmt: skip
"""First part of the module that defines an object's class, and the importer that takes such objects."""


ESTIMATORS = ("sklearn", "xgboost", "lightgbm")
"""Importers of objects that can be asked for their own answers by scikit-learn's methods."""


def load(
    source: Any, name: str | None = None, budget: Budget | float | None = None, labels: Any = None, **options: Any
) -> Graph:
    """A Graph from a model: a path, the bytes of a file, or a fitted object of a library that skosh knows.

    name: what the generated C calls the model; the file's name without ending when absent.
    labels: names of the classes, in order, or a text file with one a line; the C has them too.
    budget: what reading it may cost (``base.budget``); a number allows so many times as much as usual.
    A Graph stays what it is. Raises InputError when no importer takes such a source, ModelError when the model can't be
    read, BudgetError when that would cost more than it may.
    """
    if isinstance(source, Graph):
        return with_labels(source, labels)
    importer = importer_of(source)
    with budgeted(budget, place_of(source)), np.errstate(all="ignore"):  # odd numbers are told of by letters, not warnings
        read = registry.load(IMPORTERS, importer, "an importer")
        check_options(read, options, place_of(source))
        graph: Graph = read(source, name=name, **options)
        spend("nodes", len(graph.nodes), "the graph")
        graph = with_labels(with_plain_names(graph), labels)
        for t in graph.tensors.values():
            spend("tensor", math.prod(t.shape), f'the tensor "{t.name}"')
    if importer not in ESTIMATORS or graph.notes.unasked or graph.notes.library or isinstance(source, (str, Path)):
        return graph
    original = of_estimator(source, graph)
    return replace(graph, notes=graph.notes.with_(library=original))


def check_options(read: Callable[..., Graph], options: Mapping[str, Any], where: str) -> None:
    """InputError for an option that the importer doesn't have; some look at theirs themselves."""
    known = inspect.signature(read).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
        return
    for option in options:
        if option not in known:
            own = ", ".join(n for n in known if n not in ("source", "name"))
            raise InputError(f'such a model has no option "{option}"', loc=where, hint=f"its options: {own or 'none'}")


def with_labels(graph: Graph, labels: Any) -> Graph:
    """The graph with names for its classes. InputError where there are not as many as it gives scores."""
    if labels is None:
        return graph
    if isinstance(labels, str | Path):
        names = tuple(line.strip() for line in read_text(labels).splitlines() if line.strip())
    else:
        names = tuple(str(label) for label in labels)
    out = graph.tensors[graph.outputs[0]]
    scores = out.shape[-1] if out.shape else 1
    if not names or (scores > 1 and scores != len(names)):
        raise InputError(f"there must be {scores} labels, one for each class, not {len(names)}", loc=graph.loc)
    return replace(graph, notes=replace(graph.notes, classes=names))


def place_of(source: Any) -> str:
    """Where a letter says that something is."""
    return str(source) if isinstance(source, str | Path) else f"<{type(source).__name__}>"


def importer_of(source: Any) -> str:
    """The importer's name, from the file's ending, its first bytes, or the module of the object's class."""
    if isinstance(source, (str, Path)):
        suffix = Path(source).suffix.lower()
        if suffix in SUFFIXES:
            return SUFFIXES[suffix]
        raise InputError(f'the file must end in {_alternatives(SUFFIXES)}, not "{suffix}"', loc=str(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        if bytes(source[4:8]) == b"TFL3":
            return "tflite"
        if bytes(source[:1]) == b"\x08":  # the version of the format, the first field of every ONNX file
            return "onnx"
        if bytes(source[:4]) == b"PK\x03\x04" and bytes(source[30:40]) == b"graph.json":
            return "skosh"
        raise InputError("these bytes begin like no file that skosh can read", hint="pass a path")
    for base in type(source).__mro__:
        library = base.__module__.partition(".")[0]
        if library in LIBRARIES:
            return LIBRARIES[library]
    what = f"{type(source).__module__}.{type(source).__qualname__}"
    raise InputError(f"a model must be a file or an object of {_alternatives(LIBRARIES) or 'a library'}, not a {what}")


def _alternatives(names: Any) -> str:
    *most, last = list(names) or [""]
    return f"{', '.join(most)} or {last}" if most else last
