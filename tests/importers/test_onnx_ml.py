"""ONNX-ML as skl2onnx writes it: labels and scores against onnxruntime, row by row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")

from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, MinMaxScaler, Normalizer, OneHotEncoder, RobustScaler, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

import skosh
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph
from tests.importers.onnx_models import model, node

X, Y = load_iris(return_X_y=True)
XR, YR = load_diabetes(return_X_y=True)
X, XR = X.astype(np.float32), XR.astype(np.float32)
TWO, TEXTS = (Y == 1).astype(int), np.array(["setosa", "versicolor", "virginica"])[Y]
MISSING = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.float32(np.nan), X)

MODELS: dict[str, tuple[Any, Array, Any]] = {
    "forest": (RandomForestClassifier(5, max_depth=4, random_state=0), X, Y),
    "forest_two": (RandomForestClassifier(5, max_depth=4, random_state=0), X, TWO),
    "forest_texts": (RandomForestClassifier(3, max_depth=3, random_state=0), X, TEXTS),
    "forest_regressor": (RandomForestRegressor(5, max_depth=4, random_state=0), XR, YR),
    "boosting": (GradientBoostingClassifier(n_estimators=5, random_state=0), X, Y),
    "boosting_two": (GradientBoostingClassifier(n_estimators=5, random_state=0), X, TWO),
    "boosting_regressor": (GradientBoostingRegressor(n_estimators=5, random_state=0), XR, YR),
    "histograms": (HistGradientBoostingClassifier(max_iter=5, random_state=0), X, Y),
    "histograms_missing": (HistGradientBoostingClassifier(max_iter=5, random_state=0), MISSING, Y),
    "ada": (AdaBoostClassifier(n_estimators=3, random_state=0), X, Y),
    "bagging": (BaggingClassifier(n_estimators=3, random_state=0), X, Y),
    "logistic": (LogisticRegression(), X, Y),
    "logistic_two": (LogisticRegression(), X, TWO),
    "linear": (LinearRegression(), XR, YR),
    "svc": (SVC(), X, Y),
    "svc_poly_two": (SVC(kernel="poly"), X, TWO),
    "svc_linear": (SVC(kernel="linear"), X, Y),
    "svr": (SVR(), XR, YR),
    "linear_svc": (LinearSVC(), X, Y),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), X, Y),
    "imputed": (make_pipeline(SimpleImputer(), MinMaxScaler(), Normalizer(), LogisticRegression()), MISSING, Y),
    "robust": (make_pipeline(RobustScaler(), Ridge()), XR, YR),
    "binarized": (make_pipeline(Binarizer(threshold=1.0), LogisticRegression()), X, Y),
    "one_hot": (make_pipeline(OneHotEncoder(), LogisticRegression()), np.round(X).astype(np.int64), Y),
    "perceptron": (MLPClassifier((8,), max_iter=50, random_state=0), X, Y),
    "naive_bayes": (GaussianNB(), X, Y),
    "neighbors": (KNeighborsClassifier(3), X, Y),
    "means": (KMeans(3, n_init=1, random_state=0), X, None),
}


def outputs(graph: Graph, row: Array) -> list[Array]:
    found = run_graph(graph, [row[None].astype(graph.tensors[graph.inputs[0]].dtype.np)]).values
    return [found[n] for n in graph.outputs]


def check(proto: Any, rows: Array, atol: float = 2e-5) -> Graph:
    """Labels are onnxruntime's, scores within a few units of the last place of the largest number on the way."""
    import onnxruntime as ort

    graph = skosh.load(proto)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for row in rows:
        wanted = session.run(None, {session.get_inputs()[0].name: row[None]})
        for got, want in zip(outputs(graph, row), wanted, strict=True):
            if isinstance(want, list):  # a map for each row
                want = np.array([list(w.values()) for w in want])
            if want.dtype.kind in "OU":
                assert [graph.notes["classes"][i] for i in got.reshape(-1)] == list(want.reshape(-1))
            elif want.dtype.kind == "i":
                assert np.array_equal(got, want)
            else:
                assert got.shape == want.shape
                assert np.allclose(got, want, rtol=2e-5, atol=atol)
    return graph


