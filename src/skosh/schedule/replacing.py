"""A machine's instruction in the place of what it does."""

from __future__ import annotations

from skosh.ir.kernel import Assign, Body, CallExpr, Expr, For, Function, Kernel, Return, Var, all_exprs, map_body
from skosh.ir.kernel_text import body_text
from skosh.ir.prove import formula
from skosh.schedule.addresses import loops
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.matching import Difference, Match
from skosh.schedule.rewriting import done, plain_loops, rewrite


def can_replace(kernel: Kernel, function: Function, loop: str | None = None) -> Answer:
    if loop is None:
        pattern = formula(function)
        if pattern is None:
            return No(f'"{function.name}" has loops or branches; say which loop it should replace')
        if not any(_matched(kernel, function, pattern, e) for e in all_exprs(kernel.body)):
            return No(f'no expression does what "{function.name}" says:\n{body_text(function.body, {})}')
        return Yes()
    answer = plain_loops(kernel, loop)
    if not answer:
        return answer
    for found in loops(kernel, loop):
        result = _call(kernel, function, found)
        if isinstance(result, No):
            return result
    return Yes()


def replace(kernel: Kernel, function: Function, loop: str | None = None) -> Kernel:
    """A loop, or every expression, that does what the function's body says becomes a call of it.

    for j in seq(4):                                      acc = dot4(word(x[m, k]), word(w[n, k]), acc)
        acc += widen(x[m, k + j]) * widen(w[n, k + j])  ->
    """
    step = f"replace {'what it does' if loop is None else chr(34) + loop + chr(34)} by {function.name}"
    act(kernel, can_replace(kernel, function, loop), step)
    if loop is None:
        pattern = formula(function)
        assert pattern is not None, "asked before"

        def rule(e: Expr) -> Expr:
            args = _matched(kernel, function, pattern, e)
            return e if args is None else CallExpr(function, args, function.returns)

        return done(kernel, map_body(kernel.body, rule), step)

    def call(found: For, _: frozenset[str]) -> Body:
        result = _call(kernel, function, found)
        assert not isinstance(result, No), "asked before"
        return result

    return done(kernel, rewrite(kernel, loop, call), step)


def _matched(kernel: Kernel, function: Function, pattern: Expr, e: Expr) -> tuple[Expr, ...] | None:
    if e.dtype != pattern.dtype:
        return None
    match = Match(function, kernel.buffers)
    try:
        match.expr(pattern, e)
        return match.arguments()
    except Difference:
        return None


def _call(kernel: Kernel, function: Function, loop: For) -> Body | No:
    """The assignment that the loop becomes."""
    *statements, last = function.body
    match = Match(function, kernel.buffers)
    try:
        if not (isinstance(last, Return) and isinstance(last.value, Var)):
            raise Difference(match.said(last), "the loop")
        match.statements(tuple(statements), (loop,))
        arguments = match.arguments()
        result = match.values.get(last.value.name)
        if not isinstance(result, Var):
            raise Difference(match.said(last), "no local that the loop leaves its result in")
        return (Assign(result, CallExpr(function, arguments, function.returns)),)
    except Difference as d:
        return No(
            f"the loop\n{body_text((loop,), kernel.buffers)}isn't the body of {function.name}\n"
            f'{body_text(function.body, {})}first difference: "{d.found}" where the body has "{d.wanted}"'
        )
