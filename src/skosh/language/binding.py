"""``call``: a kernel applied to a node's tensors, checked when it is made."""

from __future__ import annotations

from typing import Any

from skosh.base.dtypes import DType
from skosh.ir.call import Call, Const, In, Out, Scratch
from skosh.ir.kernel import Function
from skosh.language.decorators import resolve
from skosh.language.definition import check_bound


def call(kernel: Any, **bindings: Any) -> Call:
    """Bind every parameter of a kernel: buffers to In/Out/Const/Scratch, sizes and scalars to numbers, type variables to types,
    function parameters to functions.

    Examples
    --------
    ``call(relu, x=In(0), y=Out(0), N=64, lo=-128, T=i8)``
    """
    bound = {n: v for n, v in bindings.items() if isinstance(v, DType | Function)}
    buffers = {n: v for n, v in bindings.items() if isinstance(v, In | Out | Const | Scratch)}
    numbers = {n: v for n, v in bindings.items() if n not in bound and n not in buffers}
    found = resolve(kernel, bound)
    want_buffers, want_numbers = {p.name for p in found.params}, {v.name for v in found.numbers}
    assert set(buffers) == want_buffers, f"{found.name} has buffers {sorted(want_buffers)}, not {sorted(buffers)}"
    assert set(numbers) == want_numbers, f"{found.name} has numbers {sorted(want_numbers)}, not {sorted(numbers)}"
    plain = {n: (float(v) if isinstance(v, float) else int(v)) for n, v in numbers.items()}
    check_bound(found, plain, {n: b.data for n, b in buffers.items() if isinstance(b, Const)})
    return Call(found, buffers, plain, {n: v for n, v in bound.items() if isinstance(v, Function)})
