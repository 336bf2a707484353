"""Kernels and scalar functions of the kernel language as C functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from skosh.base.dtypes import DType, i32
from skosh.emit.assembly import Above, assembled_loop, outer_scalars
from skosh.emit.expressions import Names, expression
from skosh.emit.issue import aligned, issued, issues, unit_state
from skosh.emit.lines import WIDTH, comment, wrapped
from skosh.emit.pointers import advance, pointer_at, walk_pointers
from skosh.emit.row_sums import summed_loop
from skosh.emit.tidy import declared_twice, plain_comment, tidied
from skosh.emit.vector.loops import vector_loop
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    Cast,
    Const,
    Expr,
    For,
    Function,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Return,
    Stmt,
    Store,
    Unary,
    Var,
    While,
    all_exprs,
    functions,
    walk,
)
from skosh.ir.layout import address, used_numbers, with_step
from skosh.ir.simplify import simplify
from skosh.lower.unused import without_unused_locals
from skosh.targets.simd import writers

INDENT = "    "

BUILTINS = {
    "min_{t}": "static inline {c} {name}({c} a, {c} b)\n{{\n    return a < b ? a : b;\n}}\n",
    "max_{t}": "static inline {c} {name}({c} a, {c} b)\n{{\n    return a > b ? a : b;\n}}\n",
    "clamp_{t}": (
        "static inline {c} {name}({c} x, {c} lo, {c} hi)\n{{\n"
        "    {c} low = x > lo ? x : lo;\n    return low < hi ? low : hi;\n}}\n"
    ),
    "bits_of_f32": (
        "static inline int32_t {name}(float x)\n{{\n"
        "    int32_t bits;\n    memcpy(&bits, &x, sizeof bits);\n    return bits;\n}}\n"
    ),
    "f32_of_bits": (
        "static inline float {name}(int32_t bits)\n{{\n    float x;\n    memcpy(&x, &bits, sizeof x);\n    return x;\n}}\n"
    ),
    "load_word": (
        "static inline uint32_t {name}(const void *from)\n{{\n"
        "    uint32_t word;\n    memcpy(&word, from, sizeof word);\n    return word;\n}}\n"
    ),
    "store_word": (
        "static inline void {name}(void *to, uint32_t word)\n{{\n    memcpy(to, &word, sizeof word);\n}}\n"
    ),
    "load_aligned_word": (
        "static inline uint32_t {name}(const void *from)\n{{\n    uint32_t word;\n"
        "#ifdef __GNUC__\n    from = __builtin_assume_aligned(from, 4);\n#endif\n"
        "    memcpy(&word, from, sizeof word);\n    return word;\n}}\n"
    ),
    "store_aligned_word": (
        "static inline void {name}(void *to, uint32_t word)\n{{\n"
        "#ifdef __GNUC__\n    to = __builtin_assume_aligned(to, 4);\n#endif\n    memcpy(to, &word, sizeof word);\n}}\n"
    ),
    "load_i4": (
        "static inline int8_t {name}(const int8_t *from, int32_t i)\n{{\n"
        "    int32_t half = ((uint8_t)from[i / 2] >> (i % 2 * 4)) & 15;\n"
        "    return (int8_t)((half ^ 8) - 8);\n}}\n"
    ),
    "load_u4": (
        "static inline uint8_t {name}(const uint8_t *from, int32_t i)\n{{\n"
        "    return (uint8_t)((from[i / 2] >> (i % 2 * 4)) & 15);\n}}\n"
    ),
    "store_4": (
        "static inline void {name}(void *to, int32_t i, int32_t value)\n{{\n"
        "    uint8_t *byte = (uint8_t *)to + i / 2;\n    int32_t shift = i % 2 * 4;\n"
        "    *byte = (uint8_t)((*byte & ~(15 << shift)) | ((value & 15) << shift));\n}}\n"
    ),
    "sqrtf": "static inline float {name}(float x)\n{{\n    return sqrtf(x);\n}}\n",
}


def builtins_used(thing: Kernel | Function) -> dict[str, str]:
    """The small helpers a body needs beside the language's own functions: name -> C text with {name} free."""
    found: dict[str, str] = {}
    clamps = {id(e.a) for e in all_exprs(thing.body) if _is_clamp(e) and isinstance(e, Binary)}
    for e in all_exprs(thing.body):
        if isinstance(e, Binary) and e.op in ("min", "max") and id(e) not in clamps:
            kind = "clamp" if _is_clamp(e) else e.op
            found[f"{kind}_{e.dtype.name}"] = BUILTINS[kind + "_{t}"].replace("{c}", e.dtype.c)
        elif isinstance(e, Cast) and e.how == "bits":
            name = "bits_of_f32" if e.dtype.name == "i32" else "f32_of_bits"
            found[name] = BUILTINS[name]
        elif isinstance(e, Unary) and e.op == "sqrt":
            found["sqrtf"] = BUILTINS["sqrtf"]
    if isinstance(thing, Kernel):
        found |= issues(thing)
        types = {p.name: p.dtype for p in thing.buffers.values()}
        if any(isinstance(e, Load) and e.dtype != types[e.buffer] for e in all_exprs(thing.body)):
            found[f"load_{aligned(thing)}word"] = BUILTINS[f"load_{aligned(thing)}word"]
        for e in all_exprs(thing.body):
            if isinstance(e, Load) and e.dtype.packed:
                found[f"load_{e.dtype.name}"] = BUILTINS[f"load_{e.dtype.name}"]
        if any(isinstance(s, Store) and s.value.dtype.packed for s in walk(thing.body)):
            found["store_4"] = BUILTINS["store_4"]
        if any(isinstance(s, Store) and s.value.dtype != types[s.buffer] for s in walk(thing.body)):
            found[f"store_{aligned(thing)}word"] = BUILTINS[f"store_{aligned(thing)}word"]
    return found


