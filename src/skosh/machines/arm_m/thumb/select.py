"""A loop nest of the kernel language as Thumb-2 instructions on virtual registers.

Buffers are walked by cursors: pointers that move as the loops do, so that an element is reached with a constant offset.
Where the loops inside leave a cursor exactly where the next round begins, nothing moves it at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from skosh.base.dtypes import i32
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    Let,
    Load,
    Param,
    Return,
    Stmt,
    Store,
    Unary,
    Var,
    map_expr,
    stmt_exprs,
    substitute,
    walk,
    walk_expr,
)
from skosh.ir.layout import address, with_step
from skosh.ir.simplify import from_polynomial, polynomial, simplify
from skosh.machines.arm_m.thumb.code import Ins, Item, Loop, Pool, Reg
from skosh.targets.assembler import NotAssembled

Poly = dict[tuple[Expr, ...], int]
Key = tuple[str, tuple[tuple[tuple[Expr, ...], int], ...]]  # a buffer, and the part of an address that loops move


@dataclass(frozen=True)
class Place:
    """Where an access goes: the cursor's key, an offset that no loop moves, and a constant, all in elements.

    index: a local, worked out in the loop, that is added to it ("" for none).
    """

    key: Key
    invariant: tuple[tuple[tuple[Expr, ...], int], ...]
    constant: int
    index: str = ""


@dataclass
class Selected:
    """Instructions, and what the function takes: one pointer a buffer (its first element's position), then numbers."""

    items: list[Item]
    entry: list[Ins]
    pointers: list[tuple[str, Expr, Reg]]
    numbers: list[tuple[Var, Reg]]




def _frozen(p: Poly) -> tuple[tuple[tuple[Expr, ...], int], ...]:
    return tuple(sorted(((m, c) for m, c in p.items() if c), key=repr))


def _minus(a: Mapping[tuple[Expr, ...], int], b: Mapping[tuple[Expr, ...], int]) -> Poly:
    return {m: c for m in {**a, **b} if (c := a.get(m, 0) - b.get(m, 0))}


def _times(p: Mapping[tuple[Expr, ...], int], factor: int) -> Poly:
    return {m: c * factor for m, c in p.items()}


@dataclass
class _Cursor:
    """The register that walks for a key, and how far (in elements) it is beyond the place that the key means now."""

    reg: Reg
    ahead: Poly = field(default_factory=dict)


def _unwrapped(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """Loops of one round as what they do. Their locals may join the scope around them: the last one given a name counts."""
    out: list[Stmt] = []
    for s in body:
        if not isinstance(s, For):
            out.append(s)
            continue
        inside = _unwrapped(s.body)
        low, rounds = simplify(s.lo), simplify(Binary("-", s.hi, s.lo, i32))
        if isinstance(low, Const) and isinstance(rounds, Const) and 0 < int(rounds.value) <= s.step:
            out += substitute(inside, {s.var: low})
        else:
            out.append(replace(s, body=inside))
    return tuple(out)


def _folded(e: Expr) -> Expr:
    """Of two constants, the value."""
    known = isinstance(e, Binary) and isinstance(e.a, Const) and isinstance(e.b, Const)
    return simplify(e) if known else e


class Selector:
    def __init__(
        self, loop: For, params: Mapping[str, Param], steps: Mapping[str, int], scalars: Mapping[str, Var]
    ) -> None:
        loop = replace(loop, body=_unwrapped(loop.body))
        self.root, self.params, self.steps, self.scalars = loop, params, dict(steps), scalars
        self.pool = Pool()
        self.open: list[For] = []
        self.entry: list[Ins] = []
        self.numbers: dict[str, Reg] = {}
        self.invariants: dict[Expr, Reg] = {}
        self.env: dict[str, Reg] = {}
        self.nest = {s.var for s in walk((loop,)) if isinstance(s, For)}
        for s in walk((loop,)):
            if isinstance(s, For):
                self.steps = dict(with_step(s, self.steps))
            elif not isinstance(s, Let | Assign | Store):
                raise NotAssembled(f"a {type(s).__name__.lower()} inside")
        self.assigned = {s.var.name for s in walk((loop,)) if isinstance(s, Assign)}
        self.locals = {s.var.name for s in walk((loop,)) if isinstance(s, Let)} - self.assigned
        self.places: dict[int, Place] = {}
        self.bases: dict[str, Poly] = {}
        for access in self._accesses((loop,)):
            self.places[id(access)] = self._place(access)
        for buffer, base in self.bases.items():  # pointers begin at the first element that is touched
            least = min(p.constant for p in self.places.values() if p.key[0] == buffer)
            self.bases[buffer] = {**base, (): least} if least else base
        starts = {b: base.get((), 0) for b, base in self.bases.items()}
        self.places = {i: replace(p, constant=p.constant - starts[p.key[0]]) for i, p in self.places.items()}
        self.cursors: dict[Key, _Cursor] = {}
        self.chains: dict[Reg, list[tuple[Poly, Reg]]] = {}
        self.known: dict[tuple[str, tuple[tuple[Reg, int], ...]], Reg] = {}
        self.versions: dict[Reg, int] = {}
        self.copies: dict[Reg, tuple[Reg, int]] = {}  # what holds the same value as another register, of that version

    # ------------------------------------------------------------------------------------------------ addresses

    def _accesses(self, body: Sequence[Stmt]) -> list[Load | Store]:
        """In the order in which they happen."""
        out: list[Load | Store] = []
        for s in body:
            for e in stmt_exprs(s):
                out += [x for x in walk_expr(e) if isinstance(x, Load)]
            if isinstance(s, Store):
                out.append(s)
            elif isinstance(s, For):
                out += self._accesses(s.body)
        return out

    def _place(self, access: Load | Store) -> Place:
        moving: Poly = {}
        still: Poly = {}
        constant = 0
        index = ""
        for m, c in polynomial(address(self.params[access.buffer], access.index, self.steps)).items():
            if not all(isinstance(f, Var) for f in m):
                raise NotAssembled(f"the place in {access.buffer} is not a sum of products")
            names = [f.name for f in m if isinstance(f, Var)]
            inside = sum(n in self.nest for n in names)
            if self._is_index(access, names, c) and not index:
                index = names[0]
                continue
            if inside > 1 or any(n not in self.nest and n not in self.scalars for n in names):
                raise NotAssembled(f"the place in {access.buffer} depends on data")
            if inside:
                moving[m] = c
            elif m:
                still[m] = c
            else:
                constant = c
        base = self.bases.setdefault(access.buffer, still)
        return Place((access.buffer, _frozen(moving)), _frozen(_minus(still, base)), constant, index)

    def _is_index(self, access: Load | Store, names: Sequence[str], factor: int) -> bool:
        """A byte may be stored at a place that the loop works out."""
        return (
            isinstance(access, Store)
            and self._size(access.buffer) == 1
            and factor == 1
            and len(names) == 1
            and names[0] in self.locals
        )

    def _restricted(self, key: Key, variables: frozenset[str]) -> Key:
        kept = {m: c for m, c in key[1] if any(isinstance(f, Var) and f.name in variables for f in m)}
        return key[0], _frozen(kept)

    def _step(self, key: Key, var: str) -> Poly:
        """Elements that one unit of ``var`` moves the key's cursor."""
        out: Poly = {}
        for m, c in key[1]:
            if any(isinstance(f, Var) and f.name == var for f in m):
                rest = list(m)
                rest.remove(next(f for f in m if isinstance(f, Var) and f.name == var))
                out[tuple(rest)] = out.get(tuple(rest), 0) + c
        return out

    def _size(self, buffer: str) -> int:
        return self.params[buffer].dtype.bytes

    # ------------------------------------------------------------------------------------------------ invariants

    def _number(self, v: Var) -> Reg:
        if v.name not in self.numbers:
            if v.name not in self.scalars:
                raise NotAssembled(f'"{v.name}" is not known')
            self.numbers[v.name] = self.pool.reg(v.name)
        return self.numbers[v.name]

    def _invariant(self, p: Poly, scale: int) -> Reg:
        """A sum of products of numbers, times ``scale``: worked out once, before the loops."""
        e = simplify(from_polynomial(_times(p, scale)))
        if e not in self.invariants:
            self.invariants[e] = self._expr(e, self.entry)
        return self.invariants[e]

    # ------------------------------------------------------------------------------------------------ expressions

    def _emit(
        self, out: list[Ins], text: str, ins: Sequence[Reg], into: Reg | None, name: str = "t", **how: Any
    ) -> Reg:
        """The instruction's result; where the same one has been worked out since the last branch, that."""
        key = (text, tuple((r, self.versions.get(r, 0)) for r in ins))
        if into is None and out is not self.entry and key in self.known:
            return self.known[key]
        target = into or self.pool.reg(name)
        out.append(Ins(text, (target,), tuple(ins), **how))
        if into is None and out is not self.entry:
            self.known[key] = target
        elif into is not None:
            self._changed(into)
        return target

    def _changed(self, reg: Reg) -> None:
        """What was worked out from the register's old value, or lies in it, is not known any more."""
        self.versions[reg] = self.versions.get(reg, 0) + 1
        self.copies.pop(reg, None)
        self.known = {k: v for k, v in self.known.items() if v != reg}

    def _constant(self, value: int, out: list[Ins], into: Reg | None) -> Reg:
        unsigned = value & 0xFFFFFFFF
        if unsigned < 65536:
            return self._emit(
                out, f"movw {{o0}}, #{unsigned}" if unsigned > 255 else f"mov {{o0}}, #{unsigned}", (), into, "c"
            )
        if (~unsigned & 0xFFFFFFFF) < 256:
            return self._emit(out, f"mvn {{o0}}, #{~unsigned & 0xFFFFFFFF}", (), into, "c")
        target = self._emit(out, f"movw {{o0}}, #{unsigned & 65535}", (), into, "c")
        return self._emit(out, f"movt {{o0}}, #{unsigned >> 16}", (target,), target)

    def _expr(self, e: Expr, out: list[Ins], into: Reg | None = None) -> Reg:
        name = into.name if into else "t"
        match e:
            case Const(value):
                return self._constant(int(value), out, into)
            case Var():
                reg = self.env[e.name] if e.name in self.env else self._number(e)
                if reg in self.copies and self.copies[reg][1] == self.versions.get(self.copies[reg][0], 0):
                    reg = self.copies[reg][0]
                if into is None:
                    return reg
                out.append(Ins("mov {o0}, {i0}", (into,), (reg,), copy=True, high="any"))
                self._changed(into)
                self.copies[into] = (reg, self.versions.get(reg, 0))
                return into
            case Load():
                return self._load(e, out, into)
            case CallExpr(function, args):
                return self._call(function, args, out, into)
            case Cast("widen", Load() as inner):
                return self._load(inner, out, into)
            case Cast("widen" | "wrap", a, dtype) if dtype.bits == 32 and a.dtype.bits == 32:
                return self._expr(a, out, into)
            case Cast("wrap", a, dtype) if a.dtype.bits == 32 and dtype.name in ("i8", "u8", "i16", "u16"):
                how = {"i8": "sxtb", "u8": "uxtb", "i16": "sxth", "u16": "uxth"}[dtype.name]
                return self._emit(out, f"{how} {{o0}}, {{i0}}", (self._expr(a, out),), into, name)
            case Cast("widen", a) if a.dtype.bits < 32 and isinstance(a, Cast):
                return self._expr(a, out, into)
            case Unary("-", a):
                return self._emit(out, "rsb {o0}, {i0}, #0", (self._expr(a, out),), into, name)
            case Binary():
                return self._binary(e, out, into, name)
        raise NotAssembled(f"no instruction for {type(e).__name__} {e!r}")

    def _binary(self, e: Binary, out: list[Ins], into: Reg | None, name: str) -> Reg:
        op, a, b = e.op, e.a, e.b
        if e.dtype.bits != 32 or e.dtype.is_float:
            raise NotAssembled(f"arithmetic on {e.dtype}")
        if op == "min" and isinstance(a, Binary) and a.op == "max" and a.b == Const(-128) and b == Const(127):
            return self._emit(out, "ssat {o0}, #8, {i0}", (self._expr(a.a, out),), into, name)
        if op in ("min", "max"):
            x, y = self._expr(a, out), self._expr(b, out)
            target = into or self.pool.reg(name)
            keep = "lt" if op == "max" else "gt"
            other = "ge" if op == "max" else "le"
            text = f"cmp {{i0}}, {{i1}}\nite {keep}\nmov{keep} {{o0}}, {{i1}}\nmov{other} {{o0}}, {{i0}}"
            out.append(Ins(text, (target,), (x, y)))
            return target
        if op == "+" and isinstance(b, Binary) and b.op in (">>", "<<") and isinstance(b.b, Const):
            shift = "lsl" if b.op == "<<" else "asr" if b.dtype.kind == "int" else "lsr"
            text = f"add {{o0}}, {{i0}}, {{i1}}, {shift} #{b.b.value}"
            return self._emit(out, text, (self._expr(a, out), self._expr(b.a, out)), into, name)
        if op == "+" and isinstance(b, Binary) and b.op == "*" and not isinstance(b.b, Const):
            regs = (self._expr(b.a, out), self._expr(b.b, out), self._expr(a, out))
            return self._emit(out, "mla {o0}, {i0}, {i1}, {i2}", regs, into, name)
        if op in ("+", "-") and isinstance(b, Const) and 0 <= abs(int(b.value)) < 4096:
            value = int(b.value) if op == "+" else -int(b.value)
            how = "add" if value >= 0 else "sub"
            return self._emit(out, f"{how} {{o0}}, {{i0}}, #{abs(value)}", (self._expr(a, out),), into, name)
        if op in ("<<", ">>") and isinstance(b, Const):
            shift = "lsl" if op == "<<" else "asr" if e.dtype.kind == "int" else "lsr"
            return self._emit(out, f"{shift} {{o0}}, {{i0}}, #{b.value}", (self._expr(a, out),), into, name)
        if op in ("//", "%") and isinstance(b, Const) and int(b.value) & (int(b.value) - 1) == 0:  # of what is >= 0
            bits, mask = int(b.value).bit_length() - 1, int(b.value) - 1
            text = f"lsr {{o0}}, {{i0}}, #{bits}" if op == "//" else f"and {{o0}}, {{i0}}, #{mask}"
            return self._emit(out, text, (self._expr(a, out),), into, name)
        if op in ("//", "%") and e.dtype.kind == "int":
            x, y = self._expr(a, out), self._expr(b, out)
            if op == "//":
                return self._emit(out, "sdiv {o0}, {i0}, {i1}", (x, y), into, name)
            quotient = self._emit(out, "sdiv {o0}, {i0}, {i1}", (x, y), None, name)
            return self._emit(out, "mls {o0}, {i0}, {i1}, {i2}", (quotient, y, x), into, name)
        for left, by in ((a, b), (b, a)):
            if op == "*" and isinstance(by, Const) and int(by.value) > 0 and int(by.value) & (int(by.value) - 1) == 0:
                text = f"lsl {{o0}}, {{i0}}, #{int(by.value).bit_length() - 1}"
                return self._emit(out, text, (self._expr(left, out),), into, name)
        known = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "orr", "^": "eor", "<<": "lsl",
                 ">>": "asr" if e.dtype.kind == "int" else "lsr"}  # fmt: skip
        if op not in known:
            raise NotAssembled(f"no instruction for {op}")
        return self._emit(
            out, f"{known[op]} {{o0}}, {{i0}}, {{i1}}", (self._expr(a, out), self._expr(b, out)), into, name
        )

    def _machine_has(self, function: Function) -> bool:
        return function.instruction is not None and bool(function.instruction.asm)

    def _call(self, function: Function, args: Sequence[Expr], out: list[Ins], into: Reg | None) -> Reg:
        if function.instruction is not None and self._machine_has(function):
            text = function.instruction.asm
            for i, p in enumerate(function.params):
                text = text.replace("{" + p.name + "}", "{i" + str(i) + "}")
            regs = [self._expr(a, out) for a in args]
            return self._emit(out, text.replace("{out}", "{o0}"), regs, into, into.name if into else function.name)
        known = {p.name: a for p, a in zip(function.params, args, strict=True) if isinstance(a, Const)}
        inside = {p.name: self._expr(a, out) for p, a in zip(function.params, args, strict=True) if p.name not in known}
        saved, self.env = self.env, inside
        result: Reg | None = None
        for s in substitute(function.body, known):
            match s:
                case Let(var, value):
                    self.env[var.name] = self._named(self._expr(map_expr(value, _folded), out), var.name, out)
                case Return(value):
                    result = self._expr(map_expr(value, _folded), out, into)
                case Assume():
                    pass  # the interpreter's
                case _:
                    raise NotAssembled(f"{function.name} has a {type(s).__name__.lower()} inside")
        self.env = saved
        assert result is not None, f"{function.name} ends without a value"
        return result

    # ------------------------------------------------------------------------------------------------ memory

    def _at(self, access: Load | Store, out: list[Ins]) -> tuple[Reg, int]:
        """(register, offset in bytes)."""
        place = self.places[id(access)]
        cursor, size = self.cursors[place.key], self._size(access.buffer)
        if set(cursor.ahead) - {()}:
            raise NotAssembled(f"{access.buffer} is walked by a loop before it is read here")
        reg = self._beyond(cursor.reg, dict(place.invariant), size, out)
        offset = (place.constant - cursor.ahead.get((), 0)) * size
        if not self._reaches(offset):
            reg = self._emit(out, "add {o0}, {i0}, {i1}", (reg, self._invariant({(): offset}, 1)), None, access.buffer)
            offset = 0
        return reg, offset

    def _reaches(self, offset: int) -> bool:
        """Can an instruction name this distance, in bytes?"""
        return -255 <= offset <= 4095

    def _plus(self, reg: Reg, further: Reg, name: str, out: list[Ins]) -> Reg:
        return self._emit(out, "add {o0}, {i0}, {i1}", (reg, further), None, name)

    def _beyond(self, reg: Reg, distance: Poly, size: int, out: list[Ins]) -> Reg:
        """reg + distance, from the nearest place already at hand."""
        if not distance:
            return reg
        known = self.chains.setdefault(reg, [({}, reg)])
        for p, r in known:
            if _frozen(p) == _frozen(distance):
                return r
        near = min(
            known, key=lambda k: len(_minus(distance, k[0])) * 100 + sum(map(abs, _minus(distance, k[0]).values()))
        )
        further = self._invariant(_minus(distance, near[0]), size)
        target = self._plus(near[1], further, reg.name, out)
        known.append((distance, target))
        return target

    def _load(self, e: Load, out: list[Ins], into: Reg | None) -> Reg:
        stored = self.params[e.buffer].dtype
        loaded = e.dtype if e.dtype.bits == 32 else stored
        how = {"i8": "ldrsb", "u8": "ldrb", "i16": "ldrsh", "u16": "ldrh", "i32": "ldr", "u32": "ldr"}.get(loaded.name)
        if how is None:
            raise NotAssembled(f"no load of {loaded}")
        base, offset = self._at(e, out)
        key = (f"{how} {offset}", ((base, self.versions.get(base, 0)),))
        if into is None and key in self.known:
            return self.known[key]
        target = into or self.pool.reg(e.buffer)
        if into is None:
            self.known[key] = target
        else:
            self._changed(into)
        joins = stored.bits == 32  # C promises such elements an address that is a multiple of four
        out.append(
            Ins(
                f"{how} {{o0}}, [{{i0}}, #{offset}]",
                (target,),
                (base,),
                "load",
                e.buffer,
                base if joins else None,
                offset,
            )
        )
        return target

    def _store(self, s: Store, out: list[Ins]) -> None:
        stored = self.params[s.buffer].dtype
        value = s.value
        while isinstance(value, Cast) and value.how in ("wrap", "widen") and value.dtype.bits <= stored.bits:
            if value.a.dtype.bits > 32:
                break
            value = value.a
        how = {8: "strb", 16: "strh", 32: "str"}[s.value.dtype.bits if s.value.dtype.bits == 32 else stored.bits]
        reg = self._expr(value, out)
        base, offset = self._at(s, out)
        self._forget_loads()
        if index := self.places[id(s)].index:
            base = self._emit(out, "add {o0}, {i0}, {i1}", (base, self.env[index]), None, s.buffer)
        joins = stored.bits == 32
        out.append(
            Ins(
                f"{how} {{i1}}, [{{i0}}, #{offset}]",
                (),
                (base, reg),
                "store",
                s.buffer,
                base if joins else None,
                offset,
            )
        )

    def _forget_loads(self) -> None:
        """Something is stored: what was loaded may have changed."""
        self.known = {k: v for k, v in self.known.items() if not k[0].startswith("ldr")}

    # ------------------------------------------------------------------------------------------------ loops

    def run(self) -> Selected:
        for p in self.places.values():
            top: Key = (p.key[0], ())
            if top not in self.cursors:
                self.cursors[top] = _Cursor(self.pool.reg(p.key[0]))
        pointers = [(k[0], simplify(from_polynomial(self.bases[k[0]])), c.reg) for k, c in self.cursors.items()]
        items = self._body((self.root,), frozenset())
        numbers = [(self.scalars[n], r) for n, r in self.numbers.items()]
        return Selected(items, self.entry, pointers, numbers)

    def _body(self, body: Sequence[Stmt], opened: frozenset[str]) -> list[Item]:
        items: list[Item] = []
        region: list[Ins] = []
        self.chains, self.known, self.copies = {}, {}, {}
        for s in body:
            match s:
                case Let(var, value) if var.name in self.assigned:
                    self.env[var.name] = self._expr(value, region, self.pool.reg(var.name))
                case Let(var, value):
                    self.env[var.name] = self._named(self._expr(value, region), var.name, region)
                case Assign(var, value):
                    self._expr(value, region, self.env[var.name])
                case Store():
                    self._store(s, region)
                case For():
                    items += self._loop(s, body, opened, region)
                    region = []
                    self.chains, self.known, self.copies = {}, {}, {}
        return [*items, *region]

    def _named(self, reg: Reg, name: str, out: Sequence[Ins]) -> Reg:
        """The register of a value that has just been made, called as the kernel calls it."""
        if reg.name != name and out and reg in out[-1].outs and reg not in self.env.values():
            new = Reg(reg.id, name)
            last = out[-1]
            last.outs = tuple(new if r == reg else r for r in last.outs)
            self.known = {k: new if v == reg else v for k, v in self.known.items()}
            return new
        return reg

    def _keys(self, body: Sequence[Stmt], opened: frozenset[str]) -> list[Key]:
        """The cursors that a body needs when the loops ``opened`` have been entered."""
        found: dict[Key, None] = {}
        for a in self._accesses(body):
            found[self._restricted(self.places[id(a)].key, opened)] = None
        return list(found)

    def _loop(self, s: For, siblings: Sequence[Stmt], opened: frozenset[str], region: list[Ins]) -> list[Item]:
        inside = opened | {s.var}
        trips = polynomial(simplify(Binary("-", s.hi, s.lo, i32)))
        low = polynomial(simplify(s.lo))
        walked: list[tuple[Key, Key, _Cursor, Poly]] = []
        outer = dict(self.cursors)
        for key in self._keys(s.body, inside):
            parent = self._restricted(key, opened)
            step = self._step(key, s.var)
            if not step:
                self.cursors[key] = outer[parent]
                continue
            start, cursor = self._product(low, step), outer[parent]
            shared = self._may_walk(parent, siblings, opened) and _frozen(cursor.ahead) == _frozen(start)
            if not shared:
                distance = _minus(start, cursor.ahead)
                copy = self.pool.reg(key[0])
                self._advance(copy, cursor.reg, distance, self._size(key[0]), region)
                cursor = _Cursor(copy)
            walked.append((key, parent, cursor, step))
            self.cursors[key] = _Cursor(cursor.reg)
        used = any(
            isinstance(e, Var) and e.name == s.var for x in walk(s.body) for e in self._value_exprs(x)
        ) or not walked  # fmt: skip
        control = None if used else min(walked, key=lambda w: (len(w[3]), repr(w[0])))
        skip = self.pool.label()
        end: Reg
        if control is None:
            counter = self.pool.reg(s.var)
            self._expr(simplify(s.lo), region, counter)
            self.env[s.var] = counter
            end = self._expr(simplify(s.hi), self.entry)
            first = counter
        else:
            first = control[2].reg
            end = self.pool.reg("end")
            self._advance(end, first, self._product(trips, control[3]), self._size(control[0][0]), region)
        constant = set(trips) <= {()} and trips.get((), 0) > 0
        if not constant:
            region.append(Ins(f"cmp {{i0}}, {{i1}}\nbhs {skip}f", (), (first, end), high="any"))
        label = self.pool.label()
        self.open.append(s)
        inner = self._body(s.body, inside)
        self.open.pop()
        tail: list[Ins] = []
        for key, _, cursor, step in walked:
            left = _minus(_times(step, s.step), self.cursors[key].ahead)
            if left:
                self._advance(cursor.reg, cursor.reg, left, self._size(key[0]), tail)
        if control is None:
            self._advance(first, first, {(): s.step}, 1, tail)
        tail.append(Ins(f"cmp {{i0}}, {{i1}}\nblo {label}b", (), (first, end), high="any"))
        self.cursors = outer
        for _, parent, cursor, step in walked:
            if cursor.reg == outer[parent].reg:
                ahead = {m: c for m, c in self._product(polynomial(simplify(s.hi)), step).items() if c}
                self.cursors[parent] = _Cursor(cursor.reg, ahead)
        after: list[Item] = [] if constant else [Ins("", label=skip)]
        return [*region, Loop(inner, tail, label), *after]

    def _value_exprs(self, s: Stmt) -> list[Expr]:
        """Expressions inside a statement, those that only say a place left out."""
        out: list[Expr] = []

        def visit(e: Expr) -> None:
            out.append(e)
            if isinstance(e, Load):
                return
            for f in ("a", "b"):
                if isinstance(x := getattr(e, f, None), Expr):
                    visit(x)
            for x in getattr(e, "args", ()):
                visit(x)

        if isinstance(s, Store):
            visit(s.value)
        else:
            for e in stmt_exprs(s):
                visit(e)
        return out

    def _product(self, a: Mapping[tuple[Expr, ...], int], b: Mapping[tuple[Expr, ...], int]) -> Poly:
        return dict(polynomial(simplify(Binary("*", from_polynomial(a), from_polynomial(b), i32))))

    def _advance(self, target: Reg, source: Reg, distance: Poly, size: int, out: list[Ins]) -> None:
        """target = source + distance elements."""
        if not distance:
            if target != source:
                out.append(Ins("mov {o0}, {i0}", (target,), (source,), copy=True, high="any"))
            return
        if set(distance) <= {()} and 0 <= distance[()] * size < 4096:
            out.append(Ins(f"add {{o0}}, {{i0}}, #{distance[()] * size}", (target,), (source,)))
            return
        by = self._invariant(distance, size)
        out.append(Ins("add {o0}, {i0}, {i1}", (target,), (source, by)))

    def _may_walk(self, key: Key, body: Sequence[Stmt], opened: frozenset[str]) -> bool:
        """Can the loops in ``body`` move the key's own cursor, so that every use finds it where it should be?"""
        ahead: Poly = {}
        for s in body:
            if not isinstance(s, For):
                for a in self._accesses((s,)):
                    if self._restricted(self.places[id(a)].key, opened) == key and set(ahead) - {()}:
                        return False
                continue
            below = [k for k in self._keys(s.body, opened | {s.var}) if self._restricted(k, opened) == key]
            moving = [k for k in below if self._step(k, s.var)]
            if not moving:
                if below and ahead:
                    return False
                continue
            if len(below) > 1:
                return False
            step = self._step(moving[0], s.var)
            if _frozen(self._product(polynomial(simplify(s.lo)), step)) != _frozen(ahead):
                return False
            ahead = self._product(polynomial(simplify(s.hi)), step)
        if not ahead or not opened:
            return True
        own = self._own_step(key, opened)
        return own is not None and _frozen(own) == _frozen(ahead)

    def _own_step(self, key: Key, opened: frozenset[str]) -> Poly | None:
        """What one round of the innermost open loop moves the key's cursor by."""
        return _times(self._step(key, self.open[-1].var), self.open[-1].step) if self.open else None
