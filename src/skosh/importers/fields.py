"""Fields of a saved model are taken, one by one; what nobody took and isn't at its default stands in the way.

So a field that a library adds, or that a reader forgets, is refused instead of silently left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skosh.base.errors import ModelError

REQUIRED = object()


class Fields:
    """The fields of one part of a model. what: the part, for letters ("the learner")."""

    def __init__(self, fields: Mapping[str, Any], what: str) -> None:
        self.fields = fields
        self.what = what
        self.left = set(fields)

    def take(self, name: str, default: Any = REQUIRED) -> Any:
        """The value of a field, or what stands for it when it is absent. ModelError when it must be there."""
        self.left.discard(name)
        if name not in self.fields:
            if default is REQUIRED:
                raise ModelError(f"{self.what} must have the field {name}")
            return default
        return self.fields[name]

    def ignore(self, names: Iterable[str]) -> None:
        """Fields that no prediction hangs on: what fitting was told, statistics, sizes that are counted anyway."""
        self.left.difference_update(names)

    def must_be(self, **expected: Any) -> None:
        """Fields that have one value in all models that are read."""
        for name, value in expected.items():
            if self.take(name, value) != value:
                raise ModelError(f"{self.what}: {name} must be {value}, not {self.fields[name]}")

    def done(self) -> None:
        """ModelError about the first field that nobody took."""
        known_empty: tuple[Any, ...] = (None, "", 0, "0", False, [], {}, ())
        if left := sorted(n for n in self.left if self.fields[n] not in known_empty):
            value = " ".join(str(self.fields[left[0]]).split())[:40]
            raise ModelError(
                f"{self.what} says {left[0]} = {value}, which skosh doesn't read",
                hint="the model may be of a newer version of the library",
            )
