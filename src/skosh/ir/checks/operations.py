"""Operations on intervals, and the findings where a result may leave its type."""

from __future__ import annotations

from dataclasses import replace

from skosh.base.dtypes import DType, bool_, i16, u32
from skosh.ir.checks import halves
from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.reach import Finding
from skosh.ir.checks.values import Value, anything, exactly, flattened, moved, smaller
from skosh.ir.kernel import Binary, Const, Expr, Return, Stmt

YES, NO, EITHER = exactly(1), exactly(0), Value(Span(0, 1))
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Operations:
    """One pass over a kernel. ``found``: by expression, statement and kind."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int, str], Finding] = {}
        self.facts: dict[Expr, Span] = {}  # those of the place that is looked at
        self.at: Stmt = Return(Const(0))
        self.sure = True  # is this place reached for certain?
        self.inside = ""  # the function that is being looked at

    def binary(self, e: Binary, op: str, x: Value | None, y: Value | None, dtype: DType) -> Value | None:
        if op in OPPOSITE:
            if x is None or y is None:
                return EITHER
            return Value(iv.compared(op, self.plain(x, e.a.dtype).span, self.plain(y, e.b.dtype).span))
        if x is None or y is None or dtype.is_float:
            return None if dtype.is_float else anything(dtype)
        pair = halves.made(op, x, y) if dtype == u32 else None
        out = self.operation(e, op, x, y, dtype)
        return out if pair is None else Value(out.span, out.grown, pair)

    def operation(self, e: Binary, op: str, x: Value, y: Value, dtype: DType) -> Value:
        if op not in ("+", "-", "*", "<<"):
            x, y = self.plain(x, dtype), self.plain(y, e.b.dtype)
        a, b = x.span, y.span
        match op:
            case "+":
                grown = moved(x, b, iv.plus(a, b)) if x.grown is not None else moved(y, a, iv.plus(a, b))
                return self.inside_type(e, grown, dtype)
            case "-":
                return self.inside_type(e, moved(x, Span(-b.hi, -b.lo), iv.minus(a, b)), dtype)
            case "*" if all(type(end) is int for end in (*a, *b)) and a == b and e.a == e.b:
                return self.inside_type(e, Value(iv.square(a)), dtype)
            case "*":
                return self.inside_type(e, Value(iv.product(a, b)), dtype)
            case "min" | "max":
                return smaller(op, x, y)
            case "//" | "%":
                return self.division(e, op, a, iv.flat(b), dtype)
            case "<<" | ">>":
                counts = Span(0, dtype.bits - 1)
                if not iv.within(b, counts):
                    self.report(e, iv.flat(b), "shift", iv.apart(b, counts))
                    b = iv.cut(b, counts)
                if op == ">>":
                    return Value(iv.shifted_right(a, b))
                return self.wrapped(Value(iv.shifted_left(a, b)), dtype)
        return self.wrapped(Value(iv.bitwise(op, a, b)), dtype)

    def division(self, e: Binary, op: str, a: Span, b: Span, dtype: DType) -> Value:
        if b.lo <= 0 <= b.hi and not self.unequal(e.b, 0):
            self.report(e, b, "zero", b == Span(0, 0))
            if b == Span(0, 0):
                return anything(dtype)
        if dtype.kind == "int" and b.lo < -1 and b.hi >= -1 and self.unequal(e.b, -1):
            parts = [Span(b.lo, -2), *([Span(0, b.hi)] if b.hi > 0 else [])]
            quotients = [(iv.quotient if op == "//" else iv.remainder)(a, p) for p in parts]
            return self.inside_type(e, Value(iv.hull(quotients[0], quotients[-1])), dtype)
        return self.inside_type(e, Value((iv.quotient if op == "//" else iv.remainder)(a, b)), dtype)

    def unequal(self, e: Expr, n: int) -> bool:
        """Does a condition around say that e isn't n?"""
        return Binary("!=", e, Const(n, e.dtype), bool_) in self.facts

    def plain(self, v: Value, dtype: DType) -> Value:
        """Where more than the lowest bits count: numbers of the type."""
        return v if dtype.kind != "uint" else self.wrapped(v, dtype)

    def inside_type(self, e: Expr, v: Value, dtype: DType) -> Value:
        """The result of an operation; signed ones must fit, and what goes on is what fits."""
        if dtype.kind == "uint":
            return v if iv.high(v.span.hi) - iv.low(v.span.lo) < dtype.max else anything(dtype)
        type_ = iv.of(dtype)
        if iv.within(v.span, type_):
            return v
        self.report(e, iv.flat(v.span), "overflow", iv.apart(v.span, type_))
        return Value(iv.cut(v.span, type_), v.grown)

    def wrapped(self, v: Value, dtype: DType) -> Value:
        return v if iv.within(v.span, iv.of(dtype)) else anything(dtype)

    def report(self, e: Expr, span: Span, what: str, certain: bool) -> None:
        key = (id(e), id(self.at), what)
        old = self.found.get(key)
        finding = Finding(e, self.at, span, what, certain and self.sure, self.inside)
        if old is not None:
            finding = replace(finding, span=iv.hull(old.span, span), certain=finding.certain or old.certain)
        self.found[key] = finding

    def cast(self, how: str, x: Value, source: DType, dtype: DType) -> Value:
        if wide(dtype):
            x = flattened(x)
        if how == "widen" or source.bits < dtype.bits:
            x = self.plain(x, source)
        if source == u32 and dtype == i16 and (pair := halves.of(x)) is not None:
            return Value(pair[0])
        if dtype == u32:
            pair = halves.of(x)
            if iv.high(x.span.hi) - iv.low(x.span.lo) < dtype.max:
                return Value(x.span, x.grown, pair)
            return Value(iv.of(dtype), None, pair)
        return self.wrapped(x, dtype)


def wide(dtype: DType) -> bool:
    """Types whose products don't fit numpy's integers: they are looked at with one interval for all rounds."""
    return dtype.bits == 64 or dtype.kind == "uint"
