"""check_graph: a legal graph passes, and each broken promise is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from skosh.base.dtypes import f32, i8
from skosh.base.errors import Loc, ModelError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph, Node, Quant, State, Tensor
from skosh.ops.moves.reshape import Reshape

LOC = Loc("m")
Q = Quant((0.5,), (0,))


def graph(*tensors: Tensor, nodes: tuple[Node, ...] | None = None, **more: object) -> Graph:
    own = tensors or (Tensor("x", (2, 3), i8, Q), Tensor("y", (6,), i8, Q))
    node = Node(Reshape((6,)), ("x",), ("y",), "flat", Loc("m", "flat", 0))
    made = Graph(
        "m", MappingProxyType({t.name: t for t in own}), (node,) if nodes is None else nodes, ("x",), ("y",), loc=LOC
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_legal_graph_passes() -> None:
    check_graph(graph())


X, Y = Tensor("x", (2, 3), i8, Q), Tensor("y", (6,), i8, Q)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: graph(Tensor("x", (2, 0), i8, Q), Y), 'm: "x": its sizes must be positive, not (2, 0).'),
        (
            lambda: graph(X, Tensor("y", (5,), i8, Q)),
            'm: node 0 "flat": its output "y" must be i8[6] by the inputs of reshape, not i8[5].',
        ),
        (
            lambda: graph(X, Tensor("y", (6,), f32)),
            'm: node 0 "flat": its output "y" must be i8[6] by the inputs of reshape, not f32[6].',
        ),
        (
            lambda: graph(X, Tensor("y", (7,), i8), nodes=(Node(Reshape((7,)), ("x",), ("y",), loc=LOC),)),
            "m: a reshape of (2, 3) to (7,) must keep the number of elements.",
        ),
        (
            lambda: graph(X, Y, Tensor("c", (2,), i8, data=np.zeros(3, np.int8))),
            'm: "c": its data must be int8[2], not int8[3].',
        ),
        (
            lambda: graph(X, Y, Tensor("c", (2,), i8, data=np.zeros(2, np.int16))),
            'm: "c": its data must be int8[2], not int16[2].',
        ),
        (
            lambda: graph(Tensor("x", (2, 3), i8, Quant((1.0, 2.0), (0,))), Y),
            'm: "x": it must have as many zero points as scales, not 1 and 2.',
        ),
        (
            lambda: graph(Tensor("x", (2, 3), i8, Quant((1.0, 2.0), (0, 0), 1)), Y),
            'm: "x": it must have a scale for each index of axis 1, not 2.',
        ),
        (
            lambda: graph(Tensor("x", (2, 3), i8, Quant((0.0,), (0,))), Y),
            'm: "x": its scales must be > 0 and finite.',
        ),
        (
            lambda: graph(Tensor("x", (2, 3), i8, Quant((1.0,), (200,))), Y),
            'm: "x": its zero points must be i8 values.',
        ),
        (lambda: graph(inputs=()), 'm: node 0 "flat": its input "x" must be made before it is used.'),
        (lambda: graph(inputs=("x", "x")), 'm: "x" must be one input, and not constant.'),
        (lambda: graph(outputs=("z",)), 'm: there must be a tensor "z".'),
        (lambda: graph(nodes=()), 'm: "y" must be made by some node.'),
        (lambda: graph(inputs=("x", "y")), 'm: node 0 "flat": its output "y" must be made only once.'),
        (
            lambda: graph(inputs=(), states=(State("s", "x", "y", np.zeros((2, 3), np.int8)),)),
            'm: "s": "x" and "y" must be alike.',
        ),
        (
            lambda: graph(inputs=(), states=(State("s", "x", "x", np.zeros(6, np.int8)),)),
            'm: "s": its initial value must be int8[2, 3].',
        ),
    ],
)
def test_what_is_broken_is_named(make: Callable[[], Graph], text: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_graph(make())
    assert str(caught.value) == text
