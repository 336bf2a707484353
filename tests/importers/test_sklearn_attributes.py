"""Fitted attributes are taken: what nobody reads is refused, what is known has a reason, methods of one's own are seen."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

import skosh
from skosh.base.errors import ModelError, UnsupportedError
from skosh.importers.sklearn import CHECKED, converters
from skosh.importers.sklearn.attributes import WITHOUT_EFFECT
from tests.importers.sklearn_models import halves

TRAIN, TEST, Y, _ = halves("iris")


@pytest.mark.parametrize(
    "model", [LinearRegression(), LogisticRegression(), GaussianNB(), SVC(), KNeighborsClassifier(), KMeans(3)],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_an_attribute_that_nobody_reads_is_refused(model: Any) -> None:
    model.fit(TRAIN, Y)
    skosh.load(model)
    model.temperature_ = np.array([0.5])
    with pytest.raises(ModelError, match=f"{type(model).__name__} has temperature_, which skosh doesn't read"):
        skosh.load(model)
    with pytest.raises(ModelError, match=r'"[a-z_]+": [A-Za-z]+ has temperature_'):
        skosh.load(make_pipeline(StandardScaler().fit(TRAIN), model))
    for nothing in (None, False, 0, "", [], np.array([])):
        model.temperature_ = nothing
        skosh.load(model)


class Shifted(LinearRegression):
    """A regression with a prediction of its own."""

    def predict(self, X: Any) -> Any:
        return super().predict(X) + 1


class Named(LinearRegression):
    """A regression with another name only."""


def test_a_method_of_ones_own_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="Shifted has a predict of its own, which skosh can't read"):
        skosh.load(Shifted().fit(TRAIN, Y))
    assert skosh.load(Named().fit(TRAIN, Y)).nodes


def test_every_documented_attribute_is_read_or_has_no_effect() -> None:
    """Of all estimators of the families that are checked, as the library's own documentation names them."""
    known, missing = converters(), []
    for name, made in all_estimators():
        if name not in known or known[name].__module__.rpartition(".")[2] not in CHECKED:
            continue
        told = re.search(r"\nAttributes\n-+\n(.*?)(\n\n[A-Z][a-z ]+\n-{3,}|\Z)", inspect.getdoc(made) or "", re.S)
        source = inspect.getsource(importlib.import_module(known[name].__module__))
        listed = re.findall(r"^([A-Za-z]\w*_)(?: ?:|\s*$)", told.group(1), re.M) if told else ()
        seen = {*WITHOUT_EFFECT, *PROPERTIES}
        missing += [f"{name}.{a}" for a in listed if a not in seen and a not in source]
    assert not missing


PROPERTIES = ("sparse_coef_", "probA_", "probB_")
"""Attributes that are worked out from others when they are asked for."""
