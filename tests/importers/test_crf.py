"""Conditional random fields: what the compiled model gives is what sklearn-crfsuite gives."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError, Loc, ModelError, SkoshError
from skosh.importers.crf.chain import crf_graph
from skosh.importers.crf.items import attributes
from skosh.importers.crf.reader import Crf, read_crfsuite
from skosh.importers.pgm.builder import BAD_INPUT

crfsuite = pytest.importorskip("sklearn_crfsuite")

LENGTH = 12
Sequences = list[list[Any]]


def made(count: int, seed: int) -> tuple[Sequences, list[list[str]]]:
    """Sequences of 1 to 12 items with attributes of every kind that the library takes, and their labels."""
    rng = np.random.default_rng(seed)
    items, labels = [], []
    for _ in range(count):
        k, x, y = int(rng.integers(4)), [], []
        for _ in range(int(rng.integers(1, LENGTH + 1))):
            k = int((k + rng.integers(2)) % 4)
            y.append(f"state {k}")
            x.append({
                f"a{(k + rng.integers(3)) % 5}": True, "speed": float(rng.normal() + k),
                "word": ["on", "off", "à côté"][rng.integers(3)], "many": ["p", "q"][: rng.integers(3)],
                "near": {"left": 2.5 * int(rng.integers(2)), "right": {"x": -1}},
            })  # fmt: skip
        items.append(x)
        labels.append(y)
    return items, labels


@pytest.fixture(scope="module")
def crf() -> Any:
    return crfsuite.CRF(max_iterations=30).fit(*made(60, 0))


UNSEEN = [*made(25, 1)[0], [], [{"never seen": 1.0}, {}], [["a0", "a0"], {"a1", "a2"}]]
WAYS: tuple[dict[str, Any], ...] = ({}, {"attributes": 8})


@pytest.mark.parametrize("options", WAYS, ids=["dense", "indices"])
def test_labels_and_marginals(crf: Any, options: dict[str, Any]) -> None:
    labels = skosh.compile(skosh.load(crf, length=LENGTH, **options), target="host")
    assert [list(y) for y in labels.predict(UNSEEN)] == [list(y) for y in crf.predict(UNSEEN)]
    marginals = skosh.compile(skosh.load(crf, length=LENGTH, output="marginals", **options), target="host")
    assert far(marginals.predict(UNSEEN), crf.predict_marginals(UNSEEN)) < 1e-6


@pytest.mark.parametrize("options", WAYS, ids=["dense", "indices"])
def test_item_by_item(crf: Any, options: dict[str, Any]) -> None:
    """The filter gives what the library gives at the end of what was seen so far, smoothing what it gives some items before."""
    for output, lag in (("filter", 0), ("smooth", 0), ("smooth", 3)):
        asked = {"output": output, **({"lag": lag} if output == "smooth" else {})}
        build = skosh.compile(skosh.load(crf, **asked, **options), target="host")
        want = [[crf.predict_marginals_single(s[: t + 1])[max(0, t - lag)] for t in range(len(s))] for s in UNSEEN]
        assert far(build.predict(UNSEEN), want) < 1e-6


def far(got: Any, want: Any) -> float:
    """The largest difference of two arrays of lists of dicts alike."""
    assert [len(s) for s in got] == [len(s) for s in want]
    pairs = [(a, b) for s, t in zip(got, want, strict=True) for a, b in zip(s, t, strict=True)]
    assert all(a.keys() == b.keys() for a, b in pairs)
    return max(abs(a[k] - b[k]) for a, b in pairs for k in a)


@pytest.mark.parametrize("algorithm", ["l2sgd", "ap", "pa", "arow"])
def test_every_algorithm(algorithm: str) -> None:
    model = crfsuite.CRF(algorithm=algorithm, max_iterations=10).fit(*made(40, 2))
    build = skosh.compile(skosh.load(model, length=LENGTH, attributes=8), target="host")
    assert [list(y) for y in build.predict(UNSEEN)] == [list(y) for y in model.predict(UNSEEN)]


def test_long_paths_keep_their_digits() -> None:
    """A thousand items: the score of the path is 1,000 times that of an item, and yet the labels are the library's."""
    model = crfsuite.CRF(max_iterations=20).fit(*made(60, 3))
    (x,) = ([item for s in made(200, 4)[0] for item in s][:1000],)
    build = skosh.compile(skosh.load(model, length=1000, attributes=8), target="host")
    assert list(build.predict([x])[0]) == model.predict_single(x)


