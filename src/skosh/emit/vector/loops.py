"""The loops around lanes: whole vectors several at a time, whole vectors, and what is left over.

for n in par(N), lanes of avx2, 2 vectors  ->  for (n = 0; n < N / 16 * 16; n += 16) ... two vectors
                                               for (n = N / 16 * 16; n < N / 8 * 8; n += 8) ... one
                                               the rest: one vector under a predicate; or the last 8 iterations again,
                                               where that changes nothing; or one by one
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.base.dtypes import i32
from skosh.emit.expressions import Names, expression
from skosh.emit.vector.lanes import INDENT, Lanes, Scalar, Uncovered
from skosh.ir.kernel import Assign, Binary, Const, Expr, For, Load, Store, Var, all_exprs, walk
from skosh.ir.layout import with_step
from skosh.ir.simplify import simplify
from skosh.schedule.lanes import side_by_side, varying
from skosh.targets.simd import VectorMachine, vector_machine


def vector_loop(loop: For, names: Names, depth: int, scalar: Scalar) -> str:
    """C for a vector loop: the machine's own under its macro, the plain loop for other compilers."""
    plain = scalar((replace(loop, vector=""),), replace(names, taken=set(names.taken)), depth)
    machine = vector_machine(loop.vector)
    try:
        own = _Loop(loop, machine, names, depth, scalar).text()
    except Uncovered:
        return plain
    return f"#if {machine.test}\n{own}#else\n{plain}#endif\n" if own else plain


def why_scalar(loop: For, names: Names) -> str:
    """Why a vector loop stays scalar; "" when it doesn't."""
    try:
        _Loop(loop, vector_machine(loop.vector), names, 1, lambda *_: "").text()
    except Uncovered as reason:
        return str(reason)
    return ""


