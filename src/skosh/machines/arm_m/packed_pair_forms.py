"""Cortex-M with DSP: weights of few bits, several to a byte, two products an instruction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8
from skosh.ir.call import Call, Const, Schedule, Scratch
from skosh.ir.graph import Array
from skosh.language import call
from skosh.lower.form import Asked, Form, Made, constant
from skosh.lower.narrow.forms import Format, fitting
from skosh.lower.portable.schedules import ONE_ROW
from skosh.machines.arm_m.packed_pair_kernels import conv2d_packed_pairs, matmul_packed_pairs
from skosh.machines.arm_m.pair_forms import filled
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.schedule.answers import No
from skosh.schedule.draft import Draft


def _has_room(c: Call, weights: Array, fit: Format) -> bool:
    """Whether sums that are 2^shift times as large fit 31 bits, whatever the inputs."""
    bias = constant(c, "bias")
    bound = np.abs(bias.data.astype(np.int64)) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    return bool((bound.max() << fit.shift) < 1 << 31)


def _in_pairs(asked: Asked) -> Made:
    c = asked.call
    found = fitting(c, asked.inputs, asked.optimize)
    if isinstance(found, No):
        return found
    weights, fit = found
    if not _has_room(c, weights, fit):
        return No("raised sums might not fit 31 bits")
    filters = len(weights)
    words = in_words(weights, fit)
    pairs, quads, _ = words.shape
    fields = fit.per_byte // 2  # groups of four elements in a word
    top = ((0xFF << (8 - fit.bits)) & 0xFF) * 0x01010101
    half = (1 << (fit.shift)) * 0x01010101 if fit.odd else 0
    bias = constant(c, "bias")
    raised = replace(bias, data=(bias.data.astype(np.int64) << fit.shift).astype(np.int32))
    constants = {"bias": raised, "multiplier": c.buffers["multiplier"], "right": c.buffers["right"]}
    bindings: dict[str, Any] = {
        **{n: v for n, v in c.numbers.items() if n != "T"}, **c.buffers, **c.functions, "w": Const(words, "weight"),
        "N2": pairs, "Q": quads, "even": 1 - filters % 2, "BITS": fit.bits, "J": fields, "S": fit.shift,
        "mask": top, "half": half, **{n: filled(b, 2 * pairs, filters) for n, b in constants.items()},
    }  # fmt: skip
    if asked.is_a(matmul):
        return (call(matmul_packed_pairs, R=weights.shape[1] % (4 * fields), **bindings),)
    rows = int(c.numbers["T"])
    bindings |= {"T": rows, "patch": Scratch(rows * 4 * fields * quads, i8, "patch")}
    return (call(conv2d_packed_pairs, **bindings),)


def in_words(weights: Array, fit: Format) -> Array:
    """[N, K] filters as [N / 2, Q, 4] bytes: of two filters a, b the bytes are a0 b0 a2 b2, and below them a1 b1 a3 b3.

    With 2 bits, elements 4 to 7 follow in the lower half of each byte.
    """
    filters, depth = weights.shape
    size = 2 * fit.per_byte  # elements of each filter in a word
    whole = np.zeros((-(-filters // 2) * 2, -(-depth // size) * size), np.int64)
    whole[:filters, :depth] = fit.fields(weights)
    parts = whole.reshape(
        len(whole) // 2, 2, -1, fit.per_byte // 2, 2, 2
    )  # pair, filter, word, four, half of it, parity
    lanes = parts.transpose(0, 2, 3, 5, 4, 1).reshape(len(whole) // 2, -1, fit.per_byte, 4)  # ..., place, byte
    places = (fit.per_byte - 1 - np.arange(fit.per_byte)) * fit.bits
    words = (lanes << places[:, None]).sum(axis=2)
    return np.ascontiguousarray(words.astype(np.uint8).view(np.int8))


def packed_pairs(d: Draft) -> None:
    """As ``pairs``, a word of weights at a time."""
    single = all(t == 1 for t in d.trips("m"))
    d.tile("n" if single else "m", 2)
    if d.optimize != "flash" and (single or all(c["J"] == 1 for c in d.cases)):  # two rows of two words each are enough
        d.unroll("q", 2)


FIXED = ("BITS", "J", "S", "mask", "half")

PACKED_PAIRS = Form(
    "packed_pairs", _in_pairs, of=(matmul, conv2d_patches),
    schedules=(
        (matmul_packed_pairs, Schedule(packed_pairs, FIXED, shared=ONE_ROW)),
        (conv2d_packed_pairs, Schedule(packed_pairs, FIXED)),
    ),
)  # fmt: skip
