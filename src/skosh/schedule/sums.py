"""Vector sums: ordered loops that only add products of int8 to scalars, which some machines do 16 at a time (Helium).

The mark changes nothing in the kernel. The sums come out the same in any order: int32 wraps on those machines, and the
last sum is known not to overflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from skosh.base.dtypes import i8, i32
from skosh.base.errors import ScheduleError
from skosh.ir.kernel import Assign, Binary, Body, Cast, Expr, For, If, Kernel, Load, Stmt, Var, While
from skosh.ir.simplify import polynomial
from skosh.schedule import Answer, No, Yes, loops
from skosh.schedule.lanes import depends


@dataclass(frozen=True)
class Product:
    """One statement of such a loop: ``total`` += widen(a) * widen(b)."""

    total: Var
    a: Load
    b: Load


def products(loop: For) -> tuple[Product, ...] | No:
    """The statements of a loop that adds products; No with the reason for another one."""
    found: list[Product] = []
    for s in loop.body:
        product = _product(s)
        if product is None:
            return No(f'the loop over "{loop.var}" does more than add products of i8 elements')
        if product.total.name in {p.total.name for p in found}:
            return No(f'the loop over "{loop.var}" adds to "{product.total.name}" twice')
        for load in (product.a, product.b):
            if not _side_by_side(load, loop.var):
                return No(f'elements of "{load.buffer}" don\'t lie side by side along "{loop.var}"')
        found.append(product)
    return tuple(found)


def _side_by_side(load: Load, name: str) -> bool:
    """Is the last index the loop variable, or its sum with what doesn't depend on it?"""
    *outer, last = load.index
    terms = polynomial(last)
    moving = [factors for factors in terms if any(depends(f, (name,)) for f in factors)]
    return moving == [(Var(name),)] and terms[Var(name),] == 1 and not any(depends(e, (name,)) for e in outer)


def _product(s: Stmt) -> Product | None:
    match s:
        case Assign(
            var, Binary("+", Var() as before, Binary("*", Cast("widen", Load() as a), Cast("widen", Load() as b)))
        ):
            both = a.dtype == b.dtype == i8 and var.dtype == i32
            return Product(var, a, b) if both and before == var else None
    return None


def can_vectorize_sum(kernel: Kernel, name: str) -> Answer:
    found = loops(kernel, name)
    if not found:
        return No(f'there is no loop over "{name}"')
    for loop in found:
        if loop.par:
            return No(f'the loop over "{name}" is par: its iterations become lanes, see lanes.vectorize')
        if loop.step != 1:
            return No(f'the loop over "{name}" is already split')
        answer = products(loop)
        if isinstance(answer, No):
            return answer
    return Yes()


def vectorize_sum(kernel: Kernel, name: str, machine: str, vectors: int = 1) -> Kernel:
    """Products are added a vector at a time, ``vectors`` of them a round.

    for k in seq(K): acc += x[k] * w[k]  ->  for k in seq(K), summed by helium: acc += x[k] * w[k]
    """
    answer = can_vectorize_sum(kernel, name)
    if isinstance(answer, No):
        raise ScheduleError(f'vectorize the sum over "{name}" is not legal: {answer.reason}', loc=kernel.loc)
    step = f'sum "{name}" by {machine}' + (f", {vectors} vectors a round" if vectors > 1 else "")
    body = tuple(_marked(kernel.body, name, machine, vectors))
    return replace(kernel, body=body, steps=(*kernel.steps, step))


def _marked(body: Body, name: str, machine: str, vectors: int) -> Iterator[Stmt]:
    for s in body:
        match s:
            case For(var=var) if var == name:
                yield replace(s, vector=machine, vectors=vectors)
            case For() | While():
                yield replace(s, body=tuple(_marked(s.body, name, machine, vectors)))
            case If(condition, then, other):
                yield If(
                    condition,
                    tuple(_marked(then, name, machine, vectors)),
                    tuple(_marked(other, name, machine, vectors)),
                )
            case _:
                yield s


def operands(found: tuple[Product, ...]) -> tuple[Expr, ...]:
    """The different loads of a loop, in order."""
    return tuple(dict.fromkeys(load for p in found for load in (p.a, p.b)))
