"""Our meaning against TFLM's: import, run both on random inputs, compare bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.importers.tflite import load
from skosh.ir.graph import Graph, Tensor
from skosh.ir.interpret_graph import run_graph
from tests.support.tflm import Tflm

Array = npt.NDArray[Any]
Generator = np.random.Generator
Maker = Callable[[Tensor, Generator], Array]


def random_input(tensor: Tensor, rng: Generator) -> Array:
    """Uniform over the whole range of an integer type; floats are normal, about 2 wide."""
    shape, dtype = tensor.shape, tensor.dtype
    if dtype.is_float:
        return np.asarray(rng.normal(0, 2, shape), dtype=dtype.np)
    if dtype.kind == "bool":
        return np.asarray(rng.integers(0, 2, shape), dtype=bool)
    low, high = max(dtype.min, -(2**31)), min(dtype.max, 2**31 - 1)
    return np.asarray(rng.integers(low, high, shape, endpoint=True), dtype=dtype.np)


def check_against_tflm(
    model: bytes,
    runs: int = 3,
    seed: int = 0,
    *,
    ulp: int = 0,
    make_input: Maker = random_input,
    inputs: Sequence[Sequence[Array]] | None = None,
) -> Graph:
    """Load ``model``, run it and TFLM on the same inputs, one after the other (state lives on), and assert equality.

    inputs: explicit inputs of each run; otherwise ``runs`` random ones by ``make_input(tensor, generator)``.
    ulp: how many float32 steps floats may differ; integers must be equal. Returns the graph.
    """
    graph = load(model, name="test")
    oracle = Tflm(model, len(graph.outputs))
    rng = np.random.default_rng(seed)
    states = None
    given = (
        [[make_input(t, rng) for t in graph.required(graph.inputs)] for _ in range(runs)] if inputs is None else inputs
    )
    for values in given:
        run = run_graph(graph, values, states)
        states = run.states
        for name, want in zip(graph.outputs, oracle.run(values), strict=True):
            assert_agrees(run.values[name], want, f'output "{name}"', ulp)
    return graph


def assert_agrees(got: Array, want: Array, what: str, ulp: int = 0) -> None:
    """Equal in shape, type and every bit (NaN equals NaN, -0 equals 0), or at most ``ulp`` float32 steps apart."""
    assert got.dtype == want.dtype, f"{what}: {got.dtype}, TFLM has {want.dtype}"
    assert got.shape == want.shape, f"{what}: shape {got.shape}, TFLM has {want.shape}"
    if got.dtype == np.float32:
        both_nan = np.isnan(got) & np.isnan(want)
        distance = np.where(both_nan, 0, np.abs(_ordinal(got) - _ordinal(want)))
        wrong = distance > ulp
    else:
        wrong = got != want
    if np.any(wrong):
        first = tuple(int(i) for i in np.argwhere(wrong)[0]) if got.ndim else ()
        raise AssertionError(
            f"{what}: {int(np.sum(wrong))} of {got.size} elements differ; at {first} it is {got[first]}, TFLM has {want[first]}"
        )


def _ordinal(x: Array) -> Array:
    """float32 as int64 such that neighbouring floats are neighbouring integers."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
