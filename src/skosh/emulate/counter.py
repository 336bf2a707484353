"""The native counter (``native/counter.c``) bound to one emulator: installed as C callbacks, read back with numpy."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.errors import ToolError
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

#: One row a block that ran: see ``entry`` in counter.c.
BLOCK = np.dtype([("address", "<u8"), ("size", "<u4"), ("segment", "<u4"), ("count", "<u8"), ("fell", "<u8")])
Blocks = npt.NDArray[np.void]

COUNT_ALL = 1  # the watched address that no function has
FAULT, LIMIT, OUT_OF_MEMORY, MISALIGNED = 1, 2, 3, 4  # reasons to stop, as in counter.c
_FLAGS = ("-std=c99", "-O2", "-mcpu=baseline", "-Wall", "-Wextra", "-Werror", "-fno-sanitize=undefined")


@dataclass(frozen=True)
class Snapshot:
    """A wish: ``size`` bytes of memory at ``address`` as they are when ``layer`` has finished."""

    layer: int
    address: int
    size: int


class _Entry(ctypes.Structure):
    _fields_ = [
        ("address", ctypes.c_uint64), ("size", ctypes.c_uint32), ("segment", ctypes.c_uint32),
        ("count", ctypes.c_uint64), ("fell", ctypes.c_uint64),
    ]  # fmt: skip


class _Snapshot(ctypes.Structure):
    _fields_ = [
        ("layer", ctypes.c_uint32), ("size", ctypes.c_uint32), ("address", ctypes.c_uint64), ("into", ctypes.c_void_p),
    ]  # fmt: skip


class _Counter(ctypes.Structure):
    _fields_ = [
        ("read_memory", ctypes.c_void_p), ("read_register", ctypes.c_void_p), ("stop", ctypes.c_void_p),
        ("watched", ctypes.c_uint64), ("fault", ctypes.c_uint64), ("byte_limit", ctypes.c_uint64),
        ("sp_id", ctypes.c_int), ("lr_id", ctypes.c_int),
        ("capacity", ctypes.c_uint32), ("used", ctypes.c_uint32), ("entries", ctypes.POINTER(_Entry)),
        ("last", ctypes.c_void_p), ("last_end", ctypes.c_uint64), ("bytes", ctypes.c_uint64),
        ("return_to", ctypes.c_uint64), ("entry_sp", ctypes.c_uint32), ("segment", ctypes.c_uint32),
        ("inside", ctypes.c_uint32), ("reason", ctypes.c_uint32),
        ("markers", ctypes.c_uint32), ("marker_capacity", ctypes.c_uint32), ("layers", ctypes.POINTER(ctypes.c_uint32)),
        ("snapshots", ctypes.POINTER(_Snapshot)), ("snapshot_count", ctypes.c_uint32),
    ]  # fmt: skip


class Counter:
    """Counts what an emulator runs. ``watched``: address of the function to count apart, or COUNT_ALL; ``fault``: of
    the code to stop at; ``registers``: Unicorn's numbers of the stack pointer and of the one with the return address.

    The emulator must call ``block`` at each block and ``marker`` at each store to the marker address. ``access``,
    called at each load and store, stops at a misaligned one.
    """

    def __init__(self, watched: int, fault: int, registers: tuple[int, int]) -> None:
        from unicorn.unicorn_py3.unicorn import uclib

        self._library = _library()
        self._pointer = self._library.skosh_counter_new()
        if not self._pointer:
            raise ToolError("no memory for the instruction counter")
        self._state = _Counter.from_address(self._pointer)
        self._state.read_memory = ctypes.cast(uclib.uc_mem_read, ctypes.c_void_p).value
        self._state.read_register = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p).value
        self._state.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        self._state.watched, self._state.fault = watched, fault
        self._state.sp_id, self._state.lr_id = registers
        self._buffers: list[ctypes.Array[ctypes.c_char]] = []

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self._library.skosh_counter_free(self._pointer)

    @property
    def user(self) -> ctypes.c_void_p:
        """What the callbacks take as their user data."""
        return ctypes.c_void_p(self._pointer)

    def callback(self, name: str) -> ctypes.c_void_p:
        """The C function ``skosh_<name>`` as a plain pointer; name is "block", "marker" or "access"."""
        return ctypes.cast(getattr(self._library, f"skosh_{name}"), ctypes.c_void_p)

    def reset(self, byte_limit: int, snapshots: Sequence[Snapshot]) -> None:
        """Forgets everything counted, and asks for new snapshots."""
        self._library.skosh_counter_reset(ctypes.c_void_p(self._pointer))
        self._state.byte_limit = byte_limit
        self._buffers = [ctypes.create_string_buffer(max(s.size, 1)) for s in snapshots]
        self._wishes = (_Snapshot * max(len(snapshots), 1))(
            *(
                _Snapshot(s.layer, s.size, s.address, ctypes.addressof(buffer))
                for s, buffer in zip(snapshots, self._buffers, strict=True)
            )
        )
        self._sizes = [s.size for s in snapshots]
        self._state.snapshots, self._state.snapshot_count = self._wishes, len(snapshots)

    def snapshots(self) -> tuple[bytes, ...]:
        """The bytes of each snapshot, in the order they were asked for."""
        return tuple(buffer.raw[:size] for buffer, size in zip(self._buffers, self._sizes, strict=True))

    def blocks(self) -> Blocks:
        """A copy of the blocks that ran, as rows of BLOCK."""
        capacity = self._state.capacity
        raw = ctypes.string_at(self._state.entries, capacity * BLOCK.itemsize)
        table = np.frombuffer(raw, dtype=BLOCK)
        used: Blocks = table[table["size"] != 0]
        return used

    def layers(self) -> tuple[int, ...]:
        """The numbers of the layers that finished, in order."""
        return tuple(self._state.layers[: self._state.markers])

    @property
    def entry_sp(self) -> int:
        """The stack pointer when the watched function was entered; 0 when it never was."""
        return int(self._state.entry_sp)

    @property
    def reason(self) -> int:
        """Why the counter stopped the emulator: FAULT, LIMIT, OUT_OF_MEMORY, MISALIGNED, or 0 when it didn't."""
        return int(self._state.reason)


@cache
def _library() -> Any:
    """counter.c as a shared library, compiled on first use."""
    source = (files("skosh.emulate") / "native" / "counter.c").read_text(encoding="utf-8")

    def make(folder: Path) -> None:
        (folder / "counter.c").write_text(source, encoding="utf-8")
        command = [str(zig()), "cc", *_FLAGS, "-shared", "-fPIC", "counter.c", "-o", "counter.so"]
        run_tool(command, "compile the instruction counter", folder)

    library = ctypes.CDLL(str(cached(("counter", zig_version(), _FLAGS, source), make) / "counter.so"))
    library.skosh_counter_new.restype = ctypes.c_void_p
    library.skosh_counter_reset.argtypes = library.skosh_counter_free.argtypes = [ctypes.c_void_p]
    library.skosh_counter_reset.restype = library.skosh_counter_free.restype = None
    return library
