"""OpenCL devices: kernels as their operators write them, one work item for each iteration of their outer ``par`` loops."""

from __future__ import annotations

import sys

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="opencl",
    description="OpenCL 1.2 devices: GPUs, and processors by PoCL; needs skosh[gpu]",
    flags=("-mcpu=baseline",),  # of the C that stands beside the kernels
    flash=Memory(0, 1 << 40),
    ram=Memory(0, 1 << 40),
    pointer_bytes=8 if sys.maxsize > 1 << 32 else 4,
    has_fpu=True,
    has_assembly=False,
    plain=True,
    accelerator="opencl",
)
