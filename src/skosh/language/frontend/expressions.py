"""Expressions of the kernel language, with every type made explicit."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from skosh.base.dtypes import DTYPES, DType, bool_, f32, i32, u32
from skosh.base.errors import ScheduleError
from skosh.ir import kernel as ir
from skosh.language.frontend.source import Source, known_type, type_name

Made = TypeVar("Made")
ARITHMETIC = ("i32", "i64", "u32", "u64", "f32", "f64")
BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Div: "/", ast.Mod: "%", ast.LShift: "<<",
    ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


@dataclass
class Expressions:
    """What is known while a function is read. ``places``: where the user wrote what has become a part of the kernel."""

    source: Source
    types: Mapping[str, DType]
    scope: dict[str, ir.Var] = field(default_factory=dict)
    buffers: dict[str, ir.Param] = field(default_factory=dict)
    loops: set[str] = field(default_factory=set)
    places: dict[int, tuple[object, ast.AST]] = field(default_factory=dict)

    def fail(self, node: ast.AST, message: str, hint: str = "") -> NoReturn:
        raise ScheduleError(message, loc=self.source.loc(node), hint=hint)

    def note(self, made: Made, at: ast.AST) -> Made:
        """Remember where something was written. What is remembered stays alive, so that its id stays its own."""
        self.places[id(made)] = (made, at)
        return made

    def dtype(self, annotation: ast.expr | None) -> DType:
        name = type_name(annotation)
        found = (self.types.get(name) or known_type(name, self.source)) if name else None
        if found is None:
            self.fail(annotation or self.source.tree, f"a type must be one of {', '.join(DTYPES)}, not {name}")
        return found

    def element(self, target: ast.Subscript) -> tuple[ir.Param, tuple[ir.Expr, ...]]:
        if not isinstance(target.value, ast.Name) or target.value.id not in self.buffers:
            self.fail(target, "only buffers have elements")
        param = self.buffers[target.value.id]
        parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
        index = tuple(self.expr(p, i32) for p in parts)
        if len(index) != len(param.shape):
            self.fail(target, f'"{param.name}" has {len(param.shape)} dimensions, not {len(index)}')
        if any(i.dtype != i32 for i in index):
            self.fail(target, "indices must be i32")
        return param, index

    def word(self, target: ast.Subscript) -> tuple[ir.Param, tuple[ir.Expr, ...]]:
        param, index = self.element(target)
        if param.dtype.bits not in (8, 16) or not param.dtype.is_integer:
            self.fail(target, f"a word is made of 8 or 16 bit integers, not {param.dtype}")
        return param, index

    def expr(self, e: ast.expr, want: DType | None = None) -> ir.Expr:
        match e:
            case ast.Constant(value=bool() as value):
                return ir.Const(value, bool_)
            case ast.Constant(value=int() as value):
                return _literal(value, want)
            case ast.Constant(value=float() as value):
                return ir.Const(value, want if want is not None and want.is_float else f32)
            case ast.Name(id=name):
                return self.name(e, name, want)
            case ast.Subscript():
                param, index = self.element(e)
                return self.note(ir.Load(param.name, index, param.dtype), e)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return self.expr(ast.copy_location(ast.Constant(-value), e), want)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                a = self.arithmetic(e, self.expr(operand, want))
                return ir.Unary("-", a, a.dtype)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                a = self.arithmetic(e, self.expr(operand, want))
                return ir.Unary("~", a, a.dtype)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ir.Unary("not", self.expr(operand, bool_), bool_)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                if isinstance(op, ast.LShift | ast.RShift):  # the count is an i32, whatever is shifted
                    return self.shift(e, BINARY[type(op)], self.expr(left, want), self.expr(right, i32))
                a, b = self.pair(left, right, want)
                return self.binary(e, BINARY[type(op)], a, b)
            case ast.Compare(left=left, ops=ops, comparators=others):
                terms = [left, *others]
                parts: list[ir.Expr] = []
                for sign, x, y in zip(ops, terms, others, strict=False):
                    if type(sign) not in _COMPARE:
                        self.fail(e, "only == != < <= > >= compare")
                    a, b = self.pair(x, y, None)
                    self.same(e, a, b)
                    parts.append(ir.Binary(_COMPARE[type(sign)], a, b, bool_))
                return _all(parts)
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                out = self.expr(values[0], bool_)
                for v in values[1:]:
                    out = ir.Binary(word, out, self.expr(v, bool_), bool_)
                return out
            case ast.IfExp(test=test, body=body, orelse=orelse):
                a, b = self.pair(body, orelse, want)
                self.same(e, a, b)
                return ir.Select(self.expr(test, bool_), a, b, a.dtype)
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(e, name, args, want)
        self.fail(e, f"the kernel language has no {type(e).__name__.lower()} expression")

    def name(self, e: ast.expr, name: str, want: DType | None) -> ir.Expr:
        if name in self.scope:
            return self.scope[name]
        value = self.source.names.get(name)
        if isinstance(value, bool):
            return ir.Const(value, bool_)
        if isinstance(value, int):
            return _literal(value, want)
        if isinstance(value, float):
            return ir.Const(value, want if want is not None and want.is_float else f32)
        self.fail(e, f'"{name}" has no value here')

    def pair(self, left: ast.expr, right: ast.expr, want: DType | None) -> tuple[ir.Expr, ir.Expr]:
        """Two operands; a literal takes the type of the other side."""
        if _is_literal(left) and not _is_literal(right):
            b = self.expr(right, want)
            return self.expr(left, b.dtype), b
        a = self.expr(left, want)
        return a, self.expr(right, a.dtype)

    def same(self, at: ast.AST, a: ir.Expr, b: ir.Expr) -> None:
        if a.dtype != b.dtype:
            self.fail(at, f"both sides must be of one type, not {a.dtype} and {b.dtype}", "cast one side")

    def arithmetic(self, at: ast.AST, a: ir.Expr) -> ir.Expr:
        if a.dtype.name not in ARITHMETIC:
            self.fail(at, f"arithmetic is on {', '.join(ARITHMETIC)}, not {a.dtype}", "widen(x) makes an i32")
        return a

    def binary(self, at: ast.AST, op: str, a: ir.Expr, b: ir.Expr) -> ir.Expr:
        self.arithmetic(at, a)
        self.same(at, a, b)
        if op == "/" and not a.dtype.is_float:
            self.fail(at, "/ is for floats", "// divides integers, toward zero")
        if op not in ("+", "-", "*", "/") and a.dtype.is_float:
            self.fail(at, f"{op} is for integers")
        return ir.Binary(op, a, b, a.dtype)

    def shift(self, at: ast.AST, op: str, a: ir.Expr, count: ir.Expr) -> ir.Expr:
        if self.arithmetic(at, a).dtype.is_float or count.dtype != i32:
            self.fail(at, f"{op} shifts an integer by an i32, not {a.dtype} by {count.dtype}")
        return ir.Binary(op, a, count, a.dtype)

    def call(self, e: ast.Call, name: str, args: list[ast.expr], want: DType | None) -> ir.Expr:
        if name in ("min", "max"):
            a, b = self.pair(args[0], args[1], want)
            self.same(e, a, b)
            return ir.Binary(name, self.arithmetic(e, a), b, a.dtype)
        if name == "clamp":
            x = self.arithmetic(e, self.expr(args[0], want))
            low, high = self.expr(args[1], x.dtype), self.expr(args[2], x.dtype)
            self.same(e, x, low)
            self.same(e, x, high)
            return ir.Binary("min", ir.Binary("max", x, low, x.dtype), high, x.dtype)
        if name == "widen":
            return self.cast(e, i32, self.expr(args[0]))
        if name in ("wrap", "sat", "trunc"):
            target = self.dtype(args[0])
            x = self.arithmetic(e, self.expr(args[1]))
            if name == "sat":
                bounds = _literal(target.min, x.dtype), _literal(target.max, x.dtype)
                x = ir.Binary("min", ir.Binary("max", x, bounds[0], x.dtype), bounds[1], x.dtype)
            if x.dtype.is_float != (name == "trunc"):
                self.fail(e, f"{name} can't take {x.dtype}")
            return ir.Cast("convert" if name == "trunc" else "wrap", x, target)
        if name == "word":
            if not isinstance(args[0], ast.Subscript):
                self.fail(e, "word takes an element: word(x[i])")
            param, index = self.word(args[0])
            return self.note(ir.Load(param.name, index, u32), e)
        if name in ("bits", "from_bits"):
            x, (source, target) = self.expr(args[0]), ((f32, i32) if name == "bits" else (i32, f32))
            if x.dtype != source:
                self.fail(e, f"{name} takes {source}, not {x.dtype}")
            return ir.Cast("bits", x, target)
        if name == "sqrt":
            x = self.expr(args[0], f32)
            if x.dtype != f32:
                self.fail(e, f"sqrt takes f32, not {x.dtype}")
            return ir.Unary("sqrt", x, f32)
        if (found := self.types.get(name) or known_type(name, self.source)) is not None:
            return self.cast(e, found, self.expr(args[0], found if _is_literal(args[0]) else None))
        function = self.source.names.get(name)
        if isinstance(function, ir.Function):
            return self.apply(e, function, args)
        self.fail(e, f'"{name}" is no function of the kernel language', "decorate it with @func")

    def apply(self, e: ast.Call, function: ir.Function, args: list[ast.expr]) -> ir.Expr:
        if len(args) != len(function.params):
            self.fail(e, f"{function.name} takes {len(function.params)} arguments, not {len(args)}")
        values = tuple(self.expr(a, p.dtype) for a, p in zip(args, function.params, strict=True))
        for value, p in zip(values, function.params, strict=True):
            if value.dtype != p.dtype:
                self.fail(e, f'{function.name} takes {p.dtype} for "{p.name}", not {value.dtype}')
        return ir.CallExpr(function, values, function.returns)

    def cast(self, at: ast.AST, target: DType, x: ir.Expr) -> ir.Expr:
        """A conversion that loses nothing, or one between integer and float; others must be named."""
        source = x.dtype
        if source == target:
            return x
        if isinstance(x, ir.Const) and target.is_integer:
            return _literal(int(x.value), target)
        if source.is_float and target.is_integer:
            self.fail(at, f"{source} to {target} must say how", f"trunc({target}, x)")
        if source.is_float or target.is_float:
            return ir.Cast("convert", x, target)
        if target.min <= source.min and source.max <= target.max:
            return ir.Cast("widen", x, target)
        self.fail(at, f"{source} doesn't fit {target}", f"wrap({target}, x) or sat({target}, x)")


def _literal(value: int, want: DType | None) -> ir.Const:
    if want is not None and want.is_float:
        return ir.Const(float(value), want)
    if want is not None and want.is_integer and want.min <= value <= want.max:
        return ir.Const(value, want)
    return ir.Const(value, i32)


def _is_literal(e: ast.expr) -> bool:
    if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
        return _is_literal(e.operand)
    return isinstance(e, ast.Constant) or (isinstance(e, ast.Name) and e.id in ("inf", "nan"))


def _all(parts: list[ir.Expr]) -> ir.Expr:
    out = parts[0]
    for part in parts[1:]:
        out = ir.Binary("and", out, part, bool_)
    return out
