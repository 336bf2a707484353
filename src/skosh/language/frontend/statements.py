"""Statements and declarations of the kernel language."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from skosh.base.dtypes import DType, bool_, i32, u32
from skosh.ir import kernel as ir
from skosh.ir.simplify import simplify
from skosh.language.frontend.calls import View, inlined, issued
from skosh.language.frontend.expressions import BINARY, Expressions

MEMORIES = ("ram", "register", "unit")
"""Where a kernel's own buffers may be."""

Instance = Callable[[Any, Mapping[str, DType | ir.Function]], ir.Kernel | None]


@dataclass
class Statements(Expressions):
    """``instance(thing, bound)`` is the kernel that a name stands for, None if it stands for none. ``taken``: names in use.

    unit_state: that of the custom function unit whose instructions are issued, by its name in the kernel.
    written: where the loops over each variable come from, in order; it numbers them (``ir.kernel.For.nth``).
    """

    instance: Instance = lambda _thing, _bound: None
    taken: set[str] = field(default_factory=set)
    written: dict[str, list[object]] = field(default_factory=dict)
    unit_state: dict[str, ir.Local] = field(default_factory=dict)

    def declare_buffer(self, a: ast.arg, sizes: dict[str, None]) -> None:
        """A parameter with a shape: ``type[shape]``, then ``@ flash`` or ``@ rows(4)`` for where and how it lies."""
        annotation, memory, tile = a.annotation, "", 1
        while isinstance(annotation, ast.BinOp):
            match annotation.right:
                case ast.Name(id="flash"):
                    memory = "flash"
                case ast.Call(func=ast.Name(id="rows"), args=[ast.Constant(value=int() as tile)]) if tile > 0:
                    pass
                case _:
                    self.fail(a, f'"{a.arg}" must be a type[shape], then @ flash or @ rows(4)')
            annotation = annotation.left
        assert isinstance(annotation, ast.Subscript)
        dims = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        for node in (n for d in dims for n in ast.walk(d)):
            if (
                isinstance(node, ast.Name)
                and node.id not in self.scope
                and not isinstance(self.source.names.get(node.id), int)
            ):
                sizes[node.id] = None
                self.scope[node.id] = ir.Var(node.id, i32)
        shape = tuple(simplify(self.expr(d, i32)) for d in dims)
        self.buffers[a.arg] = ir.Param(a.arg, self.dtype(a.annotation), shape, tile=tile, memory=memory)

    def body(self, statements: list[ast.stmt]) -> ir.Body:
        out: list[ir.Stmt] = []
        outer, outer_buffers = dict(self.scope), dict(self.buffers)
        for s in statements:
            out.extend(self.note(made, s) if id(made) not in self.places else made for made in self.statement(s))
        self.scope, self.buffers = outer, outer_buffers
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
            case ast.Expr(value=ast.Call(func=ast.Name(id="assume"), args=[condition])):
                held = self.expr(condition, bool_)
                if held.dtype != bool_:
                    self.fail(s, f"a condition must be bool, not {held.dtype}")
                return [ir.Assume(held)]
            case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call):
                return self.kernel_call(call, name)
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id=memory), args=[ast.Subscript(slice=shape) as made]),
            ) if memory in MEMORIES:
                return [self.local(s, name, memory, made, shape)]
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
                both = self.binary(s, BINARY[type(op)], self.scope[name], self.expr(value, self.scope[name].dtype))
                return [self.assign(target, name, both)]
            case ast.AugAssign(target=ast.Subscript() as target, op=op, value=value):
                param, index = self.element(target)
                old = self.note(ir.Load(param.name, index, param.dtype), s)
                return [
                    self.store(s, param, index, self.binary(s, BINARY[type(op)], old, self.expr(value, param.dtype)))
                ]
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
            self.fail(
                at, f'"{name}" is {var.dtype} and can\'t hold {value.dtype}', "cast with widen, wrap, sat or trunc"
            )
        return ir.Assign(var, value)

    def local(self, at: ast.AST, name: str, memory: str, made: ast.Subscript, shape: ast.expr) -> ir.Stmt:
        if name in self.scope or name in self.buffers:
            self.fail(at, f'"{name}" must be a new name')
        dims = shape.elts if isinstance(shape, ast.Tuple) else [shape]
        sizes = tuple(simplify(self.expr(d, i32)) for d in dims)
        local = ir.Local(name, self.dtype(made), sizes, memory)
        self.buffers[name] = ir.Param(name, local.dtype, sizes, True, 1, memory)
        return local

    def kernel_call(self, call: ast.Call, name: str) -> list[ir.Stmt]:
        """A kernel called from a kernel is put in its place."""
        functions: dict[str, DType | ir.Function] = {}
        for k in call.keywords:
            thing = self.source.names.get(k.value.id) if isinstance(k.value, ast.Name) else None
            if k.arg is not None and isinstance(thing, ir.Function):
                functions[k.arg] = thing
            elif k.arg is not None and isinstance(k.value, ast.Name) and k.value.id in self.types:
                functions[k.arg] = self.types[k.value.id]
        callee = self.instance(self.source.names.get(name), functions)
        if callee is None:
            self.fail(
                call, f'"{name}" is no kernel', "a statement that is a call must name a function decorated with @kernel"
            )
        given = [(k.arg, k.value) for k in call.keywords if k.arg is not None and k.arg not in functions]
        numbers = {n: self.expr(value, _number_type(callee, n)) for n, value in given}
        views: list[tuple[ir.Param, tuple[ir.Expr, ...]]] = []
        callee = self.without_unit_state(callee)
        for a in call.args:
            match a:
                case ast.Name(id=buffer) if buffer in self.buffers:
                    views.append((self.buffers[buffer], ()))
                case ast.Subscript(value=ast.Name(id=buffer), slice=index) if buffer in self.buffers:
                    parts = index.elts if isinstance(index, ast.Tuple) else [index]
                    views.append((self.buffers[buffer], tuple(self.expr(p, i32) for p in parts)))
                case _:
                    self.fail(a, "a kernel takes buffers, or rows of buffers, and then numbers by name")
        if callee.custom is not None:
            views = self.state_views(callee, views)
            result = issued(callee, views, numbers, self.taken)
        else:
            result = inlined(callee, views, numbers, self.taken)
        if isinstance(result, str):
            self.fail(call, result)
        result = self.numbered(callee.name, result)
        self.taken |= {s.var.name for s in ir.walk(result) if isinstance(s, ir.Let)}
        for part in (*ir.walk(result), *ir.all_exprs(result)):
            self.note(part, call)
        return list(result)

    def without_unit_state(self, callee: ir.Kernel) -> ir.Kernel:
        """A kernel that issues instructions shares the unit's state with its caller."""
        mine = [s for s in callee.body if isinstance(s, ir.Local) and s.memory == "unit"]
        self.unit_state.update({s.name: s for s in mine})
        return replace(callee, body=tuple(s for s in callee.body if s not in mine)) if mine else callee

    def state_views(self, callee: ir.Kernel, given: list[View]) -> list[View]:
        """The buffers of an instruction: its result, where the caller says so, and the unit's state, by name."""
        assert callee.custom is not None, "an instruction"
        if len(given) == len(callee.params):
            return given
        views: list[View] = []
        for p in callee.params:
            if p.name == "out" and given:
                views.append(given[0])
                continue
            name = f"{callee.custom.unit}_{p.name}"
            self.unit_state.setdefault(name, ir.Local(name, p.dtype, p.shape, "unit"))
            views.append((ir.Param(name, p.dtype, p.shape, True, 1, "unit"), ()))
        return views

    def nth(self, variable: str, origin: object) -> int:
        """Which of the loops written over a variable the one from ``origin`` is: the copies of one loop are one."""
        known = self.written.setdefault(variable, [])
        if origin not in known:
            known.append(origin)
        return known.index(origin) + 1

    def numbered(self, callee: str, body: ir.Body) -> ir.Body:
        """The body of a kernel that was called, its loops numbered among the caller's; those of a second call are copies."""
        out: list[ir.Stmt] = []
        for s in body:
            match s:
                case ir.For():
                    nth = self.nth(s.var, (callee, s.nth))
                    out.append(replace(s, nth=nth, body=self.numbered(callee, s.body)))
                case ir.While():
                    out.append(replace(s, body=self.numbered(callee, s.body)))
                case ir.If(condition, then, other):
                    out.append(ir.If(condition, self.numbered(callee, then), self.numbered(callee, other)))
                case _:
                    out.append(s)
        return tuple(out)

    def store(self, at: ast.AST, param: ir.Param, index: tuple[ir.Expr, ...], value: ir.Expr) -> ir.Stmt:
        if value.dtype != param.dtype:
            hint = f"store wrap({param.dtype}, ...) or sat({param.dtype}, ...)"
            self.fail(at, f'"{param.name}" holds {param.dtype}, not {value.dtype}', hint)
        if param.memory == "flash":
            self.fail(at, f'"{param.name}" is in flash and can\'t be written')
        return ir.Store(param.name, index, value)

    def loop(self, s: ast.For) -> ir.Stmt:
        if not (
            isinstance(s.iter, ast.Call) and isinstance(s.iter.func, ast.Name) and s.iter.func.id in ("par", "seq")
        ):
            self.fail(s, "a loop must run over par(...) or seq(...)")
        kind, args = s.iter.func.id, [self.expr(a, i32) for a in s.iter.args]
        targets = s.target.elts if isinstance(s.target, ast.Tuple) else [s.target]
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        if len(names) != len(targets):
            self.fail(s, "loop variables must be names")
        zero: ir.Expr = ir.Const(0)
        step = 1
        if len(names) == 1 and len(args) in (2, 3):
            ranges = [(args[0], args[1])]
            if len(args) == 3:
                if not isinstance(args[2], ir.Const) or int(args[2].value) < 1:
                    self.fail(s, "a loop's step must be a number from 1 up")
                step = int(args[2].value)
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
        marks = self.marks(s, s.iter.keywords if len(names) == 1 else [])
        for name, (lo, hi) in reversed(list(zip(names, ranges, strict=True))):
            numbered = {"nth": self.nth(name, s), **marks}
            body = (self.note(ir.For(name, lo, hi, body, kind == "par", step, **numbered), s),)
        return body[0]

    def marks(self, s: ast.For, keywords: list[ast.keyword]) -> dict[str, Any]:
        """What a loop says beside its range: threads=True."""
        known = {f.name for f in fields(ir.For)} - {"var", "lo", "hi", "body", "par", "step", "nth"}
        found: dict[str, Any] = {}
        for mark in keywords:
            if mark.arg not in known or not isinstance(mark.value, ast.Constant):
                self.fail(s, f"a loop has no {mark.arg}", f"it may have {', '.join(sorted(known))}")
            found[mark.arg] = mark.value.value
        return found

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


def _number_type(callee: ir.Kernel, name: str | None) -> DType:
    """The type that a number of the callee has: what a literal there means."""
    return next((v.dtype for v in callee.numbers if v.name == name), i32)
