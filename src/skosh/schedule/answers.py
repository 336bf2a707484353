"""Is a step legal? Yes, or No and why."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.base.errors import ScheduleError
from skosh.ir.kernel import Kernel


@dataclass(frozen=True)
class Yes:
    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True)
class No:
    reason: str

    def __bool__(self) -> bool:
        return False


Answer = Yes | No


def act(kernel: Kernel, answer: Answer, step: str) -> None:
    """Nothing, or a ScheduleError that quotes the reason."""
    if isinstance(answer, No):
        raise ScheduleError(f"{step} is not legal: {answer.reason}", loc=kernel.loc)
