"""Estimators that lead others, searches, and features through functions and kernels: what they give is the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import FactorAnalysis, FastICA
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, StackingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.mixture import BayesianGaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skosh
from skosh.base.errors import ModelError, UnsupportedError
from tests.importers.sklearn_models import assert_predicts, fitted, halves, on_host, outputs, random_rows, single

TRAIN, TEST, Y, _ = halves("iris")
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
ROWS, _, VALUES, _ = halves("diabetes")
SHORT, TARGET = ROWS[:120], VALUES[:120]

CLASSIFIERS = {
    "rest, svc": OneVsRestClassifier(LinearSVC(random_state=0)),
    "rest, logistic": OneVsRestClassifier(LogisticRegression()),
    "rest, bayes": OneVsRestClassifier(GaussianNB()),
    "pairs": OneVsOneClassifier(LinearSVC(random_state=0)),
    "calibrated": CalibratedClassifierCV(LinearSVC(random_state=0)),
    "calibrated probabilities": CalibratedClassifierCV(GaussianNB(), cv=2),
    "calibrated once": CalibratedClassifierCV(LinearSVC(random_state=0), ensemble=False),
    "stacked": StackingClassifier(
        [("a", make_pipeline(StandardScaler(), LinearSVC(random_state=0))), ("b", RidgeClassifier()), ("c", "drop"),
         ("d", GaussianNB())],
        passthrough=True,
    ),
    "stacked labels": StackingClassifier(
        [("a", KNeighborsClassifier()), ("b", DecisionTreeClassifier(max_depth=2, random_state=0))], stack_method="predict"
    ),
    "clipped": SGDClassifier(loss="modified_huber", random_state=0),
    "search": GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 10]}, cv=2),
    "search of forests": RandomizedSearchCV(
        RandomForestClassifier(5, random_state=0), {"max_depth": [2, 3]}, n_iter=2, cv=2, random_state=0
    ),
}  # fmt: skip


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str, classes: int) -> None:
    some = np.isin(Y, range(classes))
    model = fitted(clone(CLASSIFIERS[name]), TRAIN[some], NAMES[some])
    assert_predicts(model, TEST, random_rows(TRAIN, 100))
    for output, method in (("proba", "predict_proba"), ("decision", "decision_function")):
        if hasattr(model, method):
            want = np.asarray(getattr(model, method)(TEST))
            want = want[:, 1:] if output == "proba" and classes == 2 else want.reshape(len(TEST), -1)
            np.testing.assert_allclose(outputs(model, TEST, output=output), want, rtol=1e-4, atol=1e-5)


BY_TWO = np.c_[TARGET, SHORT[:, 0] * 50 + 3]
REGRESSORS: dict[str, tuple[Any, Any]] = {
    "stacked": (StackingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))]), TARGET),
    "stacked with features": (
        StackingRegressor([("a", Ridge())], make_pipeline(StandardScaler(), SVR()), passthrough=True), TARGET
    ),
    "standardized target": (TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), TARGET),
    "two standardized targets": (TransformedTargetRegressor(Ridge(), transformer=RobustScaler()), BY_TWO),
    "target in a range": (TransformedTargetRegressor(Ridge(), transformer=MinMaxScaler((1, 3))), TARGET),
    "logarithm of a target": (TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), TARGET),
    "a target each": (MultiOutputRegressor(Ridge()), BY_TWO),
    "kernel": (KernelRidge(kernel="rbf"), TARGET),
    "linear kernel": (KernelRidge(), BY_TWO),
    "polynomial kernel": (KernelRidge(kernel="poly", gamma=0.1, degree=2), TARGET),
    "least squares": (PLSRegression(), TARGET),
    "least squares of two": (PLSRegression(), BY_TWO),
    "inliers": (RANSACRegressor(random_state=0), TARGET),
    "search": (GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2), TARGET),
}  # fmt: skip


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name: str) -> None:
    made, y = REGRESSORS[name]
    model = fitted(clone(made), SHORT, y)
    want = model.predict(ROWS)
    got = on_host(model).predict(ROWS)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


POSITIVE = single(np.abs(TRAIN) + 0.125)
HOLES = np.where(np.random.default_rng(0).random(TRAIN.shape) < [0.3, 0, 0.2, 0], np.nan, TRAIN)
TRANSFORMERS = {
    "indicators": (SimpleImputer(add_indicator=True), HOLES),
    "only indicators": (MissingIndicator(), HOLES),
    "bins by number": (KBinsDiscretizer([2, 3, 4, 5], encode="ordinal", strategy="uniform"), TRAIN),
    "bins": (KBinsDiscretizer(strategy="kmeans", encode="onehot-dense"), TRAIN),
    "Yeo-Johnson": (PowerTransformer(), TRAIN),
    "Box-Cox": (PowerTransformer(method="box-cox", standardize=False), POSITIVE),
    "factors": (FactorAnalysis(2), TRAIN),
    "independent components": (FastICA(2, random_state=0), TRAIN),
    "waves": (RBFSampler(n_components=20, random_state=0), TRAIN),
    "Nystroem": (Nystroem(n_components=9, random_state=0, gamma=0.5), TRAIN),
    "projection": (GaussianRandomProjection(3, random_state=0), TRAIN),
    "sparse projection": (SparseRandomProjection(3, random_state=0), TRAIN),
    **{
        f.__name__: (FunctionTransformer(f), POSITIVE)
        for f in (np.log1p, np.expm1, np.sqrt, np.log2, np.log10, np.abs, np.cos)
    },
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers(name: str) -> None:
    made, x = TRANSFORMERS[name]
    model = fitted(clone(made), x, None)
    np.testing.assert_allclose(outputs(model, x), np.asarray(model.transform(x), float), rtol=1e-5, atol=3e-6)


def test_bins_begin_at_their_edges() -> None:
    """On an edge, and on the float32 numbers beside it, although the edge is none."""
    model = KBinsDiscretizer([7], encode="ordinal", strategy="uniform").fit([[0.0], [1.0]])
    edges = model.bin_edges_[0][1:-1].astype(np.float32)
    x = np.concatenate([edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(1))])[:, None]
    np.testing.assert_array_equal(outputs(model, x), model.transform(x.astype(np.float64)))


def test_powers_near_zero_are_logarithms() -> None:
    model = PowerTransformer(standardize=False).fit(TRAIN)
    for power in (0.0, 2.0, 1e-9, 1.0):
        model.lambdas_ = np.full(4, power)
        np.testing.assert_allclose(outputs(model, TEST), model.transform(TEST), rtol=2e-6, atol=1e-7)


def test_small_numbers_keep_their_digits() -> None:
    x = np.array([[1e-7], [-1e-7], [1e-30], [-0.5], [0.5], [3.0], [20.0], [-20.0]])
    for f, rows in ((np.expm1, x), (np.log1p, x[:-1])):
        model = FunctionTransformer(f).fit(rows)
        np.testing.assert_allclose(outputs(model, rows), f(single(rows)), rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("prior", ["dirichlet_process", "dirichlet_distribution"])
def test_bayesian_mixtures(kind: str, prior: str) -> None:
    made = BayesianGaussianMixture(
        n_components=4, covariance_type=kind, weight_concentration_prior_type=prior, random_state=0
    )
    model = fitted(made, TRAIN, None)
    assert_predicts(model, TEST, random_rows(TRAIN, 100))
    np.testing.assert_allclose(outputs(model, TEST, output="proba"), model.predict_proba(TEST), rtol=1e-4, atol=1e-6)


def test_text_in_a_search() -> None:
    texts, labels = ["good one", "bad one", "very good", "so bad"] * 3, [1, 0, 1, 0] * 3
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model = GridSearchCV(pipeline, {"logisticregression__C": [1, 2]}, cv=2).fit(texts, labels)
    build = skosh.compile(skosh.load(model, length=32), target="host")
    np.testing.assert_array_equal(build.predict(texts), model.predict(texts))


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4"])
def test_the_c_is_bit_exact(target: str) -> None:
    model = fitted(clone(CLASSIFIERS["stacked"]), make_pipeline(PowerTransformer()).fit_transform(TRAIN), NAMES)
    assert skosh.compile(skosh.load(model, output="proba"), target=target).verify(3).bit_exact
    power = fitted(PowerTransformer(), TRAIN, None)
    assert skosh.compile(skosh.load(power), target=target).verify(6).bit_exact


def letter(model: Any) -> str:
    with pytest.raises((ModelError, UnsupportedError)) as error:
        skosh.load(model)
    return str(error.value)


def test_letters() -> None:
    assert letter(GridSearchCV(Ridge(), {"alpha": [1]})) == (
        "<sklearn>: GridSearchCV must be fitted. Hint: call its fit method first, with refit=True"
    )
    assert letter(FunctionTransformer(lambda x: x).fit(TRAIN)).startswith(
        '<sklearn>: "function_transformer": the function must be one of numpy.exp, numpy.log, numpy.sqrt,'
    )
    assert letter(fitted(OneVsOneClassifier(GaussianNB()), TRAIN, Y)) == (
        '<sklearn>: "one_vs_one_classifier": each estimator of a pair must have a decision_function, '
        "and take the features themselves."
    )
    many = OneVsRestClassifier(LogisticRegression()).fit(TRAIN, np.eye(3, dtype=int)[Y])
    assert letter(many) == (
        '<sklearn>: "one_vs_rest_classifier": each sample must have one label, not several at once. '
        "Hint: fit one classifier for each label"
    )
    back = fitted(TransformedTargetRegressor(Ridge(), transformer=QuantileTransformer(n_quantiles=9)), SHORT, TARGET)
    assert letter(back) == (
        '<sklearn>: "transformed_target_regressor": a target can\'t be transformed back by QuantileTransformer. '
        "Hint: use StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, or inverse_func="
    )
    assert "Nothing is not among the estimators that skosh reads" in letter(
        fitted(StackingClassifier([("a", Nothing()), ("b", GaussianNB())], cv=2), TRAIN, Y)
    )


class Nothing(ClassifierMixin, BaseEstimator):
    """A classifier of one's own, which skosh doesn't know."""

    def fit(self, x: Any, y: Any) -> Nothing:
        self.classes_, self.n_features_in_ = np.unique(y), x.shape[1]
        return self

    def predict(self, x: Any) -> Any:
        return np.full(len(x), self.classes_[0])


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
@pytest.mark.parametrize("inner", [LogisticRegression(), GaussianNB(), LinearSVC()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("name", ["iris", "breast cancer"])
def test_calibration_by_lines_or_a_temperature(name: str, inner: Any, method: str) -> None:
    train, test, y, _ = halves(name)
    model = fitted(CalibratedClassifierCV(clone(inner), method=method, cv=3), train, y)
    assert_predicts(model, test)
    want = model.predict_proba(test)
    got = outputs(model, test, output="proba")
    np.testing.assert_allclose(got, want[:, 1:] if want.shape[1] == 2 else want, atol=2e-5)


def test_a_frozen_estimator_is_what_it_holds() -> None:
    train, test, y, _ = halves("iris")
    frozen = FrozenEstimator(LogisticRegression().fit(train, y))
    assert_predicts(CalibratedClassifierCV(frozen, method="isotonic").fit(train, y), test)


@pytest.mark.parametrize("options", [{}, {"n_neighbors": 5, "p": 1}, {"algorithm": "brute", "contamination": 0.1}], ids=str)
def test_local_outliers(options: dict[str, Any]) -> None:
    train, test, _, _ = halves("wine")
    model = LocalOutlierFactor(novelty=True, **options).fit(train)
    assert_predicts(model, test, random_rows(train, 100))
    np.testing.assert_allclose(outputs(model, test, output="decision")[:, 0], model.decision_function(test), atol=1e-5)
    with pytest.raises(ModelError, match="must be fitted to find novelties"):
        skosh.load(LocalOutlierFactor().fit(train))


def test_several_labels_of_a_network() -> None:
    train, test, y, _ = halves("iris")
    several = np.c_[y > 0, train[:, 0] > 0, train[:, 1] > train[:, 2]].astype(int)
    model = fitted(MLPClassifier(hidden_layer_sizes=(8,), max_iter=60, random_state=0), train, several)
    for options in ({}, {"output": "label"}, {"output": "proba"}):
        np.testing.assert_array_equal(on_host(model, **options).predict(test), model.predict(test))
    np.testing.assert_allclose(outputs(model, test, output="proba"), model.predict_proba(test), atol=1e-6)


@pytest.mark.parametrize("inner", [Ridge(), Lasso(), make_pipeline(StandardScaler(), SVR())], ids=lambda m: type(m).__name__)
def test_several_targets_each_by_a_model(inner: Any) -> None:
    train, test, y, _ = halves("diabetes")
    model = MultiOutputRegressor(inner).fit(train, np.c_[y, y / 3, train[:, 0]])
    np.testing.assert_allclose(outputs(model, test), model.predict(test), rtol=1e-4, atol=1e-4)


def test_an_estimator_that_is_not_known_names_the_nearest() -> None:
    train, _, y, _ = halves("iris")
    with pytest.raises(UnsupportedError) as error:
        skosh.load(GaussianProcessClassifier().fit(train, y))
    told = str(error.value)
    assert len(told) < 400 and "RandomForestClassifier" in told and "docs/scikit-learn.md" in told
