"""The node's C on an emulated Cortex-M4 that starts once for each thing it does: the flash is all that lives on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from skosh.build.firmware import compile_firmware
from skosh.edge.node import sources
from skosh.edge.wire import KINDS, Message
from skosh.emulate.cores import core_of, unicorn_package
from skosh.targets import target as find_target
from skosh.targets.image import Firmware, read_elf

SECTORS, SECTOR_BYTES = 3, 128
FLASH_BYTES = SECTORS * SECTOR_BYTES
_MAIL, _FLASH = 0x60000000, 0x61000000
_HEAD = struct.Struct("<4I3II")
TYPES = {"bytes": 0, "int8": 1, "int32": 2, "float": 3}


@cache
def firmware(*defines: str) -> Firmware:
    target = find_target("cortex-m4")
    text = (Path(__file__).parent / "harness.c").read_text(encoding="utf-8")
    return compile_firmware(target, sources(), prefix="node", harness=text, optimize="flash", defines=defines)


class Device:
    """Runs one thing after a reset.

    ``watched``: ``images`` is the flash before every instruction of the last run, each image once; much slower.
    """

    def __init__(self, *defines: str, watched: bool = False) -> None:
        unicorn, target, made = unicorn_package(), find_target("cortex-m4"), firmware(*defines)
        self._image, self._core = read_elf(made.elf), core_of(target.emulator)
        self._uc: Any = self._core.open()
        for origin, size in (
            (target.flash.origin, target.flash.size), (target.ram.origin, target.ram.size),
            (0xE000E000, 0x1000), (_MAIL, 0x1000), (_FLASH, 0x1000),
        ):  # fmt: skip
            self._uc.mem_map(origin, size)
        for address, content in self._image.segments:
            self._uc.mem_write(address, content)
        self.images: dict[bytes, None] = {}
        self.instructions, self.erases = 0, [0] * SECTORS
        if watched:
            self._uc.hook_add(unicorn.UC_HOOK_CODE, self._step)

    def run(self, op: int, flash: bytes, *, argument: int = 0, data: bytes = b"") -> bytes:
        """The flash after it; ``result``, ``argument`` and ``data`` hold what it answered."""
        self.images, self.instructions = {}, 0
        uc, stop = self._uc, self._image.address("skosh_stop")
        uc.mem_write(_FLASH, flash)
        uc.mem_write(_MAIL, _HEAD.pack(op, argument, len(data), 0xDEAD, 0, 0, 0, 0) + data)
        uc.reg_write(self._core.sp, self._image.address("skosh_stack_top"))
        uc.emu_start(self._image.address("skosh_reset") | 1, stop)
        assert uc.reg_read(self._core.pc) == stop, "it must end where programs end"
        _, self.argument, _, self.result, *erases, wrong = _HEAD.unpack(uc.mem_read(_MAIL, _HEAD.size))
        assert wrong == 0, "flash must be written in whole words and erased in whole sectors"
        self.erases = [a + b for a, b in zip(self.erases, erases, strict=True)]
        self.data = bytes(uc.mem_read(_MAIL + _HEAD.size, 3600))
        return bytes(uc.mem_read(_FLASH, len(flash)))

    def waiting(self, flash: bytes) -> list[tuple[int, bytes]]:
        """What the outbox holds after a start on this flash."""
        self.run(3, flash)
        found, at = [], 0
        for _ in range(self.result):
            seq, size = struct.unpack_from("<2I", self.data, at)
            found.append((seq, self.data[at + 8 : at + 8 + size]))
            at += 8 + size
        return found

    def encode(self, message: Message, type: str, *, framed: bool = False, room: int = 3000) -> bytes:
        """What the C makes of a message; its numbers lie in memory as ``type``."""
        form = {"int8": "b", "int32": "i", "float": "f"}
        numbers = message.data
        data = numbers if isinstance(numbers, bytes) else struct.pack(f"<{len(numbers)}{form[type]}", *numbers)
        t, conf = divmod(message.t, 2**32), -1.0 if message.conf is None else message.conf
        head = struct.pack(
            "<6Lf2L68s68s", message.seq, t[1], t[0], KINDS.index(message.kind), TYPES[type], len(message.data), conf,
            message.energy is not None, message.energy or 0, message.node.encode(), message.model.encode(),
        )  # fmt: skip
        self.run(5 if framed else 4, bytes(FLASH_BYTES), argument=room, data=head + data)
        return self.data[: self.result]

    def acks(self, line: bytes) -> tuple[Sequence[int], int]:
        """The acknowledgements in what came, and the frames that were none."""
        self.run(6, bytes(FLASH_BYTES), data=line)
        return struct.unpack_from(f"<{self.result}I", self.data), self.argument

    def _step(self, uc: Any, address: int, size: int, user: object) -> None:
        self.instructions += 1
        self.images[bytes(uc.mem_read(_FLASH, FLASH_BYTES))] = None
