"""Each scheduled routine against its kernel, once, when a model is compiled: a few rounds of every loop, on random data.

A schedule may be wrong for one remainder of one count only, and no test has run the counts of every model. So the routine's
own numbers are taken, and of each loop its first and last round, and what a factor leaves over: the rounds that a wrong step
gets wrong. What that proves and doesn't is told in docs/verification.md. The result is kept, under what it depends on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skosh.base.dtypes import DType
from skosh.ir.call import Call, Const, In
from skosh.ir.graph import Array, Graph, Node
from skosh.ir.interpret_kernel import Trap
from skosh.ir.kernel import Const as ConstExpr
from skosh.ir.kernel import Expr, For, Kernel, Param, Var, map_expr
from skosh.ir.kernel_text import text
from skosh.ir.quick_kernel import Rounds, all_rounds, run_quick
from skosh.ir.simplify import simplify
from skosh.lower.assemble import lay_out
from skosh.lower.calls import Lowered
from skosh.lower.program import Program, Routine
from skosh.schedule.addresses import means
from skosh.targets.toolchain import cached

RULES = 1
"""Changes when the same routine would be checked otherwise."""

CALLS = 2
"""Calls of a routine that are tried, of those whose numbers differ."""


def check_routines(lowered: Lowered, program: Program) -> None:
    """An AssertionError, our fault, names the first routine that computes something else than its kernel."""
    used: dict[str, list[tuple[Node, Call]]] = {}
    for layer, index in zip(program.layers, lowered.plan.order, strict=True):
        for bound, call in zip(layer.calls, lowered.calls[index], strict=True):
            used.setdefault(bound.routine, []).append((layer.node, call))
    for routine in program.routines:
        told: set[object] = set()
        for node, call in used[routine.name]:
            numbers = tuple(sorted(call.numbers.items()))
            if routine.kernel.body == call.kernel.body or numbers in told or len(told) == CALLS:
                continue
            told.add(numbers)
            _check(lowered.graph, node, call, routine)


def _check(graph: Graph, node: Node, call: Call, routine: Routine) -> None:
    made_from = ("self check", RULES, text(call.kernel), sorted(call.numbers.items()), text(routine.kernel))

    def make(folder: Path) -> None:
        wrong = difference(graph, node, call, routine.kernel)
        if wrong:
            steps = "".join(f"\n    {step}" for step in routine.kernel.steps)
            numbers = ", ".join(f"{n}={v}" for n, v in call.numbers.items())
            raise AssertionError(
                f'lower: the schedule of routine "{routine.name}" (kernel {call.kernel.name}, {call.kernel.loc}) changes what'
                f' it computes for "{node.name}": {wrong}; with {numbers}, after{steps}'
            )
        (folder / "same").write_text("", encoding="utf-8")

    cached(made_from, make)


def difference(graph: Graph, node: Node, call: Call, made: Kernel) -> str:
    """Where a scheduled kernel leaves other values than its kernel; nothing where it doesn't.

    Few rounds of both are the same rounds only as far as ``_few`` knows what steps do: what differs on few rounds is asked
    again with all of them.
    """
    return few_rounds_differ(graph, node, call, made) and _compared(graph, node, call, made, (all_rounds, all_rounds))


def few_rounds_differ(graph: Graph, node: Node, call: Call, made: Kernel) -> str:
    """As ``difference``, on few rounds alone."""
    return _compared(graph, node, call, made, (_few(made, False), _few(made, True)))


UNROLLED = re.compile(r'unroll(?: and jam)? "([^"]+)" by (\d+)')
"""What the history of a kernel says of a loop several of whose rounds became one."""


def _few(made: Kernel, of_schedule: bool) -> Rounds:
    """The first and the last round of each loop of the scheduled kernel, and the same of the kernel itself.

    In the kernel, those are as many rounds as one of the schedule's does, and the first and last of what is left over.
    """
    factors: list[tuple[str, int]] = [(m[1], int(m[2])) for step in made.steps if (m := UNROLLED.fullmatch(step))]

    def rounds(loop: For, lo: int, hi: int) -> Sequence[int]:
        step = loop.step * math.prod(f for address, f in factors if means(address, loop))
        if of_schedule or step == 1:
            return _ends(range(lo, hi, loop.step))  # a loop of the schedule, or one that it left alone
        whole = lo + max(hi - lo, 0) // step * step
        blocks = _ends(range(lo, whole, step))
        inside = [i for b in blocks for i in range(b, b + step, loop.step)]
        return [*inside, *_ends(range(whole, hi, loop.step))]

    return rounds


def _ends(rounds: range) -> Sequence[int]:
    return rounds if len(rounds) <= 2 else (rounds[0], rounds[-1])


def _compared(graph: Graph, node: Node, call: Call, made: Kernel, rounds: tuple[Rounds, Rounds]) -> str:
    unset = None if rounds[0] is all_rounds else 1  # few rounds leave some of it unset
    want = _buffers(graph, node, call)
    got = {n: b.copy() for n, b in want.items()}
    for p in made.params:
        if p.tile > 1:
            shape = tuple(_number(d, call.numbers) for d in call.kernel.param(p.name).shape)
            got[p.name] = lay_out(got[p.name], shape, p.tile).astype(p.dtype.np)
    try:
        run_quick(call.kernel, want, call.numbers, rounds=rounds[0], unset=unset)
    except Trap:
        return ""  # random data isn't what this kernel may rely on
    try:
        run_quick(made, got, {v.name: call.numbers[v.name] for v in made.numbers}, rounds=rounds[1], unset=unset)
    except Trap as trap:
        return f"the routine stops where the kernel doesn't: {trap}"
    for p in call.kernel.params:
        if p.written and want[p.name].tobytes() != got[p.name].tobytes():
            a, b = (x[p.name].view(f"u{x[p.name].itemsize}") for x in (want, got))
            at = int(np.flatnonzero(a != b)[0])
            return f"{p.name}[{at}] is {got[p.name][at]}, not {want[p.name][at]}"
    return ""


def _buffers(graph: Graph, node: Node, call: Call) -> dict[str, Array]:
    """Constants as they are; random values in everything else, what is written too, so that what isn't shows."""
    rng = np.random.default_rng(1)
    made: dict[str, Array] = {}
    for p in call.kernel.params:
        b = call.buffers[p.name]
        data = None
        if isinstance(b, Const):
            data = b.data.reshape(-1)
        elif isinstance(b, In):
            stored = graph.tensors[node.inputs[b.index]].data
            data = None if stored is None else np.asarray(stored).reshape(-1)[b.offset :]
        made[p.name] = _random(p, call.numbers, rng) if data is None else data.astype(p.dtype.np)
    return made


def _random(p: Param, numbers: Mapping[str, int | float], rng: np.random.Generator) -> Array:
    count = 1
    for d in p.shape:
        count *= _number(d, numbers)
    return values_of(p.dtype, -(-count // 2) if p.dtype.packed else count, rng)


def values_of(dtype: DType, count: int, rng: np.random.Generator) -> Array:
    if dtype.is_float:
        return rng.normal(0, 1, count).astype(dtype.np)
    if dtype.kind == "bool":
        return rng.integers(0, 2, count).astype(np.bool_)
    low, high = (-1000, 1000) if dtype.bits > 16 and dtype.kind == "int" else (dtype.min, dtype.max)
    if dtype.packed:
        low, high = -128, 127
    return rng.integers(low, high, count, dtype=np.int64 if high < 1 << 63 else np.uint64, endpoint=True).astype(dtype.np)


def _number(size: Expr, numbers: Mapping[str, int | float]) -> int:
    made = simplify(map_expr(size, lambda e: ConstExpr(int(numbers[e.name])) if isinstance(e, Var) else e))
    assert isinstance(made, ConstExpr), "a size is made of numbers"
    return int(made.value)
