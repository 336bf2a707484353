"""Recipes: for some machines, another kernel that computes what an operator's call computes, in fewer instructions.

A recipe takes a call, its node's operands and the target, and gives a better call, or None where it knows nothing better.
RECIPES lists them, the best first. The rule is to take the first that fits; ``forms`` gives all of them, for those who
measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, In, Scratch
from skosh.ir.graph import Array, Operands
from skosh.language import call
from skosh.lower.arm_dsp.int16_pair_kernels import dense_wide_pairs
from skosh.lower.arm_dsp.pair_kernels import conv2d_pairs, matmul_pairs
from skosh.lower.arm_dsp.tile_recipes import tiles
from skosh.lower.helium import recipes as helium_recipes
from skosh.lower.vectors import dot_recipes as lane_recipes
from skosh.lower.vectors import recipes as vector_recipes
from skosh.lower.words.twin_recipes import twins
from skosh.ops.layers.gemm_calls import PATCH_ROWS
from skosh.targets import Target


def for_target(
    calls: tuple[Call, ...], inputs: Operands, target: Target | None, optimize: str = "balanced"
) -> tuple[Call, ...]:
    """The same calls, each in the best form that the target has for the aim."""
    if target is None:
        return calls
    return tuple(better for c in calls for better in next(forms(c, inputs, target, optimize))[1])


def forms(c: Call, inputs: Operands, target: Target, optimize: str) -> Iterator[tuple[str, tuple[Call, ...]]]:
    """Every form of a call on a target, by name: what the rules take comes first, the call as it is, "plain", last."""
    for several in (tiles, twins):
        better_calls = several(c, inputs, target, optimize)
        if better_calls is not None:
            yield several.__name__, better_calls
    for recipe in RECIPES:
        better = recipe(c, inputs, target)
        if better is not None:
            yield recipe.__name__, (better,)
    yield PLAIN, (c,)


PLAIN = "plain"
"""The form of a call that no recipe has touched."""


def pairs(c: Call, inputs: Operands, target: Target) -> Call | None:
    """``matmul`` and ``conv2d_patches`` with two products an instruction."""
    if not target.has_dsp or c.kernel.name not in ("matmul", "conv2d_patches"):
        return None
    given = c.buffers["w"]
    assert isinstance(given, In) and given.offset == 0, "filters are an input of the node"
    tensor = inputs[given.index]
    assert tensor is not None and tensor.data is not None, "filters are constant"
    filters = int(c.numbers["N"])
    weights = np.asarray(tensor.data).reshape(filters, -1)
    interleaved = interleave(weights)
    pairs, quads, _ = interleaved.shape
    numbers: dict[str, Any] = {n: v for n, v in c.numbers.items() if n != "T"}
    bindings: dict[str, Any] = {
        **numbers, **c.buffers, **c.functions, "w": Const(interleaved, "weight", PAIRS),
        "N2": pairs, "Q": quads, "even": 1 - filters % 2,
        **{n: _padded(c.buffers[n], 2 * pairs, filters) for n in ("bias", "multiplier", "right")},
    }  # fmt: skip
    if c.kernel.name == "matmul":
        return call(matmul_pairs, R=int(c.numbers["K"]) % 4, **bindings)
    return call(conv2d_pairs, **{**bindings, "patch": Scratch(PATCH_ROWS * 4 * quads, i8, "patch")}, T=PATCH_ROWS)


PAIRS = "of filters a, b and elements 0 to 3: a0 b0 a2 b2 a1 b1 a3 b3"


def interleave(weights: Array) -> Array:
    """[N, K] filters as [N / 2, K / 4, 8]: of filters a, b and elements 0..3: a0 b0 a2 b2 a1 b1 a3 b3. Zeros fill up."""
    filters, depth = weights.shape
    whole = np.zeros((-(-filters // 2) * 2, -(-depth // 4) * 4), weights.dtype)
    whole[:filters, :depth] = weights
    quads = whole.reshape(whole.shape[0] // 2, 2, whole.shape[1] // 4, 4)[:, :, :, [0, 2, 1, 3]]
    return np.ascontiguousarray(quads.transpose(0, 2, 3, 1)).reshape(whole.shape[0] // 2, whole.shape[1] // 4, 8)


def _padded(b: Any, count: int, filters: int) -> Const:
    """A per-filter constant, long enough for an odd last pair."""
    assert isinstance(b, Const), "requantization is made of constants"
    if b.data.size < filters or b.data.size == count:
        return b
    return replace(b, data=np.concatenate([b.data, b.data[-1:]]))


def wide_pairs(c: Call, inputs: Operands, target: Target) -> Call | None:
    """``dense_wide`` with two products an instruction, where sums fit 32 bits."""
    if not target.has_dsp or c.kernel.name != "dense_wide_i32_i16":
        return None
    given = c.buffers["w"]
    assert isinstance(given, In) and given.offset == 0, "filters are an input of the node"
    tensor = inputs[given.index]
    assert tensor is not None and tensor.data is not None, "filters are constant"
    filters, depth = tensor.data.reshape(int(c.numbers["N"]), -1).shape
    whole = np.zeros((filters, -(-depth // 4) * 4), np.int8)
    whole[:, :depth] = tensor.data.reshape(filters, depth)
    quads = np.ascontiguousarray(whole.reshape(filters, -1, 4)[:, :, [0, 2, 1, 3]])
    more: dict[str, Any] = {"w": Const(quads, "weight", "of elements 0 to 3: 0 2 1 3"), "Q": quads.shape[1], "R": depth % 4}
    return call(dense_wide_pairs, **{**c.numbers, **c.buffers, **c.functions, **more})


RECIPES: tuple[Callable[[Call, Operands, Target], Call | None], ...] = (
    helium_recipes.sums,
    vector_recipes.products,
    lane_recipes.lanes,
    vector_recipes.floats,
    vector_recipes.windows,
    vector_recipes.matrices,
    vector_recipes.filters_of_a_channel,
    vector_recipes.loops,
    pairs,
    wide_pairs,
)
