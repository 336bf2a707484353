"""How instruction counts fall as vectors grow: RVV and SVE at 128, 256 and 512 bits, and NEON beside them.

    .venv/bin/python benchmarks/vector_lengths.py                      # kws and ic
    .venv/bin/python benchmarks/vector_lengths.py --models vww --layers

One inference on random input, counted in QEMU (qemu-user), exactly: the same on any computer. The program is the same for
all lengths. "convolutions": the sum over layers that are 2-D convolutions, without depthwise ones. A vector instruction
counts as one, however long its vectors are; QEMU says nothing about cycles. "portable C": the same model from plain C, with
what the compiler vectorizes by itself (RVV: integers only).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from folder import add_folder, model_file

import skosh
from skosh.built import build
from skosh.ir.graph import Graph
from skosh.targets import target, vector_length
from skosh.verify.measure import Profile

LENGTHS = (128, 256, 512)


def profiles(graph: Graph, name: str, optimize: str) -> list[Profile]:
    """At each of LENGTHS; NEON has one."""
    chosen = target(name)
    if name == "aarch64":
        return [build(graph, target=chosen, optimize=optimize).profile()]
    return [build(graph, target=vector_length(chosen, bits), optimize=optimize).profile() for bits in LENGTHS]


def convolutions(p: Profile) -> int:
    return sum(layer.instructions or 0 for layer in p.layers if layer.kind == "conv2d")


def line(label: str, counts: Sequence[int]) -> str:
    ratios = [f"{a / b:5.2f}x" if b else "" for a, b in pairwise(counts)]
    return f"  {label:34s}" + "".join(f"{n:12,}" for n in counts) + ("   fewer: " + " ".join(ratios) if ratios else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--models", nargs="+", default=["kws", "ic"])
    parser.add_argument("--targets", nargs="+", default=["rv64gcv", "aarch64-sve", "aarch64"])
    parser.add_argument("--optimize", default="balanced")
    parser.add_argument("--layers", action="store_true", help="each layer too")
    options = parser.parse_args()
    for model in options.models:
        graph = skosh.load(str(model_file(f"{model}.tflite")))
        for name in options.targets:
            found = profiles(graph, name, options.optimize)
            lengths = "" if name == "aarch64" else " at " + ", ".join(map(str, LENGTHS)) + " bits"
            plain = build(graph, target=replace(target(name), simd=""), optimize=options.optimize).profile()
            print(f"{model}, {name}{lengths}: {found[0].macs:,} MACs; portable C {plain.instructions:,}")
            print(line("all layers", [p.instructions or 0 for p in found]))
            print(line("convolutions", [convolutions(p) for p in found]))
            for layers in zip(*(p.layers for p in found), strict=True) if options.layers else ():
                print(line(f"{layers[0].kind} {layers[0].output}", [x.instructions or 0 for x in layers]))


if __name__ == "__main__":
    main()
