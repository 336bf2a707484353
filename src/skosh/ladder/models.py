"""A model's ladder on a target: what each step of the compiler is worth, in instructions of one inference."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelStep:
    """A rung. instructions: of one inference, None where the rung isn't code of the target; code and weights in bytes."""

    name: str
    instructions: int | None
    absolute_speedup: float
    relative_speedup: float
    code: int | None
    weights: int | None
    source: str = field(default="", repr=False)


@dataclass(frozen=True)
class ModelLadder:
    """All rungs of a model on a target."""

    model: str
    target: str
    macs: int
    rungs: tuple[ModelStep, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        rungs = [asdict(r) for r in self.rungs]
        for r in rungs:
            del r["source"]
        return {
            "model": self.model,
            "target": self.target,
            "macs": self.macs,
            "rungs": rungs,
            "notes": list(self.notes),
        }

    def files(self) -> dict[str, str]:
        """The C of each rung."""
        return {f"{i:02d}.c": r.source for i, r in enumerate(self.rungs, start=1) if r.source}
