"""A Kernel as text that people read: the syntax it is written in. ``kernels.parse`` reads it back, to an equal kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

from skosh.base.dtypes import bool_, f32, i32
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    CallExpr,
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
    Param,
    Return,
    Select,
    Stmt,
    Store,
    Unary,
    Var,
    While,
    functions,
    walk,
    walk_expr,
)
from skosh.ir.loop_numbers import loop_numbers, usual_numbers
from skosh.ir.simplify import simplify

INDENT = "    "
_LEVEL = {
    "or": 1, "and": 2, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8,
    "+": 9, "-": 9, "*": 10, "/": 10, "//": 10, "%": 10,
}  # fmt: skip
_SELECT, _NOT, _UNARY, _ATOM = 0, 3, 11, 12
_UPDATES = ("+", "-", "*", "&", "|", "^", "//", "/", "%")
Types = Mapping[str, Param]


def text(kernel: Kernel) -> str:
    """The kernel, after the scalar functions that it calls.

    @kernel
    @steps('unroll "k" by 4')
    def dense(x: i8[M, K], w: i8[N, K] @ rows(4), y: i32[M, N]):
        for m, n in par(M, N):
            ...
    """
    return "\n\n".join([*(function_text(f) for f in functions(kernel)), _kernel(kernel)])


def function_text(function: Function) -> str:
    """A scalar function, with its spelling on a machine if it has one."""
    params = ", ".join(f"{p.name}: {p.dtype}" for p in function.params)
    spelled = ""
    if (made := function.instruction) is not None:
        given = [(f.name, getattr(made, f.name)) for f in fields(made)]
        spelled = f"@instr({', '.join(f'{n}={_quoted(v)}' for n, v in given if v)})\n"
    head = f"{spelled}@func\ndef {function.name}({params}) -> {function.returns}:\n"
    return head + _doc(function.doc) + body_text(function.body, {})


def _kernel(k: Kernel) -> str:
    decorators = ["@kernel"]
    stored = {s.buffer for s in walk(k.body) if isinstance(s, Store)}
    named = [e.name for p in k.params for d in p.shape for e in _shape_names(d)]
    in_shapes = tuple(dict.fromkeys(n for n in named if n not in {v.name for v in k.scalars}))
    if in_shapes != k.sizes:
        decorators.append(f"@sizes({', '.join(map(_quoted, k.sizes))})")
    written = tuple(p.name for p in k.params if p.written)
    if written != tuple(p.name for p in k.params if p.name in stored):
        decorators.append(f"@written({', '.join(map(_quoted, written))})")
    usual = usual_numbers(k)
    unusual = {v: n for v, n in loop_numbers(k.body).items() if n != usual[v]}
    if unusual:
        decorators.append(f"@nth({', '.join(_quoted(' '.join(map(str, (v, *n)))) for v, n in unusual.items())})")
    if k.steps:
        decorators.append(f"@steps({', '.join(map(_quoted, k.steps))})")
    params = [f"{p.name}: {_type(p)}" for p in k.params]
    numbers = [v.name if v.dtype == i32 else f"{v.name}: {v.dtype}" for v in k.scalars]
    head = f"def {k.name}({', '.join([*params, *(['*'] if numbers else []), *numbers])}):"
    if len(head) > 116:
        lines = [", ".join(params), *([f"*, {', '.join(numbers)}"] if numbers else [])]
        head = f"def {k.name}(\n" + ",\n".join(INDENT + line for line in lines) + "\n):"
    return "\n".join([*decorators, head]) + "\n" + _doc(k.doc) + (body_text(k.body, k.buffers) or f"{INDENT}pass\n")


def _shape_names(d: Expr) -> list[Var]:
    return [e for e in walk_expr(simplify(d)) if isinstance(e, Var)]


def _type(p: Param) -> str:
    where = " @ flash" if p.memory == "flash" else ""
    return f"{p.dtype}[{_list(p.shape, {})}]{where}" + (f" @ rows({p.tile})" if p.tile > 1 else "")


def _doc(doc: str) -> str:
    if not doc:
        return ""
    safe = (
        doc.replace("\\", "\\\\").replace('"', '\\"')
        if '"""' in doc or doc.endswith('"')
        else doc.replace("\\", "\\\\")
    )
    lines = safe.split("\n")
    closed = '"""' if len(lines) == 1 else f'\n{INDENT}"""'
    return "\n".join([f'{INDENT}"""{lines[0]}', *(f"{INDENT}{x}" if x else "" for x in lines[1:])]) + closed + "\n"


