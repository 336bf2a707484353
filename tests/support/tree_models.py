"""Random models of trees, of each library: data, objectives, settings and holes are drawn by a seed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Made = tuple[Any, dict[str, Any], Array]
"""(fitted object, options to load it with, rows to try it on)"""


def rows_for(rng: np.random.Generator, count: int, features: int, *, holes: bool, infinite: bool) -> Array:
    """Columns of different kinds: normal, whole numbers, few values, tiny, large; perhaps with NaN and infinities."""
    columns = []
    for _ in range(features):
        kind = rng.integers(5)
        column = rng.normal(size=count)
        if kind == 1:
            column = np.rint(column * 3)
        elif kind == 2:
            column = rng.choice([-1.5, 0.0, 0.25, 7.0], count)
        elif kind == 3:
            column = column * 10.0 ** rng.integers(-38, -3)
        elif kind == 4:
            column = column * 10.0 ** rng.integers(1, 20)
        if holes and rng.random() < 0.5:
            column = np.where(rng.random(count) < rng.choice([0.02, 0.4]), np.nan, column)
        if infinite and rng.random() < 0.3:
            column = np.where(rng.random(count) < 0.1, rng.choice([-np.inf, np.inf], count), column)
        columns.append(column)
    return np.stack(columns, axis=1).astype(np.float32)


def targets_for(rng: np.random.Generator, x: Array, kind: str) -> Array:
    """Something that hangs on the columns. kind: "two", "three", "number", "positive", "share"."""
    clean = np.nan_to_num(np.argsort(np.argsort(np.nan_to_num(x), axis=0), axis=0) / len(x), nan=0.5)
    score = clean @ rng.normal(size=x.shape[1]) + 0.1 * rng.normal(size=len(x))
    rank = np.argsort(np.argsort(score)) / len(x)
    if kind == "two":
        return (rank > rng.uniform(0.2, 0.8)).astype(int)
    if kind == "three":
        return np.digitize(rank, [0.3, 0.6])
    if kind == "positive":
        return np.exp(score)
    return rank if kind == "share" else score * 10.0 ** rng.integers(-6, 7)


def xgboost_model(rng: np.random.Generator) -> Made:
    import xgboost

    x = rows_for(rng, 160, int(rng.integers(1, 7)), holes=bool(rng.integers(2)), infinite=False)
    settings: dict[str, Any] = {
        "n_estimators": int(rng.integers(1, 6)), "max_depth": int(rng.integers(1, 6)), "nthread": 1,
        "seed": int(rng.integers(99)), "learning_rate": float(rng.choice([0.05, 0.3, 1.0])),
        "tree_method": str(rng.choice(["hist", "exact"])),
    }  # fmt: skip
    if rng.integers(4) == 0:
        settings |= {"booster": "dart", "rate_drop": 0.4}
    if rng.integers(4) == 0:
        settings |= {"num_parallel_tree": 2, "subsample": 0.7}
    if rng.integers(4) == 0:
        settings["missing"] = float(rng.choice([-999.0, 0.0]))
        x = np.where(np.isnan(x), np.float32(settings["missing"]), x)
    kind, objective = [
        ("two", "binary:logistic"), ("two", "binary:logitraw"), ("two", "binary:hinge"), ("three", "multi:softprob"),
        ("three", "multi:softmax"), ("number", "reg:squarederror"), ("number", "reg:absoluteerror"), ("share", "reg:logistic"),
        ("positive", "reg:gamma"), ("positive", "count:poisson"), ("positive", "reg:tweedie"), ("positive", "survival:cox"),
        ("number", "reg:pseudohubererror"),
    ][rng.integers(13)]  # fmt: skip
    y = targets_for(rng, x, kind)
    if objective in ("reg:gamma", "count:poisson", "reg:tweedie", "survival:cox"):
        y = np.clip(y, 1e-3, 1e3)
    classify = kind in ("two", "three") and rng.integers(2)
    model = (xgboost.XGBClassifier if classify else xgboost.XGBRegressor)(objective=objective, **settings)
    if kind == "three" and not classify:
        model = xgboost.XGBClassifier(objective=objective, **settings)
    model.fit(x, y)
    if rng.integers(4) == 0 and "missing" not in settings:
        return model.get_booster(), {}, x
    output = rng.choice(["", "proba", "decision"]) if isinstance(model, xgboost.XGBClassifier) else ""
    return model, {"output": str(output)} if output else {}, x


def lightgbm_model(rng: np.random.Generator) -> Made:
    import lightgbm

    holes = bool(rng.integers(2))
    x = rows_for(rng, 160, int(rng.integers(1, 7)), holes=holes, infinite=bool(rng.integers(3) == 0))
    settings: dict[str, Any] = {
        "n_estimators": int(rng.integers(1, 6)), "num_leaves": int(rng.integers(2, 16)), "n_jobs": 1, "verbose": -1,
        "min_child_samples": int(rng.integers(2, 20)), "random_state": int(rng.integers(99)),
    }  # fmt: skip
    settings |= [
        {}, {}, {"boosting_type": "dart"}, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
        {"zero_as_missing": True}, {"use_missing": False}, {"reg_sqrt": True}, {"linear_tree": True},
    ][rng.integers(8)]  # fmt: skip
    if settings.get("linear_tree"):
        x = rng.normal(size=x.shape).astype(np.float32)
    kind, objective = [
        ("two", "binary"), ("two", "cross_entropy"), ("three", "multiclass"), ("three", "multiclassova"),
        ("number", "regression"), ("number", "regression_l1"), ("number", "huber"), ("positive", "gamma"),
        ("positive", "poisson"), ("positive", "tweedie"), ("share", "cross_entropy"), ("share", "cross_entropy_lambda"),
        ("number", "quantile"),
    ][rng.integers(13)]  # fmt: skip
    if "reg_sqrt" in settings or "linear_tree" in settings:
        kind, objective = "number", "regression"
    y = targets_for(rng, x, kind)
    classify = kind in ("two", "three")
    model = (lightgbm.LGBMClassifier if classify else lightgbm.LGBMRegressor)(objective=objective, **settings).fit(x, y)
    if rng.integers(4) == 0:
        return model.booster_, {}, x
    output = rng.choice(["", "proba", "decision"]) if classify else ""
    return model, {"output": str(output)} if output else {}, x


def sklearn_model(rng: np.random.Generator) -> Made:
    from sklearn import ensemble, tree

    histogram = bool(rng.integers(3) == 0)
    x = rows_for(rng, 160, int(rng.integers(1, 7)), holes=bool(rng.integers(2)), infinite=histogram and bool(rng.integers(2)))
    classify, seed = bool(rng.integers(2)), int(rng.integers(99))
    y = targets_for(rng, x, str(rng.choice(["two", "three"])) if classify else "number")
    few, deep = int(rng.integers(1, 7)), int(rng.integers(1, 9))
    options: dict[str, Any] = {"output": "proba"} if classify and rng.integers(2) else {}
    if histogram:
        options["missing"] = True
        make = ensemble.HistGradientBoostingClassifier if classify else ensemble.HistGradientBoostingRegressor
        return make(max_iter=few, max_depth=deep, min_samples_leaf=3, random_state=seed).fit(x, y), options, x
    kinds: list[Callable[[], Any]] = [
        lambda: (tree.DecisionTreeClassifier if classify else tree.DecisionTreeRegressor)(max_depth=deep, random_state=seed),
        lambda: (tree.ExtraTreeClassifier if classify else tree.ExtraTreeRegressor)(max_depth=deep, random_state=seed),
        lambda: (ensemble.RandomForestClassifier if classify else ensemble.RandomForestRegressor)(
            few, max_depth=deep, random_state=seed),
        lambda: (ensemble.ExtraTreesClassifier if classify else ensemble.ExtraTreesRegressor)(
            few, max_depth=deep, random_state=seed),
        lambda: (ensemble.GradientBoostingClassifier if classify else ensemble.GradientBoostingRegressor)(
            n_estimators=few, max_depth=min(deep, 4), random_state=seed),
        lambda: ensemble.IsolationForest(n_estimators=few, random_state=seed),
        lambda: (ensemble.AdaBoostClassifier if classify else ensemble.AdaBoostRegressor)(n_estimators=few, random_state=seed),
        lambda: (ensemble.BaggingClassifier if classify else ensemble.BaggingRegressor)(n_estimators=few, random_state=seed),
    ]  # fmt: skip
    options["missing"] = True
    choice = int(rng.integers(len(kinds)))
    model = kinds[choice]()
    if choice in (4, 5, 6):
        x = np.nan_to_num(x)  # these refuse what is missing
    if choice == 5:
        options = {"missing": True}
    return model.fit(x, y), options, x


FAMILIES: dict[str, Callable[[np.random.Generator], Made]] = {
    "xgboost": xgboost_model, "lightgbm": lightgbm_model, "sklearn": sklearn_model,
}  # fmt: skip


def random_model(family: str, seed: int) -> Made:
    """A model of the family."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return FAMILIES[family](np.random.default_rng([seed, sorted(FAMILIES).index(family)]))
