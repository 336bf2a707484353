"""Does a program fit into the memory that there is? FitErrors that say what would."""

from __future__ import annotations

from skosh.base.aims import Aim
from skosh.base.errors import FitError
from skosh.lower.program import Program
from skosh.targets import Sizes, Target


def check_arena(program: Program, target: Target, optimize: Aim, most: int | None) -> None:
    """FitError when the arena alone is larger than all of RAM may be (bytes); None: it may be of any size."""
    arena = program.plan.arena_bytes
    if most is not None and arena > most:
        raise FitError(
            f"RAM must be at most {_limit(most, 'ram', target)}, but the arena alone needs {arena:,}",
            loc=program.graph.loc,
            hint=_ram_hint(program, optimize),
        )


def check_flash(program: Program, target: Target, optimize: Aim, sizes: Sizes, most: int) -> None:
    """FitError when code and weights are larger than they may be (bytes)."""
    need = sizes.flash_code + sizes.flash_support + sizes.flash_weights
    if need > most:
        raise FitError(
            f"flash must be at most {_limit(most, 'flash', target)}, but code and weights need {need:,}",
            loc=program.graph.loc,
            hint='try optimize="flash"' if optimize != "flash" else "quantize further, or prune channels",
        )


def check_ram(program: Program, target: Target, optimize: Aim, need: int, most: int) -> None:
    """FitError when arena and stack together are larger than they may be (bytes)."""
    if need > most:
        raise FitError(
            f"RAM must be at most {_limit(most, 'ram', target)}, but arena and stack need {need:,}",
            loc=program.graph.loc,
            hint=_ram_hint(program, optimize),
        )


def _limit(size: int, memory: str, target: Target) -> str:
    """ "20,480 bytes", and whose limit that is where the board sets it."""
    board = target.board
    return f"{size:,} bytes" + (f" on {board.name}" if board is not None and getattr(board, memory) == size else "")


def _ram_hint(program: Program, optimize: Aim) -> str:
    if optimize != "ram":
        return 'try optimize="ram"'
    return f"its largest step needs {program.plan.lower_bound:,} bytes; use a smaller input or fewer channels"
