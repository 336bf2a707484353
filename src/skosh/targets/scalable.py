"""Targets whose vectors have a length that only the running machine knows."""

from __future__ import annotations

import re
from dataclasses import replace

from skosh.base.errors import InputError
from skosh.targets.machine import Target

_RVV, _SVE = re.compile(r"vlen=\d+"), re.compile(r"sve-max-vq=\d+")
LENGTHS = (128, 256, 512, 1024)


def vector_length(target: Target, bits: int) -> Target:
    """The same target, emulated with vectors of ``bits`` bits; the code that is compiled for it stays the same.

    Raises InputError when the target's vectors have one length, or ``bits`` is none of LENGTHS.
    """
    if not (_RVV.search(target.emulator) or _SVE.search(target.emulator)):
        raise InputError(f'target must have vectors of any length, not "{target.name}"', hint="rv64gcv, aarch64-sve")
    if bits not in LENGTHS:
        raise InputError(f"vector length must be one of {', '.join(map(str, LENGTHS))} bits, not {bits}")
    emulator = _RVV.sub(f"vlen={bits}", target.emulator)
    return replace(target, emulator=_SVE.sub(f"sve-max-vq={bits // 128}", emulator))
