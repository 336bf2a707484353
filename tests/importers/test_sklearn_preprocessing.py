"""Steps before a model, and estimators made of others: the same numbers as the library's, or one clear letter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)

import skosh
from skosh.base.errors import ModelError, UnsupportedError
from skosh.ir.graph import Array
from skosh.ir.interpret_graph import run_graph
from tests.importers.sklearn_models import halves, on_host

TRAIN, TEST, Y, _ = halves("iris")
CODES = np.random.default_rng(0).integers(0, 4, (60, 3)).astype(np.float64)


def computed(model: Any, rows: Array) -> Array:
    """[rows, ...]: the reference's outputs, after seeing that the C on this computer has the same bits."""
    graph = skosh.load(model)
    found = np.concatenate([run_graph(graph, [r[None].astype(np.float32)]).values[graph.outputs[0]] for r in rows])
    np.testing.assert_array_equal(on_host(model).run(rows.astype(np.float32)), found)
    return found


TRANSFORMERS = [
    Normalizer(), Normalizer("l1"), Normalizer("max"), PolynomialFeatures(3), PolynomialFeatures(2, include_bias=False),
    PolynomialFeatures(3, interaction_only=True), PolynomialFeatures((1, 2), include_bias=False), PCA(2), PCA(3, whiten=True),
    IncrementalPCA(2), TruncatedSVD(2), SelectKBest(k=2), VarianceThreshold(0.5), SelectFromModel(Lasso(0.01)),
    RFE(Ridge(), n_features_to_select=2), Binarizer(threshold=0.1), KMeans(3, random_state=0),
    FeatureUnion([("a", PCA(2)), ("b", "passthrough"), ("c", "drop"), ("d", Normalizer())], transformer_weights={"a": 2.0}),
    ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", "drop", [1]), ("c", PCA(1), slice(2, 4))],
                      remainder="passthrough"),
    ColumnTransformer([("a", make_pipeline(StandardScaler(), PCA(1)), [0, -1])], remainder="passthrough"),
    make_pipeline(FunctionTransformer(), Normalizer(), FunctionTransformer()),
]  # fmt: skip


@pytest.mark.parametrize("model", TRANSFORMERS, ids=lambda m: type(m).__name__)
def test_transformers(model: Any) -> None:
    pipeline = make_pipeline(model, Binarizer(threshold=-1e30)) if isinstance(model, KMeans) else model
    pipeline.fit(TRAIN, Y)
    rows = np.concatenate([TEST[:10], np.zeros((1, 4))])
    np.testing.assert_allclose(computed(pipeline, rows), pipeline.transform(rows), rtol=1e-5, atol=2e-6)


def test_clusters_and_projections_before_other_steps() -> None:
    for step in (
        KMeans(3, random_state=0),
        LinearDiscriminantAnalysis(n_components=2),
        LinearDiscriminantAnalysis(solver="eigen"),
    ):
        model = make_pipeline(step, Ridge()).fit(TRAIN, Y)
        np.testing.assert_allclose(computed(model, TEST[:10]), model.predict(TEST[:10]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_missing_numbers(strategy: str) -> None:
    train, test = TRAIN.copy(), TEST[:10].copy()
    train[::7, 1], train[::5, 3], train[:, 2] = np.nan, np.nan, np.nan
    test[::2, 1], test[1, :], test[:, 2] = np.nan, np.nan, np.nan
    model = SimpleImputer(strategy=strategy, keep_empty_features=True).fit(train)
    np.testing.assert_allclose(computed(model, test), model.transform(test), rtol=1e-6)


def test_missing_numbers_with_a_mark() -> None:
    train = np.where(TRAIN > 1, -99.0, TRAIN)
    model = make_pipeline(SimpleImputer(missing_values=-99.0), StandardScaler()).fit(train)
    np.testing.assert_allclose(computed(model, train[:20]), model.transform(train[:20]), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"drop": "first"}, {"drop": "if_binary"}, {"handle_unknown": "ignore"}])
def test_one_hot(options: dict[str, Any]) -> None:
    model = OneHotEncoder(sparse_output=False, **options).fit(CODES)
    np.testing.assert_array_equal(computed(model, CODES[:10]), model.transform(CODES[:10]))
    if "handle_unknown" in options:
        np.testing.assert_array_equal(computed(model, CODES[:2] + 9), np.zeros((2, 12)))


def test_ordinal() -> None:
    model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5).fit(CODES * 10 - 7)
    rows = np.concatenate([CODES[:8] * 10 - 7, CODES[:2]])
    np.testing.assert_array_equal(computed(model, rows), model.transform(rows))


