"""Loops that are written in assembly: the function above the routine, its call in the loop's place, and the C beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from skosh.emit.expressions import Names, expression
from skosh.emit.lines import wrapped
from skosh.ir.kernel import Assign, For, Kernel, Let, Store, Var, walk
from skosh.ir.simplify import simplify
from skosh.targets.assembler import Assembled, Assembler, assembler


@dataclass
class Above:
    """What must stand before a routine: its assembly functions, which the text of its body finds on the way."""

    routine: str
    unit: str
    scalars: tuple[Var, ...]
    texts: list[str] = field(default_factory=list)

    def text(self) -> str:
        return "".join(self.texts)


def outer_scalars(kernel: Kernel) -> Iterator[Var]:
    """Every scalar that a loop of the kernel may find defined: numbers, locals, loop variables."""
    yield from kernel.numbers
    for s in walk(kernel.body):
        if isinstance(s, Let):
            yield s.var
        elif isinstance(s, For):
            yield Var(s.var)


def assembly_tests(kernels: Sequence[Kernel], unit: str) -> list[str]:
    """The conditions under which the plain side of some loop is left out."""
    return [f"defined({unit.upper()}_ASSEMBLY)"] if _has_assembly(kernels) else []


def assembly_switch(kernels: Sequence[Kernel], unit: str) -> str:
    """Where the assembly is used: on machines that have the instructions, with compilers that take it."""
    if not _has_assembly(kernels):
        return ""
    macro = unit.upper()
    used = {s.assembly for k in kernels for s in walk(k.body) if isinstance(s, For) and s.assembly}
    needs = " && ".join(sorted({"defined(__GNUC__)"} | {test for name in used for test in assembler(name).tests}, reverse=True))
    return f"""/* The hottest loops are in assembly too, with the same results. Define {macro}_PLAIN_C to have them in C. */
#if {needs} && !defined({macro}_PLAIN_C)
#define {macro}_ASSEMBLY 1
#endif
"""


def _has_assembly(kernels: Sequence[Kernel]) -> bool:
    return any(isinstance(s, For) and s.assembly for k in kernels for s in walk(k.body))


def assembled_loop(s: For, names: Names, depth: int, plain: Callable[[For, Names, int], str]) -> str:
    """A call of the assembly function, and the loop itself for everyone else."""
    above = names.above
    assert isinstance(above, Above), "a loop in assembly belongs to a routine"
    inner = {x.var for x in walk((s,)) if isinstance(x, For)} | {x.var.name for x in walk((s,)) if isinstance(x, Let)}
    known = [v for v in above.scalars if v.name not in inner]
    machine = assembler(s.assembly)
    found = machine.write(s, names.params, names.steps, known)
    if not isinstance(found, Assembled):
        return plain(s, names, depth)
    name = f"{above.routine}_{s.var}"
    if any(f"void {name}(" in text for text in above.texts):
        name = f"{name}{len(above.texts) + 1}"
    above.texts.append(_function_text(name, found, machine, s, names, above.unit))
    pad = "    " * depth
    arguments = []
    for buffer, start in found.pointers:
        place = expression(simplify(start), names)
        arguments.append(buffer if place == "0" else f"&{buffer}[{place}]")
    arguments += [v.name for v in found.numbers]
    call = f"{pad}{name}({', '.join(arguments)});\n"
    return f"#if defined({above.unit.upper()}_ASSEMBLY)\n{call}#else\n{plain(s, names, depth)}#endif\n"


def _function_text(name: str, found: Assembled, machine: Assembler, loop: For, names: Names, unit: str) -> str:
    written = {s.buffer for s in walk((loop,)) if isinstance(s, Store)}
    changed = {s.var.name for s in walk((loop,)) if isinstance(s, Assign)}
    assert not changed & {v.name for v in found.numbers}, "a function in assembly gives back nothing but what it stores"
    takes = [f"{'' if b in written else 'const '}{names.params[b].dtype.c} *{b}" for b, _ in found.pointers]
    takes += [f"{v.dtype.c} {v.name}" for v in found.numbers]
    section = f'.pushsection .text.{name}, \\"ax\\", %progbits'
    first = (line.format(name=name) for line in machine.begins)
    head = [(text, "") for text in first]
    pieces = []
    for part in _parts([*head, *found.lines, (f".size {name}, . - {name}", "")]):
        body = "\n".join(_literal(text, note) for text, note in part)
        pieces.append(
            f'__asm__(\n    "    {machine.syntax}\\n"\n    "    {section}\\n"\n{body}\n    "    .popsection\\n");\n'
        )
    declaration = wrapped(f"void {name}(", takes, ");")
    return f"#if defined({unit.upper()}_ASSEMBLY)\n{declaration}\n\n{''.join(pieces)}#endif\n\n"


LONGEST = 3600  # characters of a part: C99 promises strings of 4095, and each part says its section again


def _parts(lines: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """The lines in pieces that fit a string."""
    part: list[tuple[str, str]] = []
    size = 0
    for line in lines:
        if size + len(line[0]) + 6 > LONGEST:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line[0]) + 6
    yield part


def _literal(text: str, note: str) -> str:
    indent = "" if text.endswith(":") else "    "
    literal = f'    "{indent}{text}\\n"'
    return f"{literal:<48} /* {note} */" if note else literal
