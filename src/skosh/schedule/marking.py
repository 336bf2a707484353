"""Marks on loops that say how a machine may run them."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.checks.races import race_of
from skosh.ir.kernel import For, Kernel, Store, walk
from skosh.schedule.addresses import loops, means, told
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import marked, plain_loops


def can_parallelize(kernel: Kernel, name: str) -> Answer:
    answer = plain_loops(kernel, name)
    if not answer:
        return answer
    found = loops(kernel, name)
    if not all(loop.par for loop in found):
        return No(f'the loop over "{name}" is ordered (seq): its iterations may depend on each other')
    shared = [s for s in walk(kernel.body) if isinstance(s, For) and s.threads]
    if any(loop in walk(s.body) for s in shared for loop in found) or any(
        s in walk(loop.body) for s in shared for loop in found
    ):
        return No("a loop around it or in it is shared out among threads already")
    buffers = kernel.buffers
    for loop in found:
        packed = [s.buffer for s in walk(loop.body) if isinstance(s, Store) and buffers[s.buffer].dtype.packed]
        if packed:
            return No(f'two elements of "{packed[0]}" lie in a byte, which two threads may write at once')
    race = race_of(kernel, lambda loop: means(name, loop))
    return No(race.reason) if race is not None else Yes()


def parallelize(kernel: Kernel, name: str) -> Kernel:
    """The iterations may be shared out among threads. They must be shown not to meet: saying par is not enough here.

    for m in par(M): f(m)  ->  for m in par(M, threads=True): f(m)
    """
    step = f'parallelize "{told(name)}"'
    act(kernel, can_parallelize(kernel, name), step)
    return replace(kernel, body=marked(kernel, name, threads=True), steps=(*kernel.steps, step))
