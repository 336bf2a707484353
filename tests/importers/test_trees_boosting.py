"""XGBoost and LightGBM: the same labels, probabilities and values, with and without missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import train_test_split

import skosh
from skosh.base.errors import InputError, ModelError
from tests.importers.trees import outputs, random_rows

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
]

FEW: dict[str, Any] = {"n_estimators": 12, "random_state": 0}
XGB: dict[str, Any] = {**FEW, "nthread": 1}
LGB: dict[str, Any] = {**FEW, "verbose": -1, "n_jobs": 1}


def halves(data: Any, holes: bool = False) -> Any:
    x, y = data(return_X_y=True)
    x = x.astype(np.float32)
    if holes:
        x = np.where(np.random.default_rng(3).random(x.shape) < 0.15, np.float32(np.nan), x)
    return train_test_split(x, y, test_size=0.3, random_state=42)


CLASSIFIERS = [
    (lambda: xgboost.XGBClassifier(**XGB), load_iris),
    (lambda: xgboost.XGBClassifier(**XGB), load_breast_cancer),
    (lambda: xgboost.XGBClassifier(**XGB, booster="dart", rate_drop=0.3), load_breast_cancer),
    (lambda: xgboost.XGBRFClassifier(**XGB), load_breast_cancer),
    (lambda: xgboost.XGBClassifier(**XGB, base_score=0.3), load_breast_cancer),
    (lambda: lightgbm.LGBMClassifier(**LGB), load_iris),
    (lambda: lightgbm.LGBMClassifier(**LGB), load_breast_cancer),
    (lambda: lightgbm.LGBMClassifier(**LGB, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7), load_iris),
]

REGRESSORS = [
    lambda: xgboost.XGBRegressor(**XGB),
    lambda: xgboost.XGBRegressor(**XGB, objective="count:poisson"),
    lambda: xgboost.XGBRegressor(**XGB, objective="reg:absoluteerror"),
    lambda: lightgbm.LGBMRegressor(**LGB),
    lambda: lightgbm.LGBMRegressor(**LGB, objective="tweedie"),
    lambda: lightgbm.LGBMRegressor(**LGB, objective="quantile", alpha=0.7),
]


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(("make", "data"), CLASSIFIERS)
def test_classifiers(make: Any, data: Any, holes: bool) -> None:
    x, test, y, _ = halves(data, holes)
    model = make().fit(x, y)
    graph = skosh.load(model)
    rows = test if holes else np.concatenate([test, random_rows(x, 10_000)])
    np.testing.assert_array_equal(outputs(graph, rows), model.predict(rows))
    want = model.predict_proba(rows)
    got = outputs(skosh.load(model, output="proba"), rows[:500])
    np.testing.assert_allclose(got, want[:500, 1:] if want.shape[1] == 2 else want[:500], atol=3e-6)
    assert graph.notes["classes"] == tuple(range(len(want[0])))


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("make", REGRESSORS)
def test_regressors(make: Any, holes: bool) -> None:
    x, test, y, _ = halves(load_diabetes, holes)
    model = make().fit(x, y)
    rows = test if holes else np.concatenate([test, random_rows(x, 10_000)])
    np.testing.assert_allclose(outputs(skosh.load(model), rows), model.predict(rows), rtol=1e-5)


def test_nan_counts_as_zero_where_lightgbm_never_saw_it() -> None:
    x, _, y, _ = halves(load_breast_cancer)
    _, test, _, _ = halves(load_breast_cancer, holes=True)
    model = lightgbm.LGBMClassifier(**LGB).fit(x, y)
    assert not any(n.op.sided for n in skosh.load(model).nodes if n.op.kind == "forest")
    assert [n.op.kind for n in skosh.load(model, missing=False).nodes][:1] == ["forest"]
    np.testing.assert_array_equal(outputs(skosh.load(model), test), model.predict(test))


def test_boosters_alone() -> None:
    x, test, y, _ = halves(load_iris)
    booster = xgboost.XGBClassifier(**XGB).fit(x, y).get_booster()
    want = booster.predict(xgboost.DMatrix(test))
    np.testing.assert_allclose(outputs(skosh.load(booster), test), want, atol=2e-6)
    light = lightgbm.LGBMClassifier(**LGB).fit(x, y).booster_
    np.testing.assert_allclose(outputs(skosh.load(light), test), light.predict(test), atol=2e-6)
    np.testing.assert_allclose(
        outputs(skosh.load(light, output="decision"), test), light.predict(test, raw_score=True), atol=1e-5
    )


def test_early_stopping_counts_the_best_rounds_only() -> None:
    x, test, y, wanted = halves(load_diabetes)
    model = xgboost.XGBRegressor(n_estimators=60, nthread=1, early_stopping_rounds=3)
    model.fit(x, y, eval_set=[(test, wanted)], verbose=False)
    np.testing.assert_allclose(outputs(skosh.load(model), test), model.predict(test), rtol=1e-5)
    light = lightgbm.LGBMRegressor(n_estimators=60, verbose=-1, n_jobs=1)
    light.fit(x, y, eval_set=[(test, wanted)], callbacks=[lightgbm.early_stopping(3, verbose=False)])
    np.testing.assert_allclose(outputs(skosh.load(light), test), light.predict(test), rtol=1e-5)


def test_the_c_is_bit_exact_with_missing_values() -> None:
    x, test, y, _ = halves(load_iris, holes=True)
    model = xgboost.XGBClassifier(n_estimators=3, nthread=1).fit(x, y)
    build = skosh.compile(skosh.load(model, output="proba"), target="cortex-m0plus")
    assert build.verify(test[:8], against=("reference", "host")).bit_exact


def test_what_is_refused() -> None:
    x, _, y, _ = halves(load_iris)
    with pytest.raises(ModelError, match="XGBRegressor must be fitted"):
        skosh.load(xgboost.XGBRegressor())
    with pytest.raises(ModelError, match="LGBMRegressor must be fitted"):
        skosh.load(lightgbm.LGBMRegressor())
    several = lightgbm.LGBMClassifier(**LGB, linear_tree=True).fit(x, y)
    with pytest.raises(ModelError, match="linear leaves must be of one sum"):
        skosh.load(several)
    with pytest.raises(InputError, match='XGBRegressor has no option "colour"'):
        skosh.load(xgboost.XGBRegressor(n_estimators=1, nthread=1).fit(x, y), colour="red")
