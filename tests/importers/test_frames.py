"""Frames with categories and text: codes in C, names in Python; the labels and values are the library's."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import skosh
from skosh.base.errors import InputError, ModelError, ModelWarning
from tests.support.library import disagreements, predicted

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

RNG = np.random.default_rng(0)
COLOUR = RNG.choice(["red", "green", "blue", "rose"], 300)
SIZE = RNG.integers(0, 5, 300)
WIDTH = RNG.normal(size=300).astype(np.float32)
Y = ((COLOUR == "red") | ((COLOUR == "blue") & (WIDTH > 0)) | (SIZE == 3)).astype(int)
TEXT = pd.DataFrame({"colour": COLOUR.astype(object), "width": WIDTH.astype(float), "size": SIZE.astype(float)})
HOLES = TEXT.assign(colour=TEXT.colour.where(TEXT.index % 7 > 0, np.nan), width=TEXT.width.where(TEXT.index % 9 > 0))
CODED = pd.DataFrame({"colour": pd.Categorical(COLOUR), "width": WIDTH, "size": pd.Categorical(SIZE * 10)})
XGB: dict[str, Any] = {"n_estimators": 4, "max_depth": 4, "nthread": 1, "enable_categorical": True}
LGB: dict[str, Any] = {"n_estimators": 4, "min_data_per_group": 5, "verbose": -1, "n_jobs": 1}


def columns(encoder: Any, rest: Any = "passthrough") -> Any:
    return ColumnTransformer([("text", encoder, ["colour"]), ("numbers", rest, ["width", "size"])])


MODELS: dict[str, tuple[Any, pd.DataFrame]] = {
    "xgboost": (xgboost.XGBClassifier(max_cat_to_onehot=1, **XGB), CODED),
    "xgboost, one by one": (xgboost.XGBRegressor(max_cat_to_onehot=20, **XGB), CODED),
    "lightgbm": (lightgbm.LGBMClassifier(**LGB), CODED),
    "lightgbm, values": (lightgbm.LGBMRegressor(**LGB), CODED),
    "histograms": (HistGradientBoostingRegressor(max_iter=4, categorical_features="from_dtype"), CODED),
    "histograms of text": (HistGradientBoostingClassifier(max_iter=4, categorical_features=["colour"]), TEXT),
    "one-hot": (make_pipeline(columns(OneHotEncoder(handle_unknown="ignore"), StandardScaler()), LogisticRegression()), TEXT),
    "one-hot, strict": (make_pipeline(columns(OneHotEncoder()), LogisticRegression()), TEXT),
    "one-hot, few": (
        make_pipeline(columns(OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=76)), LogisticRegression()),
        TEXT,
    ),
    "one-hot, holes": (
        make_pipeline(columns(OneHotEncoder(handle_unknown="ignore")), HistGradientBoostingClassifier(max_iter=4)), HOLES,
    ),
    "filled in": (
        make_pipeline(
            columns(make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                    make_pipeline(SimpleImputer(), StandardScaler())), LogisticRegression(),
        ), HOLES,
    ),
    "places": (
        make_pipeline(columns(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
                      RandomForestClassifier(4, random_state=0)), TEXT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_frames(name: str) -> None:
    model, frame = MODELS[name]
    model.fit(frame, Y)
    graph = skosh.load(model, **({"missing": True} if "holes" in name else {}))
    assert not disagreements(graph)
    want = model.predict(frame)
    np.testing.assert_allclose(predicted(graph, frame[frame.columns[::-1]]), want, rtol=1e-5, atol=1e-6)
    assert graph.notes["categories"][0][:4] == ("blue", "green", "red", "rose")


@pytest.mark.parametrize("frame", [True, False])
def test_boosters_with_categories(frame: bool) -> None:
    rows = xgboost.DMatrix(CODED, Y, enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic"}, rows, 4)
    light = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(CODED, Y), 4)
    for model, want in ((booster, booster.predict(rows)), (light, light.predict(CODED))):
        graph = skosh.load(model)
        assert not disagreements(graph)
        codes = graph.notes["encode"](CODED)
        np.testing.assert_allclose(predicted(graph, CODED if frame else codes), want, rtol=1e-5)


def test_arrays_of_text() -> None:
    rows = np.stack([COLOUR, np.array(["small", "large"])[SIZE % 2]], axis=1).astype(object)
    for encoder in (OneHotEncoder(), OrdinalEncoder()):
        model = make_pipeline(encoder, DecisionTreeClassifier(random_state=0)).fit(rows, Y)
        assert predicted(skosh.load(model), rows).tolist() == model.predict(rows).tolist()


def test_categories_that_were_never_seen() -> None:
    strange = CODED.assign(colour=pd.Categorical(["violet", "red"] * 150))
    light = lightgbm.LGBMClassifier(**LGB).fit(CODED, Y)
    assert predicted(skosh.load(light), strange).tolist() == light.predict(strange).tolist()
    model, _ = MODELS["one-hot"]
    other = TEXT.assign(colour="violet")
    assert predicted(skosh.load(model.fit(TEXT, Y)), other).tolist() == model.predict(other).tolist()
    strict = xgboost.XGBClassifier(**XGB).fit(CODED, Y)
    with pytest.raises(xgboost.core.XGBoostError):
        strict.predict(strange)
    with pytest.raises(InputError, match="must hold categories that the model knows, not 'violet'"):
        predicted(skosh.load(strict), strange)


def test_text_that_xgboost_cut() -> None:
    rows = pd.DataFrame({"c": pd.Categorical(["red", "rosé"] * 20)})
    model = xgboost.XGBRegressor(**XGB).fit(rows, np.arange(40) % 2)
    with pytest.warns(ModelWarning, match="XGBoost cut the text of categories"):
        skosh.load(model)


def test_text_behind_arithmetic_is_refused() -> None:
    model = make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()).fit(np.array([["a"], [np.nan]], dtype=object), [0, 1])
    with pytest.raises(ModelError, match="text that is missing must not be a category of its own"):
        skosh.load(model)


def test_codes_in_c() -> None:
    frame = TEXT.rename(columns={"colour": "class"}).assign(**{"class": TEXT.colour.replace({"rose": 'ro"se*/é'})})
    encoder = ColumnTransformer([("text", OneHotEncoder(), ["class"])], remainder="passthrough")
    model = make_pipeline(encoder, DecisionTreeClassifier(random_state=0)).fit(frame, Y)
    build = skosh.compile(skosh.load(model, name="paint"), target="host")
    assert "PAINT_CLASS_COLUMN_GREEN = 1" in build.sources["paint.h"]
    assert build.predict(frame).tolist() == model.predict(frame).tolist()
    assert build.verify(4).bit_exact


def test_a_name_finds_its_code(tmp_path: Any) -> None:
    from skosh.build import compile_host

    model, frame = MODELS["places"]
    build = skosh.compile(skosh.load(model.fit(frame, Y), name="paint"), target="host")
    source = '#include "paint.h"\nint32_t paint_test(const char *name);\nint32_t paint_test(const char *name) '
    library = compile_host(build.sources, source + "{ return paint_encode_colour(name); }\n")
    find = ctypes.CDLL(str(library)).paint_test
    assert [find(n) for n in (b"blue", b"rose", b"ros", b"roses", b"")] == [0, 3, -1, -1, -1]
