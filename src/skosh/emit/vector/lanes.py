"""Vector loops as C: the body, which says what one lane does, covered by the spellings of a vector machine.

What is the same in all lanes stays scalar C. A scalar function that the machine has no spelling for is written out and
covered operation by operation. Where something can't be covered, ``Uncovered`` says what, and the loop stays scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from skosh.base.dtypes import DType, bool_, i32
from skosh.emit.expressions import Names, expression
from skosh.ir.fold import fold_body
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
    If,
    Let,
    Load,
    Return,
    Select,
    Stmt,
    Store,
    Unary,
    Var,
    map_expr,
    walk,
    walk_expr,
)
from skosh.ir.layout import address, with_step
from skosh.ir.simplify import Polynomial, from_polynomial, polynomial, simplify
from skosh.schedule.lanes import depends, varying
from skosh.targets.simd import VectorMachine
from skosh.targets.simd.machine import places

INDENT = "    "
WIDTH = 116
SHORT = 60  # characters: longer values get names
COMPARE = ("==", "!=", "<", "<=", ">", ">=")

Scalar = Callable[[Body, Names, int], str]
"""How statements that are the same in all lanes are written: (body, names, depth) -> C."""


class Uncovered(Exception):
    """The machine has no instruction for something; the message says what."""


@dataclass
class Lanes:
    """One iteration of a vector loop on its way to C. ``predicate``: the C name of the lanes in use, or their value.

    whole: all lanes are in use. different: the variables that differ from lane to lane. masks: conditions that the code
    being written stands under. fixed: buffers that the loop doesn't write, under any name; assigned: variables that it
    changes; known: C of a load, or of what is the same in all lanes -> the constant that holds it, in this block.
    """

    machine: VectorMachine
    names: Names
    scalar: Scalar
    loop: str
    predicate: str
    whole: bool
    different: set[str]
    depth: int
    fixed: frozenset[str]
    assigned: frozenset[str]
    lines: list[str] = field(default_factory=list)
    mask: str = ""
    known: dict[str, str] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ statements

    def body(self, body: Body) -> None:
        rest = list(body)
        while rest:
            s = rest.pop(0)
            other = rest[0] if rest else None
            if isinstance(s, Store) and isinstance(other, Store) and (key := self.joined(s, other)):
                first, second = self.opened_store(s), self.opened_store(other)
                if self.store_two(key, first, second):
                    rest.pop(0)
                else:
                    self.statement(first)
                    rest[0] = second
            else:
                self.statement(s)

    def statement(self, s: Stmt) -> None:
        match s:
            case Let(var, value) | Assign(var, value) if var.name not in self.different:
                self.plain(s)
            case Let(var, value):
                self.line(f"{self.type_of(var.dtype)} {var.name} = {self.value(value)};")
            case Assign(var, value):
                new = self.value(value)
                if self.mask:
                    new = self.spell(f"select {_held(var.dtype)}", {"mask": self.mask, "a": new, "b": var.name})
                self.line(f"{var.name} = {new};")
            case Store():
                self.store(s)
            case For():
                self.inner_loop(s)
            case If(condition, then, other) if not depends(condition, self.different):
                self.line(f"if ({expression(condition, self.names)}) {{")
                self.block(then)
                if other:
                    self.line("} else {")
                    self.block(other)
                self.line("}")
            case If(condition, then, other):
                self.masked(condition, then, other)
            case Assume():
                pass  # the interpreter's
            case _:
                raise Uncovered(f"a {type(s).__name__.lower()} in lanes")

    def plain(self, s: Stmt) -> None:
        if self.mask:
            raise Uncovered("a scalar changed under a condition that differs from lane to lane")
        self.lines.append(self.scalar((s,), self.names, self.depth))

    def block(self, body: Body) -> None:
        outer, self.known = self.known, dict(self.known)
        self.depth += 1
        self.body(body)
        self.depth -= 1
        self.known = outer

    def named(self, text: str, dtype: DType, hint: str, *, share: bool = False) -> str:
        """A constant that holds a value, so that lines stay short; shared by all of the block that say the same."""
        if share and text in self.known:
            return self.known[text]
        name = self.fresh(hint)
        self.line(f"const {self.type_of(dtype)} {name} = {text};")
        if share:
            self.known[text] = name
        return name

    def steady(self, e: Expr) -> bool:
        """Does an expression have one value as long as the loop variables stay?"""
        loads = {x.buffer for x in walk_expr(e) if isinstance(x, Load)}
        return loads <= self.fixed and not depends(e, self.assigned)

    def inner_loop(self, s: For) -> None:
        if depends(s.lo, self.different) or depends(s.hi, self.different) or self.mask:
            raise Uncovered(f'the bounds of the loop over "{s.var}" differ from lane to lane')
        outer = self.names
        self.names = replace(outer, steps=with_step(s, outer.steps))
        moves = f"{s.var}++" if s.step == 1 else f"{s.var} += {s.step}"
        low, high = (expression(simplify(e), self.names) for e in (s.lo, s.hi))
        self.line(f"for (int32_t {s.var} = {low}; {s.var} < {high}; {moves}) {{")
        self.block(s.body)
        self.line("}")
        self.names = outer

    def masked(self, condition: Expr, then: Body, other: Body) -> None:
        """Both sides are computed; what they assign is kept in the lanes that take them."""
        if any(isinstance(s, Store | For | Return) for s in walk((*then, *other))):
            raise Uncovered("memory is written, or a loop runs, under a condition that differs from lane to lane")
        outer = self.mask
        taken = self.fresh("taken")
        self.line(f"const {self.type_of(bool_)} {taken} = {self.value(condition)};")
        for side, mask in ((then, taken), (other, self.spell("not", {"a": taken}) if other else "")):
            if side:
                self.mask = self.spell("and", {"a": outer, "b": mask}) if outer else mask
                self.line("{")
                self.block(side)
                self.line("}")
        self.mask = outer

    def store(self, s: Store) -> None:
        if self.mask:
            raise Uncovered("memory is written under a condition that differs from lane to lane")
        s = self.opened_store(s)
        param = self.names.params[s.buffer]
        whole_word = s.value.dtype != param.dtype
        stored = s.value.dtype if whole_word else param.dtype
        scatters = not whole_word and f"scatter {stored.name}" in self.machine.spellings
        place, apart = self.apart(s.buffer, s.index) if scatters else map(str, self.place(s.buffer, s.index))
        beside = apart == str(stored.bytes // param.dtype.bytes)
        if not beside and not scatters:
            raise Uncovered(f'"{s.buffer}" is written {apart} elements apart')
        clamped = _clamped(s)
        if beside and clamped is not None and self.has(f"store {stored.name} clamped"):
            given = {"to": f"&{s.buffer}[{place}]", "a": self.value(clamped.value), **clamped.spelled}
            self.line(f"{self.spell(f'store {stored.name} clamped', given)};")
            return
        value = s.value.a if isinstance(s.value, Cast) and s.value.how == "wrap" and stored.bits < 32 else s.value
        to = f"&{s.buffer}[{place}]"
        if beside:
            self.line(f"{self.spell(f'store {stored.name}', {'to': to, 'a': self.value(value)})};")
        else:
            operands = {"to": to, "a": self.value(value), "apart": apart}
            self.line(f"{self.spell(f'scatter {stored.name}', operands)};")

    def opened_store(self, s: Store) -> Store:
        """A store of a function's value, with the function written out, so that a clamp at its end is seen."""
        match s.value:
            case Cast("wrap", CallExpr() as e, dtype) if e.function.name not in self.machine.spellings:
                if depends(e, self.different):
                    return replace(s, value=Cast("wrap", self.opened(e), dtype))
        return s

    def joined(self, s: Store, other: Store) -> str:
        """The key of a store of both at once: side by side, or apart; "" where the machine has none, or order matters."""
        kind = self.names.params[s.buffer].dtype
        if self.mask or s.buffer != other.buffer or s.value.dtype != kind or not kind.is_integer or kind.bits >= 32:
            return ""
        places = [address(self.names.params[x.buffer], x.index, self.names.steps) for x in (s, other)]
        distance = simplify(Binary("-", places[1], places[0], i32))
        beside = isinstance(distance, Const) and distance.value == self.machine.width
        if not beside and not {x.buffer for x in walk_expr(other.value) if isinstance(x, Load)} <= self.fixed:
            return ""  # the second one may read what the first one writes; side by side, they are of other iterations
        key = f"store {kind.name} clamped {'2' if beside else 'apart'}"
        return key if self.has(key) and all(self.place(x.buffer, x.index)[1] == 1 for x in (s, other)) else ""

    def store_two(self, key: str, s: Store, other: Store) -> bool:
        """Two clamped stores in one; False, and nothing written, where they aren't clamped alike."""
        one, two = _clamped(s), _clamped(other)
        if one is None or two is None or one.bounds != two.bounds:
            return False
        to = {name: f"&{s.buffer}[{self.place(s.buffer, x.index)[0]}]" for name, x in (("to", s), ("to_2", other))}
        values = {"a": self.short(one.value), "b": self.short(two.value)}
        self.line(f"{self.spell(key, {**to, **values, **one.spelled})};")
        return True

    def line(self, text: str) -> None:
        pad = INDENT * self.depth
        line = f"{pad}{text}\n"
        head, equals, rest = text.partition(" = ")
        if len(line) > WIDTH and equals and not text.startswith(("for", "if")):
            line = f"{pad}{head} =\n{pad}{INDENT}{rest}\n"
        self.lines.append(line)

    # ------------------------------------------------------------------------------------------------ values

    def value(self, e: Expr) -> str:
        """C for the vector of an expression's values."""
        if not depends(e, self.different):
            return self.broadcast(e)
        match e:
            case Var(name) if name == self.loop:
                return self.spell("index i32", {"a": name})
            case Var(name):
                return name
            case Load():
                return self.load(e)
            case Binary(op, a, b, _) if op in (*COMPARE, "and", "or"):
                key = op if op in ("and", "or") else f"{op} {_held(a.dtype)}"
                return self.binary(key, a, b)
            case Binary("+", a, Binary("*", b, c, _), dtype) if f"+ * {dtype.name}" in self.machine.spellings:
                return self.choose(f"+ * {dtype.name}", {"a": a, "b": b, "c": c})
            case Binary(op, a, b, dtype):
                text = self.binary(f"{op} {dtype.name}", a, b)
                return self.named(text, dtype, "t") if len(text) > SHORT else text
            case Unary("not", a):
                return self.spell("not", {"a": self.value(a)})
            case Unary(op, a, dtype):
                return self.spell(f"{op} {dtype.name} 1", {"a": self.value(a)})
            case Cast():
                return self.cast(e)
            case Select(condition, a, b, dtype) if not depends(condition, self.different):
                return f"({expression(condition, self.names)} ? {self.value(a)} : {self.value(b)})"
            case Select(condition, a, b, dtype):
                mask = self.value(condition)
                return self.spell(f"select {_held(dtype)}", {"mask": mask, "a": self.value(a), "b": self.value(b)})
            case CallExpr():
                return self.call(e)
        raise Uncovered(f"a {type(e).__name__.lower()} in lanes")

    def short(self, e: Expr) -> str:
        """The value by a name, unless it is short."""
        text = self.value(e)
        return self.named(text, e.dtype, "t") if len(text) > SHORT // 2 else text

    def broadcast(self, e: Expr) -> str:
        text = self.spell(f"set {_held(e.dtype)}", {"a": expression(e, self.names)})
        loads = [x for x in walk_expr(e) if isinstance(x, Load)]
        return self.named(text, e.dtype, loads[0].buffer, share=self.steady(e)) if loads else text

    def binary(self, key: str, a: Expr, b: Expr) -> str:
        return self.choose(key, {"a": a, "b": b})

    def cast(self, e: Cast) -> str:
        a, source, target = e.a, e.a.dtype, e.dtype
        inner = self.value(a)
        held, kept = _held(source), _held(target)
        if e.how == "widen" and (held == kept or target.bits <= 32):
            return self.retyped(inner, held, kept)
        if e.how == "wrap" and target.bits < 32:
            x = self.retyped(inner, held, "i32")
            if target.kind == "uint":
                return self.spell("& i32", {"a": x, "b": self.broadcast(Const((1 << target.bits) - 1))})
            by = Const(32 - target.bits)
            return self.shift(">> i32", self.shift("<< i32", x, by), by)
        if e.how == "wrap" and source.bits <= 32 and target.bits == 32:
            return self.retyped(inner, held, kept)
        return self.spell(f"{e.how} {target.name} {source.name}", {"a": inner})

    def shift(self, key: str, x: str, by: Const) -> str:
        for template in self.machine.templates(key, whole=self.whole):
            if "b_n" in places(template):
                return self.fill(template, {"a": x, "b_n": expression(by, self.names)})
            return self.fill(template, {"a": x, "b": self.broadcast(by)})
        raise Uncovered(f'{self.machine.name} has no "{key}"')

    def retyped(self, x: str, held: str, kept: str) -> str:
        """The same bits as another type."""
        types = self.machine.types
        if types.get(held) is not None and types.get(held) == types.get(kept):
            return x
        return self.spell(f"wrap {kept} {held}", {"a": x})

    def load(self, e: Load) -> str:
        param = self.names.params[e.buffer]
        place, stride = self.place(e.buffer, e.index)
        if stride == 0:
            return self.broadcast(e)
        if stride * param.dtype.bytes != e.dtype.bytes:
            raise Uncovered(f'"{e.buffer}" is read {stride} elements apart')
        text = self.spell(f"load {e.dtype.name}", {"from": f"&{e.buffer}[{place}]"})
        return self.named(text, e.dtype, e.buffer, share=self.steady(e))

    def load_pair(self, e: CallExpr) -> str | None:
        """halfwords(widen(w[n, 0]), widen(w[n, 1])): two neighbours a lane, as a pair; None where it isn't."""
        match e.args:
            case (Cast("widen", Load(buffer, first) as low), Cast("widen", Load(other, second))) if buffer == other:
                param = self.names.params[buffer]
                places = [address(param, index, self.names.steps) for index in (first, second)]
                key = f"load {param.dtype.name} pairs"
                if not self.has(key) or simplify(Binary("-", places[1], places[0], i32)) != Const(1):
                    return None
                place, stride = self.place(buffer, first)
                if stride != 2:
                    return None
                text = self.spell(key, {"from": f"&{buffer}[{place}]"})
                return self.named(text, e.dtype, buffer, share=self.steady(low))
        return None

    def place(self, buffer: str, index: tuple[Expr, ...]) -> tuple[str, int]:
        """(C of the flat position of lane 0, elements from lane to lane)."""
        flat = address(self.names.params[buffer], index, self.names.steps)
        stride, rest = 0, {}
        for factors, count in polynomial(flat).items():
            if not any(depends(f, self.different) for f in factors):
                rest[factors] = count
            elif factors == (Var(self.loop),):
                stride = count
                rest[factors] = count
            else:
                raise Uncovered(f'elements of "{buffer}" lie neither side by side nor evenly apart')
        return expression(from_polynomial(rest), self.names), stride

    def apart(self, buffer: str, index: tuple[Expr, ...]) -> tuple[str, str]:
        """The same, where the elements from lane to lane need be no number: C of them."""
        flat = address(self.names.params[buffer], index, self.names.steps)
        stride = {}
        for factors, count in polynomial(flat).items():
            moving = [f for f in factors if depends(f, self.different)]
            if moving and moving != [Var(self.loop)]:
                raise Uncovered(f'elements of "{buffer}" lie neither side by side nor evenly apart')
            if moving:
                stride[tuple(f for f in factors if f != Var(self.loop))] = count
        return expression(flat, self.names), expression(simplify(from_polynomial(stride)), self.names)

    # ------------------------------------------------------------------------------------------------ functions

    def call(self, e: CallExpr) -> str:
        if e.function.name == "halfwords" and (together := self.load_pair(e)) is not None:
            return together
        arguments = {p.name: a for p, a in zip(e.function.params, e.args, strict=True)}
        if e.function.name in self.machine.spellings:
            try:
                return self.choose(e.function.name, arguments)
            except Uncovered:
                pass  # its body may do
        return self.value(self.opened(e))

    def opened(self, e: CallExpr) -> Expr:
        """The function's body in place, its variables under names of their own; gives what it returns."""
        changed = {s.var.name for s in walk(e.function.body) if isinstance(s, Assign)}
        new: dict[str, Expr] = {}
        for p, a in zip(e.function.params, e.args, strict=True):
            if isinstance(a, Var | Const) and p.name not in changed:
                new[p.name] = a
                continue
            differs = depends(a, self.different) or p.name in changed
            text = self.value(a) if differs else expression(a, self.names)
            if differs and text.isidentifier() and p.name not in changed:
                new[p.name] = replace(p, name=text)
                self.different.add(text)
                continue
            here = replace(p, name=self.fresh(p.name))
            new[p.name] = here
            if differs:
                self.different.add(here.name)
            kind = "" if p.name in changed else "const "
            self.line(f"{kind}{self.type_of(p.dtype) if differs else p.dtype.c} {here.name} = {text};")
        for s in walk(e.function.body):
            if isinstance(s, Let):
                new[s.var.name] = replace(s.var, name=self.fresh(s.var.name))
        body = fold_body(tuple(_renamed(s, new) for s in e.function.body if not isinstance(s, Assume)))
        self.different |= varying(body, self.different)
        result: Expr | None = None
        outer, self.mask = self.mask, ""
        for s in body:
            if isinstance(s, Return):
                result = s.value
            elif isinstance(s, Let):
                own = any(isinstance(x, Assign) and x.var.name == s.var.name for x in walk(body))
                self.declare(s.var, s.value, const=not own)
            else:
                self.statement(s)
        self.mask = outer
        assert result is not None, f"{e.function.name} ended without return"
        return result

    def declare(self, var: Var, value: Expr, *, const: bool) -> None:
        kind = "const " if const else ""
        if var.name in self.different:
            self.line(f"{kind}{self.type_of(var.dtype)} {var.name} = {self.value(value)};")
        else:
            self.line(f"{kind}{var.dtype.c} {var.name} = {expression(value, self.names)};")

    # ------------------------------------------------------------------------------------------------ spellings

    def choose(self, key: str, operands: Mapping[str, Expr]) -> str:
        """The first spelling whose operands fit: ``{b_n}`` wants what is the same in all lanes."""
        for template in self.machine.templates(key, whole=self.whole):
            wanted = places(template)
            scalars = {name for name in operands if f"{name}_n" in wanted}
            if any(depends(operands[name], self.different) for name in scalars):
                continue
            runs = {name: self.run(name, operands) for name in operands if f"{name}_run" in wanted}
            if not all(runs.values()):
                continue
            found = {f"{name}_n": expression(operands[name], self.names) for name in scalars}
            found |= {f"{name}_run": place for name, place in runs.items()}
            found |= {name: self.value(e) for name, e in operands.items() if name in wanted}
            return self.fill(template, found)
        raise Uncovered(f'{self.machine.name} has no "{key}"')

    def run(self, first: str, operands: Mapping[str, Expr]) -> str:
        """The address of operand x0, when x0, x1, ... lie side by side and are the same in all lanes; else ""."""
        stem = first.rstrip("0123456789")
        words = [e for name, e in operands.items() if name.removeprefix(stem).isdigit()]
        places: list[Polynomial] = []
        for e in words:
            if not isinstance(e, Load) or depends(e, self.different):
                return ""
            places.append(polynomial(address(self.names.params[e.buffer], e.index, self.names.steps)))
        (head, *_) = words
        assert isinstance(head, Load), "all are loads"
        apart = head.dtype.bytes // self.names.params[head.buffer].dtype.bytes
        for i, (e, p) in enumerate(zip(words, places, strict=True)):
            moved = {**p, (): p.get((), 0) - i * apart}
            same = {f: n for f, n in moved.items() if n} == {f: n for f, n in places[0].items() if n}
            if not same or not isinstance(e, Load) or e.buffer != head.buffer:
                return ""
        return f"&{head.buffer}[{expression(from_polynomial(places[0]), self.names)}]"

    def spell(self, key: str, operands: Mapping[str, str]) -> str:
        for template in self.machine.templates(key, whole=self.whole):
            return self.fill(template, operands)
        raise Uncovered(f'{self.machine.name} has no "{key}"')

    def has(self, key: str) -> bool:
        return next(iter(self.machine.templates(key, whole=self.whole)), None) is not None

    def fill(self, template: str, operands: Mapping[str, str]) -> str:
        known = {**operands, "p": self.predicate}
        for name in places(template):
            if name not in known:
                assert name in self.machine.helpers, f'{self.machine.name}: what is {{{name}}} in "{template}"?'
                known[name] = self.names.function(name)
        return template.format(**known)

    def type_of(self, dtype: DType) -> str:
        held = _held(dtype)
        if held not in self.machine.types:
            raise Uncovered(f"{self.machine.name} has no vectors of {dtype}")
        return self.machine.types[held]

    def fresh(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self.names.taken:
            count += 1
            candidate = f"{name}{count}"
        self.names.taken.add(candidate)
        return candidate


@dataclass(frozen=True)
class _Clamped:
    """What is stored: ``value``, clamped to ``bounds``, which the elements' type holds."""

    value: Expr
    bounds: tuple[int, int]

    @property
    def spelled(self) -> dict[str, str]:
        return {"lo_n": str(self.bounds[0]), "hi_n": str(self.bounds[1])}


def _clamped(s: Store) -> _Clamped | None:
    """y[i] = wrap(i8, clamp(x, lo, hi)) with lo and hi known and in range."""
    match s.value:
        case Cast("wrap", Binary("min", Binary("max", x, Const(value=lo)), Const(value=hi)), dtype):
            if dtype.is_integer and dtype.bits < 32 and x.dtype == i32 and dtype.min <= lo <= hi <= dtype.max:
                return _Clamped(x, (int(lo), int(hi)))
    return None


def _held(dtype: DType) -> str:
    """The type that a lane holds: narrow integers are widened."""
    return i32.name if dtype.is_integer and dtype.bits < 32 else dtype.name


def _renamed(s: Stmt, new: Mapping[str, Expr]) -> Stmt:
    def value(e: Expr) -> Expr:
        return map_expr(e, lambda x: new.get(x.name, x) if isinstance(x, Var) else x)

    def var(v: Var) -> Var:
        found = new.get(v.name, v)
        assert isinstance(found, Var), "what is assigned has a name"
        return found

    match s:
        case Let(v, e):
            return Let(var(v), value(e))
        case Assign(v, e):
            return Assign(var(v), value(e))
        case If(condition, then, other):
            return If(value(condition), tuple(_renamed(x, new) for x in then), tuple(_renamed(x, new) for x in other))
        case Return(e):
            return Return(value(e))
    raise Uncovered(f"a function with a {type(s).__name__.lower()}")
