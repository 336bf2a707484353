"""Kernels of every kind, small enough for the interpreter, with numbers and inputs: what schedules are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh import schedule
from skosh.base.dtypes import f32, i8, i16, i32
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Kernel
from skosh.language import assume, clamp, kernel, par, requantize, seq, widen, wrap
from skosh.language.decorators import resolve
from skosh.lower.assemble import lay_out
from skosh.ops.layers.depthwise import depthwise_rows
from skosh.ops.layers.float_kernels import conv2d_f32
from skosh.ops.layers.gemm import conv2d_direct, conv2d_patches, matmul
from skosh.ops.layers.pooling_kernels import average_pool2d, max_pool2d
from skosh.ops.recurrent.lstm_kernels import lstm_f32
from skosh.ops.reductions.softmax_kernels import softmax_f32
from skosh.ops.trees.forest_kernels import descend, raw_bits

Array = npt.NDArray[Any]
Rng = np.random.Generator
Run = Callable[[Kernel, dict[str, Array], dict[str, int | float]], None]


@kernel
def viterbi(transition: i32[S, S], emission: i32[T, S], score: i32[T, S], back: u8[T, S], path: u8[T]):
    """The best path through T steps of S states, by scores that add; of equal ones, the first state."""
    for s in par(S):
        score[0, s] = emission[0, s]
        back[0, s] = 0
    for t in seq(1, T):
        for s in par(S):
            best = score[t - 1, 0] + transition[0, s]
            where = 0
            for r in seq(1, S):
                through = score[t - 1, r] + transition[r, s]
                if through > best:
                    best = through
                    where = r
            score[t, s] = best + emission[t, s]
            back[t, s] = wrap(u8, where)
    last = 0
    for s in seq(1, S):
        assume(0 <= last < S)
        if score[T - 1, s] > score[T - 1, last]:
            last = s
    for t in seq(T):
        assume(0 <= last < S)
        path[T - 1 - t] = wrap(u8, last)
        last = widen(back[T - 1 - t, last])


@kernel
def fft(re: f32[N], im: f32[N], cosine: f32[N], sine: f32[N], *, LOG):
    """In place, radix 2, input in bit-reversed order: LOG stages of butterflies, cosine[k] - i sine[k] = e^(-2 pi i k / N)."""
    for stage in seq(LOG):
        half = 1 << stage
        stride = N >> (stage + 1)
        for b in par(stride):
            for j in par(half):
                top = b * half * 2 + j
                low = top + half
                wr = cosine[j * stride]
                wi = sine[j * stride]
                tr = re[low] * wr + im[low] * wi
                ti = im[low] * wr - re[low] * wi
                re[low] = re[top] - tr
                im[low] = im[top] - ti
                re[top] = re[top] + tr
                im[top] = im[top] + ti


@kernel
def padded(x: i8[H, W], w: i8[3, 3], y: i16[H, W], *, zx):
    """A 3 x 3 filter with padding: what borders are."""
    for h, v in par(H, W):
        acc = 0
        for kh, kw in seq(3, 3):
            row = h + kh - 1
            column = v + kw - 1
            if 0 <= row < H and 0 <= column < W:
                acc += (widen(x[row, column]) - zx) * widen(w[kh, kw])
        y[h, v] = wrap(i16, clamp(acc, -32768, 32767))


@kernel
def product(x: i8[M, K], w: i8[N, K], bias: i32[N], y: i32[M, N]):
    """Rows times filters."""
    for m, n in par(M, N):
        acc = bias[n]
        for k in seq(K):
            acc += widen(x[m, k]) * widen(w[n, k])
        y[m, n] = acc


@dataclass(frozen=True, eq=False)
class Animal:
    """``make``: the buffers, filled. ``constants``: those that may be re-laid."""

    kernel: Kernel
    numbers: dict[str, int | float]
    make: Callable[[Rng], dict[str, Array]]
    constants: tuple[str, ...] = ()

    def run(self, made: Kernel, seed: int, how: Run = run_kernel) -> dict[str, Array]:
        """What all buffers hold afterwards; constants in the kernel's own layout, and not among them."""
        buffers = self.make(np.random.default_rng(seed))
        shapes = {p.name: p for p in made.params}
        for name in self.constants:
            shape = _shape(self.kernel, name, self.numbers)
            buffers[name] = lay_out(buffers[name], shape, shapes[name].tile)
        numbers = {v.name: self.numbers[v.name] for v in made.numbers}
        how(made, buffers, numbers)
        return {n: b for n, b in buffers.items() if n not in self.constants}


