"""Files: read of which nothing is believed, not even that they are files; written complete, or not at all.

What is written goes to a name of its own beside its place first, to the disk (fsync), and then takes its place by a rename,
so that whoever reads sees all of the old or all of the new, also after a loss of power.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
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


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files into a folder, all of them or none. InputError when the folder can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".skosh-", dir=folder))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        for name, text in files.items():
            write_through(staging / name, text)
        _replace_all(staging, folder, list(files))
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


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


def _replace_all(staging: Path, folder: Path, names: Sequence[str]) -> None:
    """Move files over those of the same names; when one can't be moved, put back what was there."""
    before = {name: staging / f"{name}.before" for name in names if (folder / name).exists()}
    for name, kept in before.items():
        shutil.copy2(folder / name, kept)
    done: list[str] = []
    try:
        for name in names:
            done.append(name)  # before it is done: whatever stops it, it is put back
            (staging / name).replace(folder / name)
        sync_folder(folder)
    except BaseException:
        for name in done:
            if name in before:
                before[name].replace(folder / name)
            else:
                with suppress(FileNotFoundError):
                    (folder / name).unlink()
        raise
