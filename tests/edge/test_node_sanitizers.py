"""The node's C under the address and undefined-behaviour sanitizers: garbage on the line and in flash stays harmless."""

from __future__ import annotations

import subprocess
from pathlib import Path

from skosh.build import compile_host_program
from skosh.edge.node import sources


def test_garbage_touches_nothing_beyond() -> None:
    main = (Path(__file__).parent / "fuzz.c").read_text(encoding="utf-8")
    done = subprocess.run(
        [compile_host_program(sources(), main, sanitize=True)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["reader 0 missed, bad 1", "outbox 0 broken", "encoder 0 wrong"]
