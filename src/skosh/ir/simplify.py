"""Index arithmetic in normal form: sums of products of sizes and loop variables, with // and % of known remainders.

    ((4*n4 + 2) // 4) * K  ->  n4 * K
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from skosh.base.dtypes import i32
from skosh.ir.kernel import Binary, Const, Expr, Unary, Var, map_expr

Monomial = tuple[Expr, ...]  # a product of factors, sorted; () is 1
Polynomial = Mapping[Monomial, int]


def _key(e: Expr) -> str:
    return e.name if isinstance(e, Var) else repr(e)


def polynomial(e: Expr) -> dict[Monomial, int]:
    """An i32 expression as a sum of products; what isn't + - * is a factor of its own."""
    if isinstance(e, Const):
        return {(): int(e.value)} if e.value else {}
    if isinstance(e, Unary) and e.op == "-":
        return {m: -c for m, c in polynomial(e.a).items()}
    if isinstance(e, Binary) and e.op in ("+", "-"):
        total = Counter(polynomial(e.a))
        for m, c in polynomial(e.b).items():
            total[m] += c if e.op == "+" else -c
        return {m: c for m, c in total.items() if c}
    if isinstance(e, Binary) and e.op == "*":
        total = Counter()
        for m, c in polynomial(e.a).items():
            for n, d in polynomial(e.b).items():
                total[tuple(sorted((*m, *n), key=_key))] += c * d
        return {m: c for m, c in total.items() if c}
    return {(e,): 1}


def _order(item: tuple[Monomial, int]) -> tuple[bool, int, int, list[str]]:
    factors, coefficient = item
    return coefficient < 0, -len(factors), -abs(coefficient), [_key(f) for f in factors]


def from_polynomial(p: Polynomial) -> Expr:
    """The expression of a sum of products: added terms first, then longest products, then large steps; the constant last."""
    out: Expr | None = None
    for m, c in sorted(p.items(), key=_order):
        size = abs(c)
        term: Expr | None = None
        for factor in m:
            term = factor if term is None else Binary("*", term, factor, i32)
        if term is None:
            term = Const(size)
        elif size != 1:
            term = Binary("*", Const(size), term, i32)
        if out is None:
            out = term if c > 0 else (Const(c) if not m else Unary("-", term, i32))
        else:
            out = Binary("+" if c > 0 else "-", out, term, i32)
    return out if out is not None else Const(0)


def _split(e: Expr, divisor: int) -> tuple[dict[Monomial, int], dict[Monomial, int]]:
    """(multiples of divisor, the rest)."""
    p = polynomial(e)
    multiple = {m: c for m, c in p.items() if c % divisor == 0}
    return multiple, {m: c for m, c in p.items() if c % divisor}


def _rule(e: Expr) -> Expr:
    if not isinstance(e, Binary) or e.dtype != i32:
        return e
    a, b = e.a, e.b
    if isinstance(a, Const) and isinstance(b, Const) and e.op in _FOLD and not (e.op in ("//", "%") and b.value == 0):
        return Const(_FOLD[e.op](int(a.value), int(b.value)))
    if e.op in ("+", "-", "*"):
        return from_polynomial(polynomial(e))
    if e.op in ("//", "%") and isinstance(b, Const) and int(b.value) > 0:
        d = int(b.value)
        if d == 1:
            return a if e.op == "//" else Const(0)
        multiple, rest = _split(a, d)
        # in indices every variable is >= 0: what is left below the divisor has no part in the quotient
        if set(rest) <= {()} and 0 <= rest.get((), 0) < d and multiple:
            if e.op == "%":
                return Const(rest.get((), 0))
            return from_polynomial({m: c // d for m, c in multiple.items()})
    return e


def _truncate(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


_FOLD: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "//": _truncate, "%": lambda a, b: a - b * _truncate(a, b), "min": min, "max": max,
}  # fmt: skip


def simplify(e: Expr) -> Expr:
    """An equal index expression in normal form. For i32 arithmetic on sizes, loop variables and constants."""
    return map_expr(e, _rule)


def value_of(e: Expr, numbers: Mapping[str, int | float]) -> int | None:
    """An index expression with the numbers that are known put in; None where that leaves more than a number."""

    def known(x: Expr) -> Expr:
        return Const(int(numbers[x.name])) if isinstance(x, Var) and x.name in numbers else x

    found = simplify(map_expr(e, known))
    return int(found.value) if isinstance(found, Const) else None


def fold_i32(e: Binary) -> Expr:
    """One i32 operation with constant operands, folded; neutral elements dropped. Order is kept: data may be inside."""
    a, b = e.a, e.b
    if isinstance(a, Const) and isinstance(b, Const) and e.op in _FOLD and not (e.op in ("//", "%") and b.value == 0):
        return Const(_FOLD[e.op](int(a.value), int(b.value)))
    if isinstance(b, Const) and ((b.value == 0 and e.op in ("+", "-", "<<", ">>")) or (b.value == 1 and e.op in ("*", "//"))):
        return a
    if isinstance(a, Const) and ((a.value == 0 and e.op == "+") or (a.value == 1 and e.op == "*")):
        return b
    if e.op == "*" and (a == Const(0) or b == Const(0)):
        return Const(0)
    if e.op == "%" and b == Const(1):
        return Const(0)
    return e

