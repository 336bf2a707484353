"""Standard output that somebody stops reading: ``skosh verify ... | head -1`` keeps the exit status that it would have had."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class Patient(io.FileIO):
    """A file descriptor whose writes succeed after its reader has gone; what is written then goes nowhere."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(memoryview(data).cast("B"))


def patient_output() -> None:
    """Make ``sys.stdout`` one that no reader's end stops."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper):
        return
    try:
        raw = Patient(out.fileno(), "wb", closefd=False)
    except OSError:  # it is no file
        return
    out.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=out.encoding, errors=out.errors, line_buffering=out.line_buffering
    )
