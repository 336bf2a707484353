"""From Python syntax to the Kernel language, with every type made explicit. Errors name the user's own line."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from skosh.base.dtypes import DTYPES, DType, bool_, f32, i32, u32
from skosh.base.errors import Loc, ScheduleError
from skosh.ir import kernel as ir
from skosh.ir.simplify import simplify

ARITHMETIC = ("i32", "i64", "u32", "u64", "f32", "f64")
_BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Div: "/", ast.Mod: "%", ast.LShift: "<<",
    ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True, eq=False)
class Source:
    """A function's syntax tree, the names it can see, and where it stands."""

    tree: ast.FunctionDef
    names: Mapping[str, Any]
    file: str
    line: int  # of the file, for line 1 of the tree

    def loc(self, node: ast.AST) -> Loc:
        return Loc(f"{self.file}:{self.line + getattr(node, 'lineno', 1) - 1}", self.tree.name)


def source_of(function: Callable[..., Any]) -> Source:
    text = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.FunctionDef), "only functions are kernels"
    closure = inspect.getclosurevars(function)
    names = {**function.__globals__, **closure.nonlocals}
    file = inspect.getsourcefile(function) or "<unknown>"
    return Source(tree, names, file.rsplit("/", 1)[-1], function.__code__.co_firstlineno)


def _arguments(source: Source) -> list[ast.arg]:
    return [*source.tree.args.args, *source.tree.args.kwonlyargs]


def _type_name(annotation: ast.expr | None) -> str | None:
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return annotation.id if isinstance(annotation, ast.Name) else None


def _known_type(name: str, source: Source) -> DType | None:
    if name in DTYPES:
        return DTYPES[name]
    value = source.names.get(name)
    return value if isinstance(value, DType) else None


def type_variables(source: Source) -> tuple[str, ...]:
    """What a call must bind before the kernel can be read: type variables, and parameters that are functions."""
    names = [a.arg if _is_function(a) else _type_name(a.annotation) for a in _arguments(source)]
    return tuple(dict.fromkeys(n for n in names if n is not None and _known_type(n, source) is None))


def _is_function(a: ast.arg) -> bool:
    return _type_name(a.annotation) == "function"


def read_function(source: Source) -> ir.Function:
    """A scalar function: numbers in, one number out by a ``return`` at the end."""
    reader = _Reader(source, {})
    params = tuple(ir.Var(a.arg, reader.dtype(a.annotation)) for a in _arguments(source))
    reader.scope.update({p.name: p for p in params})
    returns = reader.dtype(source.tree.returns)
    body = reader.body(_after_doc(source.tree))
    if not body or not isinstance(body[-1], ir.Return):
        reader.fail(source.tree, "a function must end with return")
    if body[-1].value.dtype != returns:
        reader.fail(source.tree, f"the function must return {returns}, not {body[-1].value.dtype}")
    return ir.Function(source.tree.name, params, returns, body, ast.get_docstring(source.tree) or "")


def read_kernel(source: Source, bound: Mapping[str, DType | ir.Function]) -> ir.Kernel:
    """A kernel, for these bindings of its type variables and functions."""
    types = {n: v for n, v in bound.items() if isinstance(v, DType)}
    source = replace(source, names={**source.names, **{n: v for n, v in bound.items() if isinstance(v, ir.Function)}})
    missing = [t for t in type_variables(source) if t not in bound]
    if missing:
        raise ScheduleError(f'"{missing[0]}" of kernel {source.tree.name} must be bound', loc=source.loc(source.tree))
    reader = _Reader(source, types)
    scalars = [a for a in _arguments(source) if not isinstance(a.annotation, ast.Subscript) and not _is_function(a)]
    for a in scalars:
        reader.scope[a.arg] = ir.Var(a.arg, reader.dtype(a.annotation) if a.annotation else i32)
    sizes: dict[str, None] = {}
    for a in _arguments(source):
        if isinstance(a.annotation, ast.Subscript):
            reader.declare_buffer(a, sizes)
    body = reader.body(_after_doc(source.tree))
    written = {s.buffer for s in ir.walk(body) if isinstance(s, ir.Store)}
    params = tuple(ir.Param(p.name, p.dtype, p.shape, p.name in written) for p in reader.buffers.values())
    name = "_".join([source.tree.name, *(t.name for t in types.values())])
    return ir.Kernel(
        name,
        params,
        tuple(sizes),
        tuple(reader.scope_scalar(a.arg) for a in scalars),
        body,
        ast.get_docstring(source.tree) or "",
        loc=source.loc(source.tree),
    )


