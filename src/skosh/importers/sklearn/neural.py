"""Multi-layer perceptrons: dense layers with an activation between."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense, scalar
from skosh.importers.sklearn.outputs import asked, columns, largest, positive, several
from skosh.ir.graph import Op
from skosh.ops.elements.activations import Logistic, Tanh
from skosh.ops.elements.functions import Exp
from skosh.ops.reductions.softmax import Softmax

_FUNCTIONS: dict[str, Op] = {"logistic": Logistic(), "tanh": Tanh(), "softmax": Softmax(), "exp": Exp()}


def classifier(model: Any, builder: Builder, x: str) -> str:
    """Softmax over the classes; for two of them the logistic of one score. Several labels at once: a logistic of each."""
    if model.n_outputs_ > 1 and model.out_activation_ == "logistic":
        return several(builder, lambda: network(model, builder, x, scores=True), lambda: network(model, builder, x))

    def label() -> str:
        y = network(model, builder, x, scores=True)
        return positive(builder, y) if columns(builder, y) == 1 else largest(builder, y)

    return asked(builder, model, "proba", label=label, proba=lambda: network(model, builder, x))


def regressor(model: Any, builder: Builder, x: str) -> str:
    """As many values as there were targets."""
    y = network(model, builder, x)
    return scalar(builder, y) if model.n_outputs_ == 1 else y


def network(model: Any, builder: Builder, x: str, scores: bool = False) -> str:
    """All layers. coefs_: one [in, out] array a layer; intercepts_: [out]. scores: without the last function."""
    last = len(model.coefs_) - 1
    for i, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        name = "scores" if i == last else f"hidden_{i + 1}"
        function = model.out_activation_ if i == last else model.activation
        fused = "relu" if function == "relu" else "none"
        x = dense(builder, x, np.asarray(weights).T, bias, name, fused)
        if function in _FUNCTIONS and not (scores and i == last):
            named = "probabilities" if function in ("softmax", "logistic") and i == last else f"{name}_{function}"
            x = builder.apply(_FUNCTIONS[function], x, name=named)
    return x


CONVERTERS = {"MLPClassifier": classifier, "MLPRegressor": regressor}
