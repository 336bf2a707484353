"""Files: read of which nothing is believed, not even that they are files; written complete, or not at all.

What is written goes to a name of its own beside its place first, to the disk (fsync), and then takes its place by a rename,
so that whoever reads sees all of the old or all of the new, also after a loss of power.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from skosh.base.budget import spend
from skosh.base.errors import InputError


def read_bytes(path: str | Path, loc: str | None = None) -> bytes:
    """The content of a regular file, counted before it is read. InputError when it can't be read."""
    loc = str(path) if loc is None else loc
    try:
        with open(path, "rb", buffering=0, opener=_opened) as file:
            state = os.fstat(file.fileno())
            if stat.S_ISDIR(state.st_mode):
                raise InputError("can't be read: is a directory", loc=loc)
            if not stat.S_ISREG(state.st_mode):
                raise InputError("must be a file, not a device or a pipe", loc=loc)
            spend("bytes", state.st_size, loc)
            parts, left = [], state.st_size
            while left and (part := file.read(left)):  # one call gives at most 2 GiB
                parts.append(part)
                left -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(f"can't be read: {why}", loc=loc) from error


def read_text(path: str | Path, loc: str | None = None) -> str:
    """The content as UTF-8. InputError when it can't be read, UnicodeDecodeError when it is no text."""
    return read_bytes(path, loc).decode("utf-8").replace("\r\n", "\n")


def _opened(path: str, flags: int) -> int:
    """A pipe that nobody writes to must not make us wait."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))


# ------------------------------------------------------------------------------------------------------------- writing


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` when all went well, and is gone without a trace when not.

    A folder that isn't there yet appears by one rename. In one that is, files of the same names are replaced, and put back
    when one can't be; others stay. InputError when the folder can't be written.
    """
    made: list[Path] = []
    try:
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        _make_folders(folder.parent, made)
        there = folder.is_dir()
        staging = Path(tempfile.mkdtemp(prefix=".skosh-", dir=folder if there else folder.parent))
        try:
            yield staging
            if there:
                _replace_all(staging, folder)
            else:
                staging.chmod(0o777 & ~_umask())
                staging.rename(folder)
                sync_folder(folder.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException as error:
        for empty in reversed(made):
            with suppress(OSError):
                empty.rmdir()
        if isinstance(error, OSError):
            raise unwritable(folder, error) from error
        raise


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files, by their places inside a folder, all of them or none. InputError when the folder can't be written."""
    with whole_folder(folder) as staging:
        for name, content in files.items():
            place = staging / name
            place.parent.mkdir(parents=True, exist_ok=True)
            write_through(place, content)
        for inside in {(staging / name).parent for name in files}:
            sync_folder(inside)
    return folder


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; ``made`` gets the new ones, outermost first."""
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            if place.exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            place.mkdir(exist_ok=True)
            made.append(place)


def write_file(path: Path, content: str | bytes) -> Path:
    """Write one file, text as UTF-8, complete or not at all. InputError when it can't be written."""
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe: nothing to keep
            path.write_bytes(_encoded(content))
            return path
        place = path.resolve()  # what a link leads to, not the link
        handle, name = tempfile.mkstemp(prefix=".skosh-", dir=place.parent)
        os.close(handle)
        aside = Path(name)
        try:
            write_through(aside, content)
            aside.chmod(stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o666 & ~_umask())
            aside.replace(place)
        finally:
            with suppress(OSError):
                aside.unlink()
        sync_folder(place.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def write_through(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, down to the disk."""
    with path.open("wb") as file:
        file.write(_encoded(content))
        file.flush()
        os.fsync(file.fileno())


def _encoded(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def sync_folder(folder: Path) -> None:
    """Names in a folder down to the disk, where the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unwritable(place: Path, error: OSError) -> InputError:
    return InputError(f"can't be written: {(error.strerror or str(error)).lower()}", loc=str(place))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _replace_all(staging: Path, folder: Path) -> None:
    """Move files over those of the same names; when one can't be moved, put back what was there."""
    names = sorted(p.relative_to(staging) for p in staging.rglob("*") if not p.is_dir())
    kept = Path(tempfile.mkdtemp(prefix=".before-", dir=staging))
    before = {name: kept / str(n) for n, name in enumerate(names) if (folder / name).exists()}
    for name, copy in before.items():
        shutil.copy2(folder / name, copy)
    made: list[Path] = []
    done: list[Path] = []
    try:
        for name in names:
            _make_folders((folder / name).parent, made)
            done.append(name)  # before it is done: whatever stops it, it is put back
            (staging / name).replace(folder / name)
        for place in {(folder / name).parent for name in names}:
            sync_folder(place)
    except BaseException:
        for name in done:
            with suppress(OSError):
                if name in before:
                    before[name].replace(folder / name)
                elif not (staging / name).exists():
                    (folder / name).unlink()
        for empty in reversed(made):
            with suppress(OSError):
                empty.rmdir()
        raise
