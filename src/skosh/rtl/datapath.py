"""An instruction's body as a datapath: statements of the kernel language to hardware, by running them on wires.

Loops of known rounds are unrolled. One loop whose rounds state or an operand says runs a round a cycle: what it assigns lives
in registers, each updated at the stage at which its new value is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Const, Mux, Signal, Value

from skosh.base.dtypes import DType, bool_, i32
from skosh.base.errors import ScheduleError
from skosh.ir import kernel as ir
from skosh.ir.interpret_kernel import _cast as cast_number
from skosh.ir.interpret_kernel import _Machine as Interpreter
from skosh.rtl.unit import State
from skosh.rtl.wires import Path, Wire, fit, latest, narrowed

Key = str | tuple[str, int]
"""A local scalar by its name, a register of the state by its name and number."""

Env = dict[Key, Wire]

PIPELINE_REGISTERS = frozenset({"cut", "cut_long"})
"""Functions that are the identity, and a register in hardware."""

_MOST_ROUNDS = 1024  # that are unrolled
_NUMBERS = Interpreter(None, {}, None)


class _Returned(Exception):
    def __init__(self, value: Wire) -> None:
        self.value = value


@dataclass(frozen=True)
class MemoryWrite:
    """A store in a memory: it happens when the instruction ends, where ``when`` holds."""

    memory: str
    row: Wire
    lane: int
    value: Wire
    when: Wire | None


ReadPort = Callable[[str, Any], Any]
"""(memory, row) -> the whole row, a cycle later."""


@dataclass
class Datapath:
    """``path``: where hardware goes. ``states``: the unit's, by name. ``read``: makes a read port.
    ``loop``: called with the loop that runs in hardware, where there is one."""

    path: Path
    states: Mapping[str, State]
    read: ReadPort
    loop: Callable[[ir.For, Env], None] | None = None
    writes: list[MemoryWrite] = field(default_factory=list)

    # ------------------------------------------------------------------------------------------------ statements

    def run(self, body: ir.Body, env: Env, when: Wire | None = None) -> None:
        for s in body:
            match s:
                case ir.Let(var, value) | ir.Assign(var, value):
                    env[var.name] = self.value(value, env)
                case ir.Store():
                    self.store(s, env, when)
                case ir.If(condition, then, other):
                    self.branch(self.value(condition, env), then, other, env, when)
                case ir.For():
                    self.rounds(s, env, when)
                case ir.Local() | ir.Assume():
                    pass
                case ir.Return(value):
                    raise _Returned(self.value(value, env))
                case _:
                    raise ScheduleError(f"hardware has no {type(s).__name__.lower()} yet")

    def rounds(self, s: ir.For, env: Env, when: Wire | None) -> None:
        lo, hi = self.value(s.lo, env), self.value(s.hi, env)
        if lo.known is None or hi.known is None:
            if self.loop is None or when is not None:
                raise ScheduleError(f'the loop over "{s.var}" must be the only one of unknown rounds, and under no condition')
            self.loop(s, env)
            return
        if hi.known - lo.known > _MOST_ROUNDS:
            raise ScheduleError(f'the loop over "{s.var}" must have at most {_MOST_ROUNDS} rounds to be unrolled')
        for i in range(lo.known, hi.known, s.step):
            env[s.var] = self.path.constant(i)
            self.run(s.body, env, when)

    def branch(self, condition: Wire, then: ir.Body, other: ir.Body, env: Env, when: Wire | None) -> None:
        if condition.known is not None:
            self.run(then if condition.known else other, env, when)
            return
        first, second = dict(env), dict(env)
        self.run(then, first, self.both(when, condition))
        if other:
            inverse = self.path.once(
                ("not", id(condition)), lambda: self.path.named(~condition.value, condition.stage)
            )
            self.run(other, second, self.both(when, inverse))
        for key in env:
            if first[key] is not second[key]:
                env[key] = self.path.choose(condition, first[key], second[key])

    def both(self, a: Wire | None, b: Wire) -> Wire:
        if a is None:
            return b
        stage = latest(a, b)
        return self.path.named(self.path.at(a, stage) & self.path.at(b, stage), stage)

    def store(self, s: ir.Store, env: Env, when: Wire | None) -> None:
        value, state = self.value(s.value, env), self.states.get(s.buffer)
        index = [self.value(i, env) for i in s.index]
        if state is not None and state.is_memory:
            self.writes.append(MemoryWrite(s.buffer, index[0], self.lane(state, index), value, when))
            return
        if any(i.known is None for i in index):
            raise ScheduleError(f'"{s.buffer}" is registers: which of them is set must be known')
        env[s.buffer, self.place(s.buffer, index)] = value

    def lane(self, state: State, index: list[Wire]) -> int:
        if len(index) == 1:
            return 0
        if index[1].known is None:
            raise ScheduleError(f'which lane of "{state.name}" is meant must be known')
        return index[1].known

    def place(self, name: str, index: list[Wire]) -> int:
        at = 0
        for i in index:
            assert i.known is not None, "looked at before"
            at = at * (self.states[name].lanes if name in self.states else 1) + i.known
        return at

    # ------------------------------------------------------------------------------------------------ expressions

    def value(self, e: ir.Expr, env: Env) -> Wire:
        match e:
            case ir.Const(value):
                return self.path.constant(int(value))
            case ir.Var(name):
                return env[name]
            case ir.Load():
                return self.load(e, env)
            case ir.Binary(op, a, b, dtype):
                return self.binary(op, self.value(a, env), self.value(b, env), dtype, a.dtype)
            case ir.Unary(op, a, dtype):
                return self.unary(op, self.value(a, env), dtype)
            case ir.Cast(how, a, dtype):
                return self.cast(how, self.value(a, env), a.dtype, dtype)
            case ir.Select(condition, a, b):
                return self.path.choose(self.value(condition, env), self.value(a, env), self.value(b, env))
            case ir.CallExpr(function, args):
                return self.call(function, [self.value(a, env) for a in args])
        raise AssertionError(f"no hardware for {e!r}")

    def call(self, function: ir.Function, args: list[Wire]) -> Wire:
        if function.name in PIPELINE_REGISTERS:
            return self.path.register(args[0])
        inner: Env = {p.name: a for p, a in zip(function.params, args, strict=True)}
        try:
            self.run(function.body, inner)
        except _Returned as result:
            return result.value
        raise AssertionError(f"{function.name} ended without return")

    def load(self, e: ir.Load, env: Env) -> Wire:
        index, state = [self.value(i, env) for i in e.index], self.states.get(e.buffer)
        if state is not None and state.is_memory:
            if any(w.memory == state.name for w in self.writes):
                why = "a memory changes when the instruction ends"
                raise ScheduleError(f'"{state.name}" must be read before it is written: {why}')
            return self.lane_of_row(state, index[0], self.lane(state, index))
        if all(i.known is not None for i in index):
            return env[e.buffer, self.place(e.buffer, index)]
        (i,) = index
        elements = [env[k] for k in env if isinstance(k, tuple) and k[0] == e.buffer]

        def make() -> Wire:
            stage = latest(i, *elements)
            return self.path.named(_chosen([self.path.at(x, stage) for x in elements], self.path.at(i, stage)), stage)

        return self.path.once(("pick", id(i), *(id(x) for x in elements)), make)

    def lane_of_row(self, state: State, row: Wire, lane: int) -> Wire:
        def port() -> Wire:
            return self.path.reached(Wire(self.read(state.name, self.path.real(row).value), (row.stage or 0) + 1))

        whole = self.path.once(("row", state.name, id(row)), port)
        bits = state.dtype.bits

        def make() -> Wire:
            piece = whole.value[lane * bits : (lane + 1) * bits]
            return self.path.named(piece.as_signed() if state.dtype.kind == "int" else piece, whole.stage)

        return self.path.once(("lane", id(whole), lane), make)

    def binary(self, op: str, a: Wire, b: Wire, dtype: DType, of: DType) -> Wire:
        if a.known is not None and b.known is not None and op not in ("and", "or"):
            return self.path.constant(int(_NUMBERS.binary(op, a.known, b.known, of if dtype == bool_ else dtype)))
        if op == "+" and dtype.kind == "int":
            return self.sum(a, b)
        if (a.known == 0 and op in ("<<", ">>")) or (b.known == 0 and op in ("<<", ">>")):
            return a

        def make() -> Wire:
            stage = latest(self.path.real(a), self.path.real(b))
            x, y = (Value.cast(self.path.at(self.path.real(w), stage)) for w in (a, b))
            return self.path.named(narrowed(_operation(op, x, y, dtype), dtype), stage)

        return self.path.once((op, dtype.name, id(a), id(b)), make)

    def sum(self, a: Wire, b: Wire) -> Wire:
        """A sum, as yet without adders."""
        terms = tuple(t for w in (a, b) for t in (w.terms or (w,)) if t.known != 0)
        if len(terms) < 2:
            return terms[0] if terms else self.path.constant(0)
        key = ("terms", *(id(t) for t in terms))
        return self.path.once(key, lambda: Wire(None, latest(*terms), None, terms))

    def unary(self, op: str, a: Wire, dtype: DType) -> Wire:
        if a.known is not None:
            known = {"-": -a.known, "~": ~a.known & ((1 << dtype.bits) - 1), "not": int(not a.known)}
            return self.path.constant(known[op])

        def make() -> Wire:
            x = Value.cast(self.path.real(a).value)
            value = {"-": lambda: -x, "~": lambda: ~fit(x, dtype), "not": lambda: ~x.any()}[op]()
            return self.path.named(narrowed(value, dtype), a.stage)

        return self.path.once((op, dtype.name, id(a)), make)

    def cast(self, how: str, a: Wire, source: DType, dtype: DType) -> Wire:
        if a.known is not None:
            return self.path.constant(int(cast_number(how, a.known, source, dtype)))
        if how == "widen":
            return a
        if how != "wrap":
            raise ScheduleError(f"hardware has no floats: {how} to {dtype}")
        return self.path.once(
            ("wrap", dtype.name, id(a)), lambda: self.path.named(fit(self.path.real(a).value, dtype), a.stage)
        )


def _operation(op: str, x: Any, y: Any, dtype: DType) -> Any:
    if op in ("<<", ">>") and isinstance(y, Const):
        return fit(x.shift_left(y.value), dtype) if op == "<<" else x.shift_right(y.value)
    if op in ("<<", ">>"):
        places = y[: (dtype.bits - 1).bit_length()].as_unsigned()  # the language promises less than the width
        return fit(x << places, dtype) if op == "<<" else x >> places
    plain: dict[str, Callable[[], Any]] = {
        "+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "&": lambda: x & y, "|": lambda: x | y, "^": lambda: x ^ y,
        "==": lambda: x == y, "!=": lambda: x != y, "<": lambda: x < y, "<=": lambda: x <= y, ">": lambda: x > y,
        ">=": lambda: x >= y, "and": lambda: x.any() & y.any(), "or": lambda: x.any() | y.any(),
        "min": lambda: _picked(x < y, x, y), "max": lambda: _picked(x > y, x, y),
    }  # fmt: skip
    if op not in plain:
        raise ScheduleError(f"hardware has no {op} yet: it takes many cycles")
    value = plain[op]()
    wraps = dtype.kind == "uint" and op in ("+", "-", "*")
    return fit(value, dtype) if wraps or op in "&|^" else value


def _chosen(values: list[Any], index: Any) -> Any:
    """The value with this number: multiplexers of two by the index's bits, which take the fewest gates."""
    index = Value.cast(index)
    for bit in range(max(1, (len(values) - 1).bit_length())):
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [Mux(index[bit], p[1], p[0]) if len(p) == 2 else p[0] for p in pairs]
    return values[0]


