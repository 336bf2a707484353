"""The step that asks for a loop in assembly."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.kernel import Kernel
from skosh.schedule.addresses import told
from skosh.schedule.answers import Answer, act
from skosh.schedule.rewriting import marked, plain_loops


def can_assemble(kernel: Kernel, name: str) -> Answer:
    return plain_loops(kernel, name)


def assemble(kernel: Kernel, name: str, machine: str) -> Kernel:
    """Each loop over ``name`` written in the assembly of ``machine``, with registers chosen by us; its C stays beside it.

    for n in par(N): ...  ->  for n in par(N, assembly="thumb-dsp"): ...
    """
    step = f'assemble "{told(name)}" for {machine}'
    act(kernel, can_assemble(kernel, name), step)
    return replace(kernel, body=marked(kernel, name, assembly=machine), steps=(*kernel.steps, step))
