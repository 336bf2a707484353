"""AVX2 with FMA on floats: eight lanes of 32 bits, and multiply-adds that round once (x86-64-v3 machines, since 2013)."""

from __future__ import annotations

from skosh.targets.simd.machine import VectorMachine

MACHINE = VectorMachine(
    name="avx2-f32",
    test="defined(__AVX2__) && defined(__FMA__)",
    header="immintrin.h",
    types={"f32": "__m256"},
    lanes="8",
    spellings={
        "set f32": "_mm256_set1_ps({a})",
        "load f32": "_mm256_loadu_ps({from})",
        "store f32": "_mm256_storeu_ps({to}, {a})",
        "+ f32": "_mm256_add_ps({a}, {b})",
        "- f32": "_mm256_sub_ps({a}, {b})",
        "* f32": "_mm256_mul_ps({a}, {b})",
        "/ f32": "_mm256_div_ps({a}, {b})",
        "fma_f32": "_mm256_fmadd_ps({a}, {b}, {acc})",
    },
)
