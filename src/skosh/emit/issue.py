"""Instructions of a custom function unit in a kernel's C: the instruction where the unit is, its body everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from skosh.base.registry import load
from skosh.emit.expressions import Names, expression
from skosh.ir.kernel import Body, Custom, Expr, For, Kernel, Let, Local, Store, walk

INDENT = "    "


@cache
def instruction_at(where: str) -> Kernel:
    """The instruction that a mark names."""
    found = load({where: where}, where, "instruction")
    assert isinstance(found, Kernel) and found.custom is not None, f"{where} is not an instruction"
    return found


def issues(thing: Kernel) -> dict[str, str]:
    """The C functions of the instructions that a kernel issues: name -> C text with {name} free."""
    marks = dict.fromkeys(s.issue for s in walk(thing.body) if isinstance(s, For) and s.issue)
    found = {}
    for mark in marks:
        instruction = instruction_at(mark)
        found[_called(instruction)] = intrinsic(instruction, guarded=True)
    return found


def unit_tests(kernels: Sequence[Kernel]) -> list[str]:
    """The conditions under which the bodies of instructions are left out."""
    marks = dict.fromkeys(s.issue for k in kernels for s in walk(k.body) if isinstance(s, For) and s.issue)
    return list(dict.fromkeys(f"defined({custom_of(instruction_at(m)).macro})" for m in marks))


def custom_of(instruction: Kernel) -> Custom:
    assert instruction.custom is not None, "an instruction"
    return instruction.custom


def _called(instruction: Kernel) -> str:
    return f"{custom_of(instruction).unit}_{instruction.name}"


def intrinsic(instruction: Kernel, *, guarded: bool) -> str:
    """The instruction as a C function: custom-0, type R, with the function id in funct3 and funct7."""
    custom = custom_of(instruction)
    operands = [v.name for v in instruction.scalars]
    takes = ", ".join(f"uint32_t {name}" for name in operands) or "void"
    given = [f'"r"({name})' for name in operands] + ['"r"(0u)'] * (2 - len(operands))
    returns = any(p.name == "out" for p in instruction.params)
    text = (
        f"static inline {'uint32_t' if returns else 'void'} {{name}}({takes})\n{{{{\n{INDENT}uint32_t out;\n"
        f'{INDENT}__asm__ volatile(".insn r 0x0B, {custom.number & 7}, {custom.number >> 3}, %0, %1, %2"\n'
        f'{INDENT}                 : "=r"(out)\n{INDENT}                 : {", ".join(given)});\n'
        f"{INDENT}{'return out' if returns else '(void)out'};\n}}}}\n"
    )
    return f"#ifdef {custom.macro}\n{text}#endif\n" if guarded else text


def issued(s: For, names: Names, depth: int, plain: Callable[[Body, Names, int], str]) -> str:
    """The instruction, and what it means."""
    instruction = instruction_at(s.issue)
    pad = INDENT * depth
    values = {x.var.name: x.value for x in s.body if isinstance(x, Let)}
    given = [_operand(values, f"{instruction.name}_{v.name}", names) for v in instruction.scalars]
    call = f"{names.function(_called(instruction))}({', '.join(given)})"
    if any(p.name == "out" for p in instruction.params):
        last = next(x for x in reversed(s.body) if isinstance(x, Store))
        call = f"{last.buffer}[0] = ({names.params[last.buffer].dtype.c}){call}"
    body = plain(s.body, names, depth + 1)
    return f"#if defined({custom_of(instruction).macro})\n{pad}{call};\n#else\n{pad}{{\n{body}{pad}}}\n#endif\n"


def _operand(values: dict[str, Expr], name: str, names: Names) -> str:
    """The C of an operand; 0 where the instruction's body doesn't read it."""
    value = next((v for n, v in values.items() if n == name or n.removeprefix(name).isdigit()), None)
    if value is None:
        return "0u"
    text = expression(value, names)
    return text if value.dtype.name == "u32" else f"(uint32_t)({text})"


def aligned(kernel: Kernel) -> str:
    """The words of a kernel that feeds a unit are aligned: its form sees to that."""
    return "aligned_" if any(isinstance(s, For) and s.issue for s in walk(kernel.body)) else ""


def unit_state(s: Local, declared: str) -> str:
    """A unit's state is in the unit, where there is one."""
    unit = s.name.partition("_")[0]
    return f"#ifndef SKOSH_CFU_{unit.upper()}\n{declared}#endif\n"