def _is_clamp(e: Expr) -> bool:
    return isinstance(e, Binary) and e.op == "min" and isinstance(e.a, Binary) and e.a.op == "max"


def function_text(function: Function, spell: Callable[[str], str], *, narrow_int: bool = False) -> str:
    """A scalar function, ``static inline``."""
    names = Names({}, spell, narrow_int=narrow_int)
    params = ", ".join(f"{p.dtype.c} {p.name}" for p in function.params)
    doc = comment(plain_comment(function.doc, {p.name for p in function.params}))
    head = f"static inline {function.returns.c} {spell(function.name)}({params})"
    read = {e.name for e in all_exprs(function.body) if isinstance(e, Var)}
    body = "".join(f"{INDENT}(void){p.name};\n" for p in function.params if p.name not in read)
    body += body_text(function.body, names, 1)
    if function.instruction is not None and function.instruction.c:
        machine = function.instruction.c.format(**{p.name: p.name for p in function.params})
        own = f"{INDENT}return ({function.returns.c}){machine};\n"
        body = f"#ifdef {function.instruction.macro}\n{own}#else\n{body}#endif\n"
    return f"{doc}{head}\n{{\n{body}}}\n"


def kernel_text(
    kernel: Kernel,
    name: str,
    spell: Callable[[str], str],
    *,
    numbers: Sequence[Var] | None = None,
    restrict: bool = True,
    unit: str = "",
    narrow_int: bool = False,
) -> str:
    """A kernel: pointers for buffers (const where only read), int32_t for free sizes and scalars.

    numbers: those that its code depends on, when they are known. restrict: no call passes overlapping buffers.
    What steps leave behind unread is no code.
    """
    kernel = replace(kernel, body=without_unused_locals(kernel.body))
    own = {s.var.name for s in walk(kernel.body) if isinstance(s, Let)}
    own |= {s.var for s in walk(kernel.body) if isinstance(s, For)}
    own |= {p.name for p in kernel.buffers.values()} | {v.name for v in kernel.numbers}
    twice = declared_twice(kernel.body)
    names = Names(kernel.buffers, spell, sizes=frozenset(kernel.sizes), taken=own, twice=twice, separate=restrict)
    above = Above(name, unit, tuple(outer_scalars(kernel)))
    names = replace(names, narrow_int=narrow_int, aligned=aligned(kernel), above=above)
    spoken = own | {f.name for f in functions(kernel)} | set(re.findall(r"\b(\w+) = -?\d", kernel.doc))
    star = "*restrict " if restrict else "*"
    parts = [f"{'' if p.written else 'const '}{p.dtype.c} {star}{p.name}" for p in kernel.params]
    given = used_numbers(kernel) if numbers is None else numbers
    parts += [f"{v.dtype.c} {v.name}" for v in given]
    shapes = "; ".join(f"{p.name}: {p.dtype}[{', '.join(expression(d, names) for d in p.shape)}]" for p in kernel.params)
    doc = comment("\n".join(x for x in (plain_comment(kernel.doc, spoken), shapes, *kernel.steps) if x))
    head = wrapped(f"static void {name}(", parts, ")")
    touched = {e.buffer for e in all_exprs(kernel.body) if isinstance(e, Load)}
    touched |= {s.buffer for s in walk(kernel.body) if isinstance(s, Store)}
    body = body_text(tidied(kernel.body, names.taken, twice), names, 1)
    words = set(re.findall(r"\w+", body))
    idle = [p.name for p in kernel.params if p.name not in touched]
    idle += [v.name for v in given if v.name not in words]  # in positions that came out without it
    unused = "".join(f"{INDENT}(void){name};\n" for name in idle)
    return f"{names.above.text()}{doc}{head}\n{{\n{unused}{body}}}\n"


def body_text(body: Body, names: Names, depth: int) -> str:
    return "".join(_stmt(s, names, depth) for s in body)