def _shape(k: Kernel, name: str, numbers: dict[str, int | float]) -> tuple[int, ...]:
    return tuple(int(d.value) for d in schedule.bind(k, numbers).param(name).shape)  # type: ignore[attr-defined]


def _i8(rng: Rng, *shape: int) -> Array:
    return rng.integers(-128, 128, int(np.prod(shape))).astype(np.int8)


def _i32(rng: Rng, *shape: int) -> Array:
    return rng.integers(-1000, 1000, int(np.prod(shape))).astype(np.int32)


def _f32(rng: Rng, *shape: int) -> Array:
    return rng.normal(0, 1, int(np.prod(shape))).astype(np.float32)


def _zeros(dtype: Any, *shape: int) -> Array:
    return np.zeros(int(np.prod(shape)), dtype)


def _scaling(rng: Rng, n: int) -> dict[str, Array]:
    return {
        "multiplier": rng.integers(2**30, 2**31 - 1, n).astype(np.int32),
        "right": rng.integers(-9, -5, n).astype(np.int8),
    }


QUANTIZED = dict(P=1, zy=3, lo=-128, hi=127)
WINDOW = dict(stride_h=2, stride_w=1, dilation_h=1, dilation_w=1, top=1, left=1)


def _tree(rng: Rng) -> dict[str, Array]:
    """Three trees of three nodes: a root and two children, whose children are leaves."""
    left = np.array([1, -1, -3, 4, -1, -3, 7, -1, -3], np.int8)
    right = np.array([2, -2, -4, 5, -2, -4, 8, -2, -4], np.int8)
    return {
        "x": np.abs(_f32(rng, 4)), "feature": rng.integers(0, 4, 9).astype(np.int8),
        "limit": np.abs(_f32(rng, 9)).view(np.int32).copy(), "left": left, "right": right,
        "root": np.array([0, 3, 6], np.int8), "leaf": _zeros(np.int8, 3),
    }  # fmt: skip