# ------------------------------------------------------------------------------------------------ statements


def body_text(body: Body, buffers: Types, depth: int = 1) -> str:
    """Statements, indented ``depth`` times. ``buffers`` tell words from elements."""
    return "".join(_stmt(s, buffers, depth) for s in body)


def _stmt(s: Stmt, buffers: Types, depth: int) -> str:
    pad = INDENT * depth

    def block(body: Body) -> str:
        return body_text(body, buffers, depth + 1) or f"{pad}{INDENT}pass\n"

    def e(x: Expr) -> str:
        return expr_text(x, buffers)

    match s:
        case Let(var, value):
            return f"{pad}{var.name} = {e(value)}\n"
        case Assign(var, value):
            if isinstance(value, Binary) and value.op in _UPDATES and value.a == var:
                return f"{pad}{var.name} {value.op}= {e(value.b)}\n"
            return f"{pad}{var.name} = {e(value)}\n"
        case Store(buffer, index, value):
            place = f"{buffer}[{_list(index, buffers)}]"
            if buffer in buffers and value.dtype != buffers[buffer].dtype:
                return f"{pad}set_word({place}, {e(value)})\n"
            if isinstance(value, Binary) and value.op in _UPDATES and value.a == Load(buffer, index, value.dtype):
                return f"{pad}{place} {value.op}= {e(value.b)}\n"
            return f"{pad}{place} = {e(value)}\n"
        case For():
            return _for(s, buffers, depth)
        case While(condition, most, body):
            return f"{pad}while bounded({e(condition)}, {e(most)}):\n{block(body)}"
        case If(condition, then, other):
            head = f"{pad}if {e(condition)}:\n{block(then)}"
            if len(other) == 1 and isinstance(other[0], If):
                return f"{head}{pad}el{_stmt(other[0], buffers, depth).lstrip()}"
            return head + (f"{pad}else:\n{block(other)}" if other else "")
        case Return(value):
            return f"{pad}return {e(value)}\n"
        case Local(name, dtype, shape, memory):
            return f"{pad}{name} = {memory}({dtype}[{_list(shape, buffers)}])\n"
        case Assume(condition):
            return f"{pad}assume({e(condition)})\n"
    raise AssertionError(f"no text for {s!r}")


def _marks(s: For) -> list[str]:
    """What a loop says beside its range: threads=True, vector="avx2"."""
    plain = ("var", "lo", "hi", "body", "par", "step", "nth")
    extra = [(f, getattr(s, f.name)) for f in fields(s) if f.name not in plain]
    return [f"{f.name}={_quoted(v) if isinstance(v, str) else v}" for f, v in extra if v != f.default]


def _plain(s: For) -> bool:
    return s.lo == Const(0) and s.step == 1 and not _marks(s)


def _for(s: For, buffers: Types, depth: int) -> str:
    kind = "par" if s.par else "seq"
    names, bounds, inner = [s.var], [s.hi], s
    while _plain(s) and len(inner.body) == 1 and isinstance(inner.body[0], For):
        following = inner.body[0]
        if not _plain(following) or following.par != s.par or _reads(following.hi, names):
            break
        names, bounds, inner = [*names, following.var], [*bounds, following.hi], following
    if len(names) > 1 or _plain(s):
        given = [expr_text(b, buffers) for b in bounds]
    else:
        given = [
            expr_text(s.lo, buffers),
            expr_text(s.hi, buffers),
            *([str(s.step)] if s.step != 1 else []),
            *_marks(s),
        ]
    body = body_text(inner.body, buffers, depth + 1) or f"{INDENT * (depth + 1)}pass\n"
    return f"{INDENT * depth}for {', '.join(names)} in {kind}({', '.join(given)}):\n{body}"


