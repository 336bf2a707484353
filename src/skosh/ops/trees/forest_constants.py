"""Arrays of integers as constants of the smallest type that holds them."""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import DType, i8, i16, i32, u8, u16
from skosh.ir.call import Const
from skosh.ir.graph import Array


def smallest(*arrays: Array) -> DType:
    """The smallest type that holds all values: what is never negative may take an unsigned one."""
    lo = min(int(a.min()) for a in arrays if a.size)
    hi = max(int(a.max()) for a in arrays if a.size)
    return next(t for t in (u8, i8, u16, i16, i32) if t.min <= lo and hi <= t.max)


def const(values: Array, label: str, dtype: DType | None = None) -> Const:
    """A constant of a type, the smallest one when none is given."""
    return Const(np.asarray(values).astype((dtype or smallest(values)).np), label)
