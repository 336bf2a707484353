"""What the compiler may use: everything, unless someone wants to know what one of its means is worth (``skosh ladder``)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.schedule.draft import STEPS
from skosh.targets import Target


@dataclass(frozen=True)
class Means:
    """passes: rewrites of the graph. steps: schedule steps. instructions: recipes for the target's own instructions;

    assembly: those of them that are assembly. Less of any never changes what is computed.
    """

    passes: bool = True
    steps: tuple[str, ...] = STEPS
    instructions: bool = True
    assembly: bool = True

    def of(self, target: Target | None) -> Target | None:
        """The target as far as it may be used."""
        if target is None or not self.instructions:
            return None
        return target if self.assembly else replace(target, has_assembly=False)


EVERYTHING = Means()
