"""Copies and fills of int8 as Helium does them: 16 bytes an instruction, where lanes of 32 bits would move four.

for (i = 0; i < 40; i++)        vstrbq_s8(&y[0], vldrbq_s8(&x[3]));
    y[i] = x[i + 3];        ->  ... at 16
                                const mve_pred16_t i_rest = vctp8q(8u);
                                vstrbq_p_s8(&y[32], vldrbq_z_s8(&x[35], i_rest), i_rest);
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.base.dtypes import i8, i32
from skosh.emit.expressions import Names, expression
from skosh.emit.vector.lanes import INDENT, WIDTH, Scalar
from skosh.ir.kernel import Binary, Cast, Const, Expr, For, Load, Store, Var, map_expr
from skosh.ir.layout import address, with_step
from skosh.ir.simplify import polynomial, simplify
from skosh.schedule.lanes import depends
from skosh.targets.simd import vector_machine

LANES = 16
UNROLLED = 4  # vectors of a loop that is written out


def is_move(loop: For, names: Names) -> bool:
    """Does a marked par loop only copy, or fill, bytes that lie side by side, on a machine that moves 16 at once?"""
    if not loop.par or len(loop.body) != 1:
        return False
    (s,) = loop.body
    if not isinstance(s, Store) or names.params[s.buffer].dtype != i8 or not _beside(s.buffer, s.index, loop, names):
        return False
    match s.value:
        case Load(buffer, index, dtype):
            return dtype == names.params[buffer].dtype == i8 and _beside(buffer, index, loop, names)
        case Cast("wrap", value, dtype):
            return dtype == i8 and not depends(value, (loop.var,)) and not isinstance(value, Load)
        case Const():
            return True
    return False


def _beside(buffer: str, index: tuple[Expr, ...], loop: For, names: Names) -> bool:
    terms = polynomial(address(names.params[buffer], index, names.steps))
    moving = [factors for factors in terms if any(depends(f, (loop.var,)) for f in factors)]
    return moving == [(Var(loop.var),)] and terms[Var(loop.var),] == 1


def move_loop(loop: For, names: Names, depth: int, scalar: Scalar) -> str:
    """C for a marked copy or fill: Helium's own under its macro, the plain loop for other compilers. "" for other loops."""
    if not is_move(loop, names):
        return ""
    plain = scalar((replace(loop, vector="", vectors=1),), replace(names, taken=set(names.taken)), depth)
    (store,) = loop.body
    assert isinstance(store, Store), "is_move has said so"
    own = _Move(loop, store, names, depth).text()
    return f"#if {vector_machine(loop.vector).test}\n{own}#else\n{plain}#endif\n"


@dataclass
class _Move:
    loop: For
    store: Store
    names: Names
    depth: int

    def text(self) -> str:
        lo, trips = simplify(self.loop.lo), simplify(Binary("-", self.loop.hi, self.loop.lo, i32))
        if not isinstance(trips, Const):
            return self.counted()
        whole, rest = divmod(max(int(trips.value), 0), LANES)
        out = ""
        if whole > UNROLLED:
            body = self.move(Var(self.loop.var), self.depth + 1, "", step=True)
            out = f"{self.head(lo, _at(lo, whole * LANES))}{body}{INDENT * self.depth}}}\n"
        else:
            out = "".join(self.move(_at(lo, j * LANES), self.depth, "") for j in range(whole))
        if rest:
            p = self.fresh(f"{self.loop.var}_rest")
            out += f"{INDENT * self.depth}const mve_pred16_t {p} = vctp8q({rest}u);\n"
            out += self.move(_at(lo, whole * LANES), self.depth, p)
        return out

    def counted(self) -> str:
        """All vectors under a predicate: compilers make a tail-predicated loop of that."""
        pad, p = INDENT * (self.depth + 1), self.fresh(f"{self.loop.var}_in_use")
        left = expression(simplify(Binary("-", self.loop.hi, Var(self.loop.var), i32)), self.names)
        body = f"{pad}const mve_pred16_t {p} = vctp8q((uint32_t)({left}));\n"
        body += self.move(Var(self.loop.var), self.depth + 1, p, step=True)
        return f"{self.head(self.loop.lo, self.loop.hi)}{body}{INDENT * self.depth}}}\n"

    def move(self, at: Expr, depth: int, predicate: str, *, step: bool = False) -> str:
        names = self.names
        if step:
            names = replace(names, steps=with_step(replace(self.loop, step=LANES), names.steps))
        to = self.place(self.store.buffer, self.store.index, at, names)
        value = self.store.value
        if isinstance(value, Load):
            start = self.place(value.buffer, value.index, at, names)
            moved = f"vldrbq_z_s8({start}, {predicate})" if predicate else f"vldrbq_s8({start})"
        else:
            moved = f"vdupq_n_s8({expression(value, names)})"
        pad = INDENT * depth
        call = f"vstrbq_p_s8({to}, {moved}, {predicate});" if predicate else f"vstrbq_s8({to}, {moved});"
        if len(pad) + len(call) <= WIDTH:
            return f"{pad}{call}\n"
        vector = self.fresh("bytes")
        more = f", {predicate}" if predicate else ""
        name = "vstrbq_p_s8" if predicate else "vstrbq_s8"
        return f"{pad}const int8x16_t {vector} = {moved};\n{pad}{name}({to}, {vector}{more});\n"

    def place(self, buffer: str, index: tuple[Expr, ...], at: Expr, names: Names) -> str:
        there = tuple(map_expr(e, lambda x: at if x == Var(self.loop.var) else x) for e in index)
        return f"&{buffer}[{expression(simplify(address(names.params[buffer], there, names.steps)), names)}]"

    def head(self, start: Expr, end: Expr) -> str:
        low, high = (expression(simplify(e), self.names) for e in (start, end))
        var = self.loop.var
        return f"{INDENT * self.depth}for (int32_t {var} = {low}; {var} < {high}; {var} += {LANES}) {{\n"

    def fresh(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self.names.taken:
            count += 1
            candidate = f"{name}{count}"
        self.names.taken.add(candidate)
        return candidate


def _at(start: Expr, offset: int) -> Expr:
    return simplify(Binary("+", start, Const(offset), i32))
