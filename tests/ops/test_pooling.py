"""Average, maximum and L2 pooling against TFLM."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.layers import ACTIVATIONS, layer
from tests.ops.one_operator import check
from tests.support.tflite_writer import TensorSpec

KINDS = [
    (code, dtype)
    for code in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
    for dtype in ("int8", "int16", "float32")
    if code != "L2_POOL_2D" or dtype == "float32"
]


@pytest.mark.parametrize(("code", "dtype"), KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_pooling_equals_tflm(seed: int, code: str, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    window, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    padding = str(rng.choice(["SAME", "VALID"]))
    size = rng.integers(window if padding == "VALID" else np.ones(2, int), window + 4)
    out = -(-size // stride) if padding == "SAME" else (size - window) // stride + 1
    batch, channels = int(rng.choice([1, 1, 2])), int(rng.integers(1, 4))
    zero = int(rng.integers(-128, 128)) if dtype == "int8" else 0
    scales, zeros = (float(rng.uniform(0.01, 0.1)), zero) if dtype != "float32" else ((), ())
    tensors = [
        TensorSpec("x", (batch, *size, channels), dtype, scales, zeros),
        TensorSpec("y", (batch, *out, channels), dtype, scales, zeros),
    ]
    options = {
        "padding": padding,
        "stride_h": int(stride[0]),
        "stride_w": int(stride[1]),
        "filter_height": int(window[0]),
        "filter_width": int(window[1]),
        "fused_activation_function": str(rng.choice(ACTIVATIONS)),
    }
    check(layer(code, tensors, options), runs=1)
