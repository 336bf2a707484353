"""AVX2 with FMA on doubles: four lanes of 64 bits (x86-64-v3 machines, since 2013)."""

from __future__ import annotations

from skosh.targets.simd.machine import VectorMachine

MACHINE = VectorMachine(
    name="avx2-f64",
    test="defined(__AVX2__) && defined(__FMA__)",
    header="immintrin.h",
    types={"f64": "__m256d"},
    lanes="4",
    spellings={
        "set f64": "_mm256_set1_pd({a})",
        "load f64": "_mm256_loadu_pd({from})",
        "store f64": "_mm256_storeu_pd({to}, {a})",
        "+ f64": "_mm256_add_pd({a}, {b})",
        "- f64": "_mm256_sub_pd({a}, {b})",
        "* f64": "_mm256_mul_pd({a}, {b})",
        "/ f64": "_mm256_div_pd({a}, {b})",
        "fma_f64": "_mm256_fmadd_pd({a}, {b}, {acc})",
    },
    bits=64,
)
