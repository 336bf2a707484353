"""Whole numbers, scattering, ordering and running: the reference against numpy, the kernels against it, C on a processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.dtypes import from_numpy
from skosh.ir.graph import Array, Graph, Node, Op, Tensor
from skosh.ir.interpret_graph import run_graph
from skosh.ops.elements.whole import Whole
from skosh.ops.moves.gather import Gather, GatherNd
from skosh.ops.moves.scatter import ScatterNd
from skosh.ops.reductions.ordering import Running, TopK
from tests.ops.one_operator import check_kernels


def graph_of(op: Op, values: Sequence[Array], constants: Sequence[int] = ()) -> Graph:
    """One node; the inputs at ``constants`` are constant."""
    tensors = {
        f"x{k}": Tensor(f"x{k}", v.shape, from_numpy(v.dtype), data=v if k in constants else None)
        for k, v in enumerate(values)
    }
    outs = op.infer(list(tensors.values()))
    tensors |= {f"y{k}": Tensor(f"y{k}", t.shape, t.dtype) for k, t in enumerate(outs)}
    names = tuple(f"x{k}" for k in range(len(values)))
    free = tuple(n for k, n in enumerate(names) if k not in constants)
    ends = tuple(f"y{k}" for k in range(len(outs)))
    return Graph("test", tensors, (Node(op, names, ends, "op"),), free, ends)


def agree(
    op: Op, values: Sequence[Array], wanted: Sequence[Any], constants: Sequence[int] = (), in_c: bool = True
) -> None:
    graph = graph_of(op, values, constants)
    fed = [v for k, v in enumerate(values) if k not in constants]
    found = run_graph(graph, fed).values
    for name, want in zip(graph.outputs, wanted, strict=True):
        assert np.array_equal(found[name], want, equal_nan=True), f"{op}: {found[name]}, not {want}"
    check_kernels(graph)
    if in_c:
        assert skosh.compile(graph, target="cortex-m0plus").verify(samples=3).bit_exact


EDGES = [-(2**31), -(2**31) + 1, -7, -1, 0, 1, 3, 31, 32, 2**31 - 1]
MEANINGS: dict[str, Any] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "remainder": lambda a, b: 0 if b == 0 else abs(a) % abs(b) * (-1 if a < 0 else 1),
    "modulo": lambda a, b: 0 if b == 0 else a % b,
    "left": lambda a, b: a << b, "right": lambda a, b: a >> b,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
}  # fmt: skip
"""In Python's own whole numbers, which never overflow."""


@pytest.mark.parametrize("op", MEANINGS)
@pytest.mark.parametrize("bits", [32, 64])
def test_whole_numbers_at_their_edges(op: str, bits: int) -> None:
    if bits == 32 and op in ("add", "sub", "mul"):
        return  # operators of their own
    scale = 2 ** (bits - 32)
    edges = [e * scale if abs(e) > 99 else e for e in EDGES]
    second = list(range(bits) if op in ("left", "right") else edges)
    dtype = np.int32 if bits == 32 else np.int64
    wrapped = [[(MEANINGS[op](a, b) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1) for b in second] for a in edges]
    a, b = np.array(edges, dtype).reshape(-1, 1), np.array(second, dtype)
    agree(Whole(op), [a, b], [np.array(wrapped, dtype)])


def test_a_shift_by_the_width_leaves_nothing() -> None:
    a, b = np.array([-5, 5], np.int32), np.array([32, 32], np.int32)
    found = run_graph(graph_of(Whole("left"), [a, b]), [a, b]).values["y0"]
    assert found.tolist() == [0, 0]
    found = run_graph(graph_of(Whole("right"), [a, b]), [a, b]).values["y0"]
    assert found.tolist() == [-1, 0]


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_counts_from_the_end_and_keeps_the_last(reduction: str) -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    index = np.array([[0], [-1], [0]], np.int32)
    updates = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    want = x.copy()
    merge = {"none": lambda a, b: b, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction]
    for row, update in zip((0, 3, 0), updates, strict=True):
        want[row] = merge(want[row], update)
    agree(ScatterNd(reduction), [x, index, updates], [want])


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int64])
def test_top_k_of_equal_elements_finds_the_first(largest: bool, dtype: Any) -> None:
    x = np.random.default_rng(1).integers(-3, 4, (2, 9, 3)).astype(dtype)
    order = np.argsort(-x.astype(np.int64) if largest else x.astype(np.int64), axis=1, kind="stable")[:, :4]
    agree(TopK(1, 4, largest), [x], [np.take_along_axis(x, order, 1), order.astype(np.int32)])


@pytest.mark.parametrize("op", ["sum", "product"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
@pytest.mark.parametrize(("exclusive", "reverse"), [(False, False), (True, False), (False, True), (True, True)])
def test_running(op: str, dtype: Any, exclusive: bool, reverse: bool) -> None:
    x = np.random.default_rng(2).integers(-3, 4, (2, 5, 3)).astype(dtype)
    turned = x[:, ::-1] if reverse else x
    want = (np.cumsum if op == "sum" else np.cumprod)(turned, 1, dtype=dtype)
    if exclusive:
        first = np.full((2, 1, 3), 0 if op == "sum" else 1, dtype)
        want = np.concatenate([first, want[:, :-1]], 1)
    agree(Running(1, op, exclusive, reverse), [x], [want[:, ::-1] if reverse else want], in_c=exclusive and reverse)


def test_a_gather_from_the_end() -> None:
    x, index = np.arange(10, dtype=np.float32).reshape(5, 2), np.array([-1, 0, -5, 4, -9, 9], np.int64)
    agree(Gather(0, from_end=True), [x, index], [x[[4, 0, 0, 4, 0, 4]]])
    places = np.array([[-1, -2], [0, 1], [-9, 9]], np.int32)
    agree(GatherNd(from_end=True), [x, places], [np.array([8, 1, 1], np.float32)])
