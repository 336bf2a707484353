"""What goes wrong, as small letters on standard error: ``skosh: kws.tflite: node 7 "dense": ...``, never a traceback.

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

from skosh.base.errors import SkoshError

BUG = 2
NO_THREAD = "no thread can be started. Hint: allow this process more memory and threads (ulimit -v, -u)."
INTERRUPTED = 130


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with every exception turned into a letter and an exit status."""

    @functools.wraps(command)
    def told(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
            sys.stdout.flush()
        except typer.Exit:
            raise
        except SkoshError as error:
            write(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            write("stopped.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader, perhaps ``head``, has seen enough
            _close_output()
            raise typer.Exit(0) from None
        except OSError as error:  # a full disk, too many open files: the computer's fault, not ours
            _close_output()
            write(f"{error.filename or 'standard output'}: can't be read or written: {(error.strerror or str(error)).lower()}.")
            raise typer.Exit(BUG) from None
        except (MemoryError, SystemError):  # SystemError: Python's own C code, when it gets no memory
            write("there isn't memory enough. Hint: use a smaller model, fewer samples, or a computer with more memory.")
            raise typer.Exit(BUG) from None
        except RecursionError:
            write("things lie too deep inside things. Hint: the model may be damaged, or made to do harm.")
            raise typer.Exit(BUG) from None
        except Exception as error:
            write(NO_THREAD if str(error) == "can't start new thread" else bug(error))
            raise typer.Exit(BUG) from None

    return told


def _close_output() -> None:
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
