"""Cortex-M4, M7, M33 and M55: products of rows and filters by pairs of int16, two an instruction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8, i16, i32
from skosh.ir.call import Const, Schedule, Scratch
from skosh.ir.graph import Array
from skosh.language import call, typed
from skosh.lower.form import Asked, Form, Made, weights_of
from skosh.lower.portable.schedules import ONE_ROW
from skosh.machines.arm_m.int16_pair_kernels import dense_wide_pairs
from skosh.machines.arm_m.pair_kernels import conv2d_pairs, matmul_pairs
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.ops.layers.gemm_calls import PATCH_ROWS
from skosh.ops.layers.windows_kernels import dense_wide
from skosh.schedule.draft import Draft


def _pairs(asked: Asked) -> Made:
    """``matmul`` and ``conv2d_patches`` with two products an instruction."""
    c = asked.call
    filters = int(c.numbers["N"])
    weights = np.asarray(weights_of(c, asked.inputs)).reshape(filters, -1)
    interleaved = interleave(weights)
    pairs, quads, _ = interleaved.shape
    numbers: dict[str, Any] = {n: v for n, v in c.numbers.items() if n != "T"}
    bindings: dict[str, Any] = {
        **numbers, **c.buffers, **c.functions, "w": Const(interleaved, "weight", LAID),
        "N2": pairs, "Q": quads, "even": 1 - filters % 2,
        **{n: filled(c.buffers[n], 2 * pairs, filters) for n in ("bias", "multiplier", "right")},
    }  # fmt: skip
    if asked.is_a(matmul):
        return (call(matmul_pairs, R=int(c.numbers["K"]) % 4, **bindings),)
    patch = Scratch(PATCH_ROWS * 4 * quads, i8, "patch")
    return (call(conv2d_pairs, **{**bindings, "patch": patch}, T=PATCH_ROWS),)


LAID = "of filters a, b and elements 0 to 3: a0 b0 a2 b2 a1 b1 a3 b3"


def interleave(weights: Array) -> Array:
    """[N, K] filters as [N / 2, K / 4, 8]: of filters a, b and elements 0..3: a0 b0 a2 b2 a1 b1 a3 b3. Zeros fill up."""
    filters, depth = weights.shape
    whole = np.zeros((-(-filters // 2) * 2, -(-depth // 4) * 4), weights.dtype)
    whole[:filters, :depth] = weights
    quads = whole.reshape(whole.shape[0] // 2, 2, whole.shape[1] // 4, 4)[:, :, :, [0, 2, 1, 3]]
    return np.ascontiguousarray(quads.transpose(0, 2, 3, 1)).reshape(whole.shape[0] // 2, whole.shape[1] // 4, 8)


def filled(b: Any, count: int, filters: int) -> Const:
    """A per-filter constant, long enough for an odd last pair."""
    assert isinstance(b, Const), "requantization is made of constants"
    if b.data.size < filters or b.data.size == count:
        return b
    return replace(b, data=np.concatenate([b.data, b.data[-1:]]))


def _int16_pairs(asked: Asked) -> Made:
    """``dense_wide`` with two products an instruction, where sums fit 32 bits."""
    c = asked.call
    given = np.asarray(weights_of(c, asked.inputs)).reshape(int(c.numbers["N"]), -1)
    filters, depth = given.shape
    whole = np.zeros((filters, -(-depth // 4) * 4), np.int8)
    whole[:, :depth] = given
    quads = np.ascontiguousarray(whole.reshape(filters, -1, 4)[:, :, [0, 2, 1, 3]])
    more: dict[str, Any] = {"w": Const(quads, "weight", "of elements 0 to 3: 0 2 1 3"), "Q": quads.shape[1], "R": depth % 4}
    return (call(dense_wide_pairs, **{**c.numbers, **c.buffers, **c.functions, **more}),)


def pairs(d: Draft) -> None:
    """Rows side by side; with one row only, pairs of filters."""
    if all(t == 1 for t in d.trips("m")):
        d.tile("n", 2)
        return
    d.tile("m", 2)
    if d.optimize != "flash":
        d.unroll("q", 2)


def wide_pairs(d: Draft) -> None:
    """Filters side by side share the loads of x."""
    if d.optimize != "flash":
        d.tile("n", 4 if d.reaches("n", 4) else 2)


PAIRS = Form(
    "pairs", _pairs, of=(matmul, conv2d_patches),
    schedules=((matmul_pairs, Schedule(pairs, shared=ONE_ROW)), (conv2d_pairs, Schedule(pairs))),
)  # fmt: skip
INT16_PAIRS = Form(
    "wide_pairs", _int16_pairs, of=(typed(dense_wide, A=i32, X=i16),), schedules=((dense_wide_pairs, Schedule(wide_pairs)),)
)
