"""Models in files: XGBoost's and LightGBM's own, skops, and pickles that are read on trust only."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import skosh
from skosh.base.errors import InputError, ModelError, SkoshError
from skosh.ir.text import graph_text
from tests.cli.run import run
from tests.importers.trees import outputs

IRIS, CANCER, DIABETES = (load(return_X_y=True) for load in (load_iris, load_breast_cancer, load_diabetes))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("data", [IRIS, CANCER])
@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_xgboost_files(data: Any, ending: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=6, nthread=1).fit(*data)
    path = tmp_path / f"flowers.{ending}"
    model.save_model(path)
    graph = skosh.load(path)
    assert graph.name == "flowers"
    x = data[0].astype(np.float32)
    want = model.predict_proba(x)
    np.testing.assert_allclose(outputs(graph, x), want[:, 1] if data is CANCER else want, atol=2e-6)
    labels = outputs(skosh.load(str(path), output="label"), x)
    np.testing.assert_array_equal(labels, model.predict(x))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("data", [IRIS, CANCER, DIABETES])
def test_lightgbm_files(data: Any, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    kind = lightgbm.LGBMRegressor if data is DIABETES else lightgbm.LGBMClassifier
    model = kind(n_estimators=6, verbose=-1, n_jobs=1).fit(*data)
    path = tmp_path / "model.txt"
    model.booster_.save_model(path)
    want = model.booster_.predict(data[0])
    got = outputs(skosh.load(path), data[0].astype(np.float32))
    np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-5, atol=2e-6)
    assert skosh.load(path).name == "model"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small models as their libraries save them."""
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    folder = tmp_path_factory.mktemp("models")
    x, y = IRIS[0].round(), IRIS[1] % 2
    lightgbm.LGBMClassifier(n_estimators=2, num_leaves=4, verbose=-1, min_data_per_group=1).fit(
        x, y, categorical_feature=[3]
    ).booster_.save_model(folder / "m.txt")
    xgboost.XGBClassifier(n_estimators=2, max_depth=2, nthread=1).fit(x, y).save_model(folder / "m.json")
    return {p.suffix: p.read_bytes() for p in folder.iterdir()}


@settings(derandomize=True, max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_broken_files_give_letters(texts: dict[str, bytes], tmp_path: Path, data: Any) -> None:
    ending = data.draw(st.sampled_from([".txt", ".json"]))
    broken = bytearray(texts[ending])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(broken) - 1))
        what = data.draw(st.sampled_from(["cut", "change", "digit", "drop"]))
        if what == "cut":
            del broken[max(1, at) :]
        elif what == "change":
            broken[at] = data.draw(st.integers(0, 255))
        elif what == "digit":
            places = [i for i, c in enumerate(broken) if 48 <= c <= 57]
            broken[places[at % len(places)] if places else 0] = data.draw(st.sampled_from(list(b"-9e.")))
        else:
            del broken[at : at + 20]
        broken = broken or bytearray(b" ")
    path = tmp_path / f"broken{ending}"
    path.write_bytes(bytes(broken))
    try:
        skosh.load(path)
    except SkoshError as error:
        assert str(path) in str(error)


def test_letters_about_files(tmp_path: Path) -> None:
    for ending in ("json", "ubj", "txt", "skops", "pkl"):
        with pytest.raises(InputError, match="can't be read: no such file or directory"):
            skosh.load(tmp_path / f"none.{ending}")
        bad = tmp_path / f"bad.{ending}"
        bad.write_bytes(b"\x80\xff\x00 no model")
        with pytest.raises(ModelError, match=r"this is no|can't be unpickled"):
            skosh.load(bad, **({"trust_pickle": True} if ending == "pkl" else {}))
    (tmp_path / "a.txt").write_text("hello\n")
    with pytest.raises(ModelError, match='must begin with the line "tree"'):
        skosh.load(tmp_path / "a.txt")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ModelError, match="this is no model that XGBoost saved"):
        skosh.load(tmp_path / "a.json")


def test_pickles_are_read_on_trust_only(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), SVC()).fit(*IRIS)
    path = tmp_path / "flowers.pkl"
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(InputError, match="reading a pickle runs whatever code its author put into it") as error:
        skosh.load(path)
    assert "trust_pickle=True" in str(error.value)
    assert skosh.load(path, trust_pickle=True).name == "flowers"
    refused, read = run("inspect", str(path)), run("inspect", str(path), "--trust-pickle")
    assert refused.status == 2 and "so it must be trusted first" in refused.err
    assert read.status == 0 and "distances" in read.out


class Trap:
    """A pickle of it makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_that_is_not_trusted_runs_nothing(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    for ending in ("pkl", "pickle", "joblib"):
        (tmp_path / f"bad.{ending}").write_bytes(pickle.dumps(Trap(sprung)))
        with pytest.raises(InputError):
            skosh.load(tmp_path / f"bad.{ending}")
    assert not sprung.exists()


def test_skops_files_need_no_trust(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io")
    model = RandomForestClassifier(3, random_state=0).fit(*IRIS)
    path = tmp_path / "forest.skops"
    skops.dump(model, path)
    graph = skosh.load(path)
    assert graph.name == "forest"
    assert graph_text(graph).splitlines()[1:] == graph_text(skosh.load(model)).splitlines()[1:]
    skops.dump(Trap(tmp_path), tmp_path / "other.skops")
    with pytest.raises(ModelError, match="must hold an estimator of scikit-learn's own"):
        skosh.load(tmp_path / "other.skops")
