"""The one kernel of the ladder, and the numbers it is run on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from skosh.base.dtypes import DTYPES, DType, i8, i32
from skosh.base.errors import InputError
from skosh.ir.graph import Array
from skosh.ir.kernel import Kernel
from skosh.language import kernel, par, seq
from skosh.language.decorators import resolve

MOST = 32_768
"""The largest n: element positions are 32-bit numbers."""


@kernel
def matmul(a: T[M, K], b: T[K, N], c: S[M, N]):
    """c += a b; each sum in the order of k."""
    for i, j in par(M, N):
        for k in seq(K):
            c[i, j] += S(a[i, k]) * S(b[k, j])


def accumulator(dtype: DType) -> DType:
    """The type of the sums: i32 for i8, else the operands' own."""
    return i32 if dtype == i8 else dtype


@cache
def matmul_of(dtype: DType) -> Kernel:
    """``matmul`` for operands of a type."""
    return replace(resolve(matmul, {"T": dtype, "S": accumulator(dtype)}), name="matmul")


@dataclass(frozen=True, eq=False)
class Product:
    """Two n x n matrices, and what their product must be.

    Floats are whole multiples of a power of two, so coarse that no sum of n products is ever rounded. So every order of
    summation, and every fused multiply-add, must give the same bits: results are compared with ``==``, not to a tolerance.
    """

    n: int
    dtype: DType

    @cached_property
    def a(self) -> Array:
        return self._operand(1)

    @cached_property
    def b(self) -> Array:
        return self._operand(2)

    @cached_property
    def expected(self) -> Array:
        """a b by numpy in float64, in which all these sums are exact."""
        exact = self.a.astype(np.float64) @ self.b.astype(np.float64)
        return exact.astype(accumulator(self.dtype).np)

    def zeros(self) -> Array:
        """A place for the result, in memory that has been touched."""
        c = np.empty((self.n, self.n), accumulator(self.dtype).np)
        c.fill(0)
        return c

    def mistakes(self, c: Array) -> int:
        """How many elements of c are not what they must be."""
        return int(np.count_nonzero(c != self.expected))

    def _operand(self, seed: int) -> Array:
        rng = np.random.default_rng([seed, self.n])
        if self.dtype.is_integer:
            return rng.integers(self.dtype.min, self.dtype.max, (self.n, self.n), self.dtype.np, endpoint=True)
        grid = 1 << grid_bits(self.n, self.dtype)
        return (rng.integers(-grid, grid, (self.n, self.n), np.int32, endpoint=True) / grid).astype(self.dtype.np)


def grid_bits(n: int, dtype: DType) -> int:
    """g such that n products of multiples of 2^-g in [-1, 1] sum up to less than the type's whole precision: n 4^g <= 2^p."""
    precision = {"f64": 53, "f32": 24}[dtype.name]
    return min(20, (precision - (n - 1).bit_length()) // 2)


def product(n: int, dtype: str) -> Product:
    """InputError for a size or a type that the ladder hasn't got."""
    if dtype not in ("f64", "f32", "i8"):
        raise InputError(f'dtype must be one of f64, f32, i8, not "{dtype}"')
    if not 1 <= n <= MOST:
        raise InputError(f"n must be from 1 to {MOST}, not {n}")
    return Product(n, DTYPES[dtype])
