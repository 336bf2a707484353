"""Vector sums: ordered loops that only add products of int8 to scalars, which some machines do 16 at a time (Helium).

The mark changes nothing in the kernel. The sums come out the same in any order: int32 wraps on those machines, and the
last sum is known not to overflow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.base.dtypes import i8, i32
from skosh.base.errors import ScheduleError
from skosh.ir.kernel import Assign, Binary, Cast, Expr, For, Kernel, Load, Stmt, Var
from skosh.ir.simplify import polynomial
from skosh.schedule import Answer, No, Yes, loops
from skosh.schedule.addresses import told
from skosh.schedule.lanes import depends
from skosh.schedule.rewriting import found_loops, marked


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
    found = found_loops(kernel, name)
    if not found:
        return found
    for loop in loops(kernel, name):
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
    step = f'sum "{told(name)}" by {machine}' + (f", {vectors} vectors a round" if vectors > 1 else "")
    body = marked(kernel, name, vector=machine, vectors=vectors)
    return replace(kernel, body=body, steps=(*kernel.steps, step))


def operands(found: tuple[Product, ...]) -> tuple[Expr, ...]:
    """The different loads of a loop, in order."""
    return tuple(dict.fromkeys(load for p in found for load in (p.a, p.b)))
