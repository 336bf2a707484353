"""Several targets of one sample, each with classes of its own; chains, where each target is a feature of those behind it; and
models that look at nothing (Dummy*).

"label" is int32 [1, targets], the number of the class of each target; ``Build.predict`` makes the library's labels of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.importers.originals import Answers, Inputs, Original, called, edges_of, quietly, rows_of
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.composite import joined
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import asked, largest
from skosh.importers.trees import constant_tree, fixed_points, forest, real
from skosh.ir.graph import Array, Graph
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.movement import Concat, Slice
from skosh.ops.moves.reshape import Reshape


def labels_of_groups(builder: Builder, sums: str, classes: Sequence[Any], model: Any) -> str:
    """The largest of each target's columns, one behind another. sums: [1, all classes]."""
    found, first = [], 0
    for own in classes:
        count = len(own)
        part = builder.apply(Slice((0, first), (1, count), (1, 1), (1, count)), sums, name="target_sums")
        found.append(largest(builder, part))
        first += count
    return put_together(builder, found, classes, model)


def put_together(builder: Builder, labels: Sequence[str], classes: Sequence[Any], model: Any) -> str:
    """int32 [1, targets] of labels [1] each, and the notes about them."""
    if builder.output not in (None, "label"):
        raise ModelError(f'output of {type(model).__name__} must be "label", not "{builder.output}"')
    y = builder.apply(Concat(0), *labels, name="labels_in_order") if len(labels) > 1 else labels[0]
    known = [np.asarray(c) for c in classes]
    builder.notes |= {"output": "labels", "decide": LabelNames(tuple(known))}
    builder.original = lambda graph: original(model, known, graph)
    return builder.apply(Reshape((1, len(labels))), y, name="labels")


@dataclass(frozen=True, eq=False)
class LabelNames:
    """Numbers of classes [rows, targets] -> their labels. classes: of each target."""

    classes: tuple[Any, ...]

    def __call__(self, y: Array) -> Array:
        return np.stack([c[y[:, k]] for k, c in enumerate(self.classes)], axis=1)


def original(model: Any, classes: Sequence[Array], graph: Graph) -> Original:
    """The estimator's ``predict``, its labels as numbers of classes."""

    def answers(inputs: Inputs) -> Answers:
        given = np.asarray(quietly(model.predict, rows_of(inputs)))
        return Answers((np.stack([np.searchsorted(c, given[:, k]) for k, c in enumerate(classes)], axis=1),))

    alike = graph.notes.edges
    return Original(called(model, "predict"), answers, tuple(e for e in edges_of(graph) if alike is None or e in alike))


def multi_output_classifier(model: Any, builder: Builder, x: str) -> str:
    """A classifier for each target."""
    parts = [builder.part(e, x, f"target_{n}", output="label") for n, e in enumerate(model.estimators_)]
    return put_together(builder, parts, [e.classes_ for e in model.estimators_], model)


def regressor_chain(model: Any, builder: Builder, x: str) -> str:
    """Each regressor sees the features, and what those before it said."""
    rows = [x]
    for n, e in enumerate(model.estimators_):
        y = builder.part(e, joined(builder, rows), f"link_{n}")
        rows.append(builder.apply(Reshape((1, 1)), y, name=f"value_{n}"))
    return joined(builder, [rows[1 + int(k)] for k in np.argsort(model.order_)])


def classifier_chain(model: Any, builder: Builder, x: str) -> str:
    """Each classifier sees the features, and the labels that those before it gave."""
    if getattr(model, "chain_method_", "predict") != "predict":
        raise ModelError("a chain must hand on labels", hint='ClassifierChain(chain_method="predict")')
    rows, labels = [x], []
    for n, e in enumerate(model.estimators_):
        if not np.array_equal(e.classes_, np.arange(len(e.classes_))):
            raise ModelError(f"the labels of a chain must be 0, 1 and so on, not {list(e.classes_)[:4]}")
        y = builder.part(e, joined(builder, rows), f"link_{n}", output="label")
        labels.append(y)
        number = builder.apply(Cast(f32), y, name=f"number_{n}")
        rows.append(builder.apply(Reshape((1, 1)), number, name=f"value_{n}"))
    back = [int(k) for k in np.argsort(model.order_)]
    return put_together(builder, [labels[k] for k in back], [model.estimators_[k].classes_ for k in back], model)


def dummy_classifier(model: Any, builder: Builder, x: str) -> str:
    """The same for every row."""
    if model.strategy not in ("most_frequent", "prior", "constant"):
        raise ModelError(f'the strategy "{model.strategy}" draws at random', hint='strategy="prior"')
    if model.n_outputs_ > 1:
        raise ModelError("DummyClassifier must have one target", hint="fit one for each target")
    row = np.zeros((1, model.n_features_in_ or 1), np.float32)
    place = int(np.flatnonzero(model.classes_ == quietly(model.predict, row)[0])[0])
    shares = np.asarray(quietly(model.predict_proba, row), np.float64)[0]
    shares = shares[1:] if len(shares) == 2 else shares

    def label() -> str:
        y = forest(builder, x, [constant_tree(0.0)], [np.array([place])], [0], "groups", sided=False)
        return builder.apply(Reshape((1,)), y, name="label")

    return asked(builder, model, label=label, proba=lambda: constant_row(builder, x, shares))


def dummy_regressor(model: Any, builder: Builder, x: str) -> str:
    """The same for every row."""
    values = np.asarray(model.constant_, np.float64).reshape(-1)
    y = constant_row(builder, x, values)
    return scalar(builder, y) if len(values) == 1 else y


def constant_row(builder: Builder, x: str, values: Array) -> str:
    """float32 [1, K], whatever x is."""
    builder.take("missing", None)
    leaves, bias, steps = fixed_points([constant_tree(values)], np.zeros(len(values)))
    kind = "rows" if len(values) > 1 else "groups"
    rows = leaves if kind == "rows" else [leaves[0][:, 0]]
    return real(builder, forest(builder, x, [constant_tree(values)], rows, bias, kind, sided=False), steps, "values")


CONVERTERS = {
    "MultiOutputClassifier": multi_output_classifier,
    "RegressorChain": regressor_chain,
    "ClassifierChain": classifier_chain,
    "DummyClassifier": dummy_classifier,
    "DummyRegressor": dummy_regressor,
}
