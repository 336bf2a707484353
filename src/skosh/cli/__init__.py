"""Floor 13: the command line. One file a command, each with ``command`` and ``EXAMPLE``; heavy imports wait until one runs.

Exit status: 0, fine; 1, the answer is no (not bit-exact, doesn't fit, can't be compiled); 2, the usage or the input was
wrong; 130, interrupted. Answers go to standard output, everything else to standard error.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core

from skosh import __version__
from skosh.cli.letters import plainly, write
from skosh.cli.streams import patient_output
from skosh.cli.terminal import print_json

COMMANDS = (
    "init", "demo", "app", "models", "inspect", "quantize", "stream", "compile", "verify", "profile", "explain", "report",
    "diff", "package", "size", "export", "ladder", "targets", "devices", "links", "place", "keys", "cfu", "xpu", "doctor",
)  # fmt: skip
"""Names of commands, which are those of the modules beside this one, in the order of ``skosh --help``."""


class Commands(typer.core.TyperGroup):
    """The commands; with --json a wrong usage, too, is JSON on standard output."""

    def main(self, args: Any = None, *more: Any, **options: Any) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        if "--json" not in given or options.get("standalone_mode") is False:
            return super().main(args, *more, **options)
        try:
            sys.exit(super().main(given, *more, **options | {"standalone_mode": False}) or 0)
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            message, status = str(error.format_message()), int(getattr(error, "exit_code", 2))
            write(message)
            print_json({"error": {"kind": "Usage", "message": message, "place": None, "hint": "", "exit_code": status}})
            sys.exit(status)


def application() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="skosh",
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in COMMANDS:
        module = import_module(f"skosh.cli.{name}")
        if hasattr(module, "COMMANDS"):
            app.add_typer(_group(module.COMMANDS), name=name, help=f"{(module.__doc__ or '').partition(': ')[2]}")
        else:
            app.command(name, epilog=f"Example: {module.EXAMPLE}")(plainly(module.command))
    return app


def _group(commands: Mapping[str, tuple[Callable[..., None], str]]) -> typer.Typer:
    """A command of several commands: name -> (what it does, an example)."""
    group = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    for name, (command, example) in commands.items():
        group.command(name, epilog=f"Example: {example}")(plainly(command))
    return group


ENDINGS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"skosh {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and stop.")
    ] = False,
) -> None:
    """Trained models as plain C for the smallest computers, proved bit for bit and measured."""


def _ended(*_: object) -> None:
    """Ctrl-C, SIGTERM and a terminal that closes end alike: what was being written is taken back, children are ended.

    Once is enough: another signal doesn't stop that.
    """
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """What ``skosh`` on the command line calls."""
    try:
        plainly(_main)()
    except typer.Exit as ended:  # what went wrong before there was a command
        sys.exit(ended.exit_code)


def _main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of ASCII shows question marks, not a traceback
    for ending in ENDINGS:
        if signal.getsignal(ending) != signal.SIG_IGN:  # nohup
            signal.signal(ending, _ended)
    patient_output()
    application()()
