"""Programs that we start: they, and all that they started, end when we are stopped or lose patience."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Group:
    """The children that threads of one ``in_threads`` started and that still run."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[str]] = set()
        self.stopped = False
        self.lock = threading.Lock()

    def stop(self) -> None:
        """End them all; those that come later are ended at once."""
        with self.lock:
            self.stopped = True
            for child in self.running:
                _kill(child)

    def enter(self, child: subprocess.Popen[str]) -> None:
        with self.lock:
            self.running.add(child)
            if self.stopped:
                _kill(child)

    def leave(self, child: subprocess.Popen[str]) -> None:
        with self.lock:
            self.running.discard(child)


_MINE = threading.local()


def in_threads(work: Callable[[T], R], things: Iterable[T], threads: int) -> list[R]:
    """``work`` of each, some at a time. When one fails, or we are stopped, the children that all of them run are ended."""
    group = Group()

    def grouped(thing: T) -> R:
        _MINE.group = group
        return work(thing)

    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(grouped, things))
        except BaseException:
            group.stop()
            raise


def run_child(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program without input, and give what it printed and its exit status.

    It leads a process group of its own: compilers start compilers, and no one of them may outlive a Ctrl-C, a SIGTERM or
    the time it has. Raises OSError when it can't be started, TimeoutExpired when it takes longer than ``seconds``.
    """
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", process_group=0 if os.name == "posix" else None,
    ) as child:  # fmt: skip
        group: Any = getattr(_MINE, "group", None) or Group()
        try:
            group.enter(child)
            said, complained = child.communicate(timeout=seconds)
        except BaseException:
            _kill(child)
            child.wait()
            raise
        finally:
            group.leave(child)
    return subprocess.CompletedProcess(list(command), child.returncode, said, complained)


def _kill(child: subprocess.Popen[str]) -> None:
    """End a child that leads a process group, and the group."""
    if os.name == "posix" and child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
