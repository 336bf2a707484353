"""Does a firmware fit into the memory that there is? What is certain before there is one, ``lower.limits`` says."""

from __future__ import annotations

from collections.abc import Callable

from skosh.base.aims import Aim
from skosh.base.errors import FitError
from skosh.ir.graph import Graph
from skosh.lower.limits import limit
from skosh.targets import Sizes, Target


def check_flash(source: Graph, target: Target, optimize: Aim, sizes: Sizes, most: int) -> None:
    """FitError when code and weights are larger than they may be (bytes)."""
    need = sizes.flash_code + sizes.flash_support + sizes.flash_weights
    if need > most:
        raise FitError(
            f"flash must be at most {limit(most, 'flash', target)}, but code and weights need {need:,}",
            loc=source.loc,
            hint='try optimize="flash"' if optimize != "flash" else "quantize further, or prune channels",
        )


def check_ram(source: Graph, target: Target, need: int, most: int, hint: Callable[[], str]) -> None:
    """FitError when arena and stack together are larger than they may be (bytes); ``hint`` says what would help."""
    if need > most:
        raise FitError(
            f"RAM must be at most {limit(most, 'ram', target)}, but arena and stack need {need:,}",
            loc=source.loc,
            hint=hint(),
        )
