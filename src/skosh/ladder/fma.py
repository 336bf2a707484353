"""Fused multiply-add: an instruction of most machines with floats, and what it means in the kernel language.

It rounds once, a multiplication and an addition twice. So ``fused`` is no schedule step: it makes another kernel, with
other (smaller) rounding errors, and says so. All schedules of that kernel agree bit for bit again.
"""

from __future__ import annotations

from dataclasses import replace

from skosh.base.dtypes import f32, f64
from skosh.ir.kernel import Binary, CallExpr, Expr, Kernel, map_body
from skosh.language import func, instr


@instr(c="fma({a}, {b}, {acc})", macro="__FMA__", header="math.h")
@func
def fma_f64(a: f64, b: f64, acc: f64) -> f64:
    """a b + acc, rounded once.

    The product is exact as a sum of two numbers (Dekker 1971: no overflow, and no part below the smallest normal number),
    and so is each sum (Knuth's TwoSum). What is left is to round a sum of three: its two small parts may move the result
    only where it would else be a tie.
    """
    big = a * 134217729.0
    a_high = big - (big - a)
    a_low = a - a_high
    large = b * 134217729.0
    b_high = large - (large - b)
    b_low = b - b_high
    p = a * b
    p_low = a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)
    t = acc + p_low
    t_part = t - acc
    t_low = (acc - (t - t_part)) + (p_low - t_part)
    v = p + t
    v_part = v - p
    v_low = (p - (v - v_part)) + (t - v_part)
    w = t_low + v_low
    w_part = w - t_low
    rest = (t_low - (w - w_part)) + (v_low - w_part)
    z = v + w
    z_part = z - v
    z_low = (v - (z - z_part)) + (w - z_part)
    next_one = z + z_low * 2.0
    is_tie = next_one - z == z_low * 2.0 and z_low != 0.0
    beyond = (rest > 0.0 and z_low > 0.0) or (rest < 0.0 and z_low < 0.0)
    return next_one if is_tie and beyond else z


@instr(c="fmaf({a}, {b}, {acc})", macro="__FMA__", header="math.h")
@func
def fma_f32(a: f32, b: f32, acc: f32) -> f32:
    """a b + acc, rounded once: the product is exact in f64; the sum there is off by ``rest``, which decides ties of f32."""
    p = f64(a) * f64(b)
    c = f64(acc)
    s = p + c
    s_part = s - p
    rest = (p - (s - s_part)) + (c - s_part)
    z = f32(s)
    z_low = s - f64(z)
    next_one = f64(z) + z_low * f64(2.0)
    is_tie = f64(f32(next_one)) == next_one and z_low != f64(0.0)
    beyond = (rest > f64(0.0) and z_low > f64(0.0)) or (rest < f64(0.0) and z_low < f64(0.0))
    return f32(next_one) if is_tie and beyond else z


FMA = {"f64": fma_f64, "f32": fma_f32}


def fused(kernel: Kernel) -> Kernel:
    """Each acc + a b of floats rounds once: another kernel, whose results differ from the first one's in the last bits.

    acc + a * b  ->  fma(a, b, acc)
    """

    def rule(e: Expr) -> Expr:
        if isinstance(e, Binary) and e.op == "+" and e.dtype.name in FMA and isinstance(e.b, Binary) and e.b.op == "*":
            return CallExpr(FMA[e.dtype.name], (e.b.a, e.b.b, e.a), e.dtype)
        return e

    body = map_body(kernel.body, rule)
    if body == kernel.body:
        return kernel
    return replace(kernel, body=body, steps=(*kernel.steps, "multiply-adds fused: each rounds once"))
