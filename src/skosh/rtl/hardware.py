"""A unit as hardware, on the port that VexRiscv and CFU-Playground give a custom function unit.

A command (function id, two words) is taken when valid and ready meet; the response is a register, held until it is taken.
An instruction that needs a cycle answers in the next one. The others settle, run their loop a round a cycle, let it drain,
settle again, and then change the state all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib.memory import Memory

from skosh.base.dtypes import DType, i32
from skosh.base.errors import ScheduleError
from skosh.ir import kernel as ir
from skosh.rtl.datapath import Carried, Datapath, Env, Key, carried_stages
from skosh.rtl.unit import State, Unit
from skosh.rtl.wires import Path, Wire, fit

TAKES = 1
"""Cycles from the command to the response of an instruction that needs no register on its way."""


def shape_of(dtype: DType) -> Shape:
    bits = 1 if dtype.kind == "bool" else dtype.bits
    return signed(bits) if dtype.kind == "int" else unsigned(bits)


class Port:
    """The signals of the bus, by the names that VexRiscv has for them."""

    def __init__(self) -> None:
        self.cmd_valid = Signal()
        self.cmd_ready = Signal()
        self.function_id = Signal(10)
        self.inputs_0 = Signal(32)
        self.inputs_1 = Signal(32)
        self.rsp_valid = Signal()
        self.rsp_ready = Signal()
        self.outputs_0 = Signal(32)

    def all(self) -> dict[str, Any]:
        """(signal, direction) by name, as a netlist wants them."""
        return {name: (signal, None) for name, signal in vars(self).items()}


@dataclass
class Controls:
    """Of an instruction: it begins in the cycle of ``start`` and ends in that of ``done``, where ``result`` is right."""

    start: Any
    done: Any
    result: Any


@dataclass
class Timeline:
    """How an instruction spends its cycles: settling before its loop, draining it, settling after."""

    before: int = 0
    drain: int = 0
    after: int = 0
    has_loop: bool = False

    @property
    def fixed(self) -> int | None:
        """Cycles from the command to the response; None where a loop makes that hang on state."""
        return None if self.has_loop else self.before + TAKES


class Hardware(Elaboratable):  # type: ignore[misc]
    """``port``: the bus. ``timelines``, once elaborated: by instruction."""

    def __init__(self, unit: Unit) -> None:
        self.unit, self.port = unit, Port()
        self.timelines: dict[str, Timeline] = {}
        self.registers: dict[Key, Any] = {}
        self.memories: dict[str, Memory] = {}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._declare()
        port, busy, waiting = self.port, Signal(), Signal()
        a, b = Signal(32), Signal(32)
        kept_a, kept_b = Signal(32), Signal(32)
        fire = Signal()
        m.d.comb += [
            port.cmd_ready.eq(~busy & (~waiting | port.rsp_ready)),
            fire.eq(port.cmd_valid & port.cmd_ready),
            port.rsp_valid.eq(waiting),
            a.eq(Mux(busy, kept_a, port.inputs_0)),
            b.eq(Mux(busy, kept_b, port.inputs_1)),
        ]
        with m.If(fire):
            m.d.sync += [kept_a.eq(port.inputs_0), kept_b.eq(port.inputs_1), busy.eq(1)]
        with m.If(waiting & port.rsp_ready):
            m.d.sync += waiting.eq(0)
        known = Const(0)
        for k in self.unit.instructions:
            number = self.unit.custom(k).number
            chosen = Signal(name=f"is_{k.name}")
            m.d.comb += chosen.eq(port.function_id == number)
            known = known | chosen
            pulses = (Signal(name=f"{k.name}_start"), Signal(name=f"{k.name}_done"))
            controls = Controls(*pulses, Signal(32, name=f"{k.name}_result"))
            m.d.comb += controls.start.eq(fire & chosen)
            _Instruction(self, k, a, b, controls, m).build()
            with m.If(controls.done):
                m.d.sync += [port.outputs_0.eq(controls.result), waiting.eq(1), busy.eq(0)]
        with m.If(fire & ~known):  # no instruction of ours: zero, so that the core goes on
            m.d.sync += [port.outputs_0.eq(0), waiting.eq(1), busy.eq(0)]
        for name, memory in self.memories.items():  # they have all their ports now
            m.submodules[f"{name}_memory"] = memory
        return m

    def _declare(self) -> None:
        for s in self.unit.states:
            if s.is_memory:
                width = s.lanes * s.dtype.bits
                self.memories[s.name] = Memory(shape=unsigned(width), depth=s.rows, init=[])
            else:
                for i in range(s.rows * s.lanes):
                    self.registers[s.name, i] = Signal(shape_of(s.dtype), name=f"{s.name}_{i}")


@dataclass
class _Instruction:
    """One instruction: its datapath, and the few states that lead it through its cycles."""

    whole: Hardware
    kernel: ir.Kernel
    a: Any
    b: Any
    controls: Controls
    m: Module
    timeline: Timeline = field(default_factory=Timeline)

    def build(self) -> None:
        m = self.m
        self.states = {s.name: s for s in self.whole.unit.states}
        self.path = Path(m)
        self.data = Datapath(self.path, self.states, self._read, self._loop)
        self.settled = Signal()  # what is before the loop, or all there is
        self.after = Signal()  # the loop is done
        env: Env = {key: Wire(signal) for key, signal in self.whole.registers.items()}
        for v, word in zip(self.kernel.scalars, (self.a, self.b), strict=False):
            env[v.name] = self.path.named(fit(word, v.dtype), None)
        self.fresh = dict(env)
        self.updated: set[Key] = set()
        self.data.run(self.kernel.body, env)
        finals: dict[Key, Wire] = {key: self.path.real(w) for key, w in env.items() if isinstance(key, tuple)}
        writes = [(w, self.path.real(w.row), self.path.real(w.value)) for w in self.data.writes]
        if self.timeline.has_loop:
            self.timeline.after = self.path.deepest
        else:
            self.timeline.before = self.path.deepest
        self._steps()
        self._commit(finals, writes)
        self._check_latency()
        self.whole.timelines[self.kernel.name] = self.timeline

    # ------------------------------------------------------------------------------------------------ cycles

    def _steps(self) -> None:
        """start, ``before`` cycles, settled; after, ``after`` cycles, done."""
        m, c = self.m, self.controls
        m.d.comb += self.settled.eq(self._later(c.start, self.timeline.before))
        last = self._later(self.after, self.timeline.after) if self.timeline.has_loop else self.settled
        m.d.comb += c.done.eq(last)

    def _later(self, pulse: Any, cycles: int) -> Any:
        for _ in range(cycles):
            after = Signal()
            self.m.d.sync += after.eq(pulse)
            pulse = after
        return pulse

    def _loop(self, s: ir.For, env: Env) -> None:
        """A round a cycle. What the loop carries is set when all before it has settled."""
        if self.timeline.has_loop:
            raise ScheduleError(f"{self.kernel.name}: hardware has one loop an instruction")
        m, path = self.m, self.path
        self.timeline.has_loop = True
        lo, hi = (path.real(self.data.value(e, env)) for e in (s.lo, s.hi))
        before = {key: path.real(w) for key, w in env.items()}
        shapes = self._shapes(s, before)
        stages = carried_stages(s, env, self.states, shapes)
        self.timeline.before, path.deepest = path.deepest, 0
        carried = [Carried(key, self._register(key, before[key], shapes[key]), stage) for key, stage in stages.items()]
        index, running = Signal(signed(1 + max(Value.cast(w.value).shape().width for w in (lo, hi)))), Signal()
        inside = dict(env)
        path.streaming = True
        for c in carried:
            inside[c.key] = Wire(c.register, c.stage)
        inside[s.var] = Wire(index, 0)
        self.data.run(s.body, inside)
        valid = [running]
        for _ in range(max(c.stage for c in carried)):
            valid.append(self._later(valid[-1], 1))
        with m.If(self.settled):
            m.d.sync += [index.eq(lo.value), running.eq(lo.value < hi.value)]
            for c in carried:
                if c.register is not self.whole.registers.get(c.key):
                    m.d.sync += c.register.eq(before[c.key].value)
        with m.Elif(running):
            m.d.sync += [index.eq(index + s.step), running.eq(index + s.step < hi.value)]
        for c in carried:
            with m.If(valid[c.stage]):
                m.d.sync += c.register.eq(path.at(path.real(inside[c.key]), c.stage))
        self._finish(carried, valid, env)

    def _finish(self, carried: list[Carried], valid: list[Any], env: Env) -> None:
        """The loop is over when nothing is on its way any more; what it carried is then as still as the state."""
        m, path = self.m, self.path
        active = Signal()
        still = ~Cat(*valid).any()
        with m.If(self.settled):
            m.d.sync += active.eq(1)
        with m.If(active & still):
            m.d.sync += active.eq(0)
        m.d.comb += self.after.eq(active & still)
        path.streaming, path.deepest = False, 0
        for c in carried:
            env[c.key] = Wire(c.register)
            if c.register is self.whole.registers.get(c.key):
                self.updated.add(c.key)

    def _register(self, key: Key, before: Wire, shape: Shape) -> Any:
        """The state's own register where nothing has changed it yet, else a new one."""
        if isinstance(key, tuple) and before is self.fresh[key]:
            return self.whole.registers[key]
        name = key if isinstance(key, str) else f"{key[0]}_{key[1]}"
        return Signal(shape, name=f"{name}_now")

    def _shapes(self, s: ir.For, before: dict[Key, Wire]) -> dict[Key, Shape]:
        types = {x.var.name: x.var.dtype for x in ir.walk(self.kernel.body) if isinstance(x, ir.Let | ir.Assign)}
        found: dict[Key, Shape] = {}
        for key, w in before.items():
            if isinstance(key, tuple):
                state = self.states.get(key[0])
                found[key] = shape_of(state.dtype) if state is not None else shape_of(self._local(key[0]))
            else:
                found[key] = shape_of(types[key]) if key in types else Value.cast(w.value).shape()
        return found

    def _local(self, name: str) -> DType:
        return next((p.dtype for p in self.kernel.buffers.values() if p.name == name), i32)

    # ------------------------------------------------------------------------------------------------ state

    def _read(self, memory: str, row: Any) -> Any:
        port = self.whole.memories[memory].read_port(domain="sync")
        self.m.d.comb += [port.addr.eq(row), port.en.eq(1)]
        return port.data

    def _commit(self, finals: dict[Key, Wire], writes: list[Any]) -> None:
        m, c = self.m, self.controls
        for key, wire in finals.items():
            if key == ("out", 0):
                m.d.comb += c.result.eq(wire.value)
            elif key in self.whole.registers and wire is not self.fresh[key] and key not in self.updated:
                self._drive(self.whole.registers[key], wire.value)
        self._write(writes)

    def _drive(self, register: Any, value: Any) -> None:
        with self.m.If(self.controls.done):
            self.m.d.sync += register.eq(value)

    def _write(self, writes: list[Any]) -> None:
        """One row of each memory, with those of its lanes that were set."""
        for name in dict.fromkeys(w.memory for w, _, _ in writes):
            mine = [(w, row, value) for w, row, value in writes if w.memory == name]
            if any(row is not mine[0][1] for _, row, _ in mine):
                raise ScheduleError(f'{self.kernel.name}: an instruction must write one row of "{name}"')
            state: State = self.states[name]
            port = self.whole.memories[name].write_port(granularity=state.dtype.bits if state.lanes > 1 else None)
            self.m.d.comb += port.addr.eq(mine[0][1].value)
            for w, _, value in mine:
                allowed = self.controls.done if w.when is None else self.controls.done & w.when.value
                with self.m.If(allowed):
                    here = port.data[w.lane * state.dtype.bits : (w.lane + 1) * state.dtype.bits]
                    self.m.d.comb += [here.eq(fit(value.value, state.dtype)), port.en[w.lane].eq(1)]

    def _check_latency(self) -> None:
        stated, real = self.whole.unit.custom(self.kernel).latency, self.timeline.fixed
        if stated is not None and (real is None or real > stated):
            took = "hangs on its state" if real is None else f"is {real}"
            raise ScheduleError(
                f"{self.kernel.name}: its latency must be at most {stated} cycles, but in hardware it {took}",
                loc=self.kernel.loc, hint="take a cut away, or state another latency",
            )  # fmt: skip


__all__ = ["Hardware", "Port", "Timeline"]
