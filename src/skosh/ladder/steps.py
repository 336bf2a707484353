"""The schedule steps that a matrix product needs beyond register tiles and vectors: blocks, panels, sums in registers.

Like those of ``skosh.schedule``, each asks first (``can_...``), never changes what is computed, not even the order
of a sum, and tells itself in the kernel's ``steps``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from skosh.base.dtypes import i32
from skosh.base.errors import ScheduleError
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Param,
    Stmt,
    Store,
    Var,
    While,
    all_exprs,
    map_body,
    map_expr,
    substitute,
    walk,
    walk_expr,
)
from skosh.ir.simplify import simplify
from skosh.schedule import Answer, No, Yes, loops
from skosh.schedule.addresses import means


def _act(kernel: Kernel, answer: Answer, step: str) -> None:
    if isinstance(answer, No):
        raise ScheduleError(f"{step} is not legal: {answer.reason}", loc=kernel.loc)


def _rewrite(body: Body, name: str, rule: Callable[[For], Body]) -> Body:
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For) and means(name, s):
            out.extend(rule(s))
        elif isinstance(s, For | While):
            out.append(replace(s, body=_rewrite(s.body, name, rule)))
        elif isinstance(s, If):
            out.append(If(s.condition, _rewrite(s.then, name, rule), _rewrite(s.other, name, rule)))
        else:
            out.append(s)
    return tuple(out)


def _done(kernel: Kernel, body: Body, step: str) -> Kernel:
    return replace(kernel, body=body, steps=(*kernel.steps, step))


def _one(kernel: Kernel, name: str) -> For | No:
    found = loops(kernel, name)
    if len(found) != 1:
        return No(f'there must be one loop over "{name}", not {len(found)}')
    return found[0]


# ------------------------------------------------------------------------------------------------ blocks


def can_blocks(kernel: Kernel, name: str, factor: int, block: str) -> Answer:
    loop = _one(kernel, name)
    if isinstance(loop, No):
        return loop
    if loop.step != 1 or loop.vector:
        return No(f'the loop over "{name}" is already split')
    if factor < 1:
        return No(f"a block has at least one round, not {factor}")
    taken = {s.var for s in walk(kernel.body) if isinstance(s, For)} | {v.name for v in kernel.numbers}
    taken |= {s.var.name for s in walk(kernel.body) if isinstance(s, Let)} | set(kernel.buffers)
    return No(f'there is a "{block}" already') if block in taken else Yes()


def blocks(kernel: Kernel, name: str, factor: int, block: str) -> Kernel:
    """Blocks of ``factor`` rounds; ``block`` is the first round of each. The rounds keep their order.

    for i in par(M): f(i)  ->  for ib in par(0, M, step 64): for i in par(min(64, M - ib)): f(ib + i)
    """
    _act(kernel, can_blocks(kernel, name, factor, block), f'blocks of {factor} of "{name}"')

    def rule(loop: For) -> Body:
        trips = simplify(_binary("-", loop.hi, loop.lo))
        whole = _is_multiple(trips, factor, {s.var: s.step for s in walk(kernel.body) if isinstance(s, For)})
        rest = simplify(_binary("-", trips, Var(block)))
        rounds = Const(factor) if whole else Binary("min", Const(factor), rest, i32)
        here = simplify(_binary("+", _binary("+", loop.lo, Var(block)), Var(name)))
        inner = replace(loop, lo=Const(0), hi=rounds, body=substitute(loop.body, {name: here}))
        return (replace(loop, var=block, lo=Const(0), hi=trips, step=factor, body=(inner,)),)

    return _done(kernel, _rewrite(kernel.body, name, rule), f'blocks of {factor} of "{name}": "{block}"')


def _is_multiple(e: Expr, factor: int, steps: Mapping[str, int]) -> bool:
    """Surely? ``steps``: what blocks are multiples of."""
    match e:
        case Const(value=value):
            return int(value) % factor == 0
        case Var(name):
            return steps.get(name, 1) % factor == 0
        case Binary("min" | "+" | "-", a, b):
            return _is_multiple(a, factor, steps) and _is_multiple(b, factor, steps)
    return False


def _binary(op: str, a: Expr, b: Expr) -> Expr:
    return Binary(op, a, b, i32)


# ------------------------------------------------------------------------------------------------ interchange


def can_interchange(kernel: Kernel, name: str) -> Answer:
    loop = _one(kernel, name)
    if isinstance(loop, No):
        return loop
    if len(loop.body) != 1 or not isinstance(loop.body[0], For):
        return No(f'the loop over "{name}" must hold one loop and nothing else')
    inner = loop.body[0]
    if not (loop.par or inner.par):
        return No(f'"{name}" and "{inner.var}" are both ordered (seq)')
    if any(isinstance(e, Var) and e.name == name for bound in (inner.lo, inner.hi) for e in walk_expr(bound)):
        return No(f'the bounds of "{inner.var}" depend on "{name}"')
    return Yes()


def interchange(kernel: Kernel, name: str) -> Kernel:
    """A loop and the only loop inside it change places. One of them is par: no iteration of it sees another's work.

    for i in par(M): for k in seq(K): f(i, k)  ->  for k in seq(K): for i in par(M): f(i, k)
    """
    _act(kernel, can_interchange(kernel, name), f'interchange "{name}" with the loop inside it')

    def rule(loop: For) -> Body:
        (inner,) = loop.body
        assert isinstance(inner, For), "can_interchange looked"
        return (replace(inner, body=(replace(loop, body=inner.body),)),)

    inside = loops(kernel, name)[0].body[0]
    assert isinstance(inside, For), "can_interchange looked"
    return _done(kernel, _rewrite(kernel.body, name, rule), f'interchange "{name}" and "{inside.var}"')


def order(kernel: Kernel, names: Sequence[str]) -> Kernel:
    """Loops that stand directly inside one another, brought into this order, by interchanges, the outermost first.

    for i: for j: for k  ->  (k, i, j)  ->  for k: for i: for j
    """
    steps = kernel.steps
    for place, wanted in enumerate(names):
        while (found := _nest(kernel, names)).index(wanted) > place:
            kernel = interchange(kernel, found[found.index(wanted) - 1])
    return replace(kernel, steps=(*steps, f"order of loops: {', '.join(names)}"))


def _nest(kernel: Kernel, names: Sequence[str]) -> list[str]:
    found = [s.var for s in walk(kernel.body) if isinstance(s, For) and s.var in names]
    if sorted(found) != sorted(names):
        raise ScheduleError(
            f"loops to reorder must be some of {', '.join(found)}, not {', '.join(names)}", loc=kernel.loc
        )
    return found


# ------------------------------------------------------------------------------------------------ panel


def can_panel(kernel: Kernel, buffer: str, inside: str, name: str, dims: Sequence[str]) -> Answer:
    loop = _one(kernel, inside)
    if isinstance(loop, No):
        return loop
    if name in kernel.buffers:
        return No(f'there is a "{name}" already')
    if buffer not in kernel.buffers or kernel.buffers[buffer].written:
        return No(f'"{buffer}" must be a buffer that is only read')
    places = {e.index for e in all_exprs(loop.body) if isinstance(e, Load) and e.buffer == buffer}
    if len(places) != 1:
        return No(f'"{buffer}" must be read at one place inside "{inside}", not {len(places)}')
    own = {s.var: s for s in walk(loop.body) if isinstance(s, For)}
    local = {s.var.name for s in walk(loop.body) if isinstance(s, Let)}
    needed = {e.name for i in next(iter(places)) for e in walk_expr(i) if isinstance(e, Var)}
    if needed & local:
        return No(f'the place in "{buffer}" depends on {sorted(needed & local)[0]}, which is computed inside')
    if missing := sorted((needed & set(own)) - set(dims)):
        return No(f'the place in "{buffer}" depends on "{missing[0]}", which must be a dimension of the panel')
    known: set[str] = set()
    for d in dims:
        if d not in own:
            return No(f'there is no loop over "{d}" inside "{inside}"')
        bounds = {e.name for e in walk_expr(own[d].hi) if isinstance(e, Var)} & set(own)
        if own[d].lo != Const(0) or bounds - known:
            return No(f'the loop over "{d}" must begin at 0 and end where the dimensions before it allow')
        if _most(own[d].hi) is None:
            return No(f'the loop over "{d}" must have a known number of rounds at most')
        known.add(d)
    return Yes()


def panel(kernel: Kernel, buffer: str, inside: str, name: str, dims: Sequence[str]) -> Kernel:
    """What the body of ``inside`` reads of a buffer is first copied into scratch memory, in the order in which it is read.

    ``name``: the scratch, a new buffer parameter, a dimension for each loop of ``dims``; what fills it need not be set before.

    for kb in seq(0, K, step 64):               for kb in seq(0, K, step 64):
        for j in par(N):                            for k_b in par(64): for j_b in par(N): panel[k_b, j_b] = b[kb + k_b, j_b]
            for k in seq(64): f(b[kb + k, j])  ->   for j in par(N): for k in seq(64): f(panel[k, j])
    """
    step = f'panel of "{buffer}" inside "{inside}": {name}[{", ".join(dims)}]'
    _act(kernel, can_panel(kernel, buffer, inside, name, dims), step)
    source = kernel.buffers[buffer]
    own = {s.var: s for s in walk(loops(kernel, inside)[0].body) if isinstance(s, For)}
    shape: tuple[Expr, ...] = tuple(Const(-(-(_most(own[d].hi) or 0) // own[d].step)) for d in dims)
    position = tuple(simplify(_binary("//", Var(d), Const(own[d].step))) if own[d].step > 1 else Var(d) for d in dims)

    def rule(loop: For) -> Body:
        place = next(e.index for e in all_exprs(loop.body) if isinstance(e, Load) and e.buffer == buffer)
        copy: Body = (Store(name, position, Load(buffer, place, source.dtype)),)
        for d in reversed(dims):
            copy = (For(d, own[d].lo, own[d].hi, copy, True, own[d].step),)
        copy = _renamed(copy, {d: f"{d}_{buffer}" for d in dims})

        def moved(e: Expr) -> Expr:
            return Load(name, position, e.dtype) if isinstance(e, Load) and e.buffer == buffer else e

        return (replace(loop, body=(*copy, *map_body(loop.body, moved))),)

    scratch = Param(name, source.dtype, shape, written=True)
    return _done(replace(kernel, params=(*kernel.params, scratch)), _rewrite(kernel.body, inside, rule), step)


def _renamed(body: Body, names: Mapping[str, str]) -> Body:
    """Loop variables under other names."""

    def loop(s: Stmt) -> Stmt:
        return replace(s, var=names[s.var], body=tuple(map(loop, s.body))) if isinstance(s, For) else s

    return substitute(tuple(map(loop, body)), {old: Var(new) for old, new in names.items()})


def _most(e: Expr) -> int | None:
    """An upper bound of a number of rounds: positions are never negative, so what is subtracted only lessens it."""
    match e:
        case Const(value=value):
            return int(value)
        case Binary("min", a, b):
            known = [m for m in (_most(a), _most(b)) if m is not None]
            return min(known) if known else None
        case Binary("-", a, _):
            return _most(a)
    return None


# ------------------------------------------------------------------------------------------------ hold


def can_hold(kernel: Kernel, name: str) -> Answer:
    loop = _one(kernel, name)
    if isinstance(loop, No):
        return loop
    match loop.body:
        case (Store(buffer, index, value),):
            pass
        case _:
            return No(f'the loop over "{name}" must hold one store and nothing else')
    if any(isinstance(e, Var) and e.name == name for i in index for e in walk_expr(i)):
        return No(f'the element of "{buffer}" is another one in each round of "{name}"')
    if any(isinstance(e, Load) and e.buffer == buffer and e.index != index for e in walk_expr(value)):
        return No(f'another element of "{buffer}" is read too')
    return Yes()


def hold(kernel: Kernel, name: str) -> Kernel:
    """An element that every round of a loop changes stays in a register meanwhile.

    for k in seq(K): c[i, j] += f(k)  ->  sum = c[i, j]; for k in seq(K): sum += f(k); c[i, j] = sum
    """
    _act(kernel, can_hold(kernel, name), f'hold the element of "{name}"')

    def rule(loop: For) -> Body:
        (store,) = loop.body
        assert isinstance(store, Store), "can_hold looked"
        own = kernel.buffers[store.buffer].dtype
        held = Var("sum", own)
        first = Load(store.buffer, store.index, own)
        value = map_expr(store.value, lambda e: held if e == first else e)
        return (Let(held, first), replace(loop, body=(Assign(held, value),)), replace(store, value=held))

    return _done(kernel, _rewrite(kernel.body, name, rule), f'hold the element that "{name}" changes in a register')


def named_ends(kernel: Kernel) -> Kernel:
    """The ends of cut-off blocks get names, so that loops are short to read. Last of these steps: others read the ends.

    for i in par(min(6, M - ib)): f(i)  ->  i_end = min(6, M - ib); for i in par(i_end): f(i)
    """

    def one(s: Stmt) -> Body:
        if not isinstance(s, For):
            return (s,)
        inner = replace(s, body=tuple(new for x in s.body for new in one(x)))
        if not any(isinstance(e, Binary) and e.op == "min" for e in walk_expr(s.hi)):
            return (inner,)
        end = Var(f"{s.var}_end")
        return (Let(end, s.hi), replace(inner, hi=end))

    return replace(kernel, body=tuple(new for s in kernel.body for new in one(s)))


def chain(kernel: Kernel, *steps: Callable[[Kernel], Kernel]) -> Kernel:
    """One step after the other."""
    return reduce(lambda k, step: step(k), steps, kernel)