def _reads(e: Expr, names: list[str]) -> bool:
    return any(isinstance(x, Var) and x.name in names for x in walk_expr(e))


# ------------------------------------------------------------------------------------------------ expressions


def expr_text(e: Expr, buffers: Types | None = None) -> str:
    """An expression, with the parentheses that its structure needs."""
    return _text(e, buffers or {})[0]


def _list(parts: tuple[Expr, ...], buffers: Types) -> str:
    return ", ".join(expr_text(p, buffers) for p in parts)


def _operand(e: Expr, buffers: Types, level: int) -> str:
    words, own = _text(e, buffers)
    return f"({words})" if own < level else words


def _text(e: Expr, buffers: Types) -> tuple[str, int]:
    match e:
        case Const():
            return _const(e)
        case Var(name):
            return name, _ATOM
        case Load(buffer, index, dtype):
            place = f"{buffer}[{_list(index, buffers)}]"
            return (f"word({place})" if buffer in buffers and dtype != buffers[buffer].dtype else place), _ATOM
        case Binary("min", Binary("max", x, lo), hi):
            return f"clamp({_list((x, lo, hi), buffers)})", _ATOM
        case Binary("min" | "max" as op, a, b):
            return f"{op}({_list((a, b), buffers)})", _ATOM
        case Binary(op, a, b):
            level = _LEVEL[op]
            left = level + 1 if level == _LEVEL["<"] else level
            return f"{_operand(a, buffers, left)} {op} {_operand(b, buffers, level + 1)}", level
        case Unary("sqrt", a):
            return f"sqrt({expr_text(a, buffers)})", _ATOM
        case Unary("not", a):
            return f"not {_operand(a, buffers, _NOT)}", _NOT
        case Unary(op, a):
            return f"{op}{_operand(a, buffers, _ATOM if isinstance(a, Unary | Const) else _UNARY)}", _UNARY
        case Cast(how, a, dtype):
            return _cast(how, a, dtype.name, buffers), _ATOM
        case Select(condition, a, b):
            parts = [_operand(x, buffers, _SELECT + 1) for x in (a, condition)]
            return f"{parts[0]} if {parts[1]} else {_operand(b, buffers, _SELECT)}", _SELECT
        case CallExpr(function, args):
            return f"{function.name}({_list(args, buffers)})", _ATOM
    raise AssertionError(f"no text for {e!r}")


def _cast(how: str, a: Expr, target: str, buffers: Types) -> str:
    inside = expr_text(a, buffers)
    if (
        isinstance(a, Const) and a.dtype == i32
    ):  # so that it is read as the cast of a number, not as a number of the type
        inside = f"i32({inside})"
    if how == "wrap":
        return f"wrap({target}, {expr_text(a, buffers)})"
    if how == "bits":
        return f"{'bits' if target == 'i32' else 'from_bits'}({inside})"
    if how == "convert" and a.dtype.is_float and target[0] in "iu":
        return f"trunc({target}, {inside})"
    return f"widen({inside})" if target == "i32" and how == "widen" else f"{target}({inside})"


def _const(c: Const) -> tuple[str, int]:
    if c.dtype == bool_:
        return str(bool(c.value)), _ATOM
    if c.dtype.is_float:
        value = float(c.value)
        words = repr(value) if math.isfinite(value) else "nan" if math.isnan(value) else "inf"
        words = "-1e999" if value == -math.inf else words  # Python's literal; -inf is the negation of a number
        return (words, _UNARY if words.startswith("-") else _ATOM) if c.dtype == f32 else (f"{c.dtype}({words})", _ATOM)
    if c.dtype == i32:
        return str(c.value), _ATOM if c.value >= 0 else _UNARY
    return f"{c.dtype}({c.value})", _ATOM


def _quoted(words: str) -> str:
    return repr(words)
