"""The rungs in C: bit-equal to the plain loops on rough numbers, in threads, for sizes that fit no block."""

from __future__ import annotations

import numpy as np
import pytest

from skosh import schedule
from skosh.base.dtypes import DTYPES
from skosh.ladder.fma import fused
from skosh.ladder.matmul import matmul_of, product
from skosh.ladder.native import NATIVE, Native
from skosh.ladder.peak import Judge, blas_name, peak_gflops
from skosh.ladder.rungs import RUNGS, TILES, has, intrinsics, loops, tile_here
from tests.ladder.products import random_product, run_native

TYPES = ("f64", "f32", "i8")


@pytest.mark.parametrize("dtype", TYPES)
def test_schedules_keep_every_bit(dtype: str) -> None:
    """Loops, threads, blocks and the compiler's vectors: the same order of every sum, so the same bits."""
    p = random_product(70, dtype)
    want = run_native(loops(p.dtype, p.n, 1), p)
    for rung in RUNGS[3:6]:
        assert rung.make is not None
        assert np.array_equal(run_native(rung.make(p.dtype, p.n, 2), p), want), rung.name


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "threads"), [(16, 1), (97, 3), (530, 2)])
def test_the_last_rung_keeps_every_bit(dtype: str, n: int, threads: int) -> None:
    """Panels, register tiles and lanes against plain loops of fused multiply-adds."""
    p = random_product(n, dtype)
    if tile_here(p.dtype) is None:
        pytest.skip("no tile for this computer")
    plain = fused(schedule.bind(matmul_of(p.dtype), {"M": n, "K": n, "N": n}))
    want = run_native(Native(plain, 1, NATIVE), p)
    native = intrinsics(p.dtype, n, threads)
    assert np.array_equal(run_native(native, p), want)
    vectors = next(vectors for name, vectors in TILES if name == dtype and has(vectors))
    assert {"avx512": "_mm512_", "avx2": "_mm256_", "neon": "vfmaq_"}[vectors] in native.source


@pytest.mark.parametrize("dtype", TYPES)
def test_products_are_right(dtype: str) -> None:
    p = product(50, dtype)
    c = p.zeros()
    loops(p.dtype, p.n, 1).run(p, c)
    assert p.mistakes(c) == 0
    c[3, 4] += 1
    assert p.mistakes(c) == 1


@pytest.mark.parametrize("dtype", TYPES)
def test_peak_and_judge_measure(dtype: str) -> None:
    """Only that both measure something: which is larger depends on what else the computer does (`benchmarks/ladder.py`)."""
    assert 0 < peak_gflops(dtype, 1, rounds=30_000) < float("inf")
    p = product(64, dtype)
    with Judge(p.n, dtype, 1) as judge:
        assert judge() > 0
    assert blas_name()


def test_names_are_whole_files() -> None:
    native = loops(DTYPES["f64"], 16, 1)
    assert native.source.startswith("#include <pthread.h>\n#include <stdint.h>\n")
    assert "static void skosh_matmul(const double *restrict a" in native.source
