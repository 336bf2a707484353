"""What goes wrong, as small letters on standard error: ``skosh: kws.tflite: node 7 "dense": ...``, never a traceback.

With ``--json`` the same on standard output: ``{"error": {"kind", "message", "place", "hint", "exit_code"}}``.
``SKOSH_DEBUG=1`` shows the traceback too.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import typer

from skosh.base.errors import SkoshError, UnsupportedError
from skosh.cli.options import unfolded
from skosh.cli.shell import in_shell

BUG = 2
NO_THREAD = "no thread can be started. Hint: allow this process more memory and threads (ulimit -v, -u)."
NO_MEMORY = "there isn't memory enough. Hint: use a smaller model, fewer samples, or a computer with more memory."
TOO_DEEP = "things lie too deep inside things. Hint: the model may be damaged, or made to do harm."
INTERRUPTED = 130


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """The command, its groups of options unfolded, with every exception turned into a letter and an exit status."""
    made = unfolded(command)

    @functools.wraps(made)
    def told(*args: Any, **options: Any) -> None:
        try:
            try:
                made(*args, **options)
            finally:
                sys.stdout.flush()  # a full disk shows here, not when Python ends
        except typer.Exit:
            raise
        except Exception as error:
            raise typer.Exit(ended(error, as_json=options.get("json") is True)) from None
        except KeyboardInterrupt:
            write("stopped.")
            raise typer.Exit(INTERRUPTED) from None

    return told


def ended(error: Exception, *, as_json: bool = False) -> int:
    """Write the letter about an exception; the exit status."""
    letter, status = letter_of(error)
    write(letter)
    if as_json:
        from skosh.cli.terminal import print_json

        with suppress(OSError):
            print_json({"error": error_json(error, letter, status)})
    return status


def letter_of(error: Exception) -> tuple[str, int]:
    """(letter, exit status)"""
    if isinstance(error, SkoshError):
        return in_shell(str(error)), error.exit_code
    if isinstance(error, OSError):  # a full disk, too many open files: the computer's fault, not ours
        close_output()
        why = (error.strerror or str(error)).lower()
        return f"{error.filename or 'standard output'}: can't be read or written: {why}.", BUG
    if isinstance(error, (MemoryError, SystemError)):  # SystemError: Python's own C code, when it gets no memory
        return NO_MEMORY, BUG
    if isinstance(error, RecursionError):
        return TOO_DEEP, BUG
    return NO_THREAD if str(error) == "can't start new thread" else bug(error), BUG


def error_json(error: Exception, letter: str, status: int) -> dict[str, Any]:
    """For programs. kind: which of ``skosh.errors``, or Bug, or System."""
    if not isinstance(error, SkoshError):
        system = isinstance(error, (OSError, MemoryError, SystemError, RecursionError))
        return {
            "kind": "System" if system else "Bug",
            "message": letter,
            "place": None,
            "hint": "",
            "exit_code": status,
        }
    place = None if error.loc is None else str(error.loc)
    told: dict[str, Any] = {
        "kind": type(error).__name__, "message": in_shell(error.message), "place": place, "hint": in_shell(error.hint),
        "exit_code": status,
    }  # fmt: skip
    if isinstance(error, UnsupportedError):
        told["obstacles"] = [
            {"node": o.loc.node, "index": o.loc.index, "problem": o.problem, "advice": in_shell(o.advice)}
            for o in error.obstacles
        ]
    return told


def close_output() -> None:
    """What is still to be written to standard output goes nowhere, so that Python's end doesn't fail for it again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def bug(error: Exception) -> str:
    """The letter about a fault of ours."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    letter = f"{what.rstrip('.')}. This is a bug in skosh, not a fault of yours."
    return f"{letter} Hint: SKOSH_DEBUG=1 shows where; please report it."


def write(letter: str) -> None:
    """One letter, red where standard error is a terminal."""
    from skosh.cli.terminal import err

    if os.environ.get("SKOSH_DEBUG", "0") not in ("", "0") and sys.exc_info()[0] is not None:
        traceback.print_exc()
    with suppress(OSError):  # standard error may be full, too: the exit status says what is left to say
        err().print(f"skosh: {letter}", style="red", markup=False, highlight=False, soft_wrap=True)
