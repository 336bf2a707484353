"""Dense and BatchMatMul against TFLM."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.layers import ACTIVATIONS, activation_tensor, bias_tensor, layer, output_scale, weights_tensor
from tests.ops.one_operator import check
from tests.support.tflite_writer import TensorSpec

BIASES = {"int8": ("int32", None), "int16": ("int64", "int32", None), "float32": ("float32", None)}


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(14))
def test_dense_equals_tflm(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    depth, units = (int(n) for n in rng.integers(1, 24, 2))
    shape = ((depth,), (3, depth), (2, 3, depth), (1, 2, 1, depth))[int(rng.integers(0, 4))]
    keep = bool(rng.random() < 0.5)
    x = activation_tensor("x", shape, dtype, rng)
    w = weights_tensor("w", (units, depth), dtype, rng, 0, bool(rng.random() < 0.5))
    out = (*shape[:-1], units) if keep else (int(np.prod(shape)) // depth, units)
    y = activation_tensor("y", out, dtype, rng, output_scale(x, w, depth, rng))
    bias = rng.choice(BIASES[dtype])  # type: ignore[arg-type]
    options = {"fused_activation_function": str(rng.choice(ACTIVATIONS)), "keep_num_dims": keep}
    scale = float(np.max(x.scales) * np.max(w.scales)) if dtype != "float32" else 1.0
    tensors = [x, w] if bias is None else [x, w, bias_tensor("b", units, str(bias), rng, scale)]
    check(layer("FULLY_CONNECTED", [*tensors, y], options), runs=1)


def test_int32_sums_of_int16_inputs_wrap_as_tflm_does() -> None:
    """With an int32 bias TFLM sums int16 layers in 32 bits, and says nothing when they overflow."""
    tensors = [
        TensorSpec("x", (1, 640), "int16", 1e-4),
        TensorSpec("w", (2, 640), "int8", 0.01, data=np.concatenate([np.full((1, 640), 127), np.full((1, 640), -127)])),
        TensorSpec("b", (2,), "int32", 1e-6, data=[5, -5]),
        TensorSpec("y", (1, 2), "int16", 10.0),
    ]
    check(
        layer("FULLY_CONNECTED", tensors, {}),
        runs=1,
        make_input=lambda t, rng: rng.integers(32000, 32768, t.shape).astype(np.int16),
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(14))
def test_batch_matmul_equals_tflm(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    m, k, n = (int(v) for v in rng.integers(1, 6, 3))
    adj_x, adj_y = (bool(v) for v in rng.integers(0, 2, 2))
    batch_a, batch_b = [
        ((), ()),
        ((2,), (2,)),
        ((3,), (1,)),
        ((1,), (3,)),
        ((2, 3), (2, 3)),
        ((2, 1), (1, 3)),
        ((2,), ()),
    ][int(rng.integers(0, 7))]
    a = activation_tensor("a", (*batch_a, *((k, m) if adj_x else (m, k))), dtype, rng)
    b = activation_tensor("b", (*batch_b, *((n, k) if adj_y else (k, n))), dtype, rng)
    scale = 1.0
    if dtype != "float32":
        spread = 73 if dtype == "int8" else 18900
        scale = float(
            np.max(a.scales) * np.max(b.scales) * spread**2 * np.sqrt(k) / (spread / 1.5) * rng.uniform(0.5, 2)
        )
    y = activation_tensor("y", (*np.broadcast_shapes(batch_a, batch_b), m, n), dtype, rng, scale)
    check(layer("BATCH_MATMUL", [a, b, y], {"adj_x": adj_x, "adj_y": adj_y}, inputs=[0, 1]), runs=1)
