"""What ONNX files can't be read, and what is said about it; options; hostile files."""

from __future__ import annotations

import random as stdlib_random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper

import skosh
from skosh.base.errors import InputError, ModelError, SkoshError, UnsupportedError
from tests.importers.onnx_models import kinds, model, node, random, reference


def small() -> Any:
    return model(
        [
            node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "d"),
            node("Flatten", "d", "f"),
            node("Gemm", "f v"),
        ],
        {"x": (1, 2, 4, 4)},
        {"w": random((3, 2, 3, 3)), "b": random((3,)), "v": random((48, 2))},
    )


def test_a_path_bytes_and_an_object_give_the_same_graph(tmp_path: Path) -> None:
    proto = small()
    path = tmp_path / "tiny.onnx"
    path.write_bytes(proto.SerializeToString())
    graphs = [skosh.load(path), skosh.load(path.read_bytes()), skosh.load(proto)]
    assert [g.name for g in graphs] == ["tiny", "made", "made"]
    assert skosh.load(path, name="other").name == "other"
    x = random((1, 2, 4, 4))
    outs = [reference(g, [x])[0] for g in graphs]
    assert np.array_equal(outs[0], outs[1])
    assert np.array_equal(outs[0], outs[2])
    assert len(graphs[0].digest) == 64


def test_all_obstacles_come_at_once() -> None:
    proto = model(
        [
            node("Relu", "x", "a"), node("Einsum", "a a", "e", equation="ii,ij->i"), node("Sigmoid", "e", "s"),
            node("StringSplit", "x", "l"), node("NonZero", "s", "y"), node("Wavelet", "x", "q", domain="org.acme"),
        ], {"x": (1, 4)}, {}, ("y", "l", "q"),
    )  # fmt: skip
    with pytest.raises(UnsupportedError) as caught:
        skosh.load(proto)
    assert str(caught.value) == (
        "<onnx>: 4 obstacles to compiling this model\n"
        '  node 1 "e": Einsum: an Einsum must be of two inputs, each letter once in each, with its output said. '
        "Hint: write it as MatMul and Transpose\n"
        '  node 3 "l": StringSplit is not among the operators that skosh reads. '
        "Hint: express it by operators that docs/onnx.md lists, or end the model before it\n"
        '  node 4 "y": NonZero is not among the operators that skosh reads. '
        "Hint: end the model before it and write that part in C\n"
        '  node 5 "q": org.acme.Wavelet is not among the operators that skosh reads. '
        "Hint: export with ONNX's own operators only: without graph optimizations of a runtime"
    )


def test_an_open_batch_size_is_one_and_other_sizes_are_asked_for() -> None:
    relu = [node("Relu", "x")]
    (name,) = skosh.load(model(relu, {"x": ("n", 4)})).inputs
    assert name == "x"
    proto = model(relu, {"x": ("n", 3, "h", "w")})
    with pytest.raises(ModelError) as caught:
        skosh.load(proto)
    assert str(caught.value) == (
        '<onnx>: "x": all sizes but the first must be fixed, not [n, 3, h, w]. Hint: load(..., shapes={"x": (1, 3, ..., ...)})'
    )
    graph = skosh.load(proto, shapes={"x": (1, 3, 8, 6)})
    assert graph.tensors["x"].shape == (1, 3, 8, 6)
    with pytest.raises(InputError) as refused:
        skosh.load(proto, shapes={"x": (1, 4, 8, 6)})
    assert str(refused.value) == '<onnx>: "x": its shape must fit [n, 3, h, w], not [1, 4, 8, 6].'
    with pytest.raises(InputError) as unknown:
        skosh.load(proto, shapes={"z": (1, 3, 8, 6)})
    assert str(unknown.value) == '<onnx>: shapes must name inputs of the model (x), not "z".'


def test_an_image_of_one_channel_needs_no_transpose() -> None:
    proto = model(
        [node("Conv", "x w", "c"), node("GlobalAveragePool", "c", "a"), node("Flatten", "a")],
        {"x": (1, 1, 8, 8)},
        {"w": random((4, 1, 3, 3))},
    )
    assert "transpose" not in kinds(skosh.load(proto))


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        skosh.load(small(), layout="chwn")
    assert str(caught.value) == 'layout must be one of nchw, nhwc, not "chwn".'


