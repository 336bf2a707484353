"""Vectors of floats with multiply-adds that round once: AVX2 with FMA, AVX-512, NEON of AArch64, each for f32 and f64.

Only what products of matrices need. Intel Intrinsics Guide; Arm C Language Extensions, "Advanced SIMD intrinsics".
"""

from __future__ import annotations

from skosh.targets.simd.machine import VectorMachine


def _x86(name: str, prefix: str, bits: int, test: str, vector: str) -> tuple[VectorMachine, VectorMachine]:
    """The machines for f32 and f64 of an x86 extension with registers of ``bits`` bits."""

    def one(dtype: str, suffix: str, kind: str, size: int) -> VectorMachine:
        return VectorMachine(
            name=f"{name}-{dtype}",
            test=test,
            header="immintrin.h",
            types={dtype: kind},
            lanes=str(bits // size),
            spellings={
                f"set {dtype}": f"{prefix}_set1_{suffix}({{a}})",
                f"load {dtype}": f"{prefix}_loadu_{suffix}({{from}})",
                f"store {dtype}": f"{prefix}_storeu_{suffix}({{to}}, {{a}})",
                f"fma_{dtype}": f"{prefix}_fmadd_{suffix}({{a}}, {{b}}, {{acc}})",
            },
            bits=size,
        )

    return one("f32", "ps", vector, 32), one("f64", "pd", f"{vector}d", 64)


def _neon(dtype: str, size: int) -> VectorMachine:
    suffix, lanes = f"f{size}", 128 // size
    return VectorMachine(
        name=f"neon-{dtype}",
        test="defined(__aarch64__) && defined(__ARM_NEON)",
        header="arm_neon.h",
        types={dtype: f"float{size}x{lanes}_t"},
        lanes=str(lanes),
        spellings={
            f"set {dtype}": f"vdupq_n_{suffix}({{a}})",
            f"load {dtype}": f"vld1q_{suffix}({{from}})",
            f"store {dtype}": f"vst1q_{suffix}({{to}}, {{a}})",
            f"fma_{dtype}": f"vfmaq_{suffix}({{acc}}, {{a}}, {{b}})",
        },
        bits=size,
    )


_AVX2 = _x86("avx2", "_mm256", 256, "defined(__AVX2__) && defined(__FMA__)", "__m256")
_AVX512 = _x86("avx512", "_mm512", 512, "defined(__AVX512F__)", "__m512")

AVX2_F32 = _AVX2[0]
AVX2_F64 = _AVX2[1]
AVX512_F32 = _AVX512[0]
AVX512_F64 = _AVX512[1]
NEON_F32 = _neon("f32", 32)
NEON_F64 = _neon("f64", 64)
