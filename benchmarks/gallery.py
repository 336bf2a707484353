"""docs/gallery.md: kernels before and after their schedules, from the compiler itself.

    .venv/bin/python benchmarks/gallery.py            # print the page
    .venv/bin/python benchmarks/gallery.py --write    # put it into docs/gallery.md; a test holds it against the compiler

Two layers of int8, each compiled alone: 32 filters on 8 x 8 pixels of 32 channels, 1x1 and depthwise 3x3.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.ir.graph import Graph, Node, Op, Quant, Tensor
from skosh.ir.kernel_text import text
from skosh.lower.calls import choose_calls
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.optimize import optimize_graph
from skosh.pipeline import compile_to_c
from skosh.targets import target

PAGE = Path(__file__).resolve().parents[1] / "docs" / "gallery.md"
HEAD = """# Gallery: kernels before and after

Each kernel as its operator or recipe writes it, the steps that the target's schedule takes, and a piece of the C that comes
out: the same arithmetic every time, as the conformance tests see bit for bit. How to read the first block:
[the kernel language](kernel-language.md); the steps: [schedules](schedules.md); marked loops: [vectors](vectors.md),
[Helium](helium.md). A float64 product from plain Python to vector instructions: [the ladder](ladder.md).

`python benchmarks/gallery.py --write` makes this page. `skosh compile MODEL --target T --stop-after lower --show` prints the
steps of a model of yours, `--stop-after emit --show` its C.
"""


@dataclass(frozen=True)
class Piece:
    """layer: "pointwise" or "depthwise". hot: the first line of the C that is shown, as a regular expression."""

    layer: str
    target: str
    title: str
    why: str
    hot: str
    lines: int
    before: int = 0  # lines above the hot one that are shown too


PIECES = (
    Piece("pointwise", "", "Plain C99: a register tile",
          "Two pixels by four filters share their loads; the weights of four filters lie side by side, so one pointer walks "
          "them all.", r"for \(int32_t m = 0", 24),
    Piece("pointwise", "cortex-m4", "Cortex-M4: two products an instruction, in registers of our own choice",
          "Rows are widened to int16 once. Eight sums live in registers, which no compiler keeps: hence a function in\n"
          "assembly, whose comments say what each register holds. The loop in C stands beside it.", r"smlad", 26, 6),
    Piece("pointwise", "cortex-m0plus", "Cortex-M0+: two products in one multiplication",
          "x * (w0 + 65536 w1) holds both products; how long their sums stay apart is proved from the weights. `muls` may\n"
          "destroy a weight, which is used once.", r"muls", 22, 5),
    Piece("pointwise", "cortex-m55", "Cortex-M55: one sum over a row", "Sixteen products and their sum in one instruction.",
          r"vmladava", 12, 6),
    Piece("pointwise", "rv64gcv", "RISC-V with vectors: filters as lanes, however many there are",
          "The lane count is asked at run time; the same program serves 128 bits and 512.", r"vsetvl", 26, 2),
    Piece("pointwise", "x86-64-avx2", "x86-64 with AVX2: pairs of int16",
          "Sixteen products an instruction; eight vectors of sums in flight.", r"_mm256_madd_epi16", 14, 4),
    Piece("depthwise", "cortex-m4", "Cortex-M4: depthwise in planes",
          "Each channel's rows lie together as int16 for the time of one layer, so that neighbours pair up.", r"smlad", 22, 6),
    Piece("depthwise", "cortex-m55", "Cortex-M55: depthwise, a window as one sum", "Four pixels side by side.",
          r"vmladava", 14, 4),
)  # fmt: skip


def layer(name: str) -> Graph:
    """One layer with made weights; the same every time."""
    rng = np.random.default_rng(0)
    op: Op = Conv2D((1, 1), (0, 0, 0, 0)) if name == "pointwise" else DepthwiseConv2D((1, 1), (1, 1, 1, 1))
    shape = (32, 1, 1, 32) if name == "pointwise" else (1, 3, 3, 32)
    tensors = {
        "x": Tensor("x", (1, 8, 8, 32), i8, Quant((0.05,), (3,))),
        "w": Tensor("w", shape, i8, Quant((0.01,), (0,)), rng.integers(-60, 61, shape).astype(np.int8)),
        "b": Tensor("b", (32,), i32, Quant((0.0005,), (0,)), rng.integers(-2000, 2000, 32).astype(np.int32)),
    }
    (made,) = op.infer([tensors[n] for n in "xwb"])
    tensors["y"] = Tensor("y", made.shape, made.dtype, Quant((0.1,), (-5,)))
    return Graph(name, tensors, (Node(op, ("x", "w", "b"), ("y",), name),), ("x",), ("y",))


def section(piece: Piece) -> str:
    graph, machine = layer(piece.layer), target(piece.target) if piece.target else None
    made = compile_to_c(graph, target=machine)
    calls = choose_calls(optimize_graph(graph), optimize="balanced", target=machine).calls
    kernels = {c.kernel.name: c.kernel for of_node in calls.values() for c in of_node}
    routine = next(r for r in made.program.routines if r.kernel.name in kernels and r.kernel.steps)
    plain = text(kernels[routine.kernel.name]).partition("@kernel\n")[2].strip()
    code = made.sources[f"{made.program.name}.c"].splitlines()
    start = code.index(next(line for line in code if f"void {routine.name}" in line))
    first = next(i for i in range(start, len(code)) if re.search(piece.hot, code[i]))
    shown = code[first - piece.before : first - piece.before + piece.lines]
    steps = "\n".join(f"{i}. {step}" for i, step in enumerate(routine.kernel.steps, 1))
    return (
        f"## {piece.title}\n\n{piece.why}\n\n```text\n@kernel\n{plain}\n```\n\n{steps}\n\n"
        f"```text\n{dedented(shown)}\n...\n```\n"
    )


def dedented(lines: list[str]) -> str:
    """Without the indentation that all lines share."""
    indent = min((len(s) - len(s.lstrip()) for s in lines if s.strip()), default=0)
    return "\n".join(s[indent:].rstrip() for s in lines)


def page() -> str:
    return "\n".join([HEAD, *sections()])


def sections() -> Iterator[str]:
    for piece in PIECES:
        yield section(piece)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put it into docs/gallery.md")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
