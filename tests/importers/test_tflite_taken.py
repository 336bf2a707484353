"""What a converter doesn't read of an operator, and isn't at its default, is an obstacle: the reader sees to it."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite

from skosh.base.errors import ModelError, UnsupportedError
from skosh.importers.tflite import load
from skosh.importers.tflite.families import FAMILIES
from skosh.importers.tflite.flatbuffer import left_over
from skosh.importers.tflite.folding import BY_SHAPE, FOLDS
from skosh.importers.tflite.versions import NEWEST
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

X = TensorSpec("x", (1, 4), np.float32)
Y = TensorSpec("y", (1, 4), np.float32)


def complaint(operator: OperatorSpec, *more: TensorSpec) -> str:
    with pytest.raises(UnsupportedError) as caught:
        load(model_bytes([X, Y, *more], [operator], [0], [1]))
    return str(caught.value).splitlines()[1].strip()


HINT = " Hint: convert the model again without it, or end the model before this operator"


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (
            OperatorSpec("RELU", [0], [1], {"axis": 3}, options_class="ConcatenationOptions"),
            'node 0 "y": RELU has the option axis = 3, which isn\'t read here.',
        ),
        (
            OperatorSpec("RELU", [0], [1], custom_options=b"abc"),
            'node 0 "y": RELU must not have custom options: they aren\'t read here.',
        ),
        (
            OperatorSpec("RELU", [0], [1], intermediates=[2]),
            'node 0 "y": RELU must not have intermediate tensors: they aren\'t read here.',
        ),
        (
            OperatorSpec("RESHAPE", [0, 3, 2], [1]),
            'node 0 "y": RESHAPE must not have an input number 2 ("extra"): it isn\'t read here.',
        ),
        (
            OperatorSpec("MEAN", [0, 4, 2], [1]),
            'node 0 "y": MEAN must not have an input number 2 ("extra"): it isn\'t read here.',
        ),
    ],
)
def test_what_nobody_reads(operator: OperatorSpec, text: str) -> None:
    more = [TensorSpec("extra", (4,), np.float32), TensorSpec("shape", (2,), np.int32, data=[1, 4])]
    axes = TensorSpec("axes", (1,), np.int32, data=[1])
    assert complaint(operator, *more, axes) == text + HINT


def test_options_at_their_defaults_may_stay_unread() -> None:
    operator = OperatorSpec("RELU", [0], [1], {"axis": 0}, options_class="ConcatenationOptions")
    assert [n.op.kind for n in load(model_bytes([X, Y], [operator], [0], [1])).nodes] == ["relu"]


@pytest.mark.parametrize("field", ["pot_scale_int16", "asymmetric_quantize_inputs"])
def test_options_that_change_no_answer_here_are_known(field: str) -> None:
    """Both choose among ways to compute; TFLite Micro, whose meaning is ours, has one."""
    if field == "pot_scale_int16":
        data = model_bytes([X, Y], [OperatorSpec("ADD", [0, 0], [1], {field: False})], [0], [1])
    else:
        w = TensorSpec("w", (4, 4), np.float32, data=np.eye(4))
        data = model_bytes([X, Y, w], [OperatorSpec("FULLY_CONNECTED", [0, 2, -1], [1], {field: True})], [0], [1])
    assert len(load(data).nodes) == 1


def test_a_depth_multiplier_that_contradicts_the_weights() -> None:
    x, y = TensorSpec("x", (1, 4, 4, 2), np.float32), TensorSpec("y", (1, 2, 2, 4), np.float32)
    w = TensorSpec("w", (1, 3, 3, 4), np.float32, data=np.ones((1, 3, 3, 4)))

    def made(multiplier: int) -> bytes:
        options = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "depth_multiplier": multiplier}
        options |= {"dilation_w_factor": 1, "dilation_h_factor": 1}
        return model_bytes([x, w, y], [OperatorSpec("DEPTHWISE_CONV_2D", [0, 1, -1], [2], options)], [0], [2])

    assert len(load(made(2)).nodes) == len(load(made(0)).nodes) == 1
    with pytest.raises(ModelError, match="4 filters must be 3 for each of 2 channels, as the options say"):
        load(made(3))


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (OperatorSpec("CAST", [0], [1], {"in_data_type": "INT32"}), 'CAST says that "x" is i32, but it is f32'),
        (OperatorSpec("PACK", [0, 0], [1], {"values_count": 3}), "PACK must have 3 inputs, as its options say, not 2"),
        (OperatorSpec("SPLIT_V", [0, 2, 3], [1], {"num_splits": 2}), "SPLIT_V must have 2 outputs, as its options say"),
    ],
)
def test_options_that_repeat_what_tensors_say_must_agree(operator: OperatorSpec, text: str) -> None:
    sizes, axis = TensorSpec("sizes", (1,), np.int32, data=[4]), TensorSpec("axis", (), np.int32, data=[1])
    assert text in complaint(operator, sizes, axis)


def test_paddings_must_be_a_list_of_pairs() -> None:
    flat = TensorSpec("flat", (4,), np.int32, data=[0, 0, 1, 1])
    text = complaint(OperatorSpec("PAD", [0, 2], [1]), flat)
    assert "PAD must have a list of pairs of paddings, not int32[4]" in text


# ------------------------------------------------------------------------------------------------------- the mechanism

TABLES = sorted(
    p.stem
    for p in Path(inspect.getfile(tflite)).parent.glob("*Options.py")
    if "Stable" not in p.stem and "Builtin" not in p.stem
)


@pytest.mark.parametrize("name", TABLES)
def test_every_field_of_every_options_table_is_seen(name: str) -> None:
    """Tables of the schema, each field set to what is not its default."""
    module = import_module(f"tflite.{name}")
    cls = getattr(module, name)
    fields = [n.removeprefix("Add") for n, f in vars(module).items() if n.startswith("Add") and not n.startswith(name)]
    data, position = written(module, fields)
    assert set(left_over(cls, data, position, set(), "file")) == set(fields)
    assert not left_over(cls, data, position, set(fields), "file")
    empty, place = written(module, [])
    assert not left_over(cls, empty, place, set(), "file")


def written(module: Any, fields: list[str]) -> tuple[bytes, int]:
    """A table with these fields, and where it begins."""
    b = flatbuffers.Builder(256)
    name = module.__name__.removeprefix("tflite.")
    default = getattr(module, name)()
    default.Init(b"\x04\x00\x04\x00\x04\x00\x00\x00", 4)
    values = {}
    for f in fields:
        if hasattr(default, f"{f}Length"):
            values[f] = b.CreateNumpyVector(np.array([5, 6], np.int32))
        elif isinstance(getattr(default, f)(), bytes) or getattr(default, f)() is None:
            values[f] = b.CreateString("text")
        else:
            usual = getattr(default, f)()
            values[f] = (not usual) if isinstance(usual, bool) else usual + 1
    module.Start(b)
    for f, value in values.items():
        getattr(module, f"Add{f}")(b, value)
    b.Finish(module.End(b))
    data = bytes(b.Output())
    return data, int(flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0))


def test_a_field_that_is_newer_than_the_schema_is_seen() -> None:
    from tflite.SoftmaxOptions import SoftmaxOptions

    b = flatbuffers.Builder(64)
    b.StartObject(4)
    b.PrependInt32Slot(3, 7, 0)
    b.Finish(b.EndObject())
    data = bytes(b.Output())
    position = int(flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0))
    assert left_over(SoftmaxOptions, data, position, {"Beta"}, "file") == {"field number 3": "set"}


# ------------------------------------------------------------------------------------------------------------ versions


def test_a_version_that_nobody_knows_is_an_obstacle() -> None:
    text = complaint(OperatorSpec("RELU", [0], [1], version=99))
    assert text.startswith('node 0 "y": RELU of version 99 isn\'t known here, 3 is the newest. Hint: convert the model')


def test_every_version_in_the_table_is_one_that_the_reference_knows() -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    unknown = []
    for code, version in NEWEST.items():
        data = model_bytes([X, Y], [OperatorSpec(code, [0], [1], version=version)], [0], [1])
        said = []
        for kind in (OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
            try:
                Interpreter(model_content=data, experimental_op_resolver_type=kind)
            except ValueError as error:
                said.append(str(error))
        if sum("Didn't find op" in s for s in said) == 2:
            unknown.append(code)
    assert not unknown


def test_every_operator_that_is_converted_has_a_version() -> None:
    codes = set(FOLDS) | set(BY_SHAPE)
    for family in FAMILIES:
        module = import_module(f"skosh.importers.tflite.{family}")
        codes |= {*getattr(module, "CONVERTERS", {}), *getattr(module, "EXPANSIONS", {})}
    assert {c for c in codes if not c.startswith("CUSTOM:")} - set(NEWEST) == set()
