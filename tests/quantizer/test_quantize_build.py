"""Every scheme to the end: the firmware in the emulator computes what the graph means, and is as small as it should be."""

from __future__ import annotations

import numpy as np
import pytest

import skosh
from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Array, Graph
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import MaxPool2D
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.softmax import Softmax


def small_cnn() -> tuple[Graph, Array]:
    """conv 3x3, depthwise, conv 1x1, pool, dense, softmax, on 6 x 6 images."""
    rng = np.random.default_rng(4)
    b = Builder("<test>")

    def weights(name: str, shape: tuple[int, ...], out: int) -> tuple[str, str]:
        return b.constant(name, rng.normal(0, 0.4, shape)), b.constant(f"{name}_bias", rng.normal(0, 0.1, out))

    x = b.input("image", (1, 6, 6, 2))
    x = b.apply(Conv2D((1, 1), (1, 1, 1, 1), activation="relu"), x, *weights("w1", (7, 3, 3, 2), 7), name="first")
    x = b.apply(
        DepthwiseConv2D((1, 1), (1, 1, 1, 1), activation="relu"), x, *weights("w2", (1, 3, 3, 7), 7), name="second"
    )
    x = b.apply(Conv2D((1, 1), (0, 0, 0, 0), activation="relu"), x, *weights("w3", (9, 1, 1, 7), 9), name="third")
    x = b.apply(MaxPool2D((2, 2), (2, 2), (0, 0, 0, 0)), x, name="pool")
    x = b.apply(Reshape((1, 81)), x, name="flat")
    x = b.apply(Dense(), x, *weights("w4", (10, 81), 10), name="scores")
    return b.graph("cnn", b.apply(Softmax(), x, name="probabilities")), rng.normal(0, 1, (24, 6, 6, 2)).astype(
        np.float32
    )


GRAPH, SAMPLES = small_cnn()
WEIGHTS = 7 * 18 + 63 + 63 + 810
CASES = [
    *((s, "cortex-m4") for s in ("int16x8", "mixed", "int4", "int2", "ternary", "float16")),
    ("int4", "cortex-m0plus"), ("ternary", "cortex-m0plus"),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "target"), CASES)
def test_firmware_is_bit_exact(scheme: str, target: str) -> None:
    build = skosh.compile(skosh.quantize(GRAPH, SAMPLES, scheme=scheme), target=target)
    against = ("reference", "host") if scheme in ("int4", "float16") else ("reference",)
    assert build.verify(samples=2, against=against).bit_exact


@pytest.mark.parametrize(("scheme", "bits"), [("int4", 4), ("int2", 2), ("ternary", 2)])
def test_flash_of_packed_weights(scheme: str, bits: int) -> None:
    """Dense layers and convolutions have so many bits a weight, filled up to words of two filters; depthwise ones eight."""
    graph = skosh.quantize(GRAPH, SAMPLES, scheme=scheme)
    stored = {d.name: d.nbytes for d in skosh.compile(graph, target="cortex-m4", optimize="flash").program.data}
    kept = sum(n for name, n in stored.items() if name.endswith("weight"))
    assert kept <= 63 + 63 + (WEIGHTS - 126) * bits / 8 * 1.15 + 24
    speed = skosh.compile(graph, target="cortex-m4", optimize="speed").program.data
    assert sum(d.nbytes for d in speed if d.name.endswith("weight")) > 0.9 * WEIGHTS


def test_without_scratch_memory() -> None:
    graph = skosh.quantize(GRAPH, SAMPLES, scheme="int4")
    build = skosh.compile(graph, target="cortex-m4", optimize="ram")
    assert build.verify(samples=2).bit_exact
