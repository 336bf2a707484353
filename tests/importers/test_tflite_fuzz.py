"""Damaged files: whatever the bytes are, there is a Graph or a ModelError, quickly and in little memory."""

from __future__ import annotations

import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from tests.importers.test_tflite_cells import lstm
from tests.importers.test_tflite_control import rnn
from tests.importers.test_tflite_detection import model as detector
from tests.importers.test_tflite_state import add, assign, read
from tests.importers.test_tflite_state import model as variable_model
from tests.importers.test_tflite_unsigned import WINDOW
from tests.importers.test_tflite_unsigned import layer as unsigned_layer
from tests.ops.test_convolution import conv_model, transpose_model
from tests.support.mutate import mutate
from tests.support.shared import shared_models

MADE = {
    "conv": conv_model(1, "int8"),
    "conv_grouped": conv_model(6, "int16"),
    "depthwise": conv_model(1003, "float32", depthwise=True),
    "transpose": transpose_model(2001, "int8"),
    "loop": rnn(),
    "cell": lstm(),
    "unsigned": unsigned_layer("CONV_2D", 1, {**WINDOW, "padding": "VALID"}, weights=(5, 3, 3, 4), y=(1, 3, 4, 5)),
    "detector": detector(),
    "variable": variable_model([read(2), add(1, 2, 3), assign(3)], [3], first=np.ones((1, 3), np.float32)),
}


def try_to_load(data: bytes) -> bool:
    """True for a Graph, which must then be a legal one; False for a ModelError with a text."""
    started, said = time.process_time(), ""
    try:
        check_graph(load(data, name="damaged"))
    except ModelError as error:
        said = str(error).strip() or "nothing"
    assert time.process_time() - started < 5, "a damaged file must not take long"
    assert said != "nothing", "an error must say something"
    return not said


@pytest.mark.parametrize("path", shared_models(), ids=lambda p: p.stem)
def test_300_damaged_copies_of_a_real_model(path: Path) -> None:
    data = path.read_bytes()
    count = (
        300 if len(data) < 100_000 else 100
    )  # the larger ones are slow to read; benchmarks/fuzz_tflite.py takes 10,000
    loaded = [try_to_load(mutate(data, seed)) for seed in range(count)]
    assert not all(loaded), "some damage must show"


@pytest.mark.parametrize("name", MADE)
def test_300_damaged_copies_of_a_small_model(name: str) -> None:
    assert try_to_load(MADE[name])
    loaded = [try_to_load(mutate(MADE[name], seed)) for seed in range(300)]
    assert not all(loaded), "some damage must show"


@pytest.mark.parametrize("name", MADE)
def test_every_truncation(name: str) -> None:
    data = MADE[name]
    assert not any(try_to_load(data[:size]) for size in range(0, len(data) - 1, 7))


def test_one_operator_listed_ten_thousand_times_is_refused_quickly() -> None:
    """A small file can point from everywhere to the same big vector; reading it once for each would take hours."""
    b = flatbuffers.Builder(1 << 16)
    b.StartVector(4, 20_000, 4)
    for _ in range(20_000):
        b.PrependInt32(0)
    wide = b.EndVector()
    b.StartObject(9)
    b.PrependUOffsetTRelativeSlot(1, wide, 0)
    b.PrependUOffsetTRelativeSlot(2, wide, 0)
    operator = b.EndObject()
    b.StartVector(4, 10_000, 4)
    for _ in range(10_000):
        b.PrependUOffsetTRelative(operator)
    operators = b.EndVector()
    b.StartObject(2)
    tensor = b.EndObject()
    tensors = _vector(b, tensor)
    b.StartObject(5)
    b.PrependUOffsetTRelativeSlot(0, tensors, 0)
    b.PrependUOffsetTRelativeSlot(3, operators, 0)
    subgraphs = _vector(b, b.EndObject())
    b.StartObject(4)
    codes = _vector(b, b.EndObject())
    b.StartObject(8)
    b.PrependUint32Slot(0, 3, 0)
    b.PrependUOffsetTRelativeSlot(1, codes, 0)
    b.PrependUOffsetTRelativeSlot(2, subgraphs, 0)
    b.Finish(b.EndObject(), file_identifier=b"TFL3")
    started = time.process_time()
    with pytest.raises(ModelError, match="its tables overlap"):
        load(bytes(b.Output()))
    assert time.process_time() - started < 2


def _vector(b: flatbuffers.Builder, offset: int) -> int:
    b.StartVector(4, 1, 4)
    b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())
