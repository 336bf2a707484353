"""``parse``: the text of a kernel, read back. ``parse(text(k)) == k``."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from typing import Any

from skosh.base.errors import Loc, ScheduleError
from skosh.ir.kernel import Function, Instruction, Kernel
from skosh.ir.loop_numbers import renumbered, usual_numbers
from skosh.language.frontend import Source, read_function, read_kernel


def parse(text: str, file: str = "<text>") -> Kernel:
    """The kernel that a text ends with; the scalar functions before it are those that it may call.

    What the language itself refuses is a ScheduleError at its line. Races and bounds are not looked for: a text is
    what a schedule left, and the kernel that it began with has been looked at.
    """
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ScheduleError(
            f"a kernel's text must be Python's syntax: {error.msg}", loc=Loc(f"{file}:{error.lineno}")
        ) from None
    names: dict[str, Any] = {"inf": math.inf, "nan": math.nan}
    found: Kernel | None = None
    for tree in module.body:
        if not isinstance(tree, ast.FunctionDef):
            raise ScheduleError("a kernel's text is made of functions", loc=Loc(f"{file}:{tree.lineno}"))
        source = Source(tree, names, file, 1)
        marks = {_name(d): _arguments(d, source) for d in tree.decorator_list}
        if "kernel" in marks:
            found = _marked(read_kernel(source, {})[0], marks)
        elif "func" in marks:
            names[tree.name] = _spelled(read_function(source), marks)
        else:
            raise ScheduleError("a function must be decorated with @kernel or @func", loc=source.loc(tree))
    if found is None:
        raise ScheduleError("there is no kernel in this text", loc=Loc(file))
    return found


def _name(decorator: ast.expr) -> str:
    while isinstance(decorator, ast.Call):
        decorator = decorator.func
    return decorator.id if isinstance(decorator, ast.Name) else ""


def _arguments(decorator: ast.expr, source: Source) -> dict[str, str]:
    """What stands in a decorator's parentheses, by name or by position: texts, all of them."""
    if not isinstance(decorator, ast.Call):
        return {}
    given = [(str(i), a) for i, a in enumerate(decorator.args)] + [(k.arg or "", k.value) for k in decorator.keywords]
    found: dict[str, str] = {}
    for name, value in given:
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            raise ScheduleError("what stands in a decorator must be texts", loc=source.loc(decorator))
        found[name] = value.value
    return found


def _marked(kernel: Kernel, marks: dict[str, dict[str, str]]) -> Kernel:
    if "sizes" in marks:
        kernel = replace(kernel, sizes=tuple(marks["sizes"].values()))
    if "written" in marks:
        written = set(marks["written"].values())
        kernel = replace(kernel, params=tuple(replace(p, written=p.name in written) for p in kernel.params))
    said = dict(_numbers(line) for line in marks.get("nth", {}).values())
    kernel = replace(kernel, steps=tuple(marks.get("steps", {}).values()))
    usual = usual_numbers(kernel)
    for variable, numbers in said.items():
        if len(numbers) != len(usual.get(variable, ())):
            raise ScheduleError(
                f'@nth must have a number for each of the {len(usual.get(variable, ()))} loops over "{variable}",'
                f" not {len(numbers)}",
                loc=kernel.loc,
            )
    return replace(kernel, body=renumbered(kernel.body, {**usual, **said}))


def _numbers(line: str) -> tuple[str, tuple[int, ...]]:
    """What @nth says of the loops over a variable: "k 1 2 2"."""
    variable, *numbers = line.split() or [""]
    return variable, tuple(int(n) for n in numbers if n.isdigit())


def _spelled(function: Function, marks: dict[str, dict[str, str]]) -> Function:
    if "instr" not in marks:
        return function
    spelling = {"c": "", "macro": "", "header": "", **marks["instr"]}
    return replace(function, instruction=Instruction(**spelling))
