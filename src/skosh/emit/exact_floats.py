"""What a compiler must leave as it is for the C to give the floats that were compared, said in the C itself.

A product and a sum may become one fused operation, rounded once instead of twice: GCC does that by default in its own dialect
(-std=gnu11), Clang within an expression (C99 6.5p8, F.6). Other optimizations of -ffast-math reorder sums and drop NaN.
"""

from __future__ import annotations

from skosh.ir.kernel import Binary, Cast, Expr, Function, Kernel, Unary, all_exprs, functions
from skosh.lower.program import Program


def computes_with_floats(program: Program) -> bool:
    """Does its code calculate with, compare or convert float32 numbers? To move them needs nothing."""
    things: list[Kernel | Function] = [r.kernel for r in program.routines]
    things += [f for r in program.routines for f in functions(r.kernel)]
    return any(_calculates(e) for thing in things for e in all_exprs(thing.body))


def _calculates(e: Expr) -> bool:
    match e:
        case Binary(_, a, _):
            return a.dtype.is_float
        case Cast(how, a):
            return how == "convert" and (a.dtype.is_float or e.dtype.is_float)
        case Unary("sqrt"):
            return True
    return False


def exact_floats_text(program: Program) -> str:
    """The lines before all code of a model that computes with floats; empty for one of integers alone."""
    if not computes_with_floats(program):
        return ""
    return f"""
/* Floats are rounded after each operation, as they were when this model was compared with its source. Verified with
 * -ffp-contract=off; the lines below say the same to compilers at their defaults. Leave out -ffast-math, -Ofast, and
 * -ffp-contract=fast. */
#ifdef __FAST_MATH__
#error "{program.name}.c: -ffast-math changes its results; leave it out for this file"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#ifdef __FP_FAST_FMAF
#pragma GCC optimize("fp-contract=off")
#endif
#else
#pragma STDC FP_CONTRACT OFF
#endif
"""