@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4"])
@pytest.mark.parametrize(
    "options",
    [
        {"length": 5}, {"length": 5, "output": "marginals", "attributes": 3},
        {"output": "filter", "attributes": 3, "values": False}, {"output": "smooth", "lag": 2},
    ],
    ids=["viterbi", "marginals", "filter", "smooth"],
)  # fmt: skip
def test_the_c_is_bit_exact(crf: Any, target: str, options: dict[str, Any]) -> None:
    proof = skosh.compile(skosh.load(crf, **options), target=target).verify(4)
    assert proof.bit_exact, proof.first_difference


def test_a_saved_model_needs_no_library(crf: Any, tmp_path: Path) -> None:
    file = tmp_path / "tagger.crfsuite"
    file.write_bytes(Path(crf.modelfile.name).read_bytes())
    graph = skosh.load(file, length=LENGTH)
    assert graph.name == "tagger"
    assert graph.digest == skosh.load(crf, length=LENGTH).digest
    model = read_crfsuite(file.read_bytes(), Loc("tagger.crfsuite"))
    assert list(model.labels) == crf.classes_
    assert list(model.attributes) == crf.attributes_
    for (a, label), weight in crf.state_features_.items():  # the library prints six digits
        assert abs(model.state[model.attributes.index(a), model.labels.index(label)] - weight) <= 5.1e-7
    for (a, label), weight in crf.transition_features_.items():
        assert abs(model.move[model.labels.index(a), model.labels.index(label)] - weight) <= 5.1e-7


def test_items_are_read_as_the_library_reads_them() -> None:
    items = [
        {"a": 1, "b": True, "c": False, "d": "text", "e": b"bytes", b"raw": 2},
        {"f": ["x", "y"], "g": {"h": 0.5, "i": {"j": "k"}}},
        ["one", b"two"], {"only"}, {}, {"ü": {"ß": "é"}},
    ]  # fmt: skip
    for item, want in zip(items, __import__("pycrfsuite").ItemSequence(items).items(), strict=True):
        assert dict(attributes(item)) == want


def test_an_attribute_that_there_is_not_has_a_status(crf: Any) -> None:
    """It counts as none; streams go on after any number of them."""
    build = skosh.compile(skosh.load(crf, output="filter", attributes=1, values=False), target="host")
    build.runner.reset()
    got = [build.runner.run([np.array([[a]], np.int32)]) for a in (0, *[99999] * 200, -1)]
    assert [int(status[0]) for _, status in got] == [0, *[BAD_INPUT] * 200, 0]
    assert np.isnan(got[1][0]).all()
    assert abs(got[-1][0].sum() - 1) < 1e-6


def test_damaged_files_are_refused_or_read(crf: Any) -> None:
    """Whatever the bytes: a model or one letter."""
    data, rng = Path(crf.modelfile.name).read_bytes(), random.Random(0)
    refused = 0
    for _ in range(400):
        broken = bytearray(data if rng.random() < 0.7 else data[: rng.randrange(len(data))])
        for _ in range(rng.randrange(1, 4)):
            if broken:
                at = rng.randrange(48 if rng.random() < 0.5 else len(broken))
                broken[at % len(broken)] = rng.randrange(256)
        try:
            read_crfsuite(bytes(broken), Loc("x.crfsuite"))
        except ModelError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("spread", [36.0, 200.0, 900.0])
