"""What people's reports said of trees, case by case: the right value is the library's own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

import skosh
from skosh.base.errors import InputError, ModelError, ModelWarning
from skosh.importers.fields import Fields
from tests.support.library import assert_library, disagreements, predicted

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)).astype(np.float32)
TWO = (X[:, 0] + X[:, 1] > 0).astype(int)
THREE = TWO + (X[:, 2] > 0.5)
T = (X[:, 0] + X[:, 1] ** 2).astype(np.float32)
POSITIVE = np.abs(T) + 0.1
SHARE = 1 / (1 + np.exp(-T))
LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)
TARGETS = np.stack([T, -(T**2)], 1)
HOLES = np.where(RNG.random(X.shape) < 0.2, np.nan, X).astype(np.float32)
SILENCE = X.copy()
SILENCE[::7, 0], SILENCE[3::11, 1] = -np.inf, np.inf
XGB: dict[str, Any] = {"n_estimators": 4, "max_depth": 3, "nthread": 1}
LGB: dict[str, Any] = {"n_estimators": 4, "num_leaves": 7, "verbose": -1, "n_jobs": 1}


@pytest.mark.parametrize("objective", ["binary:logistic", "binary:logitraw", "binary:hinge"])
def test_xgboost_of_two_classes(objective: str) -> None:
    label = xgboost.XGBClassifier(objective=objective, **XGB).fit(X, TWO)
    assert_library(label, skosh.load(label), X, label.predict(X))
    for output in ("proba", "decision"):
        assert not disagreements(skosh.load(label, output=output))
    value = xgboost.XGBRegressor(objective=objective, **XGB).fit(X, TWO)
    assert_library(value, skosh.load(value), X, value.predict(X))
    booster = xgboost.train({"objective": objective, "max_depth": 3}, xgboost.DMatrix(X, TWO), 4)
    assert_library(booster, skosh.load(booster), X, booster.predict(xgboost.DMatrix(X)))


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_xgboost_of_three_classes(objective: str) -> None:
    model = xgboost.XGBClassifier(objective=objective, **XGB).fit(X, THREE)
    assert_library(model, skosh.load(model), X, model.predict(X))
    booster = xgboost.train({"objective": objective, "max_depth": 3, "num_class": 3}, xgboost.DMatrix(X, THREE), 4)
    assert_library(booster, skosh.load(booster), X, booster.predict(xgboost.DMatrix(X)))
    assert not disagreements(skosh.load(booster, output="decision"))


@pytest.mark.parametrize(
    "objective",
    ["reg:squaredlogerror", "reg:logistic", "reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "reg:quantileerror"],
)
def test_xgboost_of_numbers(objective: str) -> None:
    more = {"quantile_alpha": [0.1, 0.5, 0.9]} if objective == "reg:quantileerror" else {}
    model = xgboost.XGBRegressor(objective=objective, **XGB, **more)
    model.fit(X, SHARE if objective == "reg:logistic" else POSITIVE)
    assert_library(model, skosh.load(model), X, model.predict(X))


def test_xgboost_of_times() -> None:
    rows = xgboost.DMatrix(X)
    rows.set_float_info("label_lower_bound", POSITIVE)
    rows.set_float_info("label_upper_bound", POSITIVE)
    booster = xgboost.train({"objective": "survival:aft", "max_depth": 3}, rows, 4)
    assert_library(booster, skosh.load(booster), X, booster.predict(rows))


@pytest.mark.parametrize("objective", ["rank:pairwise", "rank:ndcg"])
def test_xgboost_ranks(objective: str) -> None:
    model = xgboost.XGBRanker(objective=objective, **XGB).fit(X, TWO, qid=np.repeat(np.arange(20), 10))
    assert_library(model, skosh.load(model), X, model.predict(X))


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_xgboost_of_several_targets(strategy: str) -> None:
    many: dict[str, Any] = {**XGB, "multi_strategy": strategy, "tree_method": "hist"}
    for model in (
        xgboost.XGBRegressor(**many).fit(X, TARGETS), xgboost.XGBClassifier(**many).fit(X, LABELS),
        xgboost.XGBClassifier(**many).fit(X, THREE),
    ):  # fmt: skip
        assert_library(model, skosh.load(model), X, model.predict(X))
    labels = xgboost.XGBClassifier(**many).fit(X, LABELS)
    assert_library(labels, skosh.load(labels, output="proba"), X, labels.predict_proba(X))


def test_xgboost_linear() -> None:
    linear: dict[str, Any] = {"booster": "gblinear", "n_estimators": 4, "nthread": 1}
    for model in (
        xgboost.XGBRegressor(**linear).fit(X, T), xgboost.XGBClassifier(**linear).fit(X, TWO),
        xgboost.XGBClassifier(**linear).fit(X, THREE),
    ):  # fmt: skip
        assert_library(model, skosh.load(model), X, model.predict(X))


@pytest.mark.parametrize("marker", [-999, 0])
def test_xgboost_with_a_number_for_what_is_missing(marker: float) -> None:
    rows = np.where(np.isnan(HOLES), np.float32(marker), np.rint(X)).astype(np.float32)
    model = xgboost.XGBRegressor(missing=marker, **XGB).fit(rows, T)
    assert_library(model, skosh.load(model), rows, model.predict(rows))


def test_xgboost_of_one_class_and_of_no_round() -> None:
    model = xgboost.XGBClassifier(**XGB).fit(X, TWO * 0)
    assert_library(model, skosh.load(model), X, model.predict(X))
    empty = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(X, T), 0)
    assert_library(empty, skosh.load(empty), X, empty.predict(xgboost.DMatrix(X)))


@pytest.mark.parametrize("objective", ["binary", "cross_entropy", "multiclass", "multiclassova"])
def test_lightgbm_of_classes(objective: str) -> None:
    y = THREE if objective.startswith("multi") else TWO
    model = lightgbm.LGBMClassifier(objective=objective, **LGB).fit(X, y)
    assert_library(model, skosh.load(model), X, model.predict(X))
    for output in ("proba", "decision"):
        assert not disagreements(skosh.load(model, output=output))
    settings = {"objective": objective, "verbose": -1, "num_threads": 1, "num_class": 3 if y is THREE else 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y), 4)
    assert_library(booster, skosh.load(booster), X, booster.predict(X))


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "binary"}, {"objective": "cross_entropy"}, {"objective": "cross_entropy_lambda"},
        {"objective": "gamma"}, {"objective": "mape"}, {"reg_sqrt": True}, {"linear_tree": True},
        {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    ],
    ids=str,
)  # fmt: skip
def test_lightgbm_of_numbers(settings: dict[str, Any]) -> None:
    objective = settings.get("objective", "")
    y = TWO if objective == "binary" else SHARE if "entropy" in objective else POSITIVE if objective else T
    model = lightgbm.LGBMRegressor(**settings, **LGB).fit(X, y)
    assert_library(model, skosh.load(model), X, model.predict(X))


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_lightgbm_ranks(objective: str) -> None:
    model = lightgbm.LGBMRanker(objective=objective, **LGB).fit(X, TWO, group=[10] * 20)
    assert_library(model, skosh.load(model), X, model.predict(X))


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"use_missing": False}], ids=str)
@pytest.mark.parametrize("rows", [X, HOLES, np.rint(HOLES)], ids=["whole", "holes", "zeros"])
def test_lightgbm_with_what_is_missing(settings: dict[str, Any], rows: Any) -> None:
    model = lightgbm.LGBMClassifier(**settings, **LGB).fit(rows, THREE)
    assert_library(model, skosh.load(model), HOLES, model.predict(HOLES))
    assert_library(model, skosh.load(model, output="proba"), np.rint(HOLES), model.predict(np.rint(HOLES)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DecisionTreeClassifier(), lambda: RandomForestClassifier(3), lambda: ExtraTreesClassifier(3),
        lambda: BaggingClassifier(n_estimators=3), lambda: AdaBoostClassifier(n_estimators=3),
        lambda: HistGradientBoostingClassifier(max_iter=3), lambda: lightgbm.LGBMClassifier(**LGB),
    ],
)  # fmt: skip
def test_one_class_only(make: Any) -> None:
    model = make().fit(X, np.array(["only"] * len(X)))
    for output in ("label", "proba"):
        graph = skosh.load(model, output=output)
        assert predicted(graph, X[:3]).tolist() == ["only"] * 3
        assert not disagreements(graph)


@pytest.mark.parametrize(
    "make",
    [
        lambda: HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5),
        lambda: lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=5, verbose=-1, n_jobs=1),
    ],
)
def test_infinities(make: Any) -> None:
    model = make().fit(SILENCE, T)
    assert_library(model, skosh.load(model), SILENCE, model.predict(SILENCE))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomForestClassifier(3, random_state=0), lambda: HistGradientBoostingClassifier(max_iter=3),
        lambda: xgboost.XGBClassifier(**XGB), lambda: lightgbm.LGBMClassifier(**LGB),
    ],
)  # fmt: skip
def test_columns_go_by_their_names(make: Any) -> None:
    frame = pd.DataFrame(X, columns=["age", "height", "weight", "speed"])
    model = make().fit(frame, THREE)
    graph = skosh.load(model)
    want = model.predict(frame)
    assert predicted(graph, frame[["speed", "age", "weight", "height"]].assign(more=1)).tolist() == want.tolist()
    assert predicted(graph, X).tolist() == want.tolist()
    with pytest.raises(InputError, match='must have the columns that the model was fitted with, but has no column "age"'):
        predicted(graph, frame.drop(columns="age"))
    assert graph.notes["features"] == ("age", "height", "weight", "speed")
    assert '"age", "height"' in skosh.compile(graph, target="host").sources[f"{graph.name}.h"]


@pytest.mark.parametrize(
    "make", [lambda: HistGradientBoostingClassifier(max_iter=5), lambda: lightgbm.LGBMClassifier(**LGB)]
)
def test_features_that_float32_cant_tell_apart_are_said(make: Any) -> None:
    rows = RNG.random((300, 2))
    y = (np.sin(20 * rows[:, 0]) > 0).astype(int)
    with pytest.warns(ModelWarning, match="Hint: subtract an offset"):
        graph = skosh.load(make().fit(rows + 1e6, y))
    assert "in float32, which the C computes in" in graph.notes["warnings"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ModelWarning)
        skosh.load(make().fit(rows, y))


def test_fields_that_nobody_took_are_refused() -> None:
    fields = Fields({"known": 1, "told": 2, "empty": "", "new": [3]}, "the model")
    assert (fields.take("known"), fields.take("absent", 7)) == (1, 7)
    fields.ignore(("told",))
    with pytest.raises(ModelError, match=r"the model says new = \[3\], which skosh doesn't read"):
        fields.done()
    with pytest.raises(ModelError, match="the model must have the field absent"):
        fields.take("absent")
    with pytest.raises(ModelError, match="the model: known must be 2, not 1"):
        fields.must_be(known=2)
