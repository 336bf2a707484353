"""Errors that people cause, written as small letters: place, what must hold, what came, a hint.

    kws.tflite: node 7 "dense": weight scale must be > 0, not 0.0. Hint: channel 3 is constant; try per-tensor weights.

What is our own fault is an ``assert`` with a sentence, never one of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from skosh.base.text import plain, plain_lines


@dataclass(frozen=True)
class Loc:
    """Where something came from: a file (or "<sklearn>"), and the node inside it."""

    file: str
    node: str = ""
    index: int | None = None

    def __str__(self) -> str:
        file, node = plain(self.file), plain(self.node)
        if self.index is not None and node:
            return f'{file}: node {self.index} "{node}"'
        if self.index is not None:
            return f"{file}: node {self.index}"
        if node:
            return f'{file}: "{node}"'
        return file


NOWHERE = Loc("<memory>")


class SkoshError(Exception):
    """Every error that a person can cause. ``exit_code``: 2, the input or the usage was wrong; 1, the answer is no."""

    exit_code = 2

    def __init__(self, message: str, *, loc: Loc | str | None = None, hint: str = "") -> None:
        self.message = message
        self.loc = loc
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        message = plain_lines(self.message)
        text = f"{plain(self.loc)}: {message}" if self.loc is not None else message
        if not text.endswith((".", "!", "?")) and "\n" not in text:
            text += "."
        return f"{text} Hint: {plain_lines(self.hint)}" if self.hint else text


class ModelError(SkoshError):
    """The model can't be read, or says something that can't be compiled."""


class ModelWarning(UserWarning):
    """The model was read, but will answer otherwise than its library where the text says so."""


class QuantizationWarning(UserWarning):
    """The model was quantized, but answers otherwise than in floats: what shows why, and what would help."""


class InputError(SkoshError):
    """Samples, options or paths that don't fit the model or the machine."""


class ScheduleError(SkoshError):
    """A kernel or a scheduling step that is not legal."""


class FitError(SkoshError):
    """The model doesn't fit the memory it was given."""

    exit_code = 1


class ToolError(SkoshError):
    """A compiler or an emulator is missing or failed."""


@dataclass(frozen=True)
class Obstacle:
    """One thing in a model that stands in the way, and what a person can do about it."""

    loc: Loc
    problem: str
    advice: str


class UnsupportedError(ModelError):
    """All obstacles of a model at once."""

    def __init__(self, obstacles: tuple[Obstacle, ...], *, loc: Loc | str) -> None:
        assert obstacles, "an UnsupportedError without obstacles says nothing"
        self.obstacles = obstacles
        count = "1 obstacle" if len(obstacles) == 1 else f"{len(obstacles)} obstacles"
        lines = [f"  {_inside(o.loc)}: {plain(o.problem)}. Hint: {plain(o.advice)}" for o in obstacles]
        super().__init__(f"{count} to compiling this model\n" + "\n".join(lines), loc=loc)


def _inside(loc: Loc) -> str:
    text = str(loc)
    return text.removeprefix(f"{plain(loc.file)}: ")
