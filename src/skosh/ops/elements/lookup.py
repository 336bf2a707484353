"""Any function of an 8-bit number as a table of 256: what the quantizer makes of chains of operators on single elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import i8
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call
from skosh.ops.common import check_constant, check_dtype, check_quant, given, required
from skosh.ops.elements.pointwise import lookup


@dataclass(frozen=True)
class Lookup(Op):
    """y = table[x + 128], for int8 x, and a constant table of 256 int8."""

    kind = "lookup"
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, table = required(inputs, 2)
        check_dtype(x, i8)
        check_dtype(table, i8)
        check_constant(table)
        check_quant(x)
        if table.shape != (256,):
            raise ModelError(f"a table must have 256 entries, not shape {list(table.shape)}")
        return (Type(x.shape, i8),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, table = given(values, 0), given(values, 1)
        return (table[x.astype(np.int64) + 128],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _ = required(inputs, 2)
        return (call(lookup, x=In(0), table=In(1), y=Out(0), N=x.size),)