@dataclass
class _Loop:
    loop: For
    machine: VectorMachine
    names: Names
    depth: int
    scalar: Scalar

    def text(self) -> str:
        """All pieces; nothing when there are never enough iterations for a vector."""
        assert self.loop.step == 1, "a vector loop isn't split"
        return self.fixed(self.machine.width) if self.machine.width is not None else self.scalable()

    # ------------------------------------------------------------------------------------------------ known width

    def fixed(self, width: int) -> str:
        lo, hi = simplify(self.loop.lo), simplify(self.loop.hi)
        trips = simplify(Binary("-", hi, lo, i32))
        known = int(trips.value) if isinstance(trips, Const) else None
        if known is not None:
            return self.fixed_and_known(width, lo, known)
        out, start = "", lo
        for vectors in {self.loop.vectors: None, 1: None}:
            step = vectors * width
            end = simplify(Binary("+", lo, Binary("*", Binary("//", trips, Const(step), i32), Const(step), i32), i32))
            out += self.whole(start, end, vectors, width)
            start = end
        if self.machine.predicate:
            return out + self.some(start, hi, width)
        return out + self.one_by_one(start, hi)

    def fixed_and_known(self, width: int, lo: Expr, trips: int) -> str:
        """With a known count only the pieces that run are there."""
        out, done = "", 0

        def at(n: int) -> Expr:
            return simplify(Binary("+", lo, Const(n), i32))

        for vectors in {self.loop.vectors: None, 1: None}:
            step = vectors * width
            end = done + (trips - done) // step * step
            if end > done:
                out += self.whole(at(done), at(end), vectors, width)
                done = end
        if done == trips:
            return out
        if self.machine.predicate:
            return out + self.some(at(done), at(trips), width)
        if trips >= width and self.may_repeat():
            return out + self.whole(at(trips - width), at(trips), 1, width)
        return out + self.one_by_one(at(done), at(trips)) if out else ""

    def may_repeat(self) -> bool:
        """Can an iteration run twice? Not if it reads what it writes, under whatever name."""
        written = {s.buffer for s in walk(self.loop.body) if isinstance(s, Store)}
        read = {e.buffer for e in all_exprs(self.loop.body) if isinstance(e, Load)}
        return self.names.separate and not written & read

    def whole(self, start: Expr, end: Expr, vectors: int, width: int) -> str:
        body = self.lanes(start, vectors, Const(width), self.machine.all, whole=True)
        return f"{self.head(start, end, vectors * width)}{body}{INDENT * self.depth}}}\n"

    def some(self, start: Expr, end: Expr, width: int) -> str:
        """One vector, the lanes below ``end``."""
        pad = INDENT * (self.depth + 1)
        p = f"{self.loop.var}_in_use"
        value = self.machine.some.format(i=self.loop.var, hi=expression(end, self.names))
        body = self.lanes(start, 1, Const(width), p, whole=False)
        declared = f"{pad}const {self.machine.predicate} {p} = {value};\n"
        return f"{self.head(start, end, width)}{declared}{body}{INDENT * self.depth}}}\n"

    def one_by_one(self, start: Expr, end: Expr) -> str:
        rest = replace(self.loop, lo=start, hi=end, vector="")
        return self.scalar((rest,), self.names, self.depth)

    def head(self, start: Expr, end: Expr, step: int) -> str:
        var, low, high = self.loop.var, expression(start, self.names), expression(end, self.names)
        return f"{INDENT * self.depth}for (int32_t {var} = {low}; {var} < {high}; {var} += {step}) {{\n"

    # ------------------------------------------------------------------------------------------------ width of the machine

    def scalable(self) -> str:
        """Lanes are counted where the program runs."""
        pad, inner = INDENT * self.depth, INDENT * (self.depth + 1)
        var, lanes, p = self.loop.var, f"{self.loop.var}_lanes", f"{self.loop.var}_in_use"
        low, high = (expression(simplify(e), self.names) for e in (self.loop.lo, self.loop.hi))
        vectors = self.loop.vectors
        counted = f"{inner}const int32_t {lanes} = (int32_t){self.machine.lanes};\n"
        wanted = vectors > 1 or not self.machine.advance
        out = f"{pad}{{\n{counted if wanted else ''}{inner}int32_t {var} = {low};\n"
        self.depth += 1
        if vectors > 1:
            step = f"{vectors} * {lanes}"
            body = self.lanes(self.loop.lo, vectors, Var(lanes), self.machine.all, whole=True)
            out += f"{inner}for (; {var} <= {high} - {step}; {var} += {step}) {{\n{body}{inner}}}\n"
        value = self.machine.some.format(i=var, hi=high)
        advance = self.machine.advance.format(p=p) if self.machine.advance else lanes
        body = self.lanes(self.loop.lo, 1, Var(lanes), p, whole=False)
        declared = f"{inner}{INDENT}const {self.machine.predicate} {p} = {value};\n"
        moved = f"{inner}{INDENT}{var} += {advance};\n"
        self.depth -= 1
        return f"{out}{inner}while ({var} < {high}) {{\n{declared}{body}{moved}{inner}}}\n{pad}}}\n"

    # ------------------------------------------------------------------------------------------------ bodies

    def lanes(self, start: Expr, vectors: int, unit: Expr, predicate: str, *, whole: bool) -> str:
        """The body of one iteration, ``vectors`` vectors at once, of a loop that begins at ``start``."""
        body = side_by_side(self.loop.body, self.loop.var, vectors, unit)
        loop = replace(self.loop, lo=start, step=vectors * int(unit.value)) if isinstance(unit, Const) else self.loop
        names = replace(self.names, steps=with_step(loop, self.names.steps))
        different = set(varying(body, (self.loop.var,)))
        stored = {s.buffer for s in walk(body) if isinstance(s, Store)}
        fixed = frozenset(names.params) - stored if names.separate else frozenset()
        assigned = frozenset(s.var.name for s in walk(body) if isinstance(s, Assign))
        code = Lanes(
            self.machine,
            names,
            self.scalar,
            self.loop.var,
            predicate,
            whole,
            different,
            self.depth + 1,
            fixed,
            assigned,
        )
        code.body(body)
        return "".join(code.lines)
