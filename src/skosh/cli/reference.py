"""``reference``: every command with its arguments, options and example, as Markdown, from what ``--help`` is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from skosh.cli import application


def reference() -> str:
    """A section a command, in the order of ``skosh --help``."""
    group: Any = typer.main.get_command(application())
    return "\n\n".join(part for name, command in group.commands.items() for part in _sections(f"skosh {name}", command, 2))


def _sections(called: str, command: Any, level: int) -> Iterator[str]:
    yield f"{'#' * level} {called}"
    if command.help:
        yield _plain(command.help)
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _sections(f"{called} {name}", inner, level + 1)
        return
    if command.epilog:
        yield f"```text\n{command.epilog.partition(': ')[2]}\n```"
    shown = [p for p in command.params if not getattr(p, "hidden", False) and "--help" not in p.opts]
    if shown:
        yield "| | |\n|---|---|\n" + "\n".join(f"| {_names(p)} | {_help(p)} |" for p in shown)


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).upper()}`"
    names = ", ".join(f"`{n}`" for n in (*parameter.opts, *parameter.secondary_opts))
    return names if parameter.is_flag else f"{names} `{parameter.metavar or parameter.type.name.upper()}`"


def _help(parameter: Any) -> str:
    default = parameter.default
    told = _plain(parameter.help or "")
    shown = isinstance(default, str | int | float) and not isinstance(default, bool) and "[default" not in told
    told += f" Default: `{default}`." if shown else ""
    return " ".join(told.replace("|", "\\|").split())


def _plain(text: str) -> str:
    """Rich markup taken away; what stands in angle brackets is no HTML."""
    return re.sub(r"\[/?(?:bold|dim|italic|red|green)\]", "", text).replace("<", "&lt;").strip()
