"""How right a model is: who is taken for whom, errors of numbers, and what isn't an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import skosh
from skosh.base.errors import InputError
from skosh.deliver.models import copy
from skosh.deliver.score import Confusion, Errors, errors_of, score_section, scored
from tests.cli.run import run

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
NAMES = np.array(["hot", "cold", "mild"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.7)]


def score(model: Any, right: Any, **options: Any) -> Confusion | Errors:
    build = skosh.compile(skosh.load(model, **options), target="host")
    return scored(build.source, build.run, build.samples(X).inputs, np.asarray(right))


@pytest.mark.parametrize("output", ["label", "proba", "decision"])
def test_a_classifier(output: str) -> None:
    model = LogisticRegression().fit(X, NAMES)
    found = score(model, NAMES, output=output)
    assert isinstance(found, Confusion)
    said = model.predict(X)
    assert (found.right, found.samples, found.classes) == (int((said == NAMES).sum()), 60, ("cold", "hot", "mild"))
    for i, a in enumerate(found.classes):
        for j, b in enumerate(found.classes):
            assert found.counts[i, j] == ((a == NAMES) & (b == said)).sum()
    page = str(score_section(found))
    assert page.count("<tr>") == 4 and f"{found.right} of 60 right" in page


def test_two_classes_with_one_score() -> None:
    two = (X[:, 0] > 0).astype(int)
    model = LogisticRegression().fit(X, two)
    for output in ("label", "proba", "decision"):
        found = score(model, two, output=output)
        assert isinstance(found, Confusion)
        assert found.right == (model.predict(X) == two).sum()


def test_numbers() -> None:
    model = LinearRegression().fit(X, X @ [1.0, -2, 3])
    want = model.predict(X) + 0.5
    found = score(model, want)
    assert isinstance(found, Errors)
    assert (round(found.rmse, 4), round(found.mae, 4), round(found.largest, 4)) == (0.5, 0.5, 0.5)
    assert 0.9 < found.cosine < 1
    assert "root mean square" in str(score_section(found))
    same = errors_of(want, want)
    assert (same.rmse, same.mae, round(same.cosine, 12)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("right", "says"),
    [
        (NAMES[:5], "there must be as many answers as samples, 60, not 5"),
        (np.full(60, "warm"), "an answer must be one of cold, hot, mild, not warm"),
        (np.full(60, 7), "an answer must be one of cold, hot, mild, not 7"),
        (np.zeros((60, 2), int), "answers must be one class for each sample, or floats of shape"),
    ],
)
def test_what_is_no_answer(right: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        score(LogisticRegression().fit(X, NAMES), right)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    copy("digits", ".")
    labels = ("--labels", "digits_y.npy", "--labels", "digits.txt")
    ran = run("report", "digits.tflite", "-t", "host", "--samples", "digits_x.npy", *labels, "-o", "d.html")
    assert ran.status == 0, ran.err
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "Which is taken for which" in page and "99 of 100 right" in page and "99.0 %" in page
    ran = run("report", "digits.tflite", "-t", "host", *labels)
    assert ran.status == 2
    assert "answers are of samples that are given. Hint: --samples x.npy beside --labels y.npy" in ran.err