def _after_doc(tree: ast.FunctionDef) -> list[ast.stmt]:
    return tree.body[1:] if ast.get_docstring(tree) is not None else tree.body


@dataclass
class _Reader:
    source: Source
    types: Mapping[str, DType]
    scope: dict[str, ir.Var] = field(default_factory=dict)
    buffers: dict[str, ir.Param] = field(default_factory=dict)
    loops: set[str] = field(default_factory=set)

    def fail(self, node: ast.AST, message: str, hint: str = "") -> NoReturn:
        raise ScheduleError(message, loc=self.source.loc(node), hint=hint)

    # ------------------------------------------------------------------------------------------------ declarations

    def dtype(self, annotation: ast.expr | None) -> DType:
        name = _type_name(annotation)
        found = (self.types.get(name) or _known_type(name, self.source)) if name else None
        if found is None:
            self.fail(annotation or self.source.tree, f"a type must be one of {', '.join(DTYPES)}, not {name}")
        return found

    def scope_scalar(self, name: str) -> ir.Var:
        return ir.Var(name, self.scope[name].dtype)

    def declare_buffer(self, a: ast.arg, sizes: dict[str, None]) -> None:
        assert isinstance(a.annotation, ast.Subscript)
        dims = a.annotation.slice.elts if isinstance(a.annotation.slice, ast.Tuple) else [a.annotation.slice]
        for node in (n for d in dims for n in ast.walk(d)):
            if isinstance(node, ast.Name) and node.id not in self.scope and not isinstance(self.source.names.get(node.id), int):
                sizes[node.id] = None
                self.scope[node.id] = ir.Var(node.id, i32)
        shape = tuple(simplify(self.expr(d, i32)) for d in dims)
        self.buffers[a.arg] = ir.Param(a.arg, self.dtype(a.annotation), shape)

    # ------------------------------------------------------------------------------------------------ statements

    def body(self, statements: list[ast.stmt]) -> ir.Body:
        out: list[ir.Stmt] = []
        outer = dict(self.scope)
        for s in statements:
            out.extend(self.statement(s))
        self.scope = outer
        return tuple(out)

    def statement(self, s: ast.stmt) -> list[ir.Stmt]:
        match s:
            case ast.Pass():
                return []
            case ast.For():
                return [self.loop(s)]
            case ast.While():
                return [self.bounded(s)]
            case ast.If():
                condition = self.expr(s.test, bool_)
                if condition.dtype != bool_:
                    self.fail(s, f"a condition must be bool, not {condition.dtype}")
                return [ir.If(condition, self.body(s.body), self.body(s.orelse))]
            case ast.Expr(value=ast.Call(func=ast.Name(id="set_word"), args=[ast.Subscript() as target, value])):
                param, index = self.word(target)
                return [self.store(s, ir.Param(param.name, u32, param.shape), index, self.expr(value, u32))]
            case ast.Return(value=ast.expr() as value):
                return [ir.Return(self.expr(value))]
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return [self.assign(s, name, self.expr(value, self.scope[name].dtype if name in self.scope else None))]
            case ast.Assign(targets=[ast.Subscript() as target], value=value):
                param, index = self.element(target)
                return [self.store(s, param, index, self.expr(value, param.dtype))]
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                if name not in self.scope:
                    self.fail(s, f'"{name}" must have a value before it is changed')
                both = self.binary(s, _BINARY[type(op)], self.scope[name], self.expr(value, self.scope[name].dtype))
                return [self.assign(target, name, both)]
            case ast.AugAssign(target=ast.Subscript() as target, op=op, value=value):
                param, index = self.element(target)
                old = ir.Load(param.name, index, param.dtype)
                return [self.store(s, param, index, self.binary(s, _BINARY[type(op)], old, self.expr(value, param.dtype)))]
        hint = "for, while bounded(...), if, assignments and return are in"
        self.fail(s, f"the kernel language has no {type(s).__name__.lower()} here", hint)

    def assign(self, at: ast.AST, name: str, value: ir.Expr) -> ir.Stmt:
        if name in self.loops or name in self.buffers:
            self.fail(at, f'"{name}" is a loop variable or a buffer and can\'t be assigned')
        if name not in self.scope:
            self.scope[name] = ir.Var(name, value.dtype)
            return ir.Let(self.scope[name], value)
        var = self.scope[name]
        if value.dtype != var.dtype:
            self.fail(at, f'"{name}" is {var.dtype} and can\'t hold {value.dtype}', "cast with widen, wrap, sat or trunc")
        return ir.Assign(var, value)

    def store(self, at: ast.AST, param: ir.Param, index: tuple[ir.Expr, ...], value: ir.Expr) -> ir.Stmt:
        if value.dtype != param.dtype:
            hint = f"store wrap({param.dtype}, ...) or sat({param.dtype}, ...)"
            self.fail(at, f'"{param.name}" holds {param.dtype}, not {value.dtype}', hint)
        return ir.Store(param.name, index, value)

    def loop(self, s: ast.For) -> ir.Stmt:
        if not (isinstance(s.iter, ast.Call) and isinstance(s.iter.func, ast.Name) and s.iter.func.id in ("par", "seq")):
            self.fail(s, "a loop must run over par(...) or seq(...)")
        kind, args = s.iter.func.id, [self.expr(a, i32) for a in s.iter.args]
        targets = s.target.elts if isinstance(s.target, ast.Tuple) else [s.target]
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        if len(names) != len(targets):
            self.fail(s, "loop variables must be names")
        zero: ir.Expr = ir.Const(0)
        if len(names) == 1 and len(args) == 2:
            ranges = [(args[0], args[1])]
        elif len(names) == len(args):
            ranges = [(zero, a) for a in args]
        else:
            self.fail(s, f"{len(names)} loop variables need {len(names)} bounds, not {len(args)}")
        if any(a.dtype != i32 for a in args):
            self.fail(s, "loop bounds must be i32")
        for name in names:
            if name in self.scope:
                self.fail(s, f'loop variable "{name}" must be a new name')
        outer, outer_loops = dict(self.scope), set(self.loops)
        self.scope.update({n: ir.Var(n, i32) for n in names})
        self.loops.update(names)
        body = self.body(s.body)
        self.scope, self.loops = outer, outer_loops
        for name, (lo, hi) in reversed(list(zip(names, ranges, strict=True))):
            body = (ir.For(name, lo, hi, body, kind == "par"),)
        (statement,) = body
        return statement

    def bounded(self, s: ast.While) -> ir.Stmt:
        match s.test:
            case ast.Call(func=ast.Name(id="bounded"), args=[test, rounds]) if not s.orelse:
                condition, most = self.expr(test, bool_), self.expr(rounds, i32)
            case _:
                self.fail(s, "a while loop must say how often it runs at most", "while bounded(condition, rounds)")
        if condition.dtype != bool_:
            self.fail(s, f"a condition must be bool, not {condition.dtype}")
        if most.dtype != i32:
            self.fail(s, f"the number of rounds must be i32, not {most.dtype}")
        return ir.While(condition, most, self.body(s.body))

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

    # ------------------------------------------------------------------------------------------------ expressions

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
                return ir.Load(param.name, index, param.dtype)
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
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                if isinstance(op, ast.LShift | ast.RShift):  # the count is an i32, whatever is shifted
                    return self.shift(e, _BINARY[type(op)], self.expr(left, want), self.expr(right, i32))
                a, b = self.pair(left, right, want)
                return self.binary(e, _BINARY[type(op)], a, b)
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
            return ir.Load(param.name, index, u32)
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
        if (found := self.types.get(name) or _known_type(name, self.source)) is not None:
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
    return isinstance(e, ast.Constant)


def _all(parts: list[ir.Expr]) -> ir.Expr:
    out = parts[0]
    for part in parts[1:]:
        out = ir.Binary("and", out, part, bool_)
    return out
