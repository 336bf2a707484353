"""Classical models in integers: they say what the library says, the C is the meaning bit for bit, exact stays exact."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

import skosh
import skosh.ir.graph
from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph

pytest.importorskip("sklearn")

from sklearn import (
    cluster,
    covariance,
    datasets,
    discriminant_analysis,
    linear_model,
    mixture,
    naive_bayes,
    neighbors,
    svm,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

FITTED = {
    "logistic regression": linear_model.LogisticRegression(max_iter=300),
    "ridge": linear_model.RidgeClassifier(),
    "gradient descent": linear_model.SGDClassifier(random_state=0),
    "linear machine": svm.LinearSVC(random_state=0),
    "linear kernel": svm.SVC(kernel="linear"),
    "rbf": svm.SVC(),
    "poly": svm.SVC(kernel="poly"),
    "sigmoid": svm.SVC(kernel="sigmoid"),
    "one class": svm.OneClassSVM(),
    "linear discriminant": discriminant_analysis.LinearDiscriminantAnalysis(),
    "quadratic discriminant": discriminant_analysis.QuadraticDiscriminantAnalysis(),
    "gaussian bayes": naive_bayes.GaussianNB(),
    "neighbours": neighbors.KNeighborsClassifier(),
    "neighbours by distance": neighbors.KNeighborsClassifier(weights="distance"),
    "neighbours, manhattan": neighbors.KNeighborsClassifier(3, p=1),
    "centroid": neighbors.NearestCentroid(),
    "centroid, manhattan": neighbors.NearestCentroid(metric="manhattan"),
    "k-means": cluster.KMeans(4, n_init=3, random_state=0),
    "mixture": mixture.GaussianMixture(3, random_state=0),
    "mixture, diagonal": mixture.GaussianMixture(3, covariance_type="diag", random_state=0),
    "envelope": covariance.EllipticEnvelope(random_state=0, support_fraction=1.0),
}
INTEGERS = {
    "integer_scores", "integer_pairs", "integer_votes", "label_votes", "above", "curves", "integer_nearest",
    "integer_distances", "integer_gaussians", "integer_quadratics", "arg_max", "arg_min", "gather", "reshape",
}  # fmt: skip


@cache
def wine() -> tuple[Array, Array]:
    x, y = datasets.load_wine(return_X_y=True)
    return StandardScaler().fit_transform(x).astype(np.float32).astype(np.float64), y


def fitted(model: Any, x: Array, y: Array) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, y)


def labels(graph: Graph, x: Array) -> Array:
    return np.asarray(skosh.compile(graph, target="host").predict(x))


@pytest.mark.parametrize("name", FITTED)
def test_integers_say_what_the_library_says(name: str) -> None:
    x, y = wine()
    model = fitted(FITTED[name], x, y)
    graph = skosh.load(model, output="label")
    narrow, wide = (skosh.quantize(graph, x, scheme=s) for s in ("int8", "int16x8"))
    for made in (narrow, wide):
        assert not made.tensors[made.inputs[0]].dtype.is_float
        assert name == "neighbours by distance" or {n.op.kind for n in made.nodes} <= INTEGERS
    # not the samples themselves: support vectors lie on the border, where anything decides
    rows = x + np.random.default_rng(0).normal(0, 0.3, x.shape)
    want = model.predict(rows)
    assert np.mean(labels(narrow, rows) == want) >= 0.97
    assert np.mean(labels(wide, rows) == want) >= 0.99


@pytest.mark.parametrize("name", ["gradient descent", "rbf", "poly", "quadratic discriminant", "gaussian bayes", "neighbours"])
def test_the_firmware_is_bit_exact(name: str) -> None:
    """Other targets are for the kernels' own tests: this sees that constants and calls arrive as they should."""
    x, y = wine()
    graph = skosh.load(fitted(FITTED[name], x[:, :5], y), output="label")
    for scheme, target in (("int8", "cortex-m0plus"), ("int16x8", "cortex-m4")):
        build = skosh.compile(skosh.quantize(graph, x[:, :5], scheme=scheme), target=target)
        assert build.verify(samples=3).bit_exact


@pytest.mark.parametrize(
    "model",
    [linear_model.LinearRegression(), svm.SVR(C=10), svm.SVR(kernel="poly", C=10), neighbors.KNeighborsRegressor(),
     linear_model.PoissonRegressor()],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_regressors(model: Any) -> None:
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    x = StandardScaler().fit_transform(x)
    fitted(model, x[:300], y[:300])
    want = model.predict(x[300:])
    got = labels(skosh.quantize(skosh.load(model), x[:300], scheme="int16x8"), x[300:])
    assert got.shape == want.shape
    np.testing.assert_allclose(np.corrcoef(got, want)[0, 1], 1, atol=1e-3)


def test_whole_features_stay_as_they_are_and_exact() -> None:
    """Digits are 0..16: distances are sums of whole numbers, as the library's are."""
    x, y = datasets.load_digits(return_X_y=True)
    model = neighbors.KNeighborsClassifier().fit(x[:900], y[:900])
    made = skosh.quantize(skosh.load(model, output="label"), x[:900])
    t = made.tensors["x"]
    assert (t.dtype.name, t.quant) == ("u8", skosh.ir.graph.Quant((1.0,), (0,)))
    np.testing.assert_array_equal(labels(made, x[900:]), model.predict(x[900:]))
    noise = np.random.default_rng(0).integers(0, 17, (500, 64))
    distance, _ = model.kneighbors(noise, 6)
    clear = distance[:, 4] < distance[:, 5]  # of points as far as the fifth, the library keeps what its threads meet first
    np.testing.assert_array_equal(labels(made, noise[clear]), model.predict(noise[clear]))


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), MinMaxScaler(clip=True)], ids=repr)
@pytest.mark.parametrize("name", ["logistic regression", "rbf", "neighbours", "gaussian bayes"])
def test_a_scaler_goes_into_the_first_step(name: str, scaler: Any) -> None:
    x, y = datasets.load_wine(return_X_y=True)
    model = fitted(make_pipeline(scaler, FITTED[name]), x, y)
    made = skosh.quantize(skosh.load(model, output="label"), x)
    kinds = [n.op.kind for n in made.nodes]
    assert kinds[0] == "integer_features"
    assert {*kinds[1:]} <= INTEGERS
    assert np.mean(labels(made, x) == model.predict(x)) >= 0.97


def test_features_of_different_widths_are_said_in_the_header() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (300, 3)) * [1, 1, 60]
    model = linear_model.LogisticRegression().fit(x, x @ [1, 1, 1 / 60] > 0)
    made = skosh.quantize(skosh.load(model, output="label"), x)
    quant = made.tensors["x"].quant
    assert quant is not None
    assert len(quant.scales) == 3
    header = skosh.compile(made, target="host", name="m").sources["m.h"]
    assert "element i is round(feature[i] / scale[i]) + zero[i]" in header
    assert f"{quant.scales[2]:.9g}, {quant.zero_points[2]}" in header
    assert np.mean(labels(made, x) == model.predict(x)) >= 0.98


def test_samples_that_do_not_vary_are_refused() -> None:
    x, y = wine()
    graph = skosh.load(fitted(FITTED["neighbours"], x, y), output="label")
    with pytest.raises(InputError, match="must vary"):
        skosh.quantize(graph, np.ones((10, 13)))
