"""Commands of skosh with a fault in them: the n-th write fails, or the n-th allocation.

``every`` starts one Python with faults.c preloaded, which runs a command once, so that all is imported and cached, and then in
a forked child for each n. What each left behind is told as a line of JSON.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
KINDS = {"write": (0, False), "full": (0, True), "allocation": (1, False)}
"""One write fails; that one and all later ones fail, as on a full disk; one allocation fails. -> faults.c's kind, forever."""

ALL = 1 << 30
NEVER = 1 << 60
"""An n that is never reached: what is counted."""


@dataclass(frozen=True)
class Plan:
    """command: arguments of skosh that write into ``out``, a place below ``folder``. before: arguments of what is there when
    the command starts; () for nothing. points: how many n to try of each of KINDS, spread evenly; ALL for every one."""

    command: tuple[str, ...]
    folder: str
    points: dict[str, int]
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """What a command with its n-th operation of a kind failing left: exit status (below 0: a signal), standard error, and each
    file below ``out``, by its digest, and below ``tmp``. of: how many operations the command has; kind "before": what was
    there, "good": the run without a fault."""

    kind: str
    n: int
    of: int
    status: int
    said: str
    files: dict[str, str]


def preloaded(folder: Path) -> Path:
    """The library of faults.c, compiled."""
    library = folder / "faults.so"
    source = HERE.with_suffix(".c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return library


def every(plan: Plan, library: Path) -> list[Left]:
    """What was there before, what the command leaves without a fault, and with each."""
    environment = {
        **os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "TERM": "dumb",
        "TMPDIR": f"{plan.folder}/tmp", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "COVERAGE_PROCESS_START": "",
        **({"PYTHONMALLOC": "malloc"} if "allocation" in plan.points else {}),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.support.faults", json.dumps(asdict(plan))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return [Left(**json.loads(line)) for line in done.stdout.splitlines()]


# --------------------------------------------------------------------------------------- what the preloaded Python does


def main() -> None:
    told = json.loads(sys.argv[1])
    plan = Plan(**told | {"command": tuple(told["command"]), "before": tuple(told["before"])})
    faults = ctypes.CDLL(None)
    faults.faults_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
    faults.faults_seen.restype = ctypes.c_long
    folder = Path(plan.folder)
    out, tmp, kept = folder / "out", folder / "tmp", folder / "kept"
    for place in (out, tmp, kept):
        place.mkdir(parents=True)
    if plan.before:
        inside(folder, plan.before, faults, "write", 0)
        shutil.copytree(out, kept, dirs_exist_ok=True)
    tell(Left("before", 0, 0, 0, "", digests(out)))
    run(plan.command)  # in this process: everything is imported and known
    for number, (kind, points) in enumerate(plan.points.items()):
        renew(out, kept)
        of, status, said = inside(folder, plan.command, faults, kind, NEVER)
        if number == 0:
            tell(Left("good", 0, of, status, said, digests(out)))
        step = max(1, of // points)
        for n in range(1 + step // 2, of + 1, step):
            renew(out, kept)
            _, status, said = inside(folder, plan.command, faults, kind, n)
            left = {str(Path("tmp") / f): d for f, d in digests(tmp).items()}
            tell(Left(kind, n, of, status, said, digests(out) | left))
            renew(tmp, None)


def tell(left: Left) -> None:
    print(json.dumps(asdict(left)), flush=True)


def renew(place: Path, content: Path | None) -> None:
    shutil.rmtree(place)
    if content is None:
        place.mkdir()
    else:
        shutil.copytree(content, place)


def digests(place: Path) -> dict[str, str]:
    files = [p for p in sorted(place.rglob("*")) if p.is_file()]
    return {str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in files} | {
        f"{p.relative_to(place)}/": "" for p in place.rglob("*") if p.is_dir()
    }


def run(arguments: Sequence[str]) -> int:
    """``skosh`` with these arguments, its output thrown away; its exit status."""
    from skosh.cli import main as skosh

    sys.argv = ["skosh", *arguments]
    with Path(os.devnull).open("w") as nowhere:
        kept, sys.stdout = sys.stdout, nowhere
        try:
            skosh()
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        finally:
            sys.stdout = kept
    return 0


def inside(folder: Path, arguments: Sequence[str], faults: ctypes.CDLL, kind: str, n: int) -> tuple[int, int, str]:
    """(operations counted, exit status, standard error) of the command in a child whose n-th operation fails."""
    said, counted = (folder.with_name(f"{folder.name}-{what}") for what in ("said", "counted"))
    number, forever = KINDS[kind]
    child = os.fork()
    if child == 0:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        faults.faults_below(f"{folder}/".encode())
        faults.faults_arm(number, n, int(forever), errno.ENOSPC)
        try:
            status = run(arguments)
        except BaseException:
            faults.faults_arm(number, 0, 0, 0)
            import traceback

            traceback.print_exc()
            status = 1
        of = faults.faults_seen(number)
        faults.faults_arm(number, 0, 0, 0)
        faults.faults_below(b"")
        counted.write_text(str(of))
        sys.stderr.flush()
        os._exit(status)
    _, state = os.waitpid(child, 0)
    return int(counted.read_text() or 0), os.waitstatus_to_exitcode(state), said.read_text(errors="replace")


if __name__ == "__main__":
    main()
