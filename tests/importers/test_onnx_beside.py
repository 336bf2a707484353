"""Weights beside the model, older operator sets, open sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx

import skosh
from skosh.base.errors import InputError, ModelError
from tests.importers.onnx_models import model, node, random, reference

W = random((4, 3), 1)


def saved(folder: Path, location: str = "weights.bin", **more: str) -> Path:
    """A model whose only weights lie in a file of their own, under a name that may lead elsewhere."""
    proto = model([node("MatMul", "x w")], {"x": (1, 4)}, {"w": W})
    tensor = proto.graph.initializer[0]
    (folder / "weights.bin").write_bytes(b"----" + tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    said = {"location": location, "offset": "4", "length": str(W.nbytes), **more}
    for key, value in said.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_numbers_in_the_models_own_folder_are_read(tmp_path: Path) -> None:
    x = random((1, 4))
    (got,) = reference(skosh.load(saved(tmp_path)), [x])
    assert np.allclose(got, x @ W, atol=1e-6)


BAD: list[tuple[str, dict[str, str], str]] = [
    ("upwards", {"location": "../weights.bin"}, "must be in a file of the model's own folder"),
    ("absolute", {"location": "/etc/hostname"}, "must be in a file of the model's own folder"),
    ("windows", {"location": "C:\\weights.bin"}, "must be in a file of the model's own folder"),
    ("nothing", {"location": ""}, "must be in a file of the model's own folder"),
    ("absent", {"location": "other.bin"}, '"other.bin", which holds its numbers, must lie beside the model'),
    ("folder", {"location": "."}, "must be in a file of the model's own folder"),
    ("beyond", {"offset": "8"}, '"weights.bin" must hold 56 bytes, not 52'),
    ("no number", {"offset": "-4"}, "the offset of its numbers must be a whole number"),
    ("too few", {"length": "40"}, "it must hold the 12 numbers of its shape"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "said", "letter"), BAD, ids=[b[0] for b in BAD])
def test_numbers_elsewhere_are_refused(tmp_path: Path, what: str, said: dict[str, str], letter: str) -> None:
    with pytest.raises((ModelError, InputError)) as caught:
        skosh.load(saved(tmp_path, **said))
    assert letter in str(caught.value)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = saved(inside)
    (inside / "weights.bin").rename(tmp_path / "secret")
    (inside / "weights.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match="must be a file inside the model's folder"):
        skosh.load(path)


def test_an_object_without_its_numbers_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pass the model's path"):
        skosh.load(onnx.load(saved(tmp_path), load_external_data=False))


OLD: dict[str, tuple[list[Any], int]] = {
    "broadcast": ([node("Add", "x b", broadcast=1, axis=1)], 4),
    "consumed": ([node("Add", "x b", "s", broadcast=1, axis=1, consumed_inputs=[0, 0]), node("Relu", "s")], 1),
    "dropout": ([node("Dropout", "x", "d", is_test=1), node("Mul", "d b", broadcast=1, axis=1)], 6),
    "reshape": ([node("Sub", "x b", "s", broadcast=1, axis=1), node("Reshape", "s", shape=[1, -1])], 4),
    "cast": ([node("Cast", "x", "c", to="FLOAT"), node("Div", "c b", broadcast=1, axis=1)], 5),
    "concat": ([node("Mul", "x b", "m", broadcast=1, axis=1), node("Concat", "x m")], 1),
    "pad": ([node("Pad", "x", paddings=[0, 0, 1, 0, 0, 0, 0, 1])], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_operator_sets_before_seven(name: str) -> None:
    nodes, opset = OLD[name]
    x, b = random((1, 4, 3, 2), 2), np.abs(random((4,), 3)) + 1
    graph = skosh.load(model(nodes, {"x": x.shape}, {"b": b}, opset=opset))
    assert graph.notes["converted"] == f"its operator set {opset} was read as 7"
    c = b.reshape(1, 4, 1, 1)
    want = {
        "broadcast": x + c, "consumed": np.maximum(x + c, 0), "dropout": x * c, "reshape": (x - c).reshape(1, -1),
        "cast": x / c,
        "concat": np.concatenate([x, x * c], 1), "pad": np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1))),
    }[name]  # fmt: skip
    assert np.allclose(reference(graph, [x])[0], want, atol=1e-6)


def test_a_negative_size_is_an_open_one() -> None:
    proto = model([node("Relu", "x")], {"x": (-1, 4)})
    assert skosh.load(proto).tensors["x"].shape == (1, 4)
