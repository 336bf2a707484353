"""AdaBoost, bagging, isolation forests, and probabilities of support vector machines: what the library predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge, SGDOneClassSVM
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skosh
from skosh.base.errors import ModelError, UnsupportedError
from tests.importers.sklearn_models import assert_predicts, fitted, halves, on_host, outputs, random_rows
from tests.importers.trees import outputs as tree_outputs

TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
OF_TREES = [
    AdaBoostClassifier(n_estimators=30, random_state=0),
    AdaBoostClassifier(TREE, n_estimators=10, random_state=0),
    BaggingClassifier(random_state=0),
    BaggingClassifier(TREE, max_features=0.5, max_samples=0.5, random_state=0),
    BaggingClassifier(max_samples=4, random_state=0),  # members that have not seen all classes
]
OF_OTHERS = [
    AdaBoostClassifier(LogisticRegression(), n_estimators=5, random_state=0),
    BaggingClassifier(LogisticRegression(), 4, max_features=0.7, random_state=0),
    BaggingClassifier(make_pipeline(StandardScaler(), LogisticRegression()), 3, random_state=0),
    BaggingClassifier(Perceptron(random_state=0), 5, random_state=0),
    BaggingClassifier(RandomForestClassifier(3, max_depth=3, random_state=0), 3, random_state=0),
]


def ids(value: Any) -> str:
    inner = getattr(value, "estimator", None)
    return f"{type(value).__name__}-{type(inner).__name__}" if inner is not None else str(type(value).__name__)


@pytest.mark.parametrize("data", ["iris", "breast cancer"])
@pytest.mark.parametrize("model", OF_TREES, ids=ids)
def test_classifiers_of_trees(model: Any, data: str) -> None:
    x, test, y, _ = halves(data, scaled=False)
    fitted(model, x, y)
    rows = np.concatenate([test, random_rows(x, 10_000)])
    want = model.predict_proba(rows)
    got = tree_outputs(skosh.load(model, output="label"), rows)
    np.testing.assert_array_equal(got, model.classes_.searchsorted(model.predict(rows)))
    proba = tree_outputs(skosh.load(model, output="proba"), rows[:500])
    np.testing.assert_allclose(proba, want[:500, 1:] if want.shape[1] == 2 else want[:500], atol=2e-6)
    if hasattr(model, "decision_function"):
        scores = tree_outputs(skosh.load(model, output="decision"), rows[:100])
        np.testing.assert_allclose(scores, model.decision_function(rows[:100]).reshape(scores.shape), atol=1e-5)


@pytest.mark.parametrize("data", ["iris", "breast cancer"])
@pytest.mark.parametrize("model", OF_OTHERS, ids=ids)
def test_classifiers_of_others(model: Any, data: str) -> None:
    x, test, y, _ = halves(data)
    fitted(model, x, y)
    assert_predicts(model, test, random_rows(x, 1000))
    want = model.predict_proba(test[:50])
    got = outputs(model, test[:50], output="proba")
    np.testing.assert_allclose(got, want[:, 1:] if want.shape[1] == 2 else want, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        AdaBoostRegressor(n_estimators=20, random_state=0),
        AdaBoostRegressor(Ridge(), n_estimators=6, random_state=0),
        BaggingRegressor(random_state=0),
        BaggingRegressor(DecisionTreeRegressor(max_depth=4), max_features=0.6, random_state=0),
        BaggingRegressor(Ridge(), 4, max_features=0.6, random_state=0),
    ],
    ids=ids,
)
def test_regressors(model: Any) -> None:
    x, test, y, _ = halves("diabetes")
    fitted(model, x, y)
    rows = np.concatenate([test, random_rows(x, 2000)])
    want = model.predict(rows)  # sums of products near 0 are exact relative to their terms only
    np.testing.assert_allclose(outputs(model, rows), want, rtol=1e-5, atol=1e-6 * np.abs(want).mean())


@pytest.mark.parametrize("contamination", ["auto", 0.1])
@pytest.mark.parametrize("columns", [1.0, 0.5])
def test_isolation_forests(contamination: Any, columns: float) -> None:
    x, test, _, _ = halves("breast cancer", scaled=False)
    model = IsolationForest(n_estimators=30, contamination=contamination, max_features=columns, random_state=0).fit(x)
    rows = np.concatenate([x, test, random_rows(x, 10_000)])
    want = model.predict(rows)
    labels = tree_outputs(skosh.load(model), rows)
    np.testing.assert_array_equal(np.array([-1, 1])[labels], want)
    assert len(np.unique(want)) == 2
    assert on_host(model).predict(test[:20]).tolist() == model.predict(test[:20]).tolist()
    decisions = tree_outputs(skosh.load(model, output="decision"), rows[:500])
    np.testing.assert_allclose(decisions[:, 0], model.decision_function(rows[:500]), atol=1e-6)


def test_one_class_by_gradient_descent() -> None:
    x, test, _, _ = halves("breast cancer")
    model = SGDOneClassSVM(nu=0.3, random_state=0).fit(x)
    assert_predicts(model, test, random_rows(x, 2000))


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.parametrize(("kind", "data"), [(SVC, "iris"), (SVC, "breast cancer"), (NuSVC, "wine"), (SVC, "digits")])
def test_probabilities_of_support_vectors(kind: Any, data: str) -> None:
    x, test, y, _ = halves(data)
    model = fitted(kind(probability=True, random_state=0), x[:400], y[:400])
    want = model.predict_proba(test[:100])
    got = outputs(model, test[:100], output="proba")
    np.testing.assert_allclose(got, want[:, 1:] if want.shape[1] == 2 else want, atol=1e-5)
    assert_predicts(model, test[:100])


class Unknown(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, x: Any, y: Any) -> Unknown:
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: Any) -> Any:
        return np.full(len(x), self.classes_[0])


def test_what_is_refused() -> None:
    x, _, y, _ = halves("iris")
    with pytest.raises(UnsupportedError, match="1 obstacle"):
        skosh.load(BaggingClassifier(Unknown(), 2).fit(x, y))
    bag = fitted(BaggingClassifier(KNeighborsClassifier(1), 3, max_samples=3, random_state=5), x, y)
    with pytest.raises(ModelError, match="every member must have seen all classes"):
        skosh.load(bag)
    with pytest.raises(ModelError, match="must be fitted"):
        skosh.load(AdaBoostClassifier())