def test_columns_of_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TRAIN, columns=["a", "b", "c", "d"])
    model = ColumnTransformer([("x", StandardScaler(), ["d", "a"]), ("y", "passthrough", slice("b", "c"))]).fit(frame)
    got = computed(model, TEST[:5])
    np.testing.assert_allclose(got, model.transform(pandas.DataFrame(TEST[:5], columns=frame.columns)), atol=1e-6)


RARE = np.random.default_rng(1).choice([1.0, 2.0, 5.0, 7.0, np.nan], (80, 3), p=[0.5, 0.3, 0.1, 0.05, 0.05])
SEEN = np.array([[1.0, 2.0, 5.0], [7.0, np.nan, 1.0], [9.0, 3.0, -1.0], [np.nan, np.nan, np.nan]])


@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
@pytest.mark.parametrize("options", [
    {"handle_unknown": "ignore"}, {"handle_unknown": "ignore", "min_frequency": 12}, {"drop": "first", "min_frequency": 12},
    {"handle_unknown": "infrequent_if_exist", "max_categories": 3},
    {"handle_unknown": "infrequent_if_exist", "max_categories": 2, "drop": "if_binary"},
    {"handle_unknown": "infrequent_if_exist", "min_frequency": 1},
], ids=str)  # fmt: skip
def test_rare_and_missing_categories(options: dict[str, Any]) -> None:
    model = OneHotEncoder(sparse_output=False, **options).fit(RARE)
    rows = np.concatenate([RARE[:20], SEEN if "handle_unknown" in options else SEEN[:2]])
    np.testing.assert_array_equal(computed(model, rows), model.transform(rows))


@pytest.mark.parametrize("unknown", [-3, np.nan])
@pytest.mark.parametrize("missing", [-2, np.nan])
def test_missing_values_have_codes(unknown: float, missing: float) -> None:
    model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=missing)
    model.fit(np.column_stack([RARE, np.arange(80.0) % 3]))
    rows = np.column_stack([np.concatenate([RARE[:20], SEEN]), [*np.arange(20.0) % 4, 0, 5, np.nan, 1]])
    np.testing.assert_array_equal(computed(model, rows), model.transform(rows))


def test_a_whole_pipeline_predicts_the_same() -> None:
    parts = ColumnTransformer([("codes", OneHotEncoder(), [0]), ("numbers", StandardScaler(), [1, 2, 3, 4])])
    rng = np.random.default_rng(0)
    train, test = (np.concatenate([rng.integers(0, 3, (len(x), 1)), x], axis=1) for x in (TRAIN, TEST))
    for last in (LogisticRegression(), GaussianNB()):
        model = make_pipeline(parts, SelectKBest(k=5), last).fit(train, Y)
        np.testing.assert_array_equal(on_host(model, output="label").predict(test), model.predict(test))


LETTERS = [
    (SimpleImputer(strategy="constant", fill_value="x").fit(TRAIN.astype(object)), "a step fills in text, so one that makes"),
    (OrdinalEncoder(min_frequency=2).fit(CODES), "infrequent categories must not be grouped"),
    (OrdinalEncoder().fit(np.array([[1.0], [1 + 1e-12]])), "the categories of feature 0 must be different float32 numbers"),
    (PolynomialFeatures((2, 3)).fit(TRAIN), "the degree of PolynomialFeatures must begin with 0 or 1"),
    (ColumnTransformer([("a", "drop", [0])]).fit(TRAIN), "at least one column must be left"),
    (PCA(), "PCA must be fitted. Hint: call its fit method first"),
    (make_pipeline(LinearDiscriminantAnalysis(solver="lsqr"), StandardScaler()), "LinearDiscriminantAnalysis must be fitted"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "message"), LETTERS, ids=lambda v: type(v).__name__)
def test_what_is_refused(model: Any, message: str) -> None:
    with pytest.raises(ModelError) as info:
        skosh.load(model)
    assert message in str(info.value)
    assert str(info.value).startswith("<sklearn>")


def test_obstacles_inside_others() -> None:
    inside = ColumnTransformer(
        [("a", make_pipeline(SplineTransformer(), StandardScaler()), [0]), ("b", SplineTransformer(), [1])]
    )
    with pytest.raises(UnsupportedError) as info:
        skosh.load(make_pipeline(inside, SplineTransformer(), Ridge()).fit(np.abs(TRAIN), Y))
    assert [str(o.loc.node) for o in info.value.obstacles] == [
        "columntransformer_a_splinetransformer", "columntransformer_b", "splinetransformer",
    ]  # fmt: skip
