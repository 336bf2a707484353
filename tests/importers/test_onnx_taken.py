"""What a converter doesn't read is an obstacle, unless it is what ONNX says it is by default."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import skosh
from skosh.base.errors import ModelError
from skosh.importers.onnx.taken import Attributes, Taken, defaults, passed_over
from tests.importers.onnx_models import model, node, random, reference, runtime


def test_what_was_asked_for_is_taken() -> None:
    a = Attributes({"axis": 1, "keepdims": 0})
    assert a.get("axis", 0) == 1
    assert a.left() == {"keepdims": 0}
    names = Taken(("x", "w", "b"))
    assert names[0] == "x"
    assert names.left() == [1, 2]
    assert list(names) == ["x", "w", "b"]
    assert names.left() == []


def test_a_default_is_no_obstacle() -> None:
    assert defaults("ReduceSum", 20) == {"keepdims": 1, "noop_with_empty_axes": 0}
    assert passed_over("ReduceSum", Attributes({"keepdims": 1}), 20) is None
    assert passed_over("ReduceSum", Attributes({"keepdims": 0}), 20) == "keepdims = 0"
    assert passed_over("ReduceSum", Attributes({"of_another_world": 1}), 20) == "of_another_world = 1"


REFUSED: list[tuple[str, Any, str]] = [
    ("an attribute of no operator", node("Relu", "x", leak=0.5), "Relu: leak = 0.5 can't be computed"),
    ("a window that isn't the weights'", node("Conv", "x w", kernel_shape=[5, 5]),
     "kernel_shape must be that of the weights, [3, 3], not [5, 5]"),
    ("more inputs than are read", node("Softmax", "x w"), 'its input 1, "w", can\'t be computed'),
    ("a count of outputs that isn't so", node("Split", "x", "y z", axis=2, num_outputs=3), "as many sizes as outputs"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "made", "said"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_is_passed_over_is_said(what: str, made: Any, said: str) -> None:
    proto = model([made], {"x": (1, 4, 8, 8)}, {"w": random((4, 4, 3, 3))}, outputs=list(made.output))
    with pytest.raises(ModelError) as caught:
        skosh.load(proto)
    assert said in str(caught.value)


def test_an_operator_set_of_tomorrow_is_refused() -> None:
    with pytest.raises(ModelError, match=r"the operator set of ai\.onnx must be at most 28, not 999"):
        skosh.load(model([node("Relu", "x")], {"x": (1, 4)}, opset=999))


def test_a_state_of_another_size_is_refused() -> None:
    """As PyTorch's exporter leaves an LSTM with proj_size: the projection is gone, the first cell state isn't."""
    constants = {"w": random((1, 12, 5)), "r": random((1, 12, 3)), "b": random((1, 24)), "h": np.zeros((1, 1, 3)),
                 "c": np.zeros((1, 1, 8))}  # fmt: skip
    made = node("LSTM", "x w r b _ h c", "y", hidden_size=3)
    with pytest.raises(ModelError, match=r'"c" must have shape \(1, 1, 3\), not \(1, 1, 8\)'):
        skosh.load(model([made], {"x": (6, 1, 5)}, constants))


def test_indices_from_the_end_at_run_time() -> None:
    proto = model([node("Gather", "x i")], {"x": (5, 3), "i": (4,)}, types={"i": 7})
    values = [random((5, 3)), np.array([-1, 0, -5, 3], np.int64)]
    (want,), (got,) = runtime(proto, values), reference(skosh.load(proto), values)
    assert np.array_equal(got, want)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_the_mode_of_depth_to_space(mode: str) -> None:
    x = random((1, 8, 2, 3))
    made = model([node("DepthToSpace", "x", blocksize=2, mode=mode)], {"x": x.shape})
    (want,), (got,) = runtime(made, [x]), reference(skosh.load(made), [x])
    assert np.array_equal(got, want)


def test_a_branch_that_is_known_is_taken_and_others_are_chosen() -> None:
    from onnx import helper

    def branch(kind: str) -> Any:
        port = helper.make_tensor_value_info("b", 1, None)
        return helper.make_graph([node(kind, "x", "b")], kind, [], [port])

    made = node("If", "c", then_branch=branch("Abs"), else_branch=branch("Neg"))
    x = random((2, 3))
    for at_run_time in (True, False):
        for condition in (True, False):
            inputs = {"x": (2, 3), **({"c": (1,)} if at_run_time else {})}
            proto = model([made], inputs, {} if at_run_time else {"c": np.array([condition])}, types={"c": 9})
            given = [x, np.array([condition])] if at_run_time else [x]
            (want,), (got,) = runtime(proto, given), reference(skosh.load(proto), given)
            assert np.array_equal(got, want)


def test_nodes_in_any_order() -> None:
    proto = model([node("Neg", "a"), node("Abs", "x", "a")], {"x": (2, 3)})
    x = random((2, 3))
    assert np.array_equal(reference(skosh.load(proto), [x])[0], -np.abs(x))


def test_a_circle_is_refused() -> None:
    with pytest.raises(ModelError, match="must not need its own result"):
        skosh.load(model([node("Add", "x y", "a"), node("Neg", "a")], {"x": (2, 3)}))
