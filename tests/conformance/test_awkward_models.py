"""Models that are legal and odd: outputs that are inputs, constants, views or twice there, inputs that nobody reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from skosh.importers.tflite import load
from tests.conformance.random_models import Sketch
from tests.conformance.test_random_models import check_runs


def sketch(inputs: int = 1) -> Sketch:
    s = Sketch(np.random.default_rng(5))
    s.inputs = [s.add((1, 4, 3, 2)) for _ in range(inputs)]
    s.images = list(s.inputs)
    return s


def output_is_an_input() -> Sketch:
    s = sketch(2)
    s.outputs = [s.conv(), s.inputs[0]]
    return s


def output_is_a_view_of_an_input() -> Sketch:
    s = sketch()
    s.outputs = [s.reshape(), s.conv()]
    return s


def outputs_are_views_of_each_other() -> Sketch:
    s = sketch()
    y = s.conv()
    s.images = [y]
    s.outputs = [y, s.reshape(), s.reshape()]
    return s


def output_is_used_inside() -> Sketch:
    s = sketch()
    s.images.append(s.conv())
    s.images = s.images[1:]
    s.outputs = [s.images[0], s.function(), s.residual()]
    return s


def output_is_constant() -> Sketch:
    s = sketch()
    s.outputs = [s.conv(), s.constant([[1, 2, 3]], "int8", scales=0.5, zero_points=1)]
    return s


def output_becomes_constant() -> Sketch:
    """All filters are zero."""
    s = sketch()
    w = s.constant(np.zeros((3, 1, 1, 2)), "int8", scales=0.1, zero_points=0)
    y = s.add((1, 4, 3, 3))
    s.outputs = [
        s.node("CONV_2D", [s.inputs[0], w, s.bias(3)], y, padding="SAME", stride_h=1, stride_w=1),
        s.function(),
    ]
    return s


def only_a_constant() -> Sketch:
    s = output_becomes_constant()
    s.outputs = s.outputs[:1]
    return s


def output_is_there_twice() -> Sketch:
    s = sketch()
    y = s.conv()
    s.outputs = [y, y]
    return s


def an_input_is_not_read() -> Sketch:
    s = sketch(2)
    s.images = s.inputs[1:]
    s.outputs = [s.conv()]
    return s


def one_layer_reads_one_tensor_twice() -> Sketch:
    s = sketch()
    x = s.inputs[0]
    y = s.node("MUL", [x, x], s.add(s.shape(x)))
    s.outputs = [s.node("CONCATENATION", [y, y], s.add((1, 4, 3, 4), like=y), axis=3)]
    return s


def a_layer_in_place_of_an_output() -> Sketch:
    """relu could overwrite its input, which is an output too."""
    s = sketch()
    y = s.function()
    s.outputs = [y, s.node("RELU", [y], s.add(s.shape(y), like=y))]
    return s


def a_constant_without_a_layer() -> Sketch:
    s = sketch()
    s.outputs = [s.inputs[0]]
    return s


ODD = [
    output_is_an_input, output_is_a_view_of_an_input, outputs_are_views_of_each_other, output_is_used_inside,
    output_is_constant, output_becomes_constant, only_a_constant, output_is_there_twice, an_input_is_not_read,
    one_layer_reads_one_tensor_twice, a_layer_in_place_of_an_output, a_constant_without_a_layer,
]  # fmt: skip


@pytest.mark.parametrize("make", ODD, ids=lambda f: f.__name__)
def test_host(make: Callable[[], Sketch]) -> None:
    check_runs(load(make().finish(), name="odd"), 1, "host", "balanced")
    check_runs(load(make().finish(), name="odd"), 1, "host", "ram")


@pytest.mark.parametrize("make", ODD[::3], ids=lambda f: f.__name__)
def test_device(make: Callable[[], Sketch]) -> None:
    check_runs(load(make().finish(), name="odd"), 1, "cortex-m4", "flash")
