"""What the commands show, and how: tables and bars on standard output, spinners and progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from skosh.base.text import plain_json, plain_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 140  # columns of a table that goes to a file or another program
WIDE = 110  # columns of a terminal from which on tables show everything


def out() -> Console:
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit with 1, which here means "no"

        def print(self, *objects: Any, **how: Any) -> None:
            super().print(*map(shown, objects), **how)

    console = Output(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def err() -> Console:
    from rich.console import Console

    class Errors(Console):
        def print(self, *objects: Any, **how: Any) -> None:
            super().print(*map(shown, objects), **how)

    return Errors(stderr=True, highlight=False, emoji=False)


def shown(thing: Any) -> Any:
    """Texts without what a terminal obeys; tables and the like stay."""
    return plain_lines(thing) if isinstance(thing, str) else thing


def print_json(value: Any) -> None:
    """For programs: one JSON value, and nothing else, on standard output."""
    print(json.dumps(plain_json(value), indent=2, default=_plain))


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's."""
    return value.item()


@contextmanager
def busy(what: str, *, quiet: bool = False) -> Iterator[None]:
    """A spinner while something takes its time; silent when nobody watches."""
    console = err()
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(f"{what} ..."):
        yield


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """One stage after another: gives the function that is told what begins. What is done stays, with its time."""
    console = err()
    begun: list[tuple[str, float]] = []

    def done() -> None:
        if begun:
            what, start = begun.pop()
            console.print(f"{what}  {time.perf_counter() - start:.1f} s", style="dim", markup=False)

    if quiet:
        yield lambda what: None
        return
    with console.status("") if console.is_terminal else nullcontext() as spinner:

        def begin(what: str) -> None:
            done()
            begun.append((what, time.perf_counter()))
            if spinner is not None:
                spinner.update(f"{what} ...")

        yield begin
        done()


class Told(Protocol):
    """How many are done, and of how many, where that is known only now."""

    def __call__(self, done: int, of: int | None = None, /) -> None: ...


@contextmanager
def counting(what: str, total: int, *, quiet: bool = False) -> Iterator[Told]:
    """A progress bar; gives the function that is told how many are done."""
    console = err()
    if quiet or not console.is_terminal:
        yield lambda done, of=None: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done, of=None: shown.update(task, completed=done, total=of or total)


@contextmanager
def compiling(what: str, *, search: bool, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A spinner; for a search a progress bar, and the function that is told how many steps are done, of how many."""
    if not search:
        with busy(what, quiet=quiet):
            yield None
        return
    with counting(f"{what}, searching", 1, quiet=quiet) as told:
        yield told


def table(*headings: str, right: tuple[str, ...] = (), title: str = "") -> Table:
    """An empty table. ``right``: the headings of columns with numbers. A heading in both is shown once."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        is_number = heading in right
        made.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number, vertical="top")
    return made


def row(to: Table, *cells: object, style: str | None = None) -> None:
    """Adds a line of cells, as they are: brackets are no markup."""
    from rich.text import Text

    to.add_row(*(c if isinstance(c, Text) else Text("" if c is None else plain_lines(str(c))) for c in cells), style=style)


def number(value: int | float | None) -> str:
    """1,234,567; a dash for what isn't known."""
    return "-" if value is None else f"{value:,}"


def bar(fraction: float, width: int = 24) -> str:
    """A horizontal bar, in eighths of a character where the terminal's letters allow it."""
    fraction = min(max(fraction, 0.0), 1.0)
    if not (getattr(sys.stdout, "encoding", None) or "ascii").lower().startswith("utf"):
        return "#" * round(fraction * width)
    eighths = round(fraction * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
