"""What goes wrong, for ``except``: every error that a person can cause is a ``SkoshError``."""

from __future__ import annotations

from skosh.base.budget import BudgetError
from skosh.base.errors import (
    FitError,
    InputError,
    ModelError,
    ModelWarning,
    Obstacle,
    ScheduleError,
    SkoshError,
    ToolError,
    UnsupportedError,
)

__all__ = [
    "BudgetError", "FitError", "InputError", "ModelError", "ModelWarning", "Obstacle", "ScheduleError", "SkoshError",
    "ToolError", "UnsupportedError",
]  # fmt: skip
