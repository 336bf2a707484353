"""The nouns of this floor: a Target is a kind of processor, a Device a board that one can buy."""

from __future__ import annotations

from dataclasses import dataclass, field

from skosh.base.evidence import Source

#: Where a profiled model stores the number of each layer as it finishes: stimulus port 0 of the Cortex-M trace unit
#: (ITM), so that the store is harmless, and useful, on real hardware too.
MARKER_ADDRESS = 0xE0000000


@dataclass(frozen=True)
class Memory:
    """A region of the address space; origin and size in bytes."""

    origin: int
    size: int

    @property
    def end(self) -> int:
        return self.origin + self.size


@dataclass(frozen=True)
class ForestCosts:
    """What a node of a forest costs here: as code in bytes, and a step in instructions; (features of one byte, wider ones).

    ``loop``: bytes of a tree's own loop where its top is code. Fitted to 96 measured builds (see ``lower.forests``); the
    defaults are those of a Cortex-M4.
    """

    node: tuple[float, float] = (9.6, 13.6)
    code_step: tuple[float, float] = (3.2, 4.4)
    table_step: tuple[float, float] = (12, 12.5)
    loop: float = 60


@dataclass(frozen=True)
class Target:
    """A processor to compile for.

    ``flags`` select it for zig, ``c_flags`` are for its C compiler alone; ``timings`` names a table of
    ``targets.timings``, "" where cycles aren't modelled; ``emulator`` is Unicorn's name of the processor, or
    "program:machine" for an emulator that is a program of its own, "" where the code runs on this computer; ``marker`` is
    where a traced build stores finished layers' numbers; ``simd`` names its vector machine in ``targets.simd``, "" where it
    has none; ``needs`` are the extensions that this computer's processor must have to run the code itself, by Linux's names;
    ``startup`` names the file of ``build/runtime`` that a program begins with: "startup" (Cortex-M), "startup_riscv",
    "startup_user" (under Linux), "startup_vexriscv"; ``soft_float`` names the one with the arithmetic of float32 where
    there is no FPU, and ``has_float_sums`` whether that sums along rows too; ``sibling_of`` names the target whose C it gets,
    compiled with flags of its own, "" where the C is its own.
    """

    name: str
    description: str
    flags: tuple[str, ...]
    flash: Memory
    ram: Memory
    timings: str = ""
    emulator: str = ""
    marker: int = MARKER_ADDRESS
    pointer_bytes: int = 4
    int_bits: int = 32  # of C's int: where it may have 16, arithmetic of 32 bits is written so
    simd: str = ""
    needs: tuple[str, ...] = ()
    startup: str = "startup"
    unit: str = ""  # its custom function unit, as "module:NAME"
    soft_float: str = ""
    c_flags: tuple[str, ...] = ()
    has_fpu: bool = False
    has_dsp: bool = False
    has_assembly: bool = True
    has_helium: bool = False
    has_hardware_divide: bool = True
    has_long_multiply: bool = True
    has_unaligned_access: bool = True
    has_float_sums: bool = False
    forest_costs: ForestCosts = ForestCosts()
    forms: tuple[str, ...] = ()  # its ways to compute kernels' calls, the best first: see ``lower.form``
    storage: tuple[str, ...] = ()  # its ways to store constants in few bits, before those of every machine
    twin_rows: int = 0  # rows of a tile with two products a multiplication (``lower.twin_recipes``); 0: not worth it here
    plain: bool = False  # kernels stay as their operators wrote them, those without scratch memory: their loops are the grid
    accelerator: str = ""  # what runs the kernels beside this computer's processor: "opencl" (see ``emulate.accelerators``)
    sibling_of: str = ""
    board: Device | None = field(default=None, compare=False)  # where it was named by a board: that board

    @property
    def is_host(self) -> bool:
        return not self.emulator

    @property
    def called(self) -> str:
        """What people called it: the board, where they named one."""
        return self.name if self.board is None else f"{self.board.name} ({self.name})"


@dataclass(frozen=True)
class Device:
    """A board or chip: what one can buy. flash and ram in bytes, what a program may use of them.

    ``source`` is the document of the figures, ``evidence`` how they were come by: "measured", "datasheet", "derived" or
    "assumed". ``chip`` names the record of the catalogue that says what the chip draws, "" where there is none.
    ``arduino``, ``platformio`` ("platform/board") and ``zephyr`` are its names there, "" where it has none.
    """

    name: str
    description: str
    target: str
    clock_mhz: float
    flash: int
    ram: int
    source: Source
    evidence: str
    chip: str = ""
    arduino: str = ""
    platformio: str = ""
    zephyr: str = ""


def marker_define(prefix: str) -> str:
    """A macro definition (without -D): the model ``prefix`` stores each finished layer's number at MARKER_ADDRESS."""
    return (
        f"{prefix.upper()}_LAYER_DONE(layer,arena)="
        f"((void)(arena),(void)(*(volatile unsigned *){MARKER_ADDRESS:#x}u=(unsigned)(layer)))"
    )