def test_numbers_outside_the_file_are_refused() -> None:
    proto = small()
    (tensor,) = (t for t in proto.graph.initializer if t.name == "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    with pytest.raises(ModelError) as caught:
        skosh.load(proto)
    assert str(caught.value) == (
        '<onnx>: "w": its numbers, which lie in a file beside the model, must be there. '
        "Hint: pass the model's path, or load it with onnx.load, which joins them"
    )


def test_constants_must_have_the_numbers_of_their_shape() -> None:
    proto = small()
    proto.graph.initializer[0].dims[0] = 1 << 40
    with pytest.raises(ModelError, match="it must hold the 19791209299968 numbers of its shape"):
        skosh.load(proto)


def test_an_input_must_be_made_by_some_node() -> None:
    proto = model([node("Relu", "a", "y"), node("Relu", "x", "b")], {"x": (1, 4)})
    with pytest.raises(ModelError) as caught:
        skosh.load(proto)
    assert str(caught.value) == '<onnx>: node 0 "y": its input "a" must be made by some node.'


def test_a_file_without_operator_sets_is_refused() -> None:
    proto = model([node("Relu", "x")], {"x": (1, 4)})
    del proto.opset_import[:]
    with pytest.raises(ModelError, match="the operator set must be 1 or newer, not 0"):
        skosh.load(proto)


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "not.onnx"
    path.write_text("hello")
    with pytest.raises(ModelError) as caught:
        skosh.load(path)
    assert caught.value.message in ("the file must be an ONNX model", "the file must hold an ONNX graph")
    with pytest.raises(InputError, match="can't be read: no such file or directory"):
        skosh.load(tmp_path / "absent.onnx")


def test_a_huge_constant_is_not_computed() -> None:
    proto = model(
        [node("ConstantOfShape", "s", "z"), node("Add", "x z")],
        {"x": (1, 4)},
        {"s": np.array([1 << 30, 1 << 20], np.int64)},
    )
    with pytest.raises(UnsupportedError, match="a constant can't have shape"):
        skosh.load(proto)


def test_functions_of_the_file_stand_in_their_place() -> None:
    inner = [node("Relu", "a", "r"), node("LeakyRelu", "r", "b")]
    inner[1].attribute.add(name="alpha", ref_attr_name="slope", type=1)
    function = helper.make_function(
        "acme", "F", ["a"], ["b"], inner, [helper.make_opsetid("", 20)], attributes=["slope"]
    )
    proto = model([node("F", "x", domain="acme", slope=0.25)], {"x": (1, 4)})
    proto.functions.append(function)
    assert [n.op.kind for n in skosh.load(proto).nodes] == ["relu", "leaky_relu"]


def test_a_function_that_calls_itself_is_refused() -> None:
    proto = model([node("F", "x", domain="acme")], {"x": (1, 4)})
    again = helper.make_function("acme", "F", ["a"], ["b"], [node("F", "a", "b", domain="acme")], [])
    proto.functions.append(again)
    with pytest.raises(ModelError, match="functions must not call themselves"):
        skosh.load(proto)


def test_damaged_files_give_a_letter_or_a_graph() -> None:
    """Bytes changed at random: never another exception."""
    data = small().SerializeToString()
    rng = stdlib_random.Random(3)
    outcomes = {"graph": 0, "letter": 0}
    for _ in range(400):
        broken = bytearray(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)
        for _ in range(rng.choice((1, 2, 8))):
            if broken:
                at = (
                    rng.randrange(len(broken))
                    if rng.random() < 0.3
                    else rng.choice([i for i, b in enumerate(broken) if b < 128])
                )
                broken[at] = rng.randrange(256)
        broken[:1] = b"\x08"
        try:
            skosh.load(bytes(broken))
            outcomes["graph"] += 1
        except SkoshError:
            outcomes["letter"] += 1
    assert min(outcomes.values()) > 20


def test_random_attributes_give_a_letter_or_a_graph() -> None:
    """Attributes and shapes of every operator at random: never another exception."""
    from tests.importers.test_onnx_operators import CASES

    rng = stdlib_random.Random(5)
    for case in CASES.values():
        for _ in range(3):
            proto = model(case.nodes, {"x": case.shape}, case.constants, case.outputs, case.opset, case.types)
            for n in proto.graph.node:
                for a in n.attribute:
                    change(a, rng)
                if rng.random() < 0.15 and n.input:
                    del n.input[-1]
            if rng.random() < 0.3:
                dims = proto.graph.input[0].type.tensor_type.shape.dim
                dims[rng.randrange(len(dims))].dim_value = rng.choice((0, 1, 2, 5, -1))
            for t in proto.graph.initializer:
                if rng.random() < 0.2 and t.data_type == TensorProto.INT64 and t.raw_data:
                    t.raw_data = np.array(
                        [rng.randrange(-9, 9) for _ in range(len(t.raw_data) // 8)], np.int64
                    ).tobytes()
            try:
                graph = skosh.load(proto)
            except SkoshError:
                continue
            from skosh.ir.check_graph import check_graph

            check_graph(graph)


def change(a: Any, rng: stdlib_random.Random) -> None:
    if rng.random() < 0.5:
        return
    number = rng.choice((-3, -1, 0, 1, 2, 7, 1 << 40))
    if a.type == 2:
        a.i = number
    elif a.type == 7 and a.ints:
        if rng.random() < 0.3:
            del a.ints[-1]
        else:
            a.ints[rng.randrange(len(a.ints))] = number
    elif a.type == 1:
        a.f = float("nan") if rng.random() < 0.3 else number
    elif a.type == 3:
        a.s = b"nonsense"
