"""Sums of float32 along rows as calls of functions in ``kws_float.S``, and the loops themselves for everyone else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skosh.base.dtypes import i32
from skosh.emit.expressions import Names, expression
from skosh.emit.lines import wrapped
from skosh.ir.kernel import Binary, For, Kernel, Load, walk
from skosh.ir.layout import address
from skosh.ir.simplify import simplify
from skosh.schedule.row_sums import row_sum, start


def _test(unit: str) -> str:
    return f"defined({unit.upper()}_FLOAT_SUMS)"


def sums_tests(kernels: Sequence[Kernel], unit: str) -> list[str]:
    """The conditions under which the plain side of some loop is left out."""
    marked = any(isinstance(s, For) and s.function for k in kernels for s in walk(k.body))
    return [_test(unit)] if marked else []


def sums_switch(kernels: Sequence[Kernel], unit: str) -> str:
    """Where the functions are called, and what they are."""
    found = {row_sum(s) for k in kernels for s in walk(k.body) if isinstance(s, For) and s.function}
    functions = sorted({x.what for x in found if x is not None})
    if not functions:
        return ""
    macro = unit.upper()
    declared = "".join(
        f"float skosh_{what}(float acc, const float *x, const float *w, int32_t n);\n" for what in functions
    )
    return f"""/* Sums along rows are calls of {unit}_float.S, with the same results. Define {macro}_PLAIN_C to do without. */
#if defined(__SOFTFP__) && !defined({macro}_PLAIN_C)
#define {macro}_FLOAT_SUMS 1
{declared}#endif
"""


def summed_loop(s: For, names: Names, depth: int, plain: Callable[[For, Names, int], str]) -> str:
    """A call of the function, and the loop."""
    found = row_sum(s)
    assert found is not None, "a loop that is marked as a sum is one"
    unit = names.above.unit if names.above is not None else ""

    def place(load: Load) -> str:
        at = expression(simplify(address(names.params[load.buffer], start(load, s), names.steps)), names)
        return load.buffer if at == "0" else f"&{load.buffer}[{at}]"

    pad = "    " * depth
    count = expression(simplify(Binary("-", s.hi, s.lo, i32)), names)
    arguments = [found.total.name, place(found.a), place(found.b), count]
    call = wrapped(f"{pad}{found.total.name} = skosh_{found.what}(", arguments, ");")
    return f"#if {_test(unit)}\n{call}\n#else\n{plain(s, names, depth)}#endif\n"
