"""``Unit``: a custom function unit, the instructions that share a state. What its hardware, C and documents are made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from skosh.base.dtypes import DType
from skosh.base.errors import ScheduleError
from skosh.base.registry import load
from skosh.ir.kernel import Const, Custom, For, Kernel, walk

REGISTERS = 16
"""Elements up to which a buffer of the state is registers, read and written at once; a larger one is a memory with a port."""

MEMORY_BITS = 1 << 20
"""What all memories of a unit may hold: the block RAM of an ECP5-25F."""


@dataclass(frozen=True)
class State:
    """A register, an array of registers, or a memory of ``rows`` rows of ``lanes`` elements each."""

    name: str
    dtype: DType
    rows: int
    lanes: int

    @property
    def is_memory(self) -> bool:
        return self.rows > REGISTERS

    @property
    def bits(self) -> int:
        return self.rows * self.lanes * self.dtype.bits


@dataclass(frozen=True, eq=False)
class Unit:
    """Raises ScheduleError when function ids collide, two instructions disagree about a state, or it doesn't fit.

    In terms of the CX draft: ``stateful``, and ``level`` 1 (every instruction has a fixed latency) or 2 (the response says
    when it is there).
    """

    name: str
    instructions: tuple[Kernel, ...]
    doc: str = ""

    def __post_init__(self) -> None:
        ids: dict[int, str] = {}
        for k in self.instructions:
            number = self.custom(k).number
            if number in ids:
                raise ScheduleError(f'unit "{self.name}": {k.name} and {ids[number]} must not share function id {number}')
            ids[number] = k.name
        bits = sum(s.bits for s in self.states if s.is_memory)
        if bits > MEMORY_BITS:
            raise ScheduleError(f'unit "{self.name}": its memories must fit {MEMORY_BITS:,} bits, not {bits:,}')

    def custom(self, instruction: Kernel) -> Custom:
        custom = instruction.custom
        if custom is None or custom.unit != self.name:
            hint = f'@instr(unit="{self.name}", number=...)'
            raise ScheduleError(f'{instruction.name} must be an instruction of unit "{self.name}"', hint=hint)
        return custom

    @cached_property
    def states(self) -> tuple[State, ...]:
        """What the instructions keep from one to the next."""
        found: dict[str, tuple[State, str]] = {}
        for k in self.instructions:
            for p in k.params:
                if p.name == "out":
                    continue
                sizes = [int(d.value) if isinstance(d, Const) else 0 for d in p.shape]
                lanes = 1
                for d in sizes[1:]:
                    lanes *= d
                state = State(p.name, p.dtype, sizes[0], lanes)
                known, first = found.setdefault(p.name, (state, k.name))
                if known != state:
                    raise ScheduleError(
                        f'unit "{self.name}": "{p.name}" must be the same for all, but {first} has {known.dtype}[{known.rows}, '
                        f"{known.lanes}] and {k.name} has {state.dtype}[{state.rows}, {state.lanes}]"
                    )
        return tuple(s for s, _ in found.values())

    @property
    def level(self) -> int:
        return 2 if any(has_hardware_loop(k) for k in self.instructions) else 1

    @property
    def stateful(self) -> bool:
        return bool(self.states)

    def instruction(self, name: str) -> Kernel:
        return next(k for k in self.instructions if k.name == name)


def has_hardware_loop(instruction: Kernel) -> bool:
    """Is there a loop whose rounds aren't known, one a cycle in hardware?"""
    return any(
        isinstance(s, For) and not (isinstance(s.lo, Const) and isinstance(s.hi, Const)) for s in walk(instruction.body)
    )


def unit(where: str) -> Unit:
    """The unit that "module:NAME" says."""
    found = load({where: where}, where, "unit")
    assert isinstance(found, Unit), f"{where} is not a Unit"
    return found
