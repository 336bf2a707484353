"""Runs a command line in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from skosh.cli import application


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status, and what it wrote on standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object) -> Ran:
    """``skosh`` with these arguments."""
    done = CliRunner().invoke(application(), [str(a) for a in arguments], prog_name="skosh")
    return Ran(done.exit_code, done.stdout, done.stderr)
