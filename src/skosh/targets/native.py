"""What this computer's processor has: which native targets it can run."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from skosh.targets.machine import Target

PACKAGES = {"opencl": "pyopencl"}
"""What speaks to an accelerator, by its name."""


@cache
def features() -> frozenset[str]:
    """The processor's extensions by Linux's names; empty where the system doesn't tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(word for key, _, value in lines if key.strip() in ("flags", "Features") for word in value.split())


def missing(target: Target) -> str:
    """Why this computer can't run a native target's code itself; "" when it can, or when an emulator does."""
    if target.accelerator and find_spec(PACKAGES[target.accelerator]) is None:
        return f"{target.name} needs the package {PACKAGES[target.accelerator]}: pip install 'skosh[gpu]'"
    if not target.needs:
        return ""
    lacking = [f for f in target.needs if f not in features()]
    if not lacking:
        return ""
    return f"{target.name} needs a processor with {', '.join(lacking)}, which this computer lacks"
