"""The meaning of fused multiply-adds: rounded once, as exact fractions say, and as this computer's instructions do."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import f32, f64, i8
from skosh.ir.interpret_kernel import run_function
from skosh.ir.kernel import Function
from skosh.ladder.fma import fma_f32, fma_f64, fused
from skosh.ladder.matmul import matmul_of
from skosh.ladder.native import NATIVE, Native
from skosh.ladder.rungs import tile_here
from tests.ladder.products import random_product, run_native


def exactly(a: float, b: float, c: float) -> Fraction:
    return Fraction(a) * Fraction(b) + Fraction(c)


def nearest_f32(x: Fraction) -> np.float32:
    """Round to nearest, ties to even."""
    near = np.float32(float(x))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(around, key=lambda y: (abs(Fraction(float(y)) - x), int(y.view(np.int32)) & 1))


def numbers(bits: int, most: int) -> st.SearchStrategy[float]:
    """Floats with ``bits`` of precision, few or many of them set, from 2^-most to 2^most."""
    whole = st.one_of(st.integers(1, 2**bits - 1), st.integers(0, 7).map(lambda x: 2 ** (bits - 1) + x), st.just(1))
    return st.builds(
        lambda m, e, s: s * m * 2.0 ** (e - bits), whole, st.integers(-most, most), st.sampled_from([1, -1])
    )


@settings(deadline=None, derandomize=True, max_examples=300)
@given(a=numbers(53, 40), b=numbers(53, 40), c=numbers(53, 90))
def test_f64_rounds_once(a: float, b: float, c: float) -> None:
    assert run_function(fma_f64, a, b, c) == float(exactly(a, b, c))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(a=numbers(24, 20), b=numbers(24, 20), c=numbers(24, 45))
def test_f32_rounds_once(a: float, b: float, c: float) -> None:
    assert run_function(fma_f32, a, b, c) == nearest_f32(exactly(a, b, c))


@pytest.mark.parametrize(("function", "bits"), [(fma_f64, 53), (fma_f32, 24)])
def test_near_ties(function: Function, bits: int) -> None:
    """c is a power of two, the product half a unit in its last place and a very little more or less."""
    rng, one = random.Random(5), 2.0 ** (1 - bits)
    for _ in range(200):
        a, b = 1 + rng.randrange(5) * one, 1 - rng.randrange(5) * one
        c = rng.choice([1, -1]) * 2.0 ** rng.choice([bits, bits + 1, 1 - bits, 0]) + rng.choice([0, 0, 2])
        c = float(function.returns.np.type(c))
        exact = exactly(a, b, c)
        want = float(exact) if function is fma_f64 else nearest_f32(exact)
        assert run_function(function, a, b, c) == want


@pytest.mark.skipif(tile_here(f64) is None, reason="this computer has no AVX2 with FMA")
@pytest.mark.parametrize("dtype", [f64, f32])
def test_the_instruction_does_what_the_body_says(dtype: object) -> None:
    """The same kernel compiled with the instruction, and with its body."""
    p = random_product(33, str(dtype))
    kernel = fused(schedule.bind(matmul_of(p.dtype), {"M": 33, "K": 33, "N": 33}))
    by_instruction, by_body = run_native(Native(kernel, 1, NATIVE), p), run_native(Native(kernel, 1), p)
    assert np.array_equal(by_instruction, by_body)
    assert not np.array_equal(by_body, p.a @ p.b), "operands so plain that rounding doesn't show"


def test_integers_have_nothing_to_fuse() -> None:
    assert fused(matmul_of(i8)) is matmul_of(i8)
