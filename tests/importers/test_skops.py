"""skops files are data: whatever a file names, nothing of it is called, and what is read is what was saved."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.random_projection import SparseRandomProjection
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import skosh
from skosh.base.errors import ModelError, SkoshError
from skosh.importers.skops import NUMBERS, PACKAGES, estimator_class
from skosh.ir.text import graph_text

skops_io = pytest.importorskip("skops.io")
IRIS, DIABETES = load_iris(return_X_y=True), load_diabetes(return_X_y=True)

MODELS = [
    make_pipeline(StandardScaler(), FunctionTransformer(np.sin), SVC()),
    make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", OneHotEncoder(), [2])]), LogisticRegression()),
    CalibratedClassifierCV(LogisticRegression(), cv=2),
    GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3),
    GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2, 3]}, cv=2),
    KNeighborsClassifier(), KNeighborsClassifier(algorithm="ball_tree"), KNeighborsClassifier(algorithm="brute"),
    make_pipeline(SparseRandomProjection(2, random_state=np.random.RandomState(0)), LogisticRegression()),
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m[-1] if hasattr(m, "steps") else m).__name__)
@pytest.mark.filterwarnings("ignore")
def test_what_is_read_is_what_was_saved(model: Any, tmp_path: Path) -> None:
    model.fit(IRIS[0].round(), IRIS[1])
    assert_the_same(model, tmp_path)


def test_regressors_and_texts(tmp_path: Path) -> None:
    for model in (RandomForestRegressor(3, random_state=0), GradientBoostingRegressor(n_estimators=3)):
        assert_the_same(model.fit(*DIABETES), tmp_path)
    words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        ["a good day", "a bad day", "good", "bad"], [1, 0, 1, 0]
    )
    assert_the_same(words, tmp_path)


def assert_the_same(model: Any, folder: Path) -> None:
    path = folder / "model.skops"
    skops_io.dump(model, path)
    read, direct = (graph_text(skosh.load(m)).splitlines()[1:] for m in (path, model))
    assert read == direct


# -------------------------------------------------------------------------------------------------- files that would act


def node(loader: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def plain(value: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def several(*values: Any, kind: str = "tuple") -> dict[str, Any]:
    return node(f"{kind.title()}Node", "builtins", kind, content=list(values))


def attributes(**values: Any) -> dict[str, Any]:
    keys = node("ListNode", "builtins", "list", content=[node("TypeNode", "builtins", "str") for _ in values])
    return node("DictNode", "builtins", "dict", key_types=keys, content=values)


def acting(mark: Path) -> list[dict[str, Any]]:
    """Nodes that make the file ``mark`` where their words are believed, in every way that skops knows."""
    command = several(several(plain("touch"), plain(str(mark)), kind="list"))
    test = ("sklearn.utils._testing", "check_output")  # it is subprocess.check_output
    function = node("FunctionNode", *test, content={"module_path": test[0], "function": test[1]})
    return [
        function,
        node("ConstructorFromReduceNode", *test, content=command),
        node("LossNode", *test, __reduce__={"args": command}, content=attributes()),
        node("TreeNode", *test, __reduce__={"args": command}, content=attributes()),
        node("ObjectNode", *test, content=attributes(args=command)),
        node("PartialNode", "functools", "partial", content={
            "func": function, "args": command, "kwds": attributes(), "namespace": attributes(),
        }),
        node("MethodNode", "pathlib", "Path", content={
            "func": "touch", "obj": node("ConstructorFromReduceNode", "pathlib", "Path", content=several(plain(str(mark)))),
        }),
        node("OperatorFuncNode", "operator", "methodcaller", attrs=several(plain("touch"))),
        node("TypeNode", "subprocess", "Popen"),
        node("RandomGeneratorNode", "numpy.random", "Generator", content={
            "bit_generator": attributes(bit_generator=plain("seed")), "seed_seq": attributes(),
        }),
    ]  # fmt: skip


def estimator(**values: Any) -> dict[str, Any]:
    name = ("sklearn.preprocessing._function_transformer", "FunctionTransformer")
    return node("ObjectNode", *name, content=attributes(n_features_in_=plain(2), kw_args=plain(None), **values))


def test_nothing_that_a_file_names_is_called(tmp_path: Path) -> None:
    mark = tmp_path / "called"
    path = tmp_path / "model.skops"
    for thing in acting(mark):
        step = several(several(plain("a"), thing), kind="list")
        pipeline = node("ObjectNode", "sklearn.pipeline", "Pipeline", content=attributes(steps=step, memory=thing))
        for schema in (
            thing,
            several(thing),
            estimator(func=thing),
            estimator(func=plain(None), validate=thing),
            pipeline,
        ):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("schema.json", json.dumps(schema))
            with pytest.raises(ModelError):
                skosh.load(path)
    assert not mark.exists()


@pytest.mark.parametrize("name", [
    ("sklearn.utils._testing", "check_output"), ("sklearn.utils._testing", "SkipTest"), ("subprocess", "Popen"),
    ("sklearn.svm", "SVC"), ("sklearn.svm._classes", "BaseEstimator"), ("sklearn.base", "BaseEstimator"),
    ("sklearn.pipeline", "clone"), ("sklearn.svm._classes", "Real"), ("sklearn.svm.tests.test_svm", "CustomSVC"),
    ("sklearn.neighbors", "KDTree"), ("sklearn_extra.svm", "SVC"), ("sklearn.pipeline", "__doc__"),
])  # fmt: skip
def test_only_estimators_by_their_own_names_are_made(name: tuple[str, str]) -> None:
    assert estimator_class(*name) is None


def test_an_estimator_is_found() -> None:
    assert estimator_class("sklearn.svm._classes", "SVC") is SVC
    assert "utils" not in PACKAGES and all(isinstance(getattr(np, n), type) for n in NUMBERS if hasattr(np, n))


def test_trees_that_lead_back_are_refused(tmp_path: Path) -> None:
    model = DecisionTreeClassifier(random_state=0).fit(*IRIS)
    for place, child in ((2, 0), (2, 2), (2, 999)):
        nodes = model.tree_.__getstate__()["nodes"].copy()
        nodes["left_child"][place] = child
        path = tmp_path / "tree.skops"
        skops_io.dump(model, path)
        replaced(path, nodes)
        with pytest.raises(SkoshError):
            skosh.load(path)


def replaced(path: Path, nodes: Any) -> None:
    """Other nodes in the file of a tree."""
    with zipfile.ZipFile(path) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    for name, data in files.items():
        if name.endswith(".npy") and b"left_child" in data[:200]:
            files[name] = data[: len(data) - nodes.nbytes] + nodes.tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
