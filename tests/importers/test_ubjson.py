"""XGBoost's binary files, read by skosh itself: the same dict as its JSON, and nothing made larger than the file allows."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

import skosh
from skosh.base.budget import BudgetError, budgeted
from skosh.base.errors import ModelError, SkoshError
from skosh.importers.ubjson import NotUbjson, read_ubjson
from tests.support.mutate import mutate


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three classes with categories, in both forms."""
    xgboost = pytest.importorskip("xgboost")
    folder = tmp_path_factory.mktemp("models")
    x, y = load_iris(return_X_y=True)
    data = xgboost.DMatrix(x.round(), y, feature_types=["q", "q", "c", "c"], enable_categorical=True)
    made = xgboost.train({"objective": "multi:softprob", "num_class": 3, "booster": "dart", "max_depth": 3}, data, 3)
    made.save_model(folder / "m.ubj")
    made.save_model(folder / "m.json")
    return folder


def as_float32(value: Any) -> Any:
    """Numbers as XGBoost's binary form holds them."""
    match value:
        case dict():
            return {k: as_float32(v) for k, v in value.items()}
        case list():
            return [as_float32(v) for v in value]
        case bool() | None | str():
            return value
    return float(np.float32(value))


def test_the_same_as_json(saved: Path) -> None:
    binary = read_ubjson((saved / "m.ubj").read_bytes())
    assert as_float32(binary) == as_float32(json.loads((saved / "m.json").read_text()))


@pytest.mark.parametrize(("data", "value"), [
    (b"i\xff", -1), (b"U\xff", 255), (b"I\x01\x00", 256), (b"l\xff\xff\xff\xfe", -2), (b"L\xff" + b"\xff" * 7, -1),
    (b"d" + struct.pack(">f", 0.5), 0.5), (b"D" + struct.pack(">d", 0.1), 0.1), (b"T", True), (b"F", False), (b"Z", None),
    (b"SU\x02hi", "hi"), (b"CA", "A"), (b"HU\x031e3", 1000.0), (b"[]", []), (b"[i\x01N[T]]", [1, [True]]),
    (b"[#U\x02i\x01i\x02", [1, 2]), (b"[$i#U\x02\x01\x02", [1, 2]), (b"{}", {}), (b"{U\x01aT}", {"a": True}),
    (b"{NU\x01aN{#U\x01U\x01bi\x05N}N", {"a": {"b": 5}}), (b"{$i#U\x01U\x01a\x07", {"a": 7}),
])  # fmt: skip
def test_every_kind_of_value(data: bytes, value: Any) -> None:
    assert read_ubjson(data) == value


@pytest.mark.parametrize("data", [
    b"", b"N", b"Q", b"[", b"[i", b"{U\x01a", b"[]i\x01", b"SU\x05hi", b"Si\xffhi", b"SdAAAA", b"[$T#L" + bytes(7) + b"\x09",
    b"[$d#L" + struct.pack(">q", 1 << 60), b"[#L" + struct.pack(">q", -1), b"[$i", b"CU\x80", b"SU\x01\xff", b"[$i\x01",
])  # fmt: skip
def test_what_is_no_ubjson(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 NotUbjson, or what decoding a text says
        read_ubjson(data)


def test_depth_and_sizes_are_bounded() -> None:
    with budgeted(None), pytest.raises(BudgetError, match="levels of things inside things"):
        read_ubjson(b"[" * 100_000)
    tracemalloc.start()
    with pytest.raises(NotUbjson, match="can't be in it"):
        read_ubjson(b"[$L#L" + struct.pack(">q", 1 << 33) + b"x")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_300_damaged_files(saved: Path, tmp_path: Path) -> None:
    """XGBoost's own reader dies of one in fifteen of them."""
    data, path = (saved / "m.ubj").read_bytes(), tmp_path / "broken.ubj"
    refused = 0
    for seed in range(300):
        path.write_bytes(mutate(data, seed))
        try:
            skosh.load(path)
        except SkoshError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 100


def test_nothing_about_a_class_is_believed(saved: Path, tmp_path: Path) -> None:
    """1.9 KB that ask for ten gigabytes."""
    told = json.loads((saved / "m.json").read_text())
    for key, value in (("num_class", "1000000000"), ("num_feature", "999999999999"), ("num_class", "-3")):
        changed = json.loads(json.dumps(told))
        changed["learner"]["learner_model_param"][key] = value
        (tmp_path / "m.json").write_text(json.dumps(changed))
        with pytest.raises((ModelError, BudgetError)):
            skosh.load(tmp_path / "m.json")
