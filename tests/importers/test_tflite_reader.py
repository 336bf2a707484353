"""What the TFLite importer says of models that it can't take: the whole text, because people read the whole text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skosh.base.errors import InputError, ModelError, UnsupportedError
from skosh.importers import load
from skosh.importers.tflite.parser import read
from tests.support.tflite_writer import OperatorSpec, SubgraphSpec, TensorSpec, model_bytes

X = TensorSpec("x", (1, 4), "int8", 0.5, 3)
SHAPE = TensorSpec("shape", (2,), "int32", data=[2, 2])
Y = TensorSpec("y", (2, 2), "int8", 0.5, 3)
RESHAPE = OperatorSpec("RESHAPE", [0, 1], [2])


def model(
    x: TensorSpec = X, shape: TensorSpec = SHAPE, y: TensorSpec = Y, operators: Any = (RESHAPE,), **more: Any
) -> bytes:
    return model_bytes([x, shape, y], list(operators), more.pop("inputs", [0]), more.pop("outputs", [2]), **more)


def complaint(data: bytes, error: type[Exception] = ModelError) -> str:
    with pytest.raises(error) as caught:
        load(data)
    return str(caught.value)


def test_a_sound_model_loads() -> None:
    graph = load(model(), name="small")
    assert (graph.name, graph.inputs, graph.outputs) == ("small", ("x",), ("y",))
    assert [n.op.kind for n in graph.nodes] == ["reshape"]
    assert graph.nodes[0].inputs == ("x",)
    assert graph.tensors["x"].quant is not None
    assert graph.tensors["x"].quant.zero_point == 3
    assert len(graph.digest) == 64


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"x": replace(X, scales=0.0)},
            '<bytes>: "x": its scale must be > 0 and finite, not 0.0. '
            "Hint: it may be constant in the training data; quantize again with representative samples",
        ),
        (
            {"x": replace(X, scales=[0.5, float("nan"), 1, 1], axis=1)},
            '<bytes>: "x": its scale must be > 0 and finite, not nan. '
            "Hint: channel 1 may be constant in the training data; quantize again with representative samples",
        ),
        ({"x": replace(X, zero_points=128)}, '<bytes>: "x": its zero point must be in [-128, 127].'),
        (
            {"x": replace(X, scales=[1, 2, 3], axis=1)},
            '<bytes>: "x": it must have 1 scale or one for each index of axis 1 of (1, 4), not 3.',
        ),
        ({"x": replace(X, shape=(1, -4))}, '<bytes>: "x": its shape (1, -4) must not have a negative size.'),
        (
            {"x": replace(X, shape=(1, 0))},
            '<bytes>: "x": its shape (1, 0) has a size of 0. Hint: give the model a fixed input shape when converting',
        ),
        (
            {"x": replace(X, shape=(60000, 60000))},
            '<bytes>: "x": its shape (60000, 60000) must not take more than 256 MiB.',
        ),
        (
            {"shape": replace(SHAPE, shape=(3,), data=[2, 2])},
            '<bytes>: "shape": its data must be 12 bytes for (3,), not 8.',
        ),
        ({"inputs": [7]}, "<bytes>: tensor number 7 doesn't exist, there are 3."),
        ({"inputs": [0, 0]}, '<bytes>: "x" must be one input, and not constant.'),
        ({"inputs": []}, '<bytes>: node 0 "y": its input "x" must be made before it is used.'),
        ({"operators": [RESHAPE, RESHAPE]}, '<bytes>: node 1 "y": its output "y" must be made only once.'),
        ({"operators": []}, '<bytes>: "y" must be made by some node.'),
    ],
)
def test_a_damaged_model_says_what_must_hold(change: dict[str, Any], text: str) -> None:
    assert complaint(model(**change)) == text


def test_all_obstacles_come_at_once() -> None:
    tensors = [X, SHAPE, replace(Y, name="a"), replace(Y, name="b"), Y, TensorSpec("half", (2, 2), "float16")]
    operators = [
        RESHAPE,
        OperatorSpec("RFFT2D", [2], [3], options_class="Rfft2dOptions"),
        OperatorSpec("CUSTOM", [3], [4], custom_code="FlexErf"),
        OperatorSpec("RESHAPE", [4, 1], [5]),
    ]
    text = complaint(model_bytes(tensors, operators, [0], [5]), UnsupportedError)
    assert text == (
        "<bytes>: 3 obstacles to compiling this model\n"
        '  node 1 "b": operator RFFT2D is not supported. Hint: compute the spectrum with a front end of skosh.features\n'
        '  node 2 "y": operator CUSTOM:FlexErf is not supported. '
        "Hint: convert without SELECT_TF_OPS: Erf has no TFLite kernel\n"
        '  node 3 "half": tensor "half" of RESHAPE has element type float16. Hint: keep weights in '
        "float16 and all that is computed in float32, as TensorFlow's converter does"
    )


def test_an_open_input_shape_is_an_obstacle_but_an_open_batch_is_not() -> None:
    load(model(x=replace(X, shape_signature=(-1, 4))))
    text = complaint(model(x=replace(X, shape_signature=(1, -1))), UnsupportedError)
    assert text == (
        "<bytes>: 1 obstacle to compiling this model\n"
        '  "x": the input has a dynamic shape (1, -1). Hint: load(..., shapes={"x": (1, ...)}), or give the model a fixed '
        "input shape"
    )


def test_a_subgraph_that_nothing_calls_is_an_obstacle() -> None:
    other = SubgraphSpec([X], [], [0], [0], "other")
    text = complaint(model(more_subgraphs=[other]), UnsupportedError)
    assert text == (
        "<bytes>: 1 obstacle to compiling this model\n"
        '  "other": nothing calls this subgraph. Hint: convert the model with one signature, or name the one that is meant '
        "when it is converted"
    )


def test_a_shape_that_contradicts_the_operator_is_an_obstacle() -> None:
    text = complaint(model(y=replace(Y, shape=(4, 1))), UnsupportedError)
    assert 'its output "y" must be i8[2, 2] by the inputs of reshape, not i8[4, 1]' in text


def test_what_is_no_tflite_file_is_said_so(tmp_path: Path) -> None:
    assert complaint(b"", InputError).startswith("these bytes begin like no file that skosh can read")
    path = tmp_path / "fake.tflite"
    path.write_bytes(b"hello, world")
    with pytest.raises(ModelError, match=r'fake\.tflite: it is not a TFLite file: bytes 4 to 7 must be "TFL3"'):
        load(path)
    with pytest.raises(InputError, match="can't be read: no such file or directory"):
        load(tmp_path / "none.tflite")
    with pytest.raises(InputError, match=r'the file must end in .tflite, .lite, .onnx, .* or .\w+, not ".h6"'):
        load("model.h6")
    with pytest.raises(InputError, match=r"a model must be a file or an object of .*, not a builtins.dict"):
        load({})


def test_names_become_unique_and_short_in_messages() -> None:
    long = "model/relu/Relu;model/bn/FusedBatchNorm;model/conv/Conv2D"
    found = read(
        model(x=replace(X, name="same"), y=replace(Y, name=long), shape=replace(SHAPE, name="same")), "m.tflite"
    )
    names = [t.name for t in found.subgraphs[0].tensors]
    assert len(set(names)) == 3
    assert str(found.subgraphs[0].records[0].loc) == 'm.tflite: node 0 "model/relu/Relu"'


def test_constants_keep_their_values() -> None:
    values = np.arange(-4, 4, dtype=np.int64).reshape(2, 4)
    tensors = [TensorSpec("c", (2, 4), "int64", data=values), TensorSpec("b", (3,), "bool", data=[True, False, True])]
    c, b = read(model_bytes(tensors, [], [], []), "m.tflite").subgraphs[0].tensors
    assert c.data is not None
    assert b.data is not None
    assert np.array_equal(c.data, values)
    assert c.data.dtype == np.int64
    assert b.data.tolist() == [True, False, True]
