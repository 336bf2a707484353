"""Classifiers and regressors of scikit-learn, compiled: every prediction, and what else they can be asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.linear_model import (
    HuberRegressor,
    Lasso,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

import skosh
from skosh.base.dtypes import i32
from skosh.base.errors import InputError, ModelError
from tests.conformance.union import differences, expected, union
from tests.importers.sklearn_models import assert_predicts, fitted, halves, on_host, outputs, random_rows

KERNELS = ("linear", "poly", "rbf", "sigmoid")
CLASSIFIERS = [
    LogisticRegression(), RidgeClassifier(), SGDClassifier(random_state=0), SGDClassifier(loss="log_loss", random_state=0),
    Perceptron(random_state=0), SGDClassifier(penalty=None, learning_rate="pa1", eta0=1.0, random_state=0),
    LinearSVC(random_state=0),
    *(SVC(kernel=k) for k in KERNELS), SVC(kernel="poly", degree=5, coef0=1.0), SVC(break_ties=True), NuSVC(nu=0.1),
    LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(reg_param=0.1), GaussianNB(), BernoulliNB(binarize=0.3),
    KNeighborsClassifier(), KNeighborsClassifier(4, weights="distance"), KNeighborsClassifier(p=1),
    NearestCentroid(), NearestCentroid(shrink_threshold=0.2), NearestCentroid(metric="manhattan"),
    NearestCentroid(priors="empirical"), NearestCentroid(metric="manhattan", priors="empirical"),
    KMeans(5, random_state=0), MiniBatchKMeans(5, random_state=0),
    *(GaussianMixture(3, covariance_type=c, random_state=0, reg_covar=0.01) for c in ("full", "tied", "diag", "spherical")),
    EllipticEnvelope(random_state=0, support_fraction=1.0), OneClassSVM(nu=0.2),
    MLPClassifier((4,), max_iter=30, random_state=0),
    VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB()), ("c", LinearDiscriminantAnalysis())]),
    VotingClassifier([("a", RidgeClassifier()), ("b", SVC()), ("c", "drop")], weights=[2, 1, 5]),
]  # fmt: skip


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
def test_every_prediction(model: Any) -> None:
    train, test, y, _ = halves("iris")
    assert_predicts(fitted(clone(model), train, y), test, random_rows(train, 1000))


@pytest.mark.parametrize("algorithm", ["auto", "brute", "ball_tree"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_neighbours_on_a_lattice(algorithm: str, weights: str) -> None:
    """Whole numbers, so most distances are shared: which samples are neighbours is the library's choice."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        features, count = int(rng.integers(1, 6)), int(rng.integers(40, 250))
        train, rows = (rng.integers(0, 5, (n, features)).astype(float) for n in (count, 80))
        made = KNeighborsClassifier(int(rng.integers(1, 9)), algorithm=algorithm, weights=weights)
        assert_predicts(made.fit(train, rng.integers(0, 4, count)), rows)
        values = KNeighborsRegressor(3, algorithm=algorithm, weights=weights).fit(train, rng.normal(size=count))
        np.testing.assert_allclose(outputs(values, rows), values.predict(rows), rtol=1e-5, atol=1e-6)


TWO = [
    RidgeClassifier(),
    SVC(),
    SVC(kernel="linear"),
    LinearDiscriminantAnalysis(),
    KNeighborsClassifier(),
    MLPClassifier((4,)),
]


@pytest.mark.parametrize("model", TWO, ids=lambda m: type(m).__name__)
def test_every_prediction_of_two_classes(model: Any) -> None:
    train, test, y, _ = halves("breast cancer")
    assert_predicts(fitted(clone(model), train, y), test, random_rows(train, 1000))


@pytest.mark.parametrize("model", [MultinomialNB(), ComplementNB(), ComplementNB(norm=True), GaussianNB(), SVC(C=0.1),
                                   KNeighborsClassifier(3)], ids=lambda m: type(m).__name__)  # fmt: skip
def test_every_prediction_of_counts(model: Any) -> None:
    """Pixels: whole numbers, so distances have ties; many variances of Gaussian naive Bayes are all but zero."""
    train, test, y, _ = halves("digits", scaled=False)
    assert_predicts(fitted(clone(model), train, y), test, random_rows(train, 1000))


