"""C99 made for no machine: what C promises of every processor and no more, an ``int`` of 16 bits included.

For chips that no other target fits (Xtensa, AVR, MIPS). ``run`` and ``verify`` use it as a library on this computer.
"""

from __future__ import annotations

import sys

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="generic",
    description="plain C99 for any processor of 16 bits or more",
    flags=("-mcpu=baseline",),
    flash=Memory(0, 1 << 40),
    ram=Memory(0, 1 << 40),
    pointer_bytes=8 if sys.maxsize > 1 << 32 else 4,
    int_bits=16,
    has_assembly=False,
    has_unaligned_access=False,
)
