"""The step that asks for a loop in assembly."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.kernel import Body, For, If, Kernel, Stmt, While


def assemble(kernel: Kernel, name: str, machine: str) -> Kernel:
    """Each loop over ``name`` written in the assembly of ``machine``, with registers chosen by us; its C stays beside it.

    for n in par(N): ...  ->  for n in par(N, assembly="thumb-dsp"): ...
    """

    def marked(body: Body) -> Body:
        out: list[Stmt] = []
        for s in body:
            if isinstance(s, For) and s.var == name:
                out.append(replace(s, assembly=machine))
            elif isinstance(s, For | While):
                out.append(replace(s, body=marked(s.body)))
            elif isinstance(s, If):
                out.append(If(s.condition, marked(s.then), marked(s.other)))
            else:
                out.append(s)
        return tuple(out)

    return replace(kernel, body=marked(kernel.body), steps=(*kernel.steps, f'assemble "{name}" for {machine}'))
