"""Vector machines: one file each. A new one is a file and a line in MACHINES; see docs/vectors.md."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from skosh.base.registry import Table, load
from skosh.targets.simd.machine import VectorMachine

MACHINES: Table = {
    "sse4": "skosh.machines.x86.sse4:MACHINE",
    "avx2": "skosh.machines.x86.avx2:MACHINE",
    "avx512": "skosh.machines.x86.avx512:MACHINE",
    "helium": "skosh.machines.helium.spellings:MACHINE",
    "neon": "skosh.machines.arm_a.neon:MACHINE",
    "sve": "skosh.machines.arm_a.sve:MACHINE",
    "rvv": "skosh.machines.riscv.rvv:MACHINE",
    "avx2-f32": "skosh.machines.vectors.fused:AVX2_F32",
    "avx2-f64": "skosh.machines.vectors.fused:AVX2_F64",
    "avx512-f32": "skosh.machines.vectors.fused:AVX512_F32",
    "avx512-f64": "skosh.machines.vectors.fused:AVX512_F64",
    "neon-f32": "skosh.machines.vectors.fused:NEON_F32",
    "neon-f64": "skosh.machines.vectors.fused:NEON_F64",
}


@cache
def vector_machine(name: str) -> VectorMachine:
    """The vector machine called ``name``."""
    found = load(MACHINES, name, "vector machine")
    assert isinstance(found, VectorMachine), f"{MACHINES[name]} is not a VectorMachine"
    return found


@cache
def writers(name: str) -> tuple[Callable[..., str], ...]:
    """Writers of loops that this machine has beside lanes: (loop, names, depth, scalar) to its C; "" for other loops."""
    return tuple(load({w: w}, w, "writer") for w in vector_machine(name).writers)


__all__ = ["MACHINES", "VectorMachine", "vector_machine", "writers"]