@pytest.mark.parametrize("name", MODELS)
def test_labels_and_scores_are_onnxruntimes(name: str) -> None:
    from skl2onnx import to_onnx

    estimator, x, y = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = to_onnx(estimator.fit(x, y), x[:1])
    check(proto, x[::9], 5e-4 if name.startswith("svc_poly") else 2e-5)  # its sums cancel


def test_a_forest_compiles_as_one() -> None:
    from skl2onnx import to_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skosh.load(to_onnx(MODELS["forest"][0].fit(X, Y), X[:1]))
    assert [n.op.kind for n in graph.nodes].count("forest") == 1
    assert skosh.compile(graph, target="cortex-m4").verify(samples=X[:20]).bit_exact


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
@pytest.mark.parametrize("tracks", [0, 1])
def test_each_kind_of_branch(mode: str, tracks: int) -> None:
    """At the limit, beside it, and for NaN."""
    made = node(
        "TreeEnsembleRegressor", "x", domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[1, 0, 0], nodes_values=[1.5, 0.0, 0.0],
        nodes_modes=[mode, "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[tracks, 0, 0], target_treeids=[0, 0], target_nodeids=[1, 2], target_ids=[0, 0],
        target_weights=[10.0, -20.0],
    )  # fmt: skip
    proto = model([made], {"x": (1, 2)})
    proto.opset_import.add(domain="ai.onnx.ml", version=3)
    limit = np.float32(1.5)
    around = [limit, np.nextafter(limit, np.float32(9)), np.nextafter(limit, np.float32(-9)), np.nan, np.inf, -np.inf]
    check(proto, np.array([[0, v] for v in around], np.float32))


@pytest.mark.parametrize(("norm", "row"), [("MAX", [1, -4, 2]), ("L1", [1, -4, 2]), ("L2", [3, 4, 0]), ("L1", [0, 0, 0])])
def test_normalizer(norm: str, row: list[float]) -> None:
    proto = model([node("Normalizer", "x", domain="ai.onnx.ml", norm=norm)], {"x": (1, 3)})
    proto.opset_import.add(domain="ai.onnx.ml", version=1)
    check(proto, np.array([row], np.float32))


@pytest.mark.parametrize("how", ["NONE", "LOGISTIC"])
def test_one_row_for_two_classes(how: str) -> None:
    made = node(
        "LinearClassifier", "x", "y p", domain="ai.onnx.ml", coefficients=[0.5, -1.0], intercepts=[0.1],
        classlabels_ints=[3, 7], post_transform=how,
    )  # fmt: skip
    proto = model([made], {"x": (1, 2)}, outputs=("y", "p"), types={"y": 7})
    proto.opset_import.add(domain="ai.onnx.ml", version=1)
    check(proto, np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32))


def test_label_encoder_and_feature_vectorizer() -> None:
    encoder = node(
        "LabelEncoder", "x", domain="ai.onnx.ml", keys_floats=[1.0, 2.0, 5.0], values_floats=[-1.0, 0.5, 9.0], default_float=7.0
    )
    proto = model([encoder], {"x": (1, 4)})
    proto.opset_import.add(domain="ai.onnx.ml", version=2)
    check(proto, np.array([[1, 2, 3, 5], [0, 5, 5, 2]], np.float32))
    joined = node("FeatureVectorizer", "x x", domain="ai.onnx.ml", inputdimensions=[4, 4])
    proto = model([joined], {"x": (1, 4)})
    proto.opset_import.add(domain="ai.onnx.ml", version=1)
    check(proto, np.array([[1, 2, 3, 5]], np.float32))
