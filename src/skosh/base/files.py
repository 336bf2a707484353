"""Reading files of which nothing is believed, not even that they are files."""

from __future__ import annotations

import os
import stat
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
