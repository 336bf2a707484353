"""One C file for a scheduled matrix product: the kernel, and ``skosh_run``, which starts it in threads.

Threads share nothing but a, b and c: each runs the kernel for its part of the outermost parallel loop, with scratch
memory of its own.
"""

from __future__ import annotations

import math

from skosh.emit.functions import builtins_used, function_text, kernel_text
from skosh.emit.lines import wrapped
from skosh.emit.vector.units import machine_helpers, machines_of, small_functions
from skosh.ir.kernel import Const, Kernel, Let, Param, functions, walk
from skosh.ir.layout import used_numbers

MOST_THREADS = 256
ALIGN = 4096
"""Of scratch memory, in bytes."""


def unit_text(kernel: Kernel) -> str:
    """The file. ``kernel``: bound to its numbers, but for part and parts; buffers beside a, b and c are scratch."""
    name = f"skosh_{kernel.name}"
    helpers = builtins_used(kernel)
    for f in functions(kernel):
        helpers |= builtins_used(f)
    routine = kernel_text(kernel, name, _spell)
    small = [(_spell(helper), text.format(name=_spell(helper))) for helper, text in sorted(helpers.items())]
    small += [(_spell(f.name), function_text(f, _spell)) for f in functions(kernel)]
    machines = machines_of([kernel])
    parts = [
        _headers(kernel),
        *small_functions(small, [routine], [m.test for m in machines]),
        *machine_helpers([routine], machines, _spell),
        routine,
        _harness(kernel, name),
    ]
    return "\n".join(parts)


def _spell(function: str) -> str:
    return f"skosh_{function}"


def _headers(kernel: Kernel) -> str:
    names = {"pthread.h", "stdint.h", *(f.instruction.header for f in functions(kernel) if f.instruction)}
    if any(isinstance(s, Let) and s.var.dtype.kind == "bool" for f in functions(kernel) for s in walk(f.body)):
        names.add("stdbool.h")
    plain = "".join(f"#include <{n}>\n" for n in sorted(names))
    return plain + "".join(f"#if {m.test}\n#include <{m.header}>\n#endif\n" for m in machines_of([kernel]))


def scratch(kernel: Kernel) -> tuple[Param, ...]:
    """Buffers beside the operands."""
    return tuple(p for p in kernel.params if p.name not in ("a", "b", "c"))


def scratch_bytes(param: Param) -> int:
    """Bytes of one thread's copy of a scratch buffer, a whole number of ALIGN."""
    dims = []
    for d in param.shape:
        assert isinstance(d, Const), f'the size of scratch "{param.name}" must be known'
        dims.append(int(d.value))
    dims[0] = -(-dims[0] // param.tile) * param.tile
    return -(-math.prod(dims) * param.dtype.bytes // ALIGN) * ALIGN


def _harness(kernel: Kernel, name: str) -> str:
    """``int skosh_run(buffers..., int32_t threads)``: 0 when every part was computed."""
    numbers = [v.name for v in used_numbers(kernel)]
    assert set(numbers) <= {"part", "parts"}, f"numbers of a rung must be bound: {numbers}"
    own = {p.name: scratch_bytes(p) // p.dtype.bytes for p in scratch(kernel)}
    buffers = [f"{'' if p.written else 'const '}{p.dtype.c} *{p.name}" for p in kernel.params]
    fields = "".join(f"    {b};\n" for b in buffers)
    arguments = [f"job->{p.name}" for p in kernel.params] + [f"job->{n}" for n in numbers]
    places = ", ".join([
        *(f"{p.name} + part * {own[p.name]}" if p.name in own else p.name for p in kernel.params), "part", "parts",
    ])  # fmt: skip
    head = wrapped("int skosh_run(", [*buffers, "int32_t parts"], ")")
    if not numbers:
        alone = ", ".join(p.name for p in kernel.params)
        return f"{head};\n\n{head}\n{{\n    (void)parts;\n    {name}({alone});\n    return 0;\n}}\n"
    return f"""\
typedef struct {{
{fields}    int32_t part;
    int32_t parts;
}} skosh_job;

static void *skosh_work(void *given)
{{
    const skosh_job *job = given;
    {name}({", ".join(arguments)});
    return 0;
}}

{head};

/* all parts, each in a thread of its own; this thread computes part 0 */
{head}
{{
    enum {{ MOST = {MOST_THREADS} }};
    pthread_t threads[MOST];
    skosh_job jobs[MOST];
    int32_t started = 1;
    if (parts < 1 || parts > MOST) {{
        return 1;
    }}
    for (int32_t part = 0; part < parts; part++) {{
        const skosh_job job = {{{places}}};
        jobs[part] = job;
    }}
    while (started < parts && pthread_create(&threads[started], 0, skosh_work, &jobs[started]) == 0) {{
        started++;
    }}
    skosh_work(&jobs[0]);
    for (int32_t part = 1; part < started; part++) {{
        pthread_join(threads[part], 0);
    }}
    return started < parts;
}}
"""
