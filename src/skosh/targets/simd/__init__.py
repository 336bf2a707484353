"""Vector machines: one file each. A new one is a file and a line in MACHINES; see docs/vectors.md."""

from __future__ import annotations

from functools import cache

from skosh.base.registry import Table, load
from skosh.targets.simd.machine import VectorMachine

MACHINES: Table = {
    "sse4": "skosh.targets.simd.sse4:MACHINE",
    "avx2": "skosh.targets.simd.avx2:MACHINE",
    "avx512": "skosh.targets.simd.avx512:MACHINE",
    "helium": "skosh.targets.simd.helium:MACHINE",
    "neon": "skosh.targets.simd.neon:MACHINE",
    "sve": "skosh.targets.simd.sve:MACHINE",
    "rvv": "skosh.targets.simd.rvv:MACHINE",
    "avx2-f32": "skosh.targets.simd.fused:AVX2_F32",
    "avx2-f64": "skosh.targets.simd.fused:AVX2_F64",
    "avx512-f32": "skosh.targets.simd.fused:AVX512_F32",
    "avx512-f64": "skosh.targets.simd.fused:AVX512_F64",
    "neon-f32": "skosh.targets.simd.fused:NEON_F32",
    "neon-f64": "skosh.targets.simd.fused:NEON_F64",
}


@cache
def vector_machine(name: str) -> VectorMachine:
    """The vector machine called ``name``."""
    found = load(MACHINES, name, "vector machine")
    assert isinstance(found, VectorMachine), f"{MACHINES[name]} is not a VectorMachine"
    return found


__all__ = ["MACHINES", "VectorMachine", "vector_machine"]
