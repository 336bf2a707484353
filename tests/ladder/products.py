"""Products of matrices whose sums are rounded, so that order and fusion show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DTYPES
from skosh.ir.graph import Array
from skosh.ladder.matmul import Product
from skosh.ladder.native import Native


@dataclass(frozen=True, eq=False)
class Rough(Product):
    """Operands with all their bits."""

    def _operand(self, seed: int) -> Array:
        if self.dtype.is_integer:
            return super()._operand(seed)
        return np.random.default_rng([seed, self.n]).standard_normal((self.n, self.n)).astype(self.dtype.np)


def random_product(n: int, dtype: str) -> Rough:
    return Rough(n, DTYPES[dtype])


def run_native(native: Native, p: Product) -> Array:
    c = p.zeros()
    native.run(p, c)
    return c
