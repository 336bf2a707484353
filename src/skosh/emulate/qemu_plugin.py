"""Our QEMU plugin (``native/qemu_counter.c``): compiled on first use, and the Python end of its socket.

The plugin runs inside the emulator's process and exits with it when this end of the socket is closed, so that no
emulator outlives the program that started it.
"""

from __future__ import annotations

import re
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.errors import ToolError
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

#: One row a block that ran in a segment: see ``entry`` in qemu_counter.c. A block may have several rows.
BLOCK = np.dtype(
    [("address", "<u8"), ("size", "<u4"), ("instructions", "<u4"), ("count", "<u8"), ("segment", "<u4"), ("pad", "<u4")]
)
Blocks = npt.NDArray[np.void]

STOPPED, FAULT, LIMIT, MARKED = range(4)  # reasons of a report, as in qemu_counter.c
_REPORT, _ORDER = struct.Struct("=IIQ"), struct.Struct("=QII")
_FLAGS = ("-std=c99", "-O2", "-mcpu=baseline", "-Wall", "-Wextra", "-Werror", "-fno-sanitize=undefined")
_NO_LIMIT = (1 << 64) - 1


@dataclass(frozen=True)
class Report:
    """Why the emulator waits, the block that ran last, and all that ran since it last did."""

    reason: int
    address: int
    blocks: Blocks

    def instructions(self) -> dict[int, int]:
        """Executed instructions of each segment: 0 is what isn't the watched function, k ends with its k-th layer."""
        totals: dict[int, int] = {}
        executed = self.blocks["count"] * self.blocks["instructions"]
        for segment in np.unique(self.blocks["segment"]).tolist():
            totals[segment] = int(executed[self.blocks["segment"] == segment].sum())
        return totals


@cache
def qemu_version(program: str, package: str) -> tuple[int, int]:
    """The version of an emulator on the path; a ToolError that says how to install it when there is none."""
    if shutil.which(program) is None:
        raise ToolError(f"no emulator: {program} was not found", hint=f"apt install {package}")
    text = run_tool([program, "--version"], program)
    found = re.search(r"version (\d+)\.(\d+)", text)
    if found is None:
        raise ToolError(f"{program} --version must name a version, not {text.strip()[:60]!r}")
    return int(found.group(1)), int(found.group(2))


def plugin(version: tuple[int, int]) -> Path:
    """The plugin as a shared library for a version of QEMU, compiled on first use."""
    interface = 1 if version < (9, 0) else 2
    source = (files("skosh.emulate") / "native" / "qemu_counter.c").read_text(encoding="utf-8")
    flags = (*_FLAGS, "-D_GNU_SOURCE", f"-DSKOSH_PLUGIN_VERSION={interface}")

    def make(folder: Path) -> None:
        (folder / "counter.c").write_text(source, encoding="utf-8")
        command = [str(zig()), "cc", *flags, "-shared", "-fPIC", "counter.c", "-o", "qemu_counter.so"]
        run_tool(command, "compile the instruction counter for QEMU", folder)

    return cached(("qemu counter", zig_version(), flags, source), make) / "qemu_counter.so"


class Process:
    """A running emulator with the plugin in it.

    ``command``: the emulator and its options, without the plugin's. ``addresses``: watched, stop and fault; 0 for none.
    ``mark``: the address range of the marker function; ``outside``: those of code that calls the watched function and
    isn't called by it. ``keep``: file descriptors that the emulator inherits.
    ``after``: what stands behind the options; ``file_0``: the descriptor that becomes its standard input.

    Raises ToolError when the emulator ends by itself, with what it said.
    """

    def __init__(
        self,
        command: Sequence[str],
        version: tuple[int, int],
        addresses: Mapping[str, int],
        mark: tuple[int, int],
        outside: Sequence[tuple[int, int]],
        keep: Sequence[int] = (),
        after: Sequence[str] = (),
        file_0: int = subprocess.DEVNULL,
    ) -> None:
        own, its = socket.socketpair()
        words = [f"socket={its.fileno()}", *(f"{name}={address:x}" for name, address in addresses.items())]
        words += [f"outside={low:x}:{high:x}" for low, high in outside]
        words.append(f"mark={mark[0]:x}:{mark[1]:x}")
        self._name, self._socket = Path(command[0]).name, own
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                [*command, "-plugin", ",".join([str(plugin(version)), *words]), *after],
                stdin=file_0,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(its.fileno(), *keep),
            )
        except OSError as error:
            own.close()
            raise ToolError(f"can't run {command[0]}: {error.strerror}") from error
        finally:
            its.close()

    def order(self, *, limit: int = _NO_LIMIT, count_all: bool = False) -> None:
        """Lets the emulator go on: for about ``limit`` instructions at the most; count_all: there is no watched function."""
        self._send(_ORDER.pack(limit, int(count_all), 0))

    def wait(self, timeout_s: float, on_mark: Callable[[], Any] = lambda: None) -> Report:
        """The next report that isn't a mark; ``on_mark`` is called at each mark, while the emulator waits.

        A TimeoutError when the emulator is silent for longer than ``timeout_s``.
        """
        self._socket.settimeout(timeout_s)
        while True:
            reason, entries, address = _REPORT.unpack(self._receive(_REPORT.size))
            if reason != MARKED:
                raw = self._receive(entries * BLOCK.itemsize)
                return Report(reason, address, np.frombuffer(raw, dtype=BLOCK))
            on_mark()
            self.order()

    def close(self) -> None:
        """Ends the emulator."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            self._process.kill()
            self._process.wait()
            self._said.close()

    def _send(self, content: bytes) -> None:
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise self._ended() from error

    def _receive(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            try:
                part = self._socket.recv(missing)
            except TimeoutError:
                raise
            except OSError as error:
                raise self._ended() from error
            if not part:
                raise self._ended()
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _ended(self) -> ToolError:
        status = self._process.wait()
        self._said.seek(0)
        lines = [line for line in self._said.read().decode(errors="replace").splitlines() if line.strip()]
        shown = "\n".join(f"  {line}" for line in lines[:12])
        return ToolError(f"{self._name} ended with status {status}\n{shown}".rstrip(), hint=_hint(shown))


def _hint(said: str) -> str:
    """What to do about what an emulator complained of."""
    if "plugin" in said.lower():
        return "instructions are counted by a plugin: QEMU must be built with plugins, as Debian's is"
    return "is it QEMU 7 or later?"
