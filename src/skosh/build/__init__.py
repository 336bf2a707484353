"""Floor 8: compilers and linker maps. Emitted C in, a firmware or a host library out."""

from __future__ import annotations

from skosh.build.firmware import compile_firmware
from skosh.build.flags import OPTIMIZE
from skosh.build.host import compile_host, compile_host_program

__all__ = ["OPTIMIZE", "compile_firmware", "compile_host", "compile_host_program"]