ZOO: dict[str, Animal] = {
    "product": Animal(
        product, dict(M=4, N=6, K=8),
        lambda r: dict(x=_i8(r, 4, 8), w=_i8(r, 6, 8), bias=_i32(r, 6), y=_zeros(np.int32, 24)), ("w",),
    ),
    "matmul": Animal(
        resolve(matmul, {"rescale": requantize}), dict(M=3, N=5, K=7, **QUANTIZED),
        lambda r: dict(x=_i8(r, 3, 7), w=_i8(r, 5, 7), bias=_i32(r, 5), y=_zeros(np.int8, 15), **_scaling(r, 5)), ("w",),
    ),
    "padded": Animal(
        padded, dict(H=5, W=6, zx=-3), lambda r: dict(x=_i8(r, 30), w=_i8(r, 9), y=_zeros(np.int16, 30)), ("w",),
    ),
    "convolution": Animal(
        resolve(conv2d_direct, {"rescale": requantize}),
        dict(H=4, W=5, C=2, D=2, G=3, N=3, KH=3, KW=2, OH=2, OW=6, zx=-4, **WINDOW, **QUANTIZED),
        lambda r: dict(x=_i8(r, 40), w=_i8(r, 36), bias=_i32(r, 3), y=_zeros(np.int8, 36), **_scaling(r, 3)), ("w",),
    ),
    "patches": Animal(
        resolve(conv2d_patches, {"rescale": requantize}),
        dict(H=4, W=5, C=2, N=3, KH=3, KW=2, OH=2, OW=6, T=4, zx=-4, **{k: v for k, v in WINDOW.items() if k != "dilation_w"},
             **QUANTIZED),
        lambda r: dict(x=_i8(r, 40), w=_i8(r, 36), bias=_i32(r, 3), y=_zeros(np.int8, 36), patch=_zeros(np.int8, 48),
                       **_scaling(r, 3)), ("w",),
    ),
    "floats": Animal(
        conv2d_f32,
        dict(H=4, W=5, C=2, D=2, G=3, N=3, KH=3, KW=2, OH=2, OW=6, lo=-9.0, hi=9.0, **WINDOW),
        lambda r: dict(x=_f32(r, 40), w=_f32(r, 36), bias=_f32(r, 3), y=_zeros(np.float32, 36)), ("w",),
    ),
    "depthwise": Animal(
        resolve(depthwise_rows, {"rescale": requantize}),
        dict(H=4, W=5, C=3, R=1, KH=3, KW=3, OH=4, OW=5, PW=7, inside=5, zx=2, **{**WINDOW, "stride_h": 1}, **QUANTIZED),
        lambda r: dict(x=_i8(r, 60), w=_i8(r, 27), bias=_i32(r, 3), y=_zeros(np.int8, 60), rows=_zeros(np.int8, 63),
                       **_scaling(r, 3)), ("w",),
    ),
    "max pooling": Animal(
        resolve(max_pool2d, {"T": i8}),
        dict(H=5, W=5, C=2, OH=3, OW=3, KH=2, KW=3, stride_h=2, stride_w=2, top=1, left=1, lo=-128, hi=127),
        lambda r: dict(x=_i8(r, 50), y=_zeros(np.int8, 18)),
    ),
    "average pooling": Animal(
        resolve(average_pool2d, {"T": i16}),
        dict(H=5, W=5, C=2, OH=3, OW=3, KH=3, KW=3, stride_h=2, stride_w=2, top=1, left=1, lo=-900, hi=900),
        lambda r: dict(x=r.integers(-999, 999, 50).astype(np.int16), y=_zeros(np.int16, 18)),
    ),
    "softmax": Animal(
        softmax_f32, dict(M=3, N=5, lowest=-3e38, beta=0.5), lambda r: dict(x=_f32(r, 15), y=_zeros(np.float32, 15)),
    ),
    "tree": Animal(
        resolve(descend, {"X": f32, "A": i8, "I": i32, "B": i8, "order": raw_bits}), dict(F=4, S=9, R=3, D=2), _tree,
    ),
    "viterbi": Animal(
        viterbi, dict(S=4, T=5),
        lambda r: dict(transition=_i32(r, 16), emission=_i32(r, 20), score=_zeros(np.int32, 20), back=_zeros(np.uint8, 20),
                       path=_zeros(np.uint8, 5)),
    ),
    "fft": Animal(
        fft, dict(N=8, LOG=3),
        lambda r: dict(re=_f32(r, 8), im=_f32(r, 8), cosine=np.cos(np.pi * np.arange(8) / 4).astype(np.float32),
                       sine=np.sin(np.pi * np.arange(8) / 4).astype(np.float32)),
    ),
    "lstm": Animal(
        lstm_f32, dict(ROWS=2, I=3, S=2, B=1, STEPS=2, batch_rows=2, step_rows=1, clip=1.5),
        lambda r: dict(x=_f32(r, 6), w=_f32(r, 24), bias=_f32(r, 8), r=_f32(r, 16), gates=_zeros(np.float32, 8),
                       hidden=_f32(r, 2), cell=_f32(r, 2), y=_zeros(np.float32, 4)), ("w", "r"),
    ),
}  # fmt: skip
