"""Which of our own kernels are proved not to overflow: those of all operators, on all machines, with their constants."""

from __future__ import annotations

import numpy as np
import pytest

import skosh
from skosh.base.errors import ModelError
from skosh.ir.graph import Graph
from skosh.lower.arithmetic import node_arithmetic
from skosh.lower.calls import node_calls
from skosh.pipeline import compile_to_c
from skosh.targets import names, target
from tests.conformance.cases import cases
from tests.ops.one_operator import model, tensor
from tests.ops.test_softmax import OUTPUTS
from tests.support.shared import models_folder

OPEN = {
    "softmax_f32", "log_softmax_f32", "logistic_f32", "tanh_f32", "elu_f32", "gelu_f32", "exp_f32", "log_f32", "sin_f32",
    "cos_f32", "lstm_f32", "detect", "floor_quotient_i32", "floor_rest_i32", "logarithms",
}  # fmt: skip
"""Floats that become integers: intervals of floats aren't looked at; quotients times divisors and interpolation in tables,
where intervals lose what holds numbers together. A test compares these functions with others."""

TWINS = {"matmul_twins", "conv2d_twins"}
"""Two sums in one word: their recipe shows the bounds from the weights' own sums, closer than intervals round by round do."""


def test_integer_kernels_are_proved() -> None:
    found: dict[str, str] = {}
    machines = [None, *(target(n) for n in names())]
    for case in cases(range(1)):
        for node in case.graph.nodes:
            inputs = case.graph.operands(node.inputs)
            ways = [] if node.op.view else [node_calls(case.graph, node, m) for m in machines]
            for calls in [*ways, *([] if node.op.view else [node_calls(case.graph, node, frugal=True)])]:
                for a in node_arithmetic(calls, inputs):
                    assert a.refused is None, str(a)
                    if not a.proved:
                        found[a.kernel] = str(a)
    assert set(found) - TWINS == OPEN, "\n".join(v for n, v in sorted(found.items()) if n not in OPEN)


def test_real_models_are_proved_on_every_machine() -> None:
    for file in ("kws.tflite", "ad.tflite"):
        graph = skosh.load(models_folder() / file)
        for machine in [None, *(target(n) for n in names())]:
            for node in graph.nodes:
                if not node.op.view:
                    calls = node_calls(graph, node, machine, optimize="speed")
                    for a in node_arithmetic(calls, graph.operands(node.inputs)):
                        assert a.refused is None, str(a)
                        if not a.proved:
                            assert a.kernel in TWINS, f"{file} {machine}: {a}"


def softmax(shape: tuple[int, ...]) -> Graph:
    scale, zero = OUTPUTS["int8", "int8"]
    return skosh.load(model("SOFTMAX", [tensor(shape, np.int8, 0.1)], [tensor(shape, np.int8, scale, zero)], {"beta": 1.0}))


def test_a_layer_that_overflows_is_refused() -> None:
    compile_to_c(softmax((1, 4000)))
    with pytest.raises(ModelError) as error:
        compile_to_c(softmax((1, 5000)))
    assert error.value.message == (
        'softmax can overflow: "total + rounding_divide_by_pot(table[diff], 12)" reaches 2621440000, beyond i32, '
        "where every x is -128"
    )


@pytest.mark.parametrize("shape", [(1, 700), (3, 700)])
def test_softmax_of_very_many_equal_elements_rounds_to_nothing(shape: tuple[int, ...]) -> None:
    build = skosh.compile(softmax(shape))
    assert np.all(build.run(np.zeros((1, *shape), np.int8)) == -128)
