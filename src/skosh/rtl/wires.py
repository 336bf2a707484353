"""Values on their way through hardware: Amaranth expressions, how many registers they have passed, and exact widths.

The language's signed ``+ - *`` never overflow, so widths grow as Python's integers do and are cut to the type's where
they are wider: no bit is lost. Sums of several terms become balanced trees, which that allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Signal, Value, unsigned

from skosh.base.dtypes import DType


@dataclass(frozen=True, eq=False)
class Wire:
    """``stage``: registers since the instruction, or the round of its loop, began; None for what stays the same meanwhile.
    ``known``: its value, where that is a constant. ``terms``: of a sum that has no hardware yet."""

    value: Any
    stage: int | None = None
    known: int | None = None
    terms: tuple[Wire, ...] = ()


def latest(*wires: Wire) -> int | None:
    """The stage at which all of these can be there."""
    stages = [w.stage for w in wires if w.stage is not None]
    return max(stages) if stages else None


def fit(value: Any, dtype: DType) -> Any:
    """The value modulo 2^bits, as the type has it."""
    bits = 1 if dtype.kind == "bool" else dtype.bits
    value = Value.cast(value)
    shape = value.shape()
    if shape.width > bits:
        value = value[:bits]
    elif shape.width < bits:
        filler = value[-1].replicate(bits - shape.width) if shape.signed else Const(0, unsigned(bits - shape.width))
        value = Cat(value, filler)
    return value.as_signed() if dtype.kind == "int" else value.as_unsigned()


def narrowed(value: Any, dtype: DType) -> Any:
    """A value that the language promises to fit its type: no wider than that."""
    value = Value.cast(value)
    return fit(value, dtype) if value.shape().width > dtype.bits else value


@dataclass
class Path:
    """Hardware as it is made. ``streaming``: a new round may enter each cycle, so values wait for each other in registers;
    otherwise inputs hold still until all has settled. ``deepest``: the latest stage that anything was made at."""

    m: Any  # an Amaranth module
    streaming: bool = False
    deepest: int = 0
    _known: dict[object, Wire] = field(default_factory=dict)
    _delayed: dict[tuple[int, int], Any] = field(default_factory=dict)
    _kept: list[Wire] = field(default_factory=list)  # so that ids stay theirs

    def constant(self, value: int) -> Wire:
        return self.once(("constant", value), lambda: Wire(Const(value), None, value))

    def once(self, key: object, make: Any) -> Wire:
        """The same hardware for the same thing."""
        if key not in self._known:
            made = make()
            self._kept.append(made)
            self._known[key] = made
        return self._known[key]

    def named(self, value: Any, stage: int | None) -> Wire:
        """A value with a signal of its own."""
        value = Value.cast(value)
        signal = Signal(value.shape())
        self.m.d.comb += signal.eq(value)
        return self.reached(Wire(signal, stage))

    def reached(self, wire: Wire) -> Wire:
        self._kept.append(wire)
        self.deepest = max(self.deepest, wire.stage or 0)
        return wire

    def at(self, wire: Wire, stage: int | None) -> Any:
        """The value as it is needed at a stage: later ones wait in registers."""
        value = self.real(wire).value
        if not self.streaming or wire.stage is None or stage is None or wire.stage == stage:
            return value
        assert wire.stage < stage, "nothing is there before it is made"
        key = (id(value), stage)
        if key not in self._delayed:
            before = self.at(wire, stage - 1)
            after = Signal(Value.cast(before).shape())
            self.m.d.sync += after.eq(before)
            self._delayed[key] = after
            self._kept.append(Wire(value))
        return self._delayed[key]

    def register(self, wire: Wire) -> Wire:
        """A pipeline register."""

        def make() -> Wire:
            value = self.real(wire).value
            after = Signal(Value.cast(value).shape())
            self.m.d.sync += after.eq(value)
            return self.reached(Wire(after, (wire.stage or 0) + 1))

        return wire if wire.known is not None else self.once(("register", id(wire)), make)

    def real(self, wire: Wire) -> Wire:
        """A sum gets its adders: the terms that are there first are added first, two by two."""
        if not wire.terms:
            return wire
        return self.once(("sum", *(id(t) for t in wire.terms)), lambda: self._tree(list(wire.terms)))

    def _tree(self, terms: list[Wire]) -> Wire:
        while len(terms) > 1:
            pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
            terms = [self._added(*p) if len(p) == 2 else p[0] for p in pairs]
        return terms[0]

    def _added(self, a: Wire, b: Wire) -> Wire:
        stage = latest(a, b)
        return self.named(self.at(a, stage) + self.at(b, stage), stage)

    def choose(self, condition: Wire, a: Wire, b: Wire) -> Wire:
        """a where the condition holds, else b."""
        if condition.known is not None:
            return a if condition.known else b
        if a is b:
            return a

        def make() -> Wire:
            stage = latest(condition, self.real(a), self.real(b))
            both = (self.at(self.real(w), stage) for w in (a, b))
            return self.named(Mux(self.at(condition, stage), *both), stage)

        return self.once(("choose", id(condition), id(a), id(b)), make)
