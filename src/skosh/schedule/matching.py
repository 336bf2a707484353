"""Does a piece of a kernel do what a function's body says? Part by part, with the function's parameters bound on the way.

A lane of a word, ``wrap(i8, a >> 8 * j)`` of a parameter ``a: u32``, is element j of four that lie side by side: ``a`` is then
the word that begins at element 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from skosh.base.dtypes import i32, u32
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    Cast,
    Const,
    Expr,
    For,
    Function,
    Let,
    Load,
    Param,
    Stmt,
    Var,
    walk_expr,
)
from skosh.ir.kernel_text import body_text, expr_text
from skosh.ir.prove import plus, poly
from skosh.ir.simplify import from_polynomial, simplify

Part = Expr | Stmt


@dataclass(frozen=True)
class Difference(Exception):
    """What the body has, and what stands in its place."""

    wanted: str
    found: str


@dataclass
class Match:
    """``values``: the parameters' arguments. ``names``: what the piece calls the body's locals and loop variables."""

    function: Function
    buffers: dict[str, Param]
    values: dict[str, Expr] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    loops: dict[str, int] = field(default_factory=dict)  # of the body -> rounds

    def arguments(self) -> tuple[Expr, ...]:
        for p in self.function.params:
            if p.name not in self.values:
                raise Difference(f"{p.name}: {p.dtype}", "nothing that says what it is")
        return tuple(self.values[p.name] for p in self.function.params)

    # ------------------------------------------------------------------------------------------------ statements

    def statements(self, wanted: Body, found: Body) -> None:
        for w, f in zip(wanted, found, strict=False):
            self.statement(w, f)
        if len(wanted) != len(found):
            rest = (wanted if len(wanted) > len(found) else found)[min(len(wanted), len(found))]
            words = (self.said(rest), "nothing") if len(wanted) > len(found) else ("nothing", self.said(rest))
            raise Difference(*words)

    def statement(self, wanted: Stmt, found: Stmt) -> None:
        match wanted, found:
            case For(), For():
                self.loop(wanted, found)
            case Let(var, value), Let(other, computed):
                self.names[var.name] = other.name
                self.expr(var, other)
                self.expr(value, computed)
            case Assign(var, value), Assign(other, computed):
                self.expr(var, other)
                self.expr(value, computed)
            case _:
                raise Difference(self.said(wanted), self.said(found))

    def loop(self, wanted: For, found: For) -> None:
        trips = [simplify(Binary("-", s.hi, s.lo, i32)) for s in (wanted, found)]
        same = trips[0] == trips[1] and wanted.step == found.step == 1
        if not (same and wanted.lo == Const(0) and simplify(found.lo) == Const(0)):
            raise Difference(self.said(wanted), self.said(found))
        self.names[wanted.var] = found.var
        if isinstance(trips[0], Const):
            self.loops[wanted.var] = int(trips[0].value)
        self.statements(wanted.body, found.body)

    # ------------------------------------------------------------------------------------------------ expressions

    def expr(self, wanted: Expr, found: Expr) -> None:
        lane = self.lane(wanted)
        if lane is not None and isinstance(found, Load):
            self.bind(lane[0], self.word(wanted, found, *lane), wanted, found)
            return
        if isinstance(wanted, Var):
            if any(p.name == wanted.name for p in self.function.params):
                self.bind(wanted.name, found, wanted, found)
            elif not (
                isinstance(found, Var) and found.name == self.names.get(wanted.name) and found.dtype == wanted.dtype
            ):
                raise Difference(self.said(wanted), self.said(found))
            return
        if type(wanted) is not type(found) or not self.alike(wanted, found):
            raise Difference(self.said(wanted), self.said(found))
        if isinstance(wanted, Binary) and isinstance(found, Binary) and wanted.op in ("+", "*", "&", "|", "^"):
            self.either_way(wanted, found)
            return
        for w, f in zip(_parts(wanted), _parts(found), strict=True):
            self.expr(w, f)

    def either_way(self, wanted: Binary, found: Binary) -> None:
        """a + b is b + a."""
        before = dict(self.values), dict(self.names)
        try:
            self.expr(wanted.a, found.a)
            self.expr(wanted.b, found.b)
        except Difference as first:
            self.values, self.names = before
            try:
                self.expr(wanted.a, found.b)
                self.expr(wanted.b, found.a)
            except Difference:
                raise first from None

    def alike(self, wanted: Expr, found: Expr) -> bool:
        """Equal but for their parts."""
        for f in fields(wanted):  # type: ignore[arg-type]
            mine = getattr(wanted, f.name)
            if not isinstance(mine, Expr | tuple) and mine != getattr(found, f.name):
                return False
        return len(_parts(wanted)) == len(_parts(found))

    def bind(self, param: str, value: Expr, wanted: Expr, found: Expr) -> None:
        (declared,) = (p for p in self.function.params if p.name == param)
        moving = {self.names[v] for v in self.loops}
        if value.dtype != declared.dtype or any(isinstance(x, Var) and x.name in moving for x in walk_expr(value)):
            raise Difference(self.said(wanted), self.said(found))
        if self.values.setdefault(param, value) != value:
            raise Difference(f"{self.said(wanted)}, which is {self.said(self.values[param])} already", self.said(found))

    def lane(self, wanted: Expr) -> tuple[str, str] | None:
        """(parameter, loop variable) of wrap(T, a >> bits * j)."""
        match wanted:
            case Cast("wrap", Binary(">>", Var(name), by), dtype) if dtype.bits in (8, 16):
                for loop in self.loops:
                    if poly(by) == {(Var(loop),): dtype.bits} and any(
                        p == Var(name, u32) for p in self.function.params
                    ):
                        return name, loop
        return None

    def word(self, wanted: Expr, found: Load, param: str, loop: str) -> Expr:
        """The word whose lanes these elements are."""
        moving = Var(self.names[loop])
        buffer = self.buffers[found.buffer]
        along = plus(poly(found.index[-1]), {(moving,): 1}, -1)
        still = not any(x == moving for i in (*found.index[:-1], from_polynomial(along)) for x in walk_expr(i))
        fits = found.dtype == wanted.dtype == buffer.dtype and buffer.tile == 1
        if not (still and fits and self.loops[loop] * wanted.dtype.bits == 32):
            raise Difference(self.said(wanted), self.said(found))
        return Load(found.buffer, (*found.index[:-1], from_polynomial(along)), u32)

    def said(self, part: Part) -> str:
        if isinstance(part, Expr):
            return expr_text(part, self.buffers)
        words = body_text((part,), self.buffers, 0).strip()
        return words.partition("\n")[0] if isinstance(part, For) else words


def _parts(e: Expr) -> list[Expr]:
    out: list[Expr] = []
    for f in fields(e):  # type: ignore[arg-type]
        value = getattr(e, f.name)
        out += (
            [value]
            if isinstance(value, Expr)
            else [v for v in value if isinstance(v, Expr)]
            if isinstance(value, tuple)
            else []
        )
    return out
