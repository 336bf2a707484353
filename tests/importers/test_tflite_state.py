"""Resource variables: what the importer makes of them behaves as TFLM does, run after run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from tests.ops.one_operator import check_kernels
from tests.support.agree import check_against_tflm
from tests.support.tflite_writer import OperatorSpec, SubgraphSpec, TensorSpec, model_bytes

SHAPE = (1, 3)
HANDLE = OperatorSpec("VAR_HANDLE", [], [0], {"shared_name": "memory"})
RESOURCE = TensorSpec("handle", (), "resource")


def f32(name: str, data: Any = None) -> TensorSpec:
    return TensorSpec(name, SHAPE, np.float32, data=data)


def read(to: int) -> OperatorSpec:
    return OperatorSpec("READ_VARIABLE", [0], [to])


def assign(value: int) -> OperatorSpec:
    return OperatorSpec("ASSIGN_VARIABLE", [0, value], [])


def add(a: int, b: int, to: int) -> OperatorSpec:
    return OperatorSpec("ADD", [a, b], [to])


def start(value: Any) -> tuple[OperatorSpec, SubgraphSpec]:
    """A CALL_ONCE and the subgraph that it runs."""
    body = SubgraphSpec([RESOURCE, f32("first", value)], [HANDLE, assign(1)], [], [], "init")
    return OperatorSpec("CALL_ONCE", [], [], {"init_subgraph_index": 1}), body


TENSORS = [RESOURCE, f32("x"), f32("old"), f32("new"), f32("later"), f32("y")]


def model(operators: list[OperatorSpec], outputs: list[int], first: Any = None, tensors: Any = TENSORS) -> bytes:
    if first is None:
        return model_bytes(tensors, [HANDLE, *operators], [1], outputs)
    once, body = start(first)
    return model_bytes(tensors, [once, HANDLE, *operators], [1], outputs, [body])


@pytest.mark.parametrize(
    ("operators", "outputs"),
    [
        ([read(2), add(1, 2, 3), assign(3)], [3]),  # a running sum
        ([read(2), add(1, 2, 3), assign(3), read(4), add(2, 4, 5)], [5]),  # the old value is needed after the change
        ([read(2), assign(1)], [2]),  # a delay: an input becomes the state, the state an output
        ([read(2), add(1, 2, 3), assign(3), read(4), add(1, 4, 5), assign(5)], [4, 5]),  # changed twice
        ([assign(1), read(2), add(1, 2, 3)], [3]),  # assigned before it is read
    ],
)
@pytest.mark.parametrize("first", [None, [[1.0, 2.0, -3.0]]])
def test_variables(operators: list[OperatorSpec], outputs: list[int], first: Any) -> None:
    graph = check_against_tflm(model(operators, outputs, first), 4)
    assert len(graph.states) == 1
    check_kernels(graph)


def test_an_int8_variable_begins_at_its_zero_point() -> None:
    tensors = [RESOURCE, *(TensorSpec(n, SHAPE, np.int8, 0.5, 7) for n in ("x", "old", "new", "later", "y"))]
    data = model([read(2), add(1, 2, 3), assign(3)], [2, 3], tensors=tensors)
    graph = check_against_tflm(data, 4)
    assert graph.states[0].initial.tolist() == [[7, 7, 7]]


def test_a_variable_that_never_changes_is_a_constant() -> None:
    graph = check_against_tflm(model([read(2), add(1, 2, 3)], [3], [[1.0, 2.0, -3.0]]), 2)
    assert not graph.states
    assert graph.tensors["old"].is_constant


def test_a_variable_needs_a_value() -> None:
    with pytest.raises(ModelError, match='variable "memory" is read but never assigned'):
        load(model([read(2)], [2]))


def test_the_first_value_must_be_constant() -> None:
    once = OperatorSpec("CALL_ONCE", [], [], {"init_subgraph_index": 1})
    body = SubgraphSpec([RESOURCE, f32("computed")], [HANDLE, assign(1)], [], [], "init")
    with pytest.raises(ModelError, match='the first value of variable "memory" must be constant'):
        load(model_bytes(TENSORS, [once, HANDLE, read(2)], [1], [2], [body]))
