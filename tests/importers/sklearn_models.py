"""What the tests of classical scikit-learn models share: data, models, and how a graph is run on many rows."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import skosh

Array = npt.NDArray[Any]
LOADERS = {
    "digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine, "iris": load_iris,
    "diabetes": load_diabetes,
}  # fmt: skip


def single(x: Array) -> Array:
    """The nearest float32 numbers, as float64."""
    return np.asarray(x).astype(np.float32).astype(np.float64)


@cache
def halves(name: str, scaled: bool = True) -> tuple[Array, Array, Array, Array]:
    """(train, test, y_train, y_test): 70/30, stratified; all features exact in float32."""
    x, y = LOADERS[name](return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        single(x), y, test_size=0.3, random_state=42, stratify=None if name == "diabetes" else y
    )
    if scaled:
        scaler = StandardScaler().fit(train)
        train, test = single(scaler.transform(train)), single(scaler.transform(test))
    return train, test, y_train, y_test


def random_rows(train: Array, count: int, seed: int = 0) -> Array:
    """Uniform in the range of each feature."""
    rng = np.random.default_rng(seed)
    return single(rng.uniform(train.min(axis=0), train.max(axis=0), (count, train.shape[1])))


def fitted(model: Any, train: Array, y: Array) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(train, y)


def on_host(model: Any, **options: Any) -> Any:
    """The Build for this computer."""
    return skosh.compile(skosh.load(model, **options), target="host")


def outputs(model: Any, rows: Array, **options: Any) -> Array:
    """What the compiled model gives for each row."""
    return np.asarray(on_host(model, **options).run(rows.astype(np.float32)))


def assert_predicts(model: Any, *parts: Array) -> None:
    """The compiled model predicts what the library does, all of it."""
    build = on_host(model, output="label")
    for rows in parts:
        np.testing.assert_array_equal(build.predict(rows), model.predict(rows))
