"""What a file of C needs around its vector loops: the machine's helpers, and scalar functions only where they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from skosh.ir.kernel import For, Kernel, walk
from skosh.targets.simd import VectorMachine, vector_machine


def machines_of(kernels: Sequence[Kernel]) -> tuple[VectorMachine, ...]:
    """The vector machines that the loops of these kernels name."""
    names = {s.vector for k in kernels for s in walk(k.body) if isinstance(s, For) and s.vector}
    return tuple(vector_machine(name) for name in sorted(names))


def machine_helpers(
    routines: Sequence[str], machines: Sequence[VectorMachine], spell: Callable[[str], str]
) -> tuple[str, ...]:
    """Under each machine's test, those of its helpers that the routines call, each after those it calls itself."""
    parts = []
    for m in machines:
        texts = {
            spell(name): text.format(name=spell(name), **{n: spell(n) for n in m.helpers})
            for name, text in m.helpers.items()
        }
        used = _reached("".join(routines), texts)
        if used:
            parts.append(f"#if {m.test}\n" + "\n".join(texts[name] for name in texts if name in used) + "#endif\n")
    return tuple(parts)


def small_functions(
    functions: Sequence[tuple[str, str]], routines: Sequence[str], tests: Sequence[str]
) -> tuple[str, ...]:
    """The texts of (name, text), in order; what only the plain side of an ``#if test`` calls is left out where it holds."""
    texts = dict(functions)
    needed = [_reached(_with(test, "".join(routines)), texts) for test in tests]
    idle = {name: tuple(t for t, used in zip(tests, needed, strict=True) if name not in used) for name in texts}
    out = []
    for missing, group in groupby(functions, lambda f: idle[f[0]]):
        block = "\n".join(text for _, text in group)
        out.append(f"#if {' && '.join(map(_denied, missing))}\n{block}#endif\n" if missing else block)
    return tuple(out)


def _denied(test: str) -> str:
    """The opposite of a test of the preprocessor."""
    return f"!{test}" if re.fullmatch(r"defined\(\w+\)", test) else f"!({test})"


def _reached(start: str, texts: dict[str, str]) -> set[str]:
    """The functions called from ``start``, and from each other."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        words = set(re.findall(r"\w+", waiting.pop()))
        for name in (words & texts.keys()) - found:
            found.add(name)
            waiting.append(texts[name])
    return found


def _with(test: str, text: str) -> str:
    """The text as it is where ``test`` holds: without the #else sides of its #if."""
    out: list[str] = []
    inside: list[bool | None] = []  # for each #if around the line: is its test true? None: any other #if
    for line in text.splitlines():
        if line.startswith("#if"):
            inside.append(True if line == f"#if {test}" else None)
        elif line == "#else" and inside and inside[-1] is not None:
            inside[-1] = False
        elif line == "#endif" and inside:
            inside.pop()
        if False not in inside:
            out.append(line)
    return "\n".join(out)
