"""Samples: what is taken, and what is said when something doesn't fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skosh.base.errors import InputError
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.verify.samples import as_samples, load_samples, random_samples
from tests.conformance.random_models import Sketch


def graph(inputs: int = 1, batch: int = 1) -> Graph:
    s = Sketch(np.random.default_rng(1))
    s.inputs = [s.add((batch, 4)) for _ in range(inputs)]
    s.outputs = [s.node("ADD", [s.inputs[0], s.inputs[-1]], s.add((batch, 4)))]
    return load(s.finish(), name="m")


ONE = graph()
X = np.arange(12, dtype=np.int8).reshape(3, 4)


def message(call: Any) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return re.sub(r"/\S*/", "", str(caught.value))


def test_random_samples_are_always_the_same_and_reach_the_ends() -> None:
    a, b = random_samples(ONE, 500), random_samples(ONE, 500)
    assert all(np.array_equal(x[0], y[0]) for x, y in zip(a.inputs, b.inputs, strict=True))
    values = np.concatenate([x[0] for x in a.inputs])
    assert (values.min(), values.max(), values.dtype, a.golden) == (-128, 127, np.int8, None)


@pytest.mark.parametrize("x", [X, X.reshape(3, 1, 4)])
def test_a_batch_is_split(x: np.ndarray) -> None:
    samples = as_samples(ONE, x)
    assert len(samples) == 3
    assert [s[0].tolist() for s in samples.inputs] == [[row] for row in X.tolist()]


@pytest.mark.parametrize("x", [X[0], X[:1]])
def test_a_lone_sample_is_a_batch_of_one(x: np.ndarray) -> None:
    assert [s[0].tolist() for s in as_samples(ONE, x).inputs] == [[X[0].tolist()]]


def test_a_model_with_a_batch_of_its_own() -> None:
    samples = as_samples(graph(batch=2), np.zeros((5, 2, 4), np.int8))
    assert (len(samples), samples.inputs[0][0].shape) == (5, (2, 4))
    assert len(as_samples(graph(batch=2), np.zeros((2, 4), np.int8))) == 1


def test_several_inputs() -> None:
    assert len(as_samples(graph(2), [X, X[::-1]])) == 3
    assert message(lambda: as_samples(graph(2), X)) == "<bytes>: the model takes 2 inputs, not 1."
    assert message(lambda: as_samples(graph(2), [X, X[:2]])) == (
        "<bytes>: all inputs must have as many samples, not [3, 2]."
    )


def test_wrong_types_and_shapes() -> None:
    assert message(lambda: as_samples(ONE, X.astype(np.int16))) == '<bytes>: input "t0" must be int8, not int16.'
    text = message(lambda: as_samples(ONE, X.astype(np.float32)))
    assert text.startswith('<bytes>: input "t0" must be int8, not float32. Hint: quantize it: q = round(x / ')
    assert message(lambda: as_samples(ONE, X.reshape(4, 3))) == (
        '<bytes>: input "t0" must have shape (4,) for each sample, not (3,).'
    )


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", inputs=X)
    np.savez(tmp_path / "golden.npz", inputs=X, outputs=X)
    assert len(load_samples(ONE, tmp_path / "x.npy")) == len(load_samples(ONE, tmp_path / "x.npz")) == 3
    golden = load_samples(ONE, str(tmp_path / "golden.npz"))
    assert golden.golden is not None
    assert golden.golden[1][0].tolist() == [X[1].tolist()]


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "keys.npz", x=X, y=X)
    np.savez(tmp_path / "empty.npz")
    np.savez(tmp_path / "count.npz", inputs=X, outputs=X[:2])
    np.savez(tmp_path / "type.npz", inputs=X, outputs=X.astype(np.float32))
    np.save(tmp_path / "type.npy", X.astype(np.int64))

    def of(name: str) -> str:
        return message(lambda: load_samples(ONE, tmp_path / name))

    assert of("keys.npz") == 'keys.npz: must hold "inputs", not only x, y.'
    assert of("empty.npz") == 'empty.npz: must hold "inputs", not only nothing.'
    assert of("count.npz") == "count.npz: must have as many outputs as inputs, 3, not 2."
    assert "golden output must be int8, not float32" in of("type.npz")
    assert of("type.npy") == '<bytes>: input "t0" must be int8, not int64.'


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00", b"PK\x03\x04nonsense", b"\x80\x04K\x01."])
def test_files_that_are_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.npy").write_bytes(content)
    assert message(lambda: load_samples(ONE, tmp_path / "broken.npy")).startswith(
        "broken.npy: must be a .npy or .npz file"
    )


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", inputs=np.array([{"a": 1}], object))
    for name in ("objects.npy", "objects.npz"):
        assert f"{name}: must be a .np" in message(lambda name=name: load_samples(ONE, tmp_path / name))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "none.npy: " in message(lambda: load_samples(ONE, tmp_path / "none.npy"))
    assert message(lambda: load_samples(ONE, tmp_path))
