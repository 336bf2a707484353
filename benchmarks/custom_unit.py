"""A 1 x 1 convolution of 64 pixels, 128 channels in and out, and whole models, on VexRiscv with and without the unit "lanes".

Cycles are simulated, of one inference with empty caches; the memory model is printed with them. The first run makes simulators.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import skosh
from skosh.built import Build
from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Graph
from skosh.lower.allowed import Means
from skosh.ops.layers.convolution import Conv2D
from skosh.pipeline import compile_to_c
from skosh.targets import target


def pointwise() -> Graph:
    """int8[1, 8, 8, 128] -> int8[1, 8, 8, 128], weights and scales by chance, always the same."""
    rng = np.random.default_rng(1)
    b = Builder("<pointwise>")
    x = b.input("x", (1, 8, 8, 128))
    w = b.constant("w", rng.normal(0, 0.1, (128, 1, 1, 128)).astype(np.float32))
    bias = b.constant("b", rng.normal(0, 0.1, 128).astype(np.float32))
    y = b.apply(Conv2D((1, 1), (0, 0, 0, 0)), x, w, bias, name="conv")
    return skosh.quantize(b.graph("pointwise", y), samples=rng.normal(0, 1, (16, 8, 8, 128)).astype(np.float32))


def ways(graph: Graph) -> list[tuple[str, Build]]:
    plain = target("vexriscv")
    least = compile_to_c(graph, target=plain, means=Means(passes=False, steps=(), instructions=False))
    return [
        ("plain C", Build(least, plain, "balanced")),
        ("tuned C", skosh.compile(graph, target="vexriscv")),
        ("lanes", skosh.compile(graph, target="vexriscv-cfu")),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, help="model files; the convolution alone without any")
    graphs = [pointwise(), *(skosh.load(path) for path in parser.parse_args().models)]
    print("model, way: cycles, times fewer than plain and tuned C, bit-exact; memory")
    for graph in graphs:
        found: list[int] = []
        for way, build in ways(graph):
            profile, exact = build.profile(), build.verify(1).bit_exact
            found.append(profile.cycles or 0)
            over = ", ".join(f"{c / found[-1]:.1f}" for c in found[:2])
            print(f"{graph.name}, {way}: {found[-1]:,}, {over}, {exact}; {profile.memory}", flush=True)


if __name__ == "__main__":
    main()
