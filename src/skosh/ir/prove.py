"""Is an i32 expression always >= 0, given what is known? Sums of products, opened up case by case, then eliminated.

An atom that isn't a variable is opened: min, max and a selection make two cases each, a quotient becomes a variable q with
d*q <= a < d*q + d, a loaded element has the range of its type. What is left is a polynomial in variables; a variable that
stands in a known fact f = c*v + g >= 0 is eliminated from a goal a*v + b (Fourier and Motzkin, one fact at a time): with c > 0
and a >= 0, the goal holds if c*b - a*g >= 0 does. Sound, not complete: False means "not shown".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from skosh.base.dtypes import i32
from skosh.ir.kernel import (
    Binary,
    CallExpr,
    Cast,
    Const,
    Expr,
    Function,
    Let,
    Load,
    Return,
    Select,
    Unary,
    Var,
    map_expr,
    walk_expr,
)
from skosh.ir.simplify import Monomial, from_polynomial, polynomial

Poly = dict[Monomial, int]
MOST_CASES, MOST_OPENINGS, MOST_STEPS, MOST_TERMS, DEPTHS = 96, 150, 1000, 48, (3, 5, 8)
MOST_WORK, MOST_DEGREE = 300, 8


def poly(e: Expr) -> Poly:
    """An i32 expression as a sum of products."""
    return dict(polynomial(e))


def plus(a: Mapping[Monomial, int], b: Mapping[Monomial, int], times: int = 1) -> Poly:
    """a + times * b."""
    out = dict(a)
    for m, c in b.items():
        out[m] = out.get(m, 0) + times * c
    return {m: c for m, c in out.items() if c}


def product(a: Mapping[Monomial, int], b: Mapping[Monomial, int]) -> Poly:
    out: Poly = {}
    for m, c in a.items():
        for n, d in b.items():
            key = tuple(sorted((*m, *n), key=_key))
            out[key] = out.get(key, 0) + c * d
    return {m: c for m, c in out.items() if c}


def _key(e: Expr) -> str:
    return e.name if isinstance(e, Var) else repr(e)


ONE: Poly = {(): 1}


def facts_of(condition: Expr, holds: bool = True) -> list[Poly] | None:
    """Polynomials that are >= 0 where a condition holds (or doesn't); None where it can't be said in such."""
    match condition:
        case Const(value):
            return [] if bool(value) == holds else [{(): -1}]
        case Unary("not", a):
            return facts_of(a, not holds)
        case Binary("and" | "or" as op, a, b):
            left, right = facts_of(a, holds), facts_of(b, holds)
            if (op == "and") != holds:
                return None
            return None if left is None and right is None else [*(left or []), *(right or [])]
        case Binary(op, a, b) if a.dtype == i32 and op in ("<", "<=", ">", ">=", "==", "!="):
            op = op if holds else {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}[op]
            x, y = poly(a), poly(b)
            match op:
                case "<":
                    return [plus(plus(y, x, -1), ONE, -1)]
                case "<=":
                    return [plus(y, x, -1)]
                case ">":
                    return [plus(plus(x, y, -1), ONE, -1)]
                case ">=":
                    return [plus(x, y, -1)]
                case "==":
                    return [plus(x, y, -1), plus(y, x, -1)]
    return None


def always(goal: Poly, facts: list[Poly], positive: frozenset[str] = frozenset()) -> bool:
    """Is goal >= 0 wherever all facts are >= 0? ``positive``: variables that are at least 1."""
    if set(goal) <= {()}:
        return goal.get((), 0) >= 0
    ones = [
        m[0].name
        for f in facts
        for m in f
        if len(f) == 2 and len(m) == 1 and f[m] > 0 and f.get((), 0) <= -f[m] and isinstance(m[0], Var)
    ]
    positive = positive.union(ones)
    return any(_cases(goal, facts, [], positive, _Budget(deep)) for deep in (False, True))


def decide(condition: Expr, facts: list[Poly], positive: frozenset[str] = frozenset()) -> bool | None:
    """Does a condition always hold, or never? None if neither is shown."""
    match condition:
        case Const(value):
            return bool(value)
        case Unary("not", a):
            inner = decide(a, facts, positive)
            return None if inner is None else not inner
        case Binary("and" | "or" as op, a, b):
            sides = decide(a, facts, positive), decide(b, facts, positive)
            settles = op == "or"
            if settles in sides:
                return settles
            return None if None in sides else not settles
        case Binary(op, a, b) if a.dtype == i32 and op in ("<", "<=", ">", ">=", "==", "!="):
            yes, no = facts_of(condition, True), facts_of(condition, False)
            if yes is not None and all(always(p, facts, positive) for p in yes):
                return True
            if no is not None and all(always(p, facts, positive) for p in no):
                return False
    return None


@dataclass
class _Budget:
    """How much work a question is worth. ``deep``: with facts that only share variables inside atoms."""

    deep: bool
    cases: int = MOST_CASES
    openings: int = MOST_OPENINGS
    steps: int = MOST_STEPS


# ------------------------------------------------------------------------------------------------ cases


def _cases(goal: Poly, facts: list[Poly], assumed: list[Poly], positive: frozenset[str], budget: _Budget) -> bool:
    """Open one atom after another; ``assumed``: what distinguishes this case, which may contradict the facts."""
    near = _relevant(goal, [*facts, *assumed], budget.deep)
    atom = next((f for p in [goal, *near] for m in p for f in m if not isinstance(f, Var)), None)
    if atom is None:
        budget.cases -= 1
        if budget.cases < 0:
            return False
        return _Leaf([*near], positive, budget).holds(goal, assumed)
    budget.openings -= 1
    if budget.openings < 0 or max(map(len, (goal, *near)), default=0) > MOST_TERMS:
        return False
    for replacement, extra in _openings(atom, near, positive, budget):

        def put(p: Poly, new: Poly = replacement) -> Poly:
            return _replaced(p, atom, new)

        case = [put(p) for p in extra]
        if any(len(p) <= 1 and p.get((), 0) < 0 for p in case if set(p) <= {()}):
            continue
        if not _cases(put(goal), [put(p) for p in facts], [*(put(p) for p in assumed), *case], positive, budget):
            return False
        if budget.cases < 0:
            return False
    return True


def _relevant(goal: Poly, facts: list[Poly], deep: bool) -> list[Poly]:
    """The facts that are linked to the goal by variables and atoms; ``deep``: by variables inside atoms too."""
    names = _names if deep else _factors
    seen = names(goal)
    kept: list[Poly] = []
    rest = [(p, names(p)) for p in facts]
    while True:
        linked = [(p, own) for p, own in rest if not own or not own.isdisjoint(seen)]
        if not linked:
            return kept
        kept += [p for p, _ in linked]
        rest = [(p, own) for p, own in rest if own and own.isdisjoint(seen)]
        seen = seen.union(*(own for _, own in linked))


def _factors(p: Poly) -> frozenset[Expr]:
    return frozenset(f for m in p for f in m)


def _names(p: Poly) -> frozenset[Expr]:
    return frozenset(
        x for m in p for f in m for x in ([f] if isinstance(f, Var) else walk_expr(f)) if isinstance(x, Var | Load)
    )


def _replaced(p: Poly, atom: Expr, new: Poly) -> Poly:
    out: Poly = {}
    for m, c in p.items():
        count = sum(1 for f in m if f == atom)
        term: Poly = {tuple(f for f in m if f != atom): c}
        for _ in range(count):
            term = product(term, new)
        out = plus(out, term)
    return out


def _openings(
    atom: Expr, facts: list[Poly], positive: frozenset[str], budget: _Budget
) -> Iterator[tuple[Poly, list[Poly]]]:
    """The cases of an atom: (what it is, what holds then)."""
    match atom:
        case Binary("min" | "max" as op, a, b) if atom.dtype == i32:
            x, y = (poly(a), poly(b)) if op == "min" else (poly(b), poly(a))
            yield poly(a), [plus(y, x, -1)]
            yield poly(b), [plus(plus(x, y, -1), ONE, -1)]
        case Select(condition, a, b) if atom.dtype == i32:
            yield poly(a), facts_of(condition, True) or []
            yield poly(b), facts_of(condition, False) or []
        case Binary("%", a, b) if atom.dtype == i32 and _at_least_one(b, positive):
            quotient: Poly = {(Binary("//", a, b, i32),): 1}
            yield plus(poly(a), product(poly(b), quotient), -1), []
        case Binary("//", a, b) if atom.dtype == i32 and _at_least_one(b, positive):
            q, x, d = _variable(atom), poly(a), poly(b)
            dq = product(d, q)
            known = _quick(x, facts, positive, budget)
            if known is not False:
                yield q, [x, q, plus(x, dq, -1), plus(plus(plus(dq, d), x, -1), ONE, -1)]
            if known is not True:
                negative = plus({}, x, -1)
                yield (
                    q,
                    [
                        plus(negative, ONE, -1),
                        plus({}, q, -1),
                        plus(dq, x, -1),
                        plus(plus(plus(x, dq, -1), d), ONE, -1),
                    ],
                )
        case Binary(">>", a, Const(value=count)) if atom.dtype == i32 and 0 <= int(count) < 31:
            q, unit = _variable(atom), 1 << int(count)
            yield q, [plus(poly(a), q, -unit), plus(plus({(): unit - 1}, q, unit), poly(a), -1)]
        case Binary("<<", Const(value=1), n) if atom.dtype == i32 and _is_count(n, facts, positive, budget):
            offset = poly(n).get((), 0)  # 1 << (n + 1) is twice 1 << n
            v = _variable(Binary("<<", Const(1), from_polynomial({m: c for m, c in poly(n).items() if m}), i32))
            yield {m: c << offset for m, c in v.items()}, [plus(v, ONE, -1)]
        case Binary(">>", a, n) if atom.dtype == i32 and _is_count(n, facts, positive, budget):
            q, power = _variable(atom), poly(Binary("<<", Const(1), n, i32))
            whole = product(q, power)
            if _quick(poly(a), facts, positive, budget):
                yield q, [q, plus(poly(a), whole, -1), plus(plus(plus(whole, power), ONE, -1), poly(a), -1)]
            else:
                yield q, []
        case Binary("&", a, Const(value=mask)) if atom.dtype == i32 and int(mask) >= 0:
            v = _variable(atom)
            yield v, [v, plus({(): int(mask)}, v, -1)]
        case CallExpr(function, args) if (inside := formula(function)) is not None:
            values = {p.name: a for p, a in zip(function.params, args, strict=True)}
            yield poly(map_expr(inside, lambda e: values.get(e.name, e) if isinstance(e, Var) else e)), []
        case Cast("wrap", Binary("min", Binary("max", _, low), high)) if atom.dtype == i32:
            v, bottom, top = _variable(atom), _as_i32(low), _as_i32(high)
            if bottom is None or top is None:
                yield v, []
            else:
                yield v, [plus(v, bottom, -1), plus(top, v, -1), plus(top, bottom, -1)]
                yield top, [plus(plus(bottom, top, -1), ONE, -1)]
        case Cast("widen", a) if a.dtype.is_integer and a.dtype.bits <= 32:
            v = _variable(atom)
            yield v, [plus(v, {(): a.dtype.min}, -1), plus({(): a.dtype.max}, v, -1)]
        case _:
            yield _variable(atom), []


def _quick(p: Poly, facts: list[Poly], positive: frozenset[str], budget: _Budget) -> bool | None:
    """The sign of the dividend, where it is plain: True for >= 0, False for < 0."""
    plain = [f for f in facts if all(isinstance(x, Var) for m in f for x in m)]
    if not all(isinstance(x, Var) for m in p for x in m):
        return None
    leaf = _Leaf(plain, positive, budget)
    if leaf.prove(p, 4):
        return True
    return False if leaf.prove(plus(plus({}, p, -1), ONE, -1), 4) else None


def _as_i32(e: Expr) -> Poly | None:
    """A wider expression that is a number, or an i32 made wide."""
    if isinstance(e, Cast) and e.how == "widen" and e.a.dtype == i32:
        return poly(e.a)
    return poly(e) if e.dtype == i32 or (isinstance(e, Const) and i32.min <= e.value <= i32.max) else None


def formula(function: Function) -> Expr | None:
    """The one expression that a function without loops and branches is; None for others."""
    values: dict[str, Expr] = {}
    for s in function.body:
        match s:
            case Let(var, value):
                values[var.name] = map_expr(value, lambda e: values.get(e.name, e) if isinstance(e, Var) else e)
            case Return(value):
                return map_expr(value, lambda e: values.get(e.name, e) if isinstance(e, Var) else e)
            case _:
                return None
    return None


def _is_count(n: Expr, facts: list[Poly], positive: frozenset[str], budget: _Budget) -> bool:
    """Is n, and n without the number added to it, from 0 to 30?"""
    p = poly(n)
    offset = p.get((), 0)
    rest = plus(p, {(): offset}, -1)
    return offset >= 0 and bool(
        _quick(rest, facts, positive, budget) and _quick(plus({(): 30}, p, -1), facts, positive, budget)
    )


def _at_least_one(e: Expr, positive: frozenset[str]) -> bool:
    """A positive number, or a product of sizes."""
    p = poly(e)
    return bool(p) and all(c > 0 and all(isinstance(f, Var) and f.name in positive for f in m) for m, c in p.items())


def _variable(atom: Expr) -> Poly:
    return {(Var(f"<{_key(atom)}>"),): 1}


# ------------------------------------------------------------------------------------------------ one case


@dataclass
class _Leaf:
    """Facts over variables alone. Sizes are written as 1 + a number that isn't negative."""

    facts: list[Poly]
    positive: frozenset[str]
    budget: _Budget
    failed: dict[frozenset[tuple[Monomial, int]], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts = [self.shifted(f) for f in self.facts]
        self.never_negative = set(self.positive)
        for f in self.facts:  # v - c >= 0 with c >= 0
            names = [m for m in f if m]
            if len(names) == 1 and len(names[0]) == 1 and f[names[0]] > 0 and f.get((), 0) <= 0:
                only = names[0][0]
                assert isinstance(only, Var), "a leaf has variables only"
                self.never_negative.add(only.name)

    def shifted(self, p: Poly) -> Poly:
        for name in sorted({f.name for m in p for f in m if isinstance(f, Var) and f.name in self.positive}):
            p = _replaced(p, Var(name), {(Var(name),): 1, (): 1})
        return p

    def holds(self, goal: Poly, assumed: list[Poly]) -> bool:
        goal = self.shifted(goal)
        known = [*(self.shifted(a) for a in assumed), *self.facts]
        impossible = [plus(plus({}, f, -1), ONE, -1) for f in known]  # where one of them holds, the case can't be
        return any(
            self.prove(goal, depth, ready=True) or any(self.prove(f, depth - 1, ready=True) for f in impossible)
            for depth in DEPTHS
        )

    def prove(self, p: Poly, depth: int, *, ready: bool = False) -> bool:
        p = tightened(p if ready else self.shifted(p))
        if self.plain(p):
            return True
        if set(p) <= {()} or depth <= 0 or self.budget.steps <= 0 or len(p) > MOST_TERMS:
            return False
        key = frozenset(p.items())
        if self.failed.get(key, -1) >= depth:
            return False
        self.budget.steps -= 1
        if self.eliminate(p, depth):
            return True
        self.failed[key] = depth
        return False

    def eliminate(self, p: Poly, depth: int) -> bool:
        names = sorted({f.name for m in p for f in m if isinstance(f, Var)}, key=lambda n: (n in self.positive, n))
        for name in names:
            split = _linear(p, name)
            if split is None:
                continue
            a, b = split
            for fact in self.facts:
                parts = _linear(fact, name)
                if parts is None or not parts[0]:
                    continue
                c, g = parts
                rest = self.combined(a, b, c, g, depth)
                if rest is not None and self.prove(rest, depth - 1, ready=True):
                    return True
        return False

    def combined(self, a: Poly, b: Poly, c: Poly, g: Poly, depth: int) -> Poly | None:
        """From the goal a*v + b and the fact c*v + g >= 0: what is left to show without v."""
        ratio = _ratio(a, c)
        if ratio is not None:
            top, bottom = ratio  # a / c
            return plus(plus({m: bottom * k for m, k in b.items()}, g, -top), {(): bottom - 1}) if top > 0 else None
        work = len(a) * len(g) + len(b) * len(c)
        self.budget.steps -= work // 8
        if work > MOST_WORK or _degree(a) + _degree(g) > MOST_DEGREE or _degree(b) + _degree(c) > MOST_DEGREE:
            return None
        for sign in (1, -1):  # c = sign * d with d >= 1; a whole number p is >= 0 where d*p + d - 1 is
            d, wanted = plus({}, c, sign), plus({}, a, sign)
            if self.plain(plus(d, ONE, -1)) and (
                self.plain(wanted) or self.prove(wanted, min(depth - 1, 3), ready=True)
            ):
                return plus(plus(plus(product(d, b), d), ONE, -1), product(wanted, g), -1)
        return None

    def plain(self, p: Poly) -> bool:
        """Not negative at first sight."""
        return all(c >= 0 and all(f.name in self.never_negative for f in m if isinstance(f, Var)) for m, c in p.items())


def _degree(p: Poly) -> int:
    return max(map(len, p), default=0)


def tightened(p: Poly) -> Poly:
    """g*q + c >= 0 for whole numbers q is q + c // g >= 0."""
    g = math.gcd(*(c for m, c in p.items() if m)) if any(p) else 1
    if g <= 1:
        return p
    return {m: c // g for m, c in p.items() if c // g}


def _linear(p: Poly, name: str) -> tuple[Poly, Poly] | None:
    """(a, b) of p = a*v + b; None if v stands twice in a product."""
    a: Poly = {}
    b: Poly = {}
    for m, c in p.items():
        count = sum(1 for f in m if isinstance(f, Var) and f.name == name)
        if count > 1:
            return None
        if count:
            a[tuple(f for f in m if not (isinstance(f, Var) and f.name == name))] = c
        else:
            b[m] = c
    return a, b


def _ratio(a: Poly, c: Poly) -> tuple[int, int] | None:
    """a / c as a fraction with a positive bottom, where it is a number."""
    if set(a) != set(c):
        return None
    pairs = [(a[m], c[m]) for m in a]
    x, y = pairs[0]
    if any(p * y != q * x for p, q in pairs):
        return None
    return (x, y) if y > 0 else (-x, -y)