def test_neighbours_that_are_equally_far() -> None:
    rng = np.random.default_rng(0)
    train, rows = rng.integers(0, 3, (200, 20)).astype(float), rng.integers(0, 3, (1000, 20)).astype(float)
    for neighbours in (2, 5):
        assert_predicts(KNeighborsClassifier(neighbours, algorithm="brute").fit(train, rng.integers(0, 4, 200)), rows)


def test_categories() -> None:
    rng = np.random.default_rng(0)
    train, y = rng.integers(0, 5, (200, 6)), rng.integers(0, 3, 200)
    assert_predicts(CategoricalNB(min_categories=5).fit(train, y), rng.integers(0, 5, (1000, 6)).astype(float))


def test_labels_may_be_words() -> None:
    train, test, y, _ = halves("iris")
    model = SVC().fit(train, np.array(["setosa", "versicolor", "virginica"])[y])
    assert_predicts(model, test)
    graph = skosh.load(model)
    assert graph.tensors[graph.outputs[0]].dtype == i32
    assert graph.notes["classes"] == ("setosa", "versicolor", "virginica")


# --------------------------------------------------------------------------------------------------------- other outputs

PROBABILITIES = [
    LogisticRegression(), SGDClassifier(loss="log_loss", random_state=0), LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(reg_param=0.1), GaussianNB(), BernoulliNB(), KNeighborsClassifier(),
    KNeighborsClassifier(weights="distance"), NearestCentroid(), GaussianMixture(3, random_state=0, reg_covar=0.01),
    VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft", weights=[1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("model", PROBABILITIES, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("data", ["iris", "breast cancer"])
def test_probabilities(model: Any, data: str) -> None:
    train, test, y, _ = halves(data)
    model = fitted(clone(model), train, y)
    want, build = model.predict_proba(test), on_host(model, output="proba")
    got = build.run(test.astype(np.float32))
    np.testing.assert_allclose(got, want if got.shape[1] > 1 else want[:, 1:], atol=2e-5)
    np.testing.assert_array_equal(build.predict(test), want.argmax(axis=1))  # labels are numbers from 0


DECISIONS = [
    LogisticRegression(), RidgeClassifier(), LinearSVC(random_state=0), *(SVC(kernel=k) for k in KERNELS),
    SVC(decision_function_shape="ovo"), SVC(kernel="linear", decision_function_shape="ovo"), OneClassSVM(),
    LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(reg_param=0.1), NearestCentroid(),
    EllipticEnvelope(random_state=0, support_fraction=1.0),
]  # fmt: skip


@pytest.mark.parametrize("model", DECISIONS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("data", ["iris", "breast cancer"])
def test_decisions(model: Any, data: str) -> None:
    train, test, y, _ = halves(data)
    model = fitted(clone(model), train, y)
    want, build = model.decision_function(test), on_host(model, output="decision")
    got = build.run(test.astype(np.float32))
    np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-5, atol=1e-4 * max(1, np.abs(want).max() / 100))
    if want.ndim == 2 and "classes" in build.source.notes:
        np.testing.assert_array_equal(build.predict(test), want.argmax(axis=1))


REGRESSORS = [
    Ridge(), Lasso(), SGDRegressor(random_state=0), HuberRegressor(), LinearSVR(random_state=0), PoissonRegressor(),
    TweedieRegressor(power=0), *(SVR(kernel=k, C=10.0) for k in KERNELS), NuSVR(C=10.0), KNeighborsRegressor(),
    KNeighborsRegressor(3, weights="distance"), make_pipeline(PolynomialFeatures(2), Ridge()),
    VotingRegressor([("a", Ridge()), ("b", SVR())], weights=[1, 3]),
]  # fmt: skip


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda m: type(m).__name__)
def test_regressors(model: Any) -> None:
    train, test, y, _ = halves("diabetes")
    model = fitted(clone(model), train, y)
    want = model.predict(test)
    np.testing.assert_allclose(on_host(model).predict(test), want, rtol=1e-5, atol=1e-5 * np.abs(want).mean())


def test_neighbours_with_several_targets() -> None:
    train, test, y, _ = halves("diabetes")
    for weights in ("uniform", "distance"):
        model = KNeighborsRegressor(weights=weights).fit(train, np.stack([y, -y], axis=1))
        np.testing.assert_allclose(outputs(model, test), model.predict(test), rtol=1e-5)


# -------------------------------------------------------------------------------------------------------------- machines


