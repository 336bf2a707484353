"""Models on VexRiscv with the unit "lanes": the whole of one in the simulated system, its forms by the interpreter."""

from __future__ import annotations

import random

import numpy as np
import pytest

import skosh
from skosh.base.dtypes import i8
from skosh.ir.call import Const, In, Out, Scratch
from skosh.ir.interpret_kernel import run_kernel
from skosh.language import call, requantize, requantize_bounded
from skosh.lower.form import Asked
from skosh.machines.custom.forms import DEPTHWISE, POOL, PRODUCTS, QUAD_PRODUCTS
from skosh.ops.layers.depthwise import depthwise_rows
from skosh.ops.layers.gemm import conv2d_patches, matmul
from skosh.ops.layers.pooling_kernels import average_pool2d
from skosh.schedule.answers import No
from skosh.targets import target
from tests.support.shared import models_folder

MACHINE = target("vexriscv-cfu")


def random_call(kernel, filters, weights, rng, **more):
    """A layer's call with random constants. weights: shape of w."""
    w = rng.integers(-128, 128, weights).astype(np.int8)
    return call(
        kernel, x=In(0), y=Out(0), w=Const(w, "weight"), rescale=requantize_bounded, P=1, zy=3, lo=-120, hi=127, **more,
        bias=Const(rng.integers(-2000, 2000, filters).astype(np.int32), "bias"),
        multiplier=Const(rng.integers(1 << 30, 1 << 31, filters).astype(np.int32), "multiplier"),
        right=Const(rng.integers(5, 10, filters).astype(np.int8), "shift"),
    )  # fmt: skip


def computed(one, x, size):
    """What a call gives for an input, by the strict interpreter."""
    buffers = {}
    for name, b in one.buffers.items():
        match b:
            case Const(data):
                buffers[name] = np.ascontiguousarray(data).reshape(-1)
            case In():
                buffers[name] = x.reshape(-1).copy()
            case Out():
                buffers[name] = np.zeros(size, np.int8)
            case Scratch(elements, dtype):
                buffers[name] = np.full(elements, 0x5A, dtype.np)
    run_kernel(one.kernel, buffers, one.numbers, shuffle=random.Random(1))
    return buffers["y"]


def same(form, plain, x_size, y_size, rng):
    asked = Asked(plain, (), MACHINE, "balanced")
    made = form.answer(asked)
    assert not isinstance(made, No), made
    x = rng.integers(-128, 128, x_size).astype(np.int8)
    (one,) = made
    np.testing.assert_array_equal(computed(one, x, y_size), computed(plain, x, y_size))
    return one


@pytest.mark.parametrize(("m", "k", "n"), [(3, 32, 8), (2, 16, 4), (1, 1040, 8)])
def test_products(m: int, k: int, n: int) -> None:
    """The last has filters of 65 rows: four of them fill the unit, so that there are two blocks."""
    rng = np.random.default_rng(k)
    same(PRODUCTS, random_call(matmul, n, (n, k), rng, M=m, K=k, N=n), m * k, m * n, rng)


@pytest.mark.parametrize(("c", "kh", "kw", "stride"), [(1, 5, 4, 2), (8, 3, 3, 1)])
def test_convolutions(c: int, kh: int, kw: int, stride: int) -> None:
    """A narrow window, which has a copy with padding, and a wide one."""
    rng = np.random.default_rng(c)
    h, w, n = 5, 4, 4
    oh, ow = -(-h // stride), -(-w // stride)
    more = dict(
        H=h, W=w, C=c, N=n, KH=kh, KW=kw, OH=oh, OW=ow, T=2, stride_h=stride, stride_w=stride, dilation_h=1,
        top=(kh - 1) // 2, left=(kw - 1) // 2, zx=-7, patch=Scratch(2 * kh * kw * c, i8, "patch"),
    )  # fmt: skip
    one = same(PRODUCTS, random_call(conv2d_patches, n, (n, kh * kw * c), rng, **more), h * w * c, oh * ow * n, rng)
    assert ("image" in one.buffers) == (c == 1)


def test_a_convolution_on_the_small_unit() -> None:
    rng = np.random.default_rng(3)
    more = dict(
        H=4, W=5, C=3, N=5, KH=3, KW=3, OH=4, OW=5, T=2, stride_h=1, stride_w=1, dilation_h=1, top=1, left=1, zx=4,
        patch=Scratch(54, i8, "patch"),
    )  # fmt: skip
    same(QUAD_PRODUCTS, random_call(conv2d_patches, 5, (5, 27), rng, **more), 60, 100, rng)
    same(QUAD_PRODUCTS, random_call(matmul, 3, (3, 20), rng, M=2, K=20, N=3), 40, 6, rng)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise(stride: int) -> None:
    rng = np.random.default_rng(stride)
    h, w, c = 4, 5, 32
    oh, ow = -(-h // stride), -(-w // stride)
    more = dict(
        H=h, W=w, C=c, R=1, KH=3, KW=3, OH=oh, OW=ow, stride_h=stride, stride_w=stride, dilation_h=1, dilation_w=1,
        top=1, left=1, zx=-9, PW=w + 2, inside=w, rows=Scratch(3 * (w + 2) * c, i8, "rows"),
    )  # fmt: skip
    same(DEPTHWISE, random_call(depthwise_rows, c, (3, 3, c), rng, **more), h * w * c, oh * ow * c, rng)


def test_averages() -> None:
    rng = np.random.default_rng(0)
    numbers = dict(H=5, W=3, C=16, OH=2, OW=1, KH=3, KW=3, stride_h=2, stride_w=1, top=0, left=0, lo=-128, hi=127)
    same(POOL, call(average_pool2d, x=In(0), y=Out(0), T=i8, **numbers), 5 * 3 * 16, 2 * 16, rng)


def test_what_the_unit_cant_take_says_why() -> None:
    rng = np.random.default_rng(0)
    one = random_call(matmul, 6, (6, 16), rng, M=1, K=16, N=6)
    assert PRODUCTS.answer(Asked(one, (), MACHINE, "balanced")) == No("outputs are stored four at a time, and there are 6")
    one = random_call(matmul, 4, (4, 18), rng, M=1, K=18, N=4)
    assert PRODUCTS.answer(Asked(one, (), MACHINE, "speed")) == No("rows must be multiples of 16 bytes, not 18")
    assert isinstance(PRODUCTS.answer(Asked(one, (), MACHINE, "ram")), No)
    unbounded = call(matmul, **{**one.buffers, **one.numbers, "rescale": requantize})
    why = "sums may reach 2^30, beyond the unit's requantization"
    assert PRODUCTS.answer(Asked(unbounded, (), MACHINE, "speed")) == No(why)


def test_kws_with_the_unit_is_bit_exact_in_the_simulated_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its C is that of a plain machine too: a body stands beside every instruction."""
    monkeypatch.setenv("SKOSH_SIMULATOR", "verilator")
    monkeypatch.setenv("SKOSH_SIMULATOR_FLAGS", "-O1")
    build = skosh.compile(models_folder() / "kws.tflite", target="vexriscv-cfu")
    proof = build.verify(1, against=("reference", "host"))
    assert proof.bit_exact, str(proof.first_difference)
    last = build.runner.last
    assert last is not None and last.cycles is not None
    assert last.cycles < 880_000, "a twentieth of what our tuned C takes on the plain core, 17,525,382"
    assert last.cycles > 2 * last.instructions
