"""Sums of products of int8 as Helium's VMLADAVA: 16 products added to a scalar register in one instruction.

    for (k = 0; k < 40; k++)                acc = vmladavaq_s8(acc, vldrbq_s8(&x[0]), vldrbq_s8(&w[0]));
        acc += x[k] * w[k];           ->    ... at 16
                                            const mve_pred16_t rest = vctp8q(8u);
                                            acc = vmladavaq_s8(acc, vldrbq_z_s8(&x[32], rest), vldrbq_s8(&w[32]));

The last vector reads one of its operands under a predicate, which puts zeros in its place; the other may be read whole
where its row has room. Where the count is known only at run time, every vector stands under a predicate: compilers make
a tail-predicated loop of that, which costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.base.dtypes import i32
from skosh.emit.expressions import Names, expression
from skosh.emit.vector.lanes import INDENT, WIDTH, Scalar
from skosh.ir.kernel import Binary, Const, Expr, For, Load, Param, Var, map_expr
from skosh.ir.layout import address, with_step
from skosh.ir.simplify import simplify
from skosh.schedule.sums import Product, operands, products
from skosh.targets.simd import vector_machine

LANES = 16


def sum_loop(loop: For, names: Names, depth: int, scalar: Scalar) -> str:
    """C for a marked sum: Helium's own under its macro, the plain loop for other compilers. "" for other loops."""
    if loop.par:
        return ""
    machine = vector_machine(loop.vector)
    plain = scalar((replace(loop, vector="", vectors=1),), names, depth)
    found = products(loop)
    assert isinstance(found, tuple), "the schedule marks no other loop"
    own = _Sum(loop, found, names, depth).text()
    return f"#if {machine.test}\n{own}#else\n{plain}#endif\n"


@dataclass
class _Sum:
    loop: For
    found: tuple[Product, ...]
    names: Names
    depth: int

    def text(self) -> str:
        lo, trips = simplify(self.loop.lo), simplify(Binary("-", self.loop.hi, self.loop.lo, i32))
        if not isinstance(trips, Const):
            return self.counted()
        whole, rest = divmod(int(trips.value), LANES)
        out, done = "", 0
        unrolled = max(self.loop.vectors, 1)
        if whole > unrolled:
            rounds = whole // unrolled
            end = _at(lo, rounds * unrolled * LANES)
            body = "".join(self.vector(_at(Var(self.loop.var), j * LANES), 1, step=unrolled) for j in range(unrolled))
            out += f"{self.head(lo, end, unrolled * LANES)}{body}{INDENT * self.depth}}}\n"
            done = rounds * unrolled
        for j in range(done, whole):
            out += self.vector(_at(lo, j * LANES), 0)
        return out + (self.vector(_at(lo, whole * LANES), 0, rest=rest) if rest else "")

    def counted(self) -> str:
        """All vectors under a predicate."""
        pad, p = INDENT * (self.depth + 1), self.fresh(f"{self.loop.var}_in_use")
        left = expression(simplify(Binary("-", self.loop.hi, Var(self.loop.var), i32)), self.names)
        body = f"{pad}const mve_pred16_t {p} = vctp8q((uint32_t)({left}));\n"
        body += self.vector(Var(self.loop.var), 1, predicate=p, step=1)
        return f"{self.head(self.loop.lo, self.loop.hi, LANES)}{body}{INDENT * self.depth}}}\n"

    def vector(self, at: Expr, deeper: int, *, predicate: str = "", rest: int = 0, step: int = 0) -> str:
        """16 products of each total, or the last ``rest``."""
        pad = INDENT * (self.depth + deeper)
        names = self.names
        if step:
            names = replace(names, steps=with_step(replace(self.loop, step=step * LANES), names.steps))
        out = ""
        if rest:
            predicate = self.fresh(f"{self.loop.var}_rest")
            out = f"{pad}const mve_pred16_t {predicate} = vctp8q({rest}u);\n"
        shared = [e for e in operands(self.found) if sum(e in (p.a, p.b) for p in self.found) > 1]
        known: dict[Expr, str] = {}
        for load in operands(self.found):
            assert isinstance(load, Load), "operands are loads"
            known[load] = self.load(load, at, predicate, rest, names)
            if load in shared:
                name = self.fresh(f"{load.buffer}_{self.loop.var}")
                out += f"{pad}const int8x16_t {name} = {known[load]};\n"
                known[load] = name
        for p in self.found:
            masked = bool(predicate) and not rest
            more = f", {predicate}" if masked else ""
            call = f"vmladavaq{'_p' if masked else ''}_s8({p.total.name}, {known[p.a]}, {known[p.b]}{more})"
            line = f"{pad}{p.total.name} = {call};\n"
            if len(line) > WIDTH:
                line = f"{pad}{p.total.name} =\n{pad}{INDENT}{call};\n"
            out += line
        return out

    def load(self, load: Load, at: Expr, predicate: str, rest: int, names: Names) -> str:
        index = tuple(map_expr(e, lambda x: at if x == Var(self.loop.var) else x) for e in load.index)
        param = names.params[load.buffer]
        place = f"&{load.buffer}[{expression(simplify(address(param, index, names.steps)), names)}]"
        if not predicate or (rest and self.has_room(load, param)):
            return f"vldrbq_s8({place})"
        return f"vldrbq_z_s8({place}, {predicate})"

    def has_room(self, load: Load, param: Param) -> bool:
        """May a last vector of this operand be read whole? If its row holds that many, and the other one is masked."""
        width, last = simplify(param.shape[-1]), load.index[-1]
        lo, hi = simplify(self.loop.lo), simplify(self.loop.hi)
        if not (isinstance(width, Const) and isinstance(lo, Const) and isinstance(hi, Const)) or last != Var(
            self.loop.var
        ):
            return False
        end = int(lo.value) + -(-(int(hi.value) - int(lo.value)) // LANES) * LANES
        others = {p.b if p.a == load else p.a for p in self.found if load in (p.a, p.b)}
        return end <= int(width.value) and not any(self._roomy(o) for o in others)

    def _roomy(self, load: Load) -> bool:
        width, hi = simplify(self.names.params[load.buffer].shape[-1]), simplify(self.loop.hi)
        return (
            load.index[-1] == Var(self.loop.var)
            and isinstance(width, Const)
            and isinstance(hi, Const)
            and (int(width.value) >= -(-int(hi.value) // LANES) * LANES)
        )

    def head(self, start: Expr, end: Expr, step: int) -> str:
        low, high = (expression(simplify(e), self.names) for e in (start, end))
        var = self.loop.var
        return f"{INDENT * self.depth}for (int32_t {var} = {low}; {var} < {high}; {var} += {step}) {{\n"

    def fresh(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self.names.taken:
            count += 1
            candidate = f"{name}{count}"
        self.names.taken.add(candidate)
        return candidate


def _at(start: Expr, offset: int) -> Expr:
    return simplify(Binary("+", start, Const(offset), i32))