def _picked(condition: Any, x: Any, y: Any) -> Any:
    return Mux(condition, x, y)


@dataclass(frozen=True)
class Carried:
    """What a loop in hardware keeps from round to round: its register, and the stage at which it is updated."""

    key: Key
    register: Any
    stage: int


class _Nowhere:
    """A module that forgets what it is given."""

    class _Domain:
        def __iadd__(self, other: object) -> _Nowhere._Domain:
            return self

    def __init__(self) -> None:
        self.d = self
        self.comb = self.sync = _Nowhere._Domain()


def carried_stages(s: ir.For, env: Env, states: Mapping[str, State], shapes: Mapping[Key, Any]) -> dict[Key, int]:
    """What a loop assigns, with the stage at which each new value is there: found by trying, on hardware that is thrown away.

    A value that waits for itself has none: ScheduleError.
    """
    found: dict[Key, int | None] = {}
    for _ in range(2 + 4 * len(env)):
        path = Path(_Nowhere(), streaming=True)
        data = Datapath(path, states, lambda name, row: Signal(states[name].lanes * states[name].dtype.bits))
        trial: Env = {}
        for key, w in env.items():
            if key in found:
                trial[key] = Wire(Signal(shapes[key]), found[key])
            else:
                trial[key] = Wire(Signal(i32.bits) if w.terms else w.value, None, w.known)
        before = dict(trial)
        trial[s.var] = Wire(Signal(i32.bits), 0)
        data.run(s.body, trial)
        if data.writes:
            raise ScheduleError(f'the loop over "{s.var}" must not write memories')
        changed = {key: trial[key].stage for key in before if trial[key] is not before[key]}
        new = {key: max(stage or 0, found.get(key) or 0) for key, stage in changed.items()}
        if new == found:
            return {key: stage or 0 for key, stage in found.items()}
        if any(stage > 64 for stage in new.values()):
            break
        found = dict(new)
    raise ScheduleError(f'what the loop over "{s.var}" carries from round to round must not pass a cut on its way to itself')


__all__ = ["Carried", "Datapath", "Env", "Key", "MemoryWrite", "carried_stages"]