def test_steep_transitions(spread: float) -> None:
    """Weights far apart: probabilities beside sums of all paths, in float64 logarithms."""
    rng = np.random.default_rng(0)
    move = rng.uniform(-spread, 0, (3, 3))
    state = rng.uniform(-spread, 0, (4, 3))
    graph = crf_graph(Crf(("x", "y", "z"), tuple("abcd"), state, move), "steep", Loc("x"), output="marginals", length=4)
    values = np.eye(4, dtype=np.float32)[None]
    got = skosh.compile(graph, target="host").run([values, np.array([[4]], np.int32)])[0]
    paths = np.array(list(itertools.product(range(3), repeat=4)))
    total = sum(state[t][paths[:, t]] for t in range(4)) + sum(move[paths[:, t - 1], paths[:, t]] for t in range(1, 4))
    share = np.exp(total - np.logaddexp.reduce(total))
    want = np.array([[share[paths[:, t] == s].sum() for s in range(3)] for t in range(4)])
    np.testing.assert_allclose(got, want, atol=2e-4)


def letter(make: Any) -> str:
    with pytest.raises(SkoshError) as error:
        make()
    assert isinstance(error.value, InputError | ModelError)
    return str(error.value)


def test_letters(crf: Any, tmp_path: Path) -> None:
    place = '<crfsuite>: "CRF":'
    assert letter(lambda: skosh.load(crfsuite.CRF())) == (
        f"{place} the model must be fitted first. Hint: call its fit method, or give model_filename"
    )
    assert (
        letter(lambda: skosh.load(crf)) == f'{place} output="viterbi" must have length, a number from 1 on, not None.'
    )
    assert letter(lambda: skosh.load(crf, output="path")) == (
        f'{place} output must be one of viterbi, marginals, filter, smooth, not "path".'
    )
    assert letter(lambda: skosh.load(crf, output="smooth", lag=1, length=2)) == (
        f'{place} output="smooth" has no option "length".'
    )
    assert (
        letter(lambda: skosh.load(crf, length=2, attributes=0))
        == f"{place} attributes must be a number from 1 on, not 0."
    )
    assert letter(lambda: skosh.load(crf, length=2, values=False)) == (
        f"{place} values=False goes with attributes=, how many an item has at most."
    )
    assert letter(lambda: skosh.load(crf, length=2, most=3)) == (
        f'{place} a conditional random field has no option "most". Hint: it has output, lag, length, attributes, values'
    )
    file = tmp_path / "no.crfsuite"
    assert letter(lambda: skosh.load(file, length=2)) == f"{file}: can't be read: no such file or directory."
    file.write_bytes(b"lCRF")
    assert letter(lambda: skosh.load(file, length=2)) == (
        "no.crfsuite: it is not a readable CRFsuite model: an offset or a length inside it is wrong. "
        "Hint: it may be truncated; fit and save it again"
    )


def test_letters_of_predict(crf: Any) -> None:
    few = skosh.compile(skosh.load(crf, length=2, attributes=1, values=False), target="host")
    assert letter(lambda: few.predict([[["a0"]] * 3])) == (
        "a sequence must have at most 2 items, not 3. Hint: load the model with a larger length="
    )
    assert letter(lambda: few.predict([[["a0", "a1"]]])) == (
        "an item must have at most 1 attributes that the model knows, not 2. "
        "Hint: load the model with a larger number: attributes="
    )
    assert letter(lambda: few.predict([[{"speed": 0.5}]])) == (
        "every value must be 1 in a model loaded with values=False, not 0.5."
    )
    assert letter(lambda: few.predict([[{"speed": None}]])) == (
        'the value of attribute "speed" must be text or a number, not None.'
    )
    assert letter(lambda: few.predict([[[3]]])) == "an attribute must be named by text, not 3."


def test_weights_of_few_features_are_counted_before_they_are_made(crf: Any) -> None:
    """A file that names many attributes and labels, and weighs few of their pairs, may not fill the memory."""
    from skosh.base.budget import Budget, BudgetError, budgeted

    data = Path(crf.modelfile.name).read_bytes()
    model = read_crfsuite(data, Loc("a.crfsuite"))
    count = model.state.size + model.move.size
    with budgeted(Budget(elements=count)):
        read_crfsuite(data, Loc("a.crfsuite"))
    with budgeted(Budget(elements=count - 1)), pytest.raises(BudgetError, match="its weights"):
        read_crfsuite(data, Loc("a.crfsuite"))
