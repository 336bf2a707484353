"""scikit-learn estimators as graphs: the same numbers, or one clear letter."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, SplineTransformer, StandardScaler

import skosh
from skosh.base.dtypes import f32
from skosh.base.errors import ModelError, UnsupportedError
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


def fitted(model: Any, data: tuple[Array, Array]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data)


def outputs(graph: Graph, rows: Array) -> Array:
    """[rows, ...]: the graph's outputs for each row."""
    return np.concatenate([run_graph(graph, [r[None].astype(np.float32)]).values[graph.outputs[0]] for r in rows])


CLASSIFIERS = [
    (MLPClassifier((5, 4), activation="relu", max_iter=20, random_state=0), IRIS),
    (MLPClassifier((5,), activation="tanh", max_iter=20, random_state=0), IRIS),
    (MLPClassifier((5,), activation="logistic", max_iter=20, random_state=0), IRIS),
    (MLPClassifier((), max_iter=20, random_state=0), IRIS),
    (MLPClassifier((5,), activation="identity", max_iter=20, random_state=0), (IRIS[0][:100], IRIS[1][:100])),
    (LogisticRegression(max_iter=20), IRIS),
    (LogisticRegression(fit_intercept=False), (IRIS[0][:100], IRIS[1][:100])),
    (make_pipeline(StandardScaler(), LogisticRegression()), CANCER),
    (make_pipeline(StandardScaler(with_mean=False), MLPClassifier((8,), max_iter=20, random_state=0)), CANCER),
    (make_pipeline(StandardScaler(with_std=False), "passthrough", LogisticRegression(max_iter=20)), IRIS),
    (make_pipeline(MinMaxScaler((-1, 1)), LogisticRegression()), CANCER),
    (make_pipeline(MaxAbsScaler(), LogisticRegression()), CANCER),
    (make_pipeline(make_pipeline(RobustScaler(), MinMaxScaler()), LogisticRegression()), CANCER),
]

REGRESSORS = [
    (LinearRegression(), DIABETES),
    (LinearRegression(fit_intercept=False), (DIABETES[0], np.stack([DIABETES[1], -DIABETES[1]], 1))),
    (Ridge(), (DIABETES[0], DIABETES[1][:, None])),
    (Lasso(), DIABETES),
    (MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0), DIABETES),
    (
        MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0),
        (DIABETES[0], np.stack([DIABETES[1], DIABETES[1] / 2], 1)),
    ),
    (make_pipeline(StandardScaler(), Ridge()), DIABETES),
]


def _name(value: Any) -> str | None:
    return type(value).__name__ if hasattr(value, "fit") else ""


@pytest.mark.parametrize(("model", "data"), CLASSIFIERS, ids=_name)
def test_classifiers_give_the_librarys_probabilities(model: Any, data: tuple[Array, Array]) -> None:
    fitted(model, data)
    graph = skosh.load(model)
    rows = data[0][::5]
    want = model.predict_proba(rows)
    got = outputs(graph, rows)
    np.testing.assert_allclose(got, want[:, 1:] if want.shape[1] == 2 else want, atol=2e-6)
    assert graph.notes["classes"] == tuple(model.classes_.tolist())
    assert graph.tensors[graph.inputs[0]].shape == (1, data[0].shape[1])
    assert all(t.dtype == f32 for t in graph.tensors.values())


@pytest.mark.parametrize(("model", "data"), REGRESSORS, ids=_name)
def test_regressors_give_the_librarys_values(model: Any, data: tuple[Array, Array]) -> None:
    fitted(model, data)
    graph = skosh.load(model)
    rows = data[0][::20]
    want = model.predict(rows)
    got = outputs(graph, rows)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)
    assert "classes" not in graph.notes


def test_a_transformer_alone_clips_as_it_should() -> None:
    scaler = MinMaxScaler(clip=True).fit(IRIS[0][:40])
    np.testing.assert_allclose(outputs(skosh.load(scaler), IRIS[0]), scaler.transform(IRIS[0]), atol=1e-6)


def test_labels_may_be_words_and_classes_derived() -> None:
    class Mine(LogisticRegression):
        pass

    graph = skosh.load(Mine(max_iter=1000).fit(IRIS[0], np.array(["a", "b", "c"])[IRIS[1]]), name="flower")
    assert graph.notes["classes"] == ("a", "b", "c")
    assert graph.name == "flower"


def test_the_name_and_the_digest_follow_the_model() -> None:
    one, two = (skosh.load(fitted(MLPClassifier((3,), max_iter=2, random_state=s), IRIS)) for s in (0, 1))
    assert one.name == "mlp_classifier"
    assert len(one.digest) == 64
    assert one.digest != two.digest


@pytest.mark.parametrize("name", ["MLPClassifier", "LogisticRegression", "Pipeline"])
def test_what_is_not_fitted(name: str) -> None:
    model = {"MLPClassifier": MLPClassifier(), "LogisticRegression": LogisticRegression()}.get(
        name, make_pipeline(StandardScaler().fit(IRIS[0]), Ridge())
    )
    with pytest.raises(ModelError, match="must be fitted") as info:
        skosh.load(model)
    if name == "MLPClassifier":
        assert str(info.value) == (
            '<sklearn>: "mlp_classifier": MLPClassifier must be fitted. Hint: call its fit method first'
        )


def test_all_obstacles_at_once() -> None:
    model = Pipeline(
        [("bend", SplineTransformer()), ("guess", LogisticRegression()), ("process", GaussianProcessClassifier())]
    )
    with pytest.raises(UnsupportedError) as info:
        skosh.load(model)
    assert [o.loc.node for o in info.value.obstacles] == ["bend", "guess", "process"]
    assert "SplineTransformer is not among the estimators that skosh reads" in str(info.value)
    assert "LogisticRegression predicts, so it must be the last step" in str(info.value)
    assert len(str(info.value)) < 650


def test_numbers_that_are_not_finite() -> None:
    model = LinearRegression().fit(*DIABETES)
    model.coef_[3] = np.nan
    with pytest.raises(ModelError) as info:
        skosh.load(model)
    assert str(info.value) == (
        '<sklearn>: "linear_regression": values_weight must hold finite float32 numbers only. '
        "Hint: fit the model on finite samples"
    )


def test_an_empty_pipeline() -> None:
    with pytest.raises(ModelError, match="at least one step"):
        skosh.load(Pipeline([("nothing", "passthrough")]))
