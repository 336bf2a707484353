"""Where the packages of the ``npu`` extra are, and asking them.

They pin numpy and flatbuffers to older versions than other libraries need, so they may have a Python of their own: the one
that ``SKOSH_NPU`` names, else ours where they are installed in it, else the environment ``npu`` inside ours (``make npu``).
They are always run in a process of their own: a fault in them ends that process, not ours.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from skosh.base.children import run_child
from skosh.base.errors import ToolError

CHILD = Path(__file__).with_name("child.py")
MISSING = 3  # the child's exit status, see there
HINT = "pip install 'skosh[npu]', or install that into another Python and name it in SKOSH_NPU"
_FIRST_LINES = 12  # of a complaint


def python(package: str) -> str:
    """The Python that has a package of the extra. ToolError with a hint when there is none."""
    named = os.environ.get("SKOSH_NPU")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolError(f'SKOSH_NPU must name a Python with the npu extra, not "{named}"')
        return found
    if find_spec(package) is not None:
        return sys.executable
    beside = Path(sys.prefix) / "npu" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if beside.is_file():
        return str(beside)
    raise missing(package)


def missing(package: str) -> ToolError:
    return ToolError(f"{package} is missing: it comes with the npu extra", hint=HINT)


def command(package: str, verb: str, *arguments: str) -> list[str]:
    """The command line of the child; without its folder in the way of what it imports."""
    return [python(package), "-P", str(CHILD), verb, *arguments]


def ask(package: str, verb: str, *arguments: str, what: str) -> str:
    """What the child prints. ToolError when it or the package is missing, or fails; ``what`` names the job."""
    line = command(package, verb, *arguments)
    try:
        done = run_child(line)
    except OSError as error:
        raise ToolError(f"{what}: can't run {line[0]}: {error.strerror}") from error
    if done.returncode == MISSING:
        raise missing(package)
    if done.returncode != 0:
        raise ToolError(f"{what} failed (exit status {done.returncode})\n{complaint(done.stderr or done.stdout)}")
    return done.stdout


def complaint(text: str) -> str:
    """The last lines of what a tool said, where its reason stands, indented."""
    return "\n".join(f"  {line}" for line in [line for line in text.splitlines() if line.strip()][-_FIRST_LINES:])