def test_the_same_bits_on_every_machine() -> None:
    train, test, y, _ = halves("iris")
    chosen = [
        SVC(), NuSVC(kernel="sigmoid"), SVC(kernel="poly"), SVC(break_ties=True), KNeighborsClassifier(weights="distance"),
        KNeighborsClassifier(p=1), QuadraticDiscriminantAnalysis(), GaussianNB(), NearestCentroid(metric="manhattan"),
    ]  # fmt: skip
    models = {f"{type(m).__name__} {i}": skosh.load(fitted(clone(m), train, y)) for i, m in enumerate(chosen)}
    models["all but constant features"] = skosh.load(GaussianNB().fit((train > 0) * 1.0, y))
    assert any(getattr(node.op, "relative", False) for node in models["all but constant features"].nodes)
    whole = union(models)
    runs = [[row[None].astype(np.float32)] * len(models) for row in test[:3]]
    want = expected(whole.graph, runs)
    for target in ("cortex-m0plus", "cortex-m4"):
        assert not differences(whole, want, whole.build(target).runner, runs), target


# --------------------------------------------------------------------------------------------------------------- letters

TRAIN, _, Y, _ = halves("iris")
LETTERS = [
    (SVC(), {}, "SVC must be fitted. Hint: call its fit method first"),
    (SVC(kernel=lambda a, b: a @ b.T).fit(TRAIN, Y), {},
     "the kernel is a function, which skosh can't compile. Hint: use linear, poly, rbf or sigmoid"),
    (SVC(kernel="precomputed").fit(TRAIN @ TRAIN.T, Y), {},
     "the kernel must be linear, poly, rbf or sigmoid, not 'precomputed'"),
    (SVC(kernel="poly", degree=0).fit(TRAIN, Y), {}, "the degree of a polynomial kernel must be at least 1, not 0"),
    (SVC().fit(TRAIN, Y), {"output": "proba"}, 'output of SVC must be "label" or "decision", not "proba"'),
    (LinearSVC().fit(TRAIN, Y), {"output": "proba"}, 'output of LinearSVC must be "label" or "decision", not "proba"'),
    (Ridge().fit(TRAIN, Y), {"output": "proba"}, "Ridge has no proba to give. Hint: leave output out"),
    (Ridge().fit(TRAIN, Y), {"output": "odds"}, "output must be \"label\", \"proba\" or \"decision\", not 'odds'"),
    (KNeighborsClassifier(metric="chebyshev").fit(TRAIN, Y), {}, "the metric must be euclidean or manhattan, not chebyshev"),
    (KNeighborsClassifier(metric=lambda a, b: 1.0).fit(TRAIN, Y), {}, "euclidean or manhattan, not a function"),
    (KNeighborsClassifier(p=3).fit(TRAIN, Y), {}, "the metric must be euclidean or manhattan, not minkowski with p = 3"),
    (KNeighborsClassifier(weights=lambda d: d).fit(TRAIN, Y), {}, 'weights must be "uniform" or "distance", not a function'),
    (KNeighborsClassifier().fit(TRAIN, np.stack([Y, Y], 1)), {}, "each sample must have one label, not several at once"),
    (RidgeClassifier().fit(TRAIN, np.eye(3)[Y]), {}, "each sample must have one label, not several at once"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options", "message"), LETTERS, ids=lambda v: type(v).__name__ if hasattr(v, "fit") else ""
)
def test_what_is_refused(model: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises((ModelError, InputError)) as info:
        skosh.load(model, **options)
    assert message in str(info.value)
    assert str(info.value).startswith("<sklearn>")


@pytest.mark.parametrize("attribute", ["support_vectors_", "_dual_coef_"])
def test_numbers_that_are_not_finite(attribute: str) -> None:
    model = SVC().fit(TRAIN, Y)
    getattr(model, attribute if attribute == "support_vectors_" else "dual_coef_")[0, 0] = np.nan
    with pytest.raises(ModelError, match="must hold finite float32 numbers only"):
        skosh.load(model)


def test_sparse_samples() -> None:
    sparse = pytest.importorskip("scipy.sparse").csr_array(TRAIN)
    for model, what in ((SVC(), "support vectors"), (KNeighborsClassifier(), "samples")):
        with pytest.raises(ModelError, match=f"the {what} must be dense, not sparse"):
            skosh.load(model.fit(sparse, Y))
