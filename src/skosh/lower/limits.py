"""What can't fit is refused as soon as that is certain: from the sizes of a Program, before there is any C or firmware."""

from __future__ import annotations

from collections.abc import Callable

from skosh.base.aims import Aim
from skosh.base.errors import FitError
from skosh.ir.graph import Graph
from skosh.lower.assemble import assemble
from skosh.lower.calls import choose_calls
from skosh.lower.program import Program
from skosh.targets import Target
from skosh.targets.boards import devices

BOARDS = 3
"""How many other boards are named."""


def refuse_what_is_larger(
    program: Program, source: Graph, target: Target, optimize: Aim, max_ram: int | None, max_flash: int | None,
    ram_hint: Callable[[], str],
) -> None:  # fmt: skip
    """FitError when the arena alone is more than ``max_ram``, or the constants alone more than ``max_flash`` (bytes).

    Code, stack and support come on top of these: who passes here may still be too large. ``ram_hint`` says what would help.
    """
    arena, weights = program.plan.arena_bytes, constant_bytes(program)
    if max_ram is not None and arena > max_ram:
        raise FitError(
            f"RAM must be at most {limit(max_ram, 'ram', target)}, but the arena alone needs {arena:,}",
            loc=source.loc,
            hint=ram_hint(),
        )
    if max_flash is not None and weights > max_flash:
        raise FitError(
            f"flash must be at most {limit(max_flash, 'flash', target)}, but the weights alone need {weights:,}",
            loc=source.loc,
            hint="; ".join(_what_fits(program, target, optimize, max_flash)),
        )


def constant_bytes(program: Program) -> int:
    """All that is laid into flash beside code."""
    return sum(d.nbytes for d in program.data)


def limit(size: int, memory: str, target: Target) -> str:
    """ "20,480 bytes", and whose limit that is where the board sets it."""
    board = target.board
    return f"{size:,} bytes" + (f" on {board.name}" if board is not None and getattr(board, memory) == size else "")


def _what_fits(program: Program, target: Target, optimize: Aim, most: int) -> list[str]:
    """What would make it fit: another aim, narrower weights, other boards; each only where its weights do."""
    found = []
    if optimize != "flash":
        lowered = choose_calls(program.graph, optimize="flash", target=target)
        small = constant_bytes(assemble(lowered, optimize="flash", name=program.name))
        if small < most:
            found.append(f'optimize="flash" needs {small:,} bytes of weights')
    weights = constant_bytes(program)
    wide = sum(d.nbytes for d in program.data if d.dtype.is_float)
    eight = sum(d.nbytes for d in program.data if d.dtype.bits == 8)
    for scheme, saved in (("int8", wide * 3 // 4), ("int4", wide * 7 // 8 + eight // 2)):
        if saved and weights - saved < most:
            found.append(f'skosh.quantize(scheme="{scheme}") of the float model needs about {weights - saved:,}')
            break
    boards = sorted((d for d in devices() if d.flash > weights and d.ram > program.plan.arena_bytes), key=lambda d: d.flash)
    if boards:
        found.append("boards it may fit: " + ", ".join(f"{d.name} ({d.flash >> 10:,} KB)" for d in boards[:BOARDS]))
    return found or ["quantize further, or prune channels"]
