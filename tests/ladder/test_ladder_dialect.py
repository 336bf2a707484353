"""The one kernel as Python and as Java."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.base.dtypes import f32, f64, i8
from skosh.ir.interpret_kernel import run_kernel
from skosh.ladder.dialect import java_text, python_text
from skosh.ladder.matmul import accumulator, matmul_of, product
from skosh.ladder.plain import java_missing, java_run, python_run
from skosh.language import kernel, par, seq, widen

PYTHON = '''\
def matmul(a, b, c, M, K, N):
    """c += a b; each sum in the order of k."""
    for i in range(M):
        for j in range(N):
            for k in range(K):
                c[N * i + j] += a[K * i + k] * b[N * k + j]
'''

JAVA = """\
    /** c += a b; each sum in the order of k. */
    static void matmul(float[] a, float[] b, float[] c, int M, int K, int N) {
        for (int i = 0; i < M; i++) {
            for (int j = 0; j < N; j++) {
                for (int k = 0; k < K; k++) {
                    c[N * i + j] += a[K * i + k] * b[N * k + j];
                }
            }
        }
    }
"""


def test_the_texts() -> None:
    assert python_text(matmul_of(f64)) == PYTHON
    assert java_text(matmul_of(f32)) == JAVA


@kernel
def busy(x: i8[N, N], y: f64[N], z: i32[N]):
    """All that plain loops can say."""
    for i in par(N):
        total = widen(x[i, 0]) * 3
        for j in seq(1, N):
            if widen(x[i, j]) > total and j < N - 1:
                total += widen(x[i, j]) - (total - j)
            else:
                total = -total
        z[i] = total
        y[i] = f64(total) / 2.5 - (f64(x[i, i]) - 1.0)


def test_python_computes_what_the_kernel_says() -> None:
    n = 5
    x = np.random.default_rng(3).integers(-128, 128, n * n).astype(np.int8)
    want = {"x": x, "y": np.zeros(n), "z": np.zeros(n, np.int32)}
    run_kernel(busy, want, {"N": n})
    y, z = [0.0] * n, [0] * n
    scope: dict[str, object] = {}
    exec(python_text(busy), scope)
    scope["busy"](x.tolist(), y, z, n)  # type: ignore[operator]
    assert (y, z) == (want["y"].tolist(), want["z"].tolist())
    assert "y[i] = (double) total / 2.5 - ((double) x[N * i + i] - 1.0);" in java_text(busy)


@pytest.mark.parametrize("dtype", [f64, f32, i8])
def test_the_plain_rungs_are_right(dtype: object) -> None:
    p = product(19, str(dtype))
    for make in [python_run, *([] if java_missing() else [java_run])]:
        c = p.zeros()
        assert make(p.dtype)(p, c) > 0
        assert p.mistakes(c) == 0


def test_sums_are_exact_in_any_order() -> None:
    for dtype in (f64, f32):
        p = product(300, dtype.name)
        scale = 2.0**20
        backwards = (p.a[:, ::-1].astype(float) * scale @ p.b[::-1].astype(float)) / scale
        assert np.array_equal(p.expected.astype(np.float64), backwards)
        assert np.abs(p.a).max() <= 1 and len(np.unique(p.a)) > 30
    assert accumulator(i8).name == "i32"
