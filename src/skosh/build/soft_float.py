"""Arithmetic of float32 for a target without an FPU: one more source, which belongs to the model as its weights do.

Compilers call functions of fixed names for it (Arm IHI 0043, or GCC's for RISC-V). Ours have these names, so that linking
the file is all there is to do; what is measured is what is delivered.
"""

from __future__ import annotations

from importlib.resources import files

from skosh.ir.kernel import Binary, Cast, Expr, Function, Kernel, Unary, all_exprs, functions
from skosh.lower.program import Program
from skosh.targets.machine import Target


def soft_float(target: Target | None, unit: str) -> dict[str, str]:
    """{"kws_float.S": ...} for a target without an FPU; {} where the processor, or nobody, computes with floats."""
    if target is None or not target.soft_float:
        return {}
    text = (files("skosh.build") / "runtime" / target.soft_float).read_text(encoding="utf-8")
    return {f"{unit}_float.S": text}


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
