"""Products that cancel: weights and sums in float64, for linear models far from the origin.

A feature near 1e6 times a weight of 1 is a number near 1e6, of which float32 holds a sixteenth; what is left when another
one is taken away may be a thousandth. Where there is no unit for float64 the compiler's own routines do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, f64
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call, kernel, par, seq
from skosh.ops.common import check_dtype, check_rank, given, required


@kernel
def precise_dense(x: f32[M, K], w: f64[N, K], bias: f64[N], y: f32[M, N]):
    """y[m, n] = bias[n] + sum over k of x[m, k] * w[n, k], in float64."""
    for m, n in par(M, N):
        acc = bias[n]
        for k in seq(K):
            acc += f64(x[m, k]) * w[n, k]
        y[m, n] = f32(acc)


@dataclass(frozen=True)
class PreciseDense(Op):
    """y [M, N] from x [M, K] float32, weights [N, K] and bias [N] float64; sums in float64, in the order of k."""

    kind = "precise_dense"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w, bias = required(inputs, 3)
        check_dtype(x, f32)
        for t in (w, bias):
            check_dtype(t, f64)
        for t in (x, w):
            check_rank(t, 2)
        if x.shape[1] != w.shape[1] or bias.shape != w.shape[:1]:
            raise ModelError(
                f"rows of {x.shape[1]} elements must meet weights and biases that fit, not {list(w.shape)}, {list(bias.shape)}"
            )
        return (Type((x.shape[0], w.shape[0]), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w, bias = given(values, 0).astype(np.float64), given(values, 1), given(values, 2)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = np.concatenate([np.broadcast_to(bias[:, None], (len(x), len(bias), 1)), x[:, None] * w], axis=2)
            return (np.add.accumulate(terms, axis=2)[..., -1].astype(np.float32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, w, _ = required(inputs, 3)
        return x.shape[0] * w.size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w, _ = required(inputs, 3)
        sizes = {"M": x.shape[0], "N": w.shape[0], "K": w.shape[1]}
        return (call(precise_dense, x=In(0), w=In(1), bias=In(2), y=Out(0), **sizes),)
