"""The body of a scalar function in the place of its calls."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    CallExpr,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Return,
    Select,
    Stmt,
    Store,
    Var,
    While,
    all_exprs,
    map_expr,
    walk,
    walk_expr,
)
from skosh.ir.rename import all_names, declared, fresh, renamed
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import done


def can_inline(kernel: Kernel, function: str) -> Answer:
    calls = [e for e in all_exprs(kernel.body) if isinstance(e, CallExpr)]
    if not any(c.function.name == function for c in calls):
        return No(f'no function "{function}" is called here')
    guarded = [e for top in all_exprs(kernel.body) for e in _sometimes(top)]
    for e in guarded:
        for x in walk_expr(e):
            if isinstance(x, CallExpr) and x.function.name == function and not _is_formula(x):
                return No(
                    f'"{function}" has statements, and is called where it may not be computed (in a condition\'s part)'
                )
    for s_bounds in _bounds(kernel.body):
        for x in walk_expr(s_bounds):
            if isinstance(x, CallExpr) and x.function.name == function and not _is_formula(x):
                return No(f'"{function}" has statements, and is called in the head of a while loop')
    return Yes()


def inline(kernel: Kernel, function: str) -> Kernel:
    """The function's statements before the statement that calls it; of a mere formula, the formula.

    y[n] = half(x[n]) + 1  ->  half_x = x[n]
                               half_y = (half_x + 1) >> 1
                               y[n] = half_y + 1
    """
    step = f'inline "{function}"'
    act(kernel, can_inline(kernel, function), step)
    return done(kernel, _body(kernel.body, function, all_names(kernel)), step)


def _is_formula(call: CallExpr) -> bool:
    """return of an expression that uses each parameter at most once."""
    body = call.function.body
    if len(body) != 1 or not isinstance(body[0], Return):
        return False
    used = [e.name for e in walk_expr(body[0].value) if isinstance(e, Var)]
    simple = {p.name for p, a in zip(call.function.params, call.args, strict=True) if isinstance(a, Var | Const)}
    return all(used.count(p.name) <= 1 or p.name in simple for p in call.function.params)


def _sometimes(e: Expr) -> list[Expr]:
    """The parts of an expression that may not be computed."""
    match e:
        case Binary("and" | "or", _, b):
            return [b]
        case Select(_, a, b):
            return [a, b]
    return []


def _bounds(body: Body) -> list[Expr]:
    return [e for s in walk(body) if isinstance(s, While) for e in (s.condition, s.most)]


def _body(body: Body, function: str, taken: set[str]) -> Body:
    out: list[Stmt] = []
    for s in body:
        before: list[Stmt] = []

        def expr(e: Expr, before: list[Stmt] = before) -> Expr:
            return map_expr(e, lambda x: _call(x, function, taken, before))

        new: Stmt
        match s:
            case Let(_, value) | Assign(_, value):
                new = replace(s, value=expr(value))
            case Store(buffer, index, value):
                new = Store(buffer, tuple(expr(i) for i in index), expr(value))
            case For():
                new = replace(s, lo=expr(s.lo), hi=expr(s.hi), body=_body(s.body, function, taken))
            case While():
                new = replace(s, condition=expr(s.condition), most=expr(s.most), body=_body(s.body, function, taken))
            case If(condition, then, other):
                new = If(expr(condition), _body(then, function, taken), _body(other, function, taken))
            case Assume(condition):
                new = Assume(expr(condition))
            case _:
                new = s
        out += [*before, new]
    return tuple(out)


def _call(e: Expr, function: str, taken: set[str], before: list[Stmt]) -> Expr:
    if not (isinstance(e, CallExpr) and e.function.name == function):
        return e
    body = e.function.body
    if _is_formula(e):
        values = dict(zip((p.name for p in e.function.params), e.args, strict=True))
        (only,) = body
        assert isinstance(only, Return), "a formula"
        return map_expr(only.value, lambda x: values.get(x.name, x) if isinstance(x, Var) else x)
    params = {p.name: fresh(f"{function}_{p.name}", taken) for p in e.function.params}
    own = {n: fresh(f"{function}_{n}", taken) for n in sorted(declared(body, loops=True))}
    before += [Let(Var(params[p.name], p.dtype), a) for p, a in zip(e.function.params, e.args, strict=True)]
    *statements, last = renamed(body, {**params, **own})
    assert isinstance(last, Return), "a function ends with return"
    before += statements
    if isinstance(last.value, Var):
        return last.value
    result = Var(fresh(f"{function}_value", taken), e.dtype)
    before.append(Let(result, last.value))
    return result
