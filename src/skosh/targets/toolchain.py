"""Zig, the C compiler of every target, and the cache of what it made. Both floors above that compile C share this.

Zig comes with the ``ziglang`` wheel; ``SKOSH_ZIG`` names another one. Results are kept in ``~/.cache/skosh``
(``SKOSH_CACHE`` names another folder) under the hash of everything they were made from; where no folder can be
written, they live in a temporary one as long as the process.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from skosh.base.children import run_child
from skosh.base.errors import ToolError
from skosh.base.files import sync_folder, write_through

_KEEP = 2000  # cached results; beyond them the oldest go
_FIRST_LINES = 12  # of a compiler's complaint


DEVICE = "pip install 'skosh[device]'"
"""What brings the compiler, the emulator and the disassembler: 0.5 GB that reading, compiling to C and packaging don't need."""


def lacking(*, emulated: bool = True) -> str:
    """What is missing to build a model's C here, and to run it in an emulator: "zig and unicorn"; "" where nothing is.

    Raises ToolError where a compiler was named that isn't there.
    """
    names = []
    try:
        zig()
    except ToolError:
        if os.environ.get("SKOSH_ZIG"):
            raise
        names.append("zig")
    names += [name for name in ("unicorn", "capstone") if emulated and find_spec(name) is None]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@cache
def zig() -> Path:
    """The zig executable; a ToolError that says how to get it when there is none."""
    named = os.environ.get("SKOSH_ZIG")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolError(f'SKOSH_ZIG must name a zig executable, not "{named}"')
        return Path(found).absolute()
    spec = find_spec("ziglang")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("zig", "zig.exe"):
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    on_path = shutil.which("zig")
    if on_path is None:
        raise ToolError("no C compiler: zig was not found", hint=f"{DEVICE}, or set SKOSH_ZIG")
    return Path(on_path)


@cache
def zig_version() -> str:
    """What ``zig version`` prints."""
    return run_tool([str(zig()), "version"], "zig").strip()


def run_tool(command: Sequence[str], what: str, folder: Path | None = None) -> str:
    """Runs a tool in ``folder`` and gives its standard output; ``what`` names the job in the ToolError if it fails."""
    try:
        done = run_child(command, folder=folder, env=_environment())
    except OSError as error:
        raise ToolError(f"{what}: can't run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        complaint = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        shown = "\n".join(f"  {line}" for line in complaint[:_FIRST_LINES])
        raise ToolError(f"{what}: {Path(command[0]).name} failed (exit status {done.returncode})\n{shown}")
    return done.stdout


def cached(made_from: object, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` fills, made once for each ``made_from``, whose repr must say all that it depends on.

    What is there is compared with the digests that were written when it was made: an entry that is damaged, cut off or lacks
    a file is made anew. It takes its place by a rename, when all of it is on the disk. ToolError when the cache can't be
    written.
    """
    try:
        return _cached(made_from, make)
    except OSError as error:
        raise ToolError(
            f"{cache_root()}: the cache can't be written: {(error.strerror or str(error)).lower()}",
            hint="SKOSH_CACHE names another folder",
        ) from error


def _cached(made_from: object, make: Callable[[Path], None]) -> Path:
    folder = cache_root() / hashlib.sha256(repr(made_from).encode()).hexdigest()[:40]
    if folder.is_dir():
        if _is_whole(folder):
            with suppress(OSError):
                os.utime(folder)  # in use: the last to be pruned
            return folder
        _remove(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as scratch:
        work = Path(scratch) / "made"
        work.mkdir()
        make(work)
        _seal(work)
        try:
            work.rename(folder)  # another process may have been first: its result is the same
        except OSError:
            if not folder.is_dir():
                raise
    sync_folder(folder.parent)
    _prune(folder.parent)
    return folder


DIGESTS = "digests.json"
"""File of an entry -> [bytes, sha256]; written last."""


def _seal(folder: Path) -> None:
    """Write the digests of all files in a folder, and see to it that all is on the disk."""
    told: dict[str, list[object]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            data = file.read()
            os.fsync(file.fileno())
        told[path.relative_to(folder).as_posix()] = [len(data), hashlib.sha256(data).hexdigest()]
    write_through(folder / DIGESTS, json.dumps(told))
    for path in (*(p for p in folder.rglob("*") if p.is_dir()), folder):
        sync_folder(path)


def _is_whole(folder: Path) -> bool:
    """Whether the entry's files are those of its digests, and no others."""
    try:
        told = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {DIGESTS}
        if there != set(told):
            return False
        for name, (size, digest) in told.items():
            data = (folder / name).read_bytes()
            if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
                return False
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    return True


def _remove(folder: Path) -> None:
    """Take an entry away at once, so that no other process sees half of it."""
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix="new-"))
    with suppress(OSError):
        folder.rename(aside / "old")
    shutil.rmtree(aside, ignore_errors=True)


@cache
def cache_root() -> Path:
    """The folder of the cache. ToolError when others than its owner can write it: what is in it is run."""
    named = os.environ.get("SKOSH_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    wanted = Path(named) if named else Path(home) / "skosh"
    if _writable(wanted):
        _check_owner(wanted)
        return wanted
    temporary = Path(tempfile.mkdtemp(prefix="skosh-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


def _check_owner(folder: Path) -> None:
    if not hasattr(os, "geteuid"):  # Windows: folders under a person's home are that person's
        return
    state = folder.stat()
    if state.st_uid != os.geteuid():
        why = "belong to whoever runs skosh"
    elif state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = "be writable by its owner only"
    else:
        return
    raise ToolError(
        f"{folder}: the cache must {why}, for what is in it is run",
        hint=f"remove it, or chmod -R go-w {folder} when you know what is in it; SKOSH_CACHE names another folder",
    )


def _writable(folder: Path) -> bool:
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def _zig_cache() -> str | None:
    """Where zig keeps its own cache, when its default place can't be written."""
    if "ZIG_GLOBAL_CACHE_DIR" in os.environ:
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return None if _writable(Path(home) / "zig") else str(cache_root() / "zig")


def _environment() -> dict[str, str]:
    own = _zig_cache()
    return {**os.environ, **({"ZIG_GLOBAL_CACHE_DIR": own} if own else {})}


LEFT_OVER_S = 24 * 3600.0
"""Seconds after which what a process was making is no longer being made: it was ended, or the computer was."""


def _prune(root: Path) -> None:
    entries = [f for f in root.iterdir() if f.is_dir()]
    for folder in entries:
        if folder.name.startswith("new-") and 0.0 < _age(folder) < time.time() - LEFT_OVER_S:
            shutil.rmtree(folder, ignore_errors=True)
    folders = [f for f in entries if len(f.name) == 40]
    if len(folders) > _KEEP:
        for folder in sorted(folders, key=_age)[: _KEEP // 4]:
            shutil.rmtree(folder, ignore_errors=True)


def _age(folder: Path) -> float:
    """When the entry was made or last used; another process may have removed it."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