def _stmt(s: Stmt, names: Names, depth: int) -> str:
    pad = INDENT * depth
    match s:
        case Let(var, value):
            return f"{pad}{var.dtype.c} {var.name} = {expression(value, names)};\n"
        case Assign(var, value):
            return f"{pad}{_update(var, value, names)};\n"
        case Store(buffer, index, value):
            at = expression(address(names.params[buffer], index, names.steps), names)
            if value.dtype.packed:
                return f"{pad}{names.function('store_4')}({buffer}, {at}, {expression(value, names)});\n"
            if value.dtype != names.params[buffer].dtype:
                return f"{pad}{names.function(f'store_{names.aligned}word')}(&{buffer}[{at}], {expression(value, names)});\n"
            line = f"{pad}{buffer}[{at}] = {expression(value, names)};\n"
            if len(line) > WIDTH:
                line = f"{pad}{buffer}[{at}] =\n{pad}{INDENT}{expression(value, names)};\n"
            return line
        case For() if s.vector:
            own = (write(s, names, depth, _plain) for write in writers(s.vector))
            return next((text for text in own if text), "") or vector_loop(s, names, depth, _plain)
        case For() if s.function:
            return summed_loop(s, names, depth, _plain_loop)
        case For() if s.assembly:
            return assembled_loop(s, names, depth, _plain_loop)
        case For() if s.issue:
            return issued(s, names, depth, _plain)
        case For():
            return _loop(s, names, depth)
        case While(condition, body=body):
            return f"{pad}while ({expression(condition, names)}) {{\n{body_text(body, names, depth + 1)}{pad}}}\n"
        case If(condition, then, other):
            text = f"{pad}if ({expression(condition, names)}) {{\n{body_text(then, names, depth + 1)}{pad}}}"
            if len(other) == 1 and isinstance(other[0], If):
                return f"{text} else {_stmt(other[0], names, depth).lstrip()}"
            return f"{text} else {{\n{body_text(other, names, depth + 1)}{pad}}}\n" if other else f"{text}\n"
        case Local(name, dtype, shape, memory):
            declared = f"{pad}{dtype.c} {name}[{_length(shape, dtype, names)}]"
            return unit_state(s, f"{declared} = {{0}};\n") if memory == "unit" else f"{declared};\n"
        case Assume():
            return ""
        case Return(value):
            return f"{pad}return {expression(value, names)};\n"
    raise AssertionError(f"no C for {s!r}")


def _length(shape: tuple[Expr, ...], dtype: DType, names: Names) -> str:
    """C for the number of array elements that a buffer takes."""
    count: Expr = Const(1)
    for d in shape:
        count = Binary("*", count, d, i32)
    if dtype.packed:
        count = Binary("//", Binary("+", count, Const(1), i32), Const(2), i32)
    return expression(simplify(count), names)


def _plain_loop(s: For, names: Names, depth: int) -> str:
    """The C beside a loop's machine form: it is read, too."""
    return _plain((replace(s, assembly="", function=False),), names, depth)


def _plain(body: Body, names: Names, depth: int) -> str:
    return body_text(tidied(body, names.taken, names.twice), names, depth)


def _loop(s: For, names: Names, depth: int) -> str:
    pad = INDENT * depth
    names = replace(names, steps=with_step(s, names.steps))
    moving = walk_pointers(s, names) if names.walks else None
    if moving is None:
        return f"{pad}{_counting(s, names)}{body_text(s.body, names, depth + 1)}{pad}}}\n"
    inside = replace(names, params={**names.params, **moving.params})
    lines, tail = "", ""
    for p in moving.pointers:
        if p is not moving.control:
            lines += f"{pad}const {moving.params[p.name].dtype.c} *{p.name} = {pointer_at(p, s.lo, names)};\n"
            tail += f"{pad}{INDENT}{advance(p, s.step, names)};\n"
    c = moving.control
    if c is None:
        head = _counting(s, names)
    else:
        start, end = pointer_at(c, s.lo, names), pointer_at(c, s.hi, names)
        pointer = f"const {moving.params[c.name].dtype.c} *{c.name}"
        head = f"for ({pointer} = {start}; {c.name} < {end}; {advance(c, s.step, names)}) {{\n"
    return f"{lines}{pad}{head}{body_text(moving.loop.body, inside, depth + 1)}{tail}{pad}}}\n"


def _counting(s: For, names: Names) -> str:
    """The head of a loop that counts."""
    moves = f"{s.var}++" if s.step == 1 else f"{s.var} += {s.step}"
    low, high = expression(simplify(s.lo), names), expression(simplify(s.hi), names)
    return f"for (int32_t {s.var} = {low}; {s.var} < {high}; {moves}) {{\n"


def _update(var: Var, value: Expr, names: Names) -> str:
    """``acc += x`` where that is what it says."""
    if isinstance(value, Binary) and value.op in ("+", "-", "*", "&", "|", "^", ">>") and value.a == var:
        return f"{var.name} {value.op}= {expression(value.b, names)}"
    return f"{var.name} = {expression(value, names)}"
