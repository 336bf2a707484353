"""Which modules and functions of torch.nn become C: agreement with PyTorch, and what int8 loses.

    .venv/bin/python benchmarks/torch_modules.py                  # the table of docs/onnx.md, on stdout
    .venv/bin/python benchmarks/torch_modules.py --only LSTM Mish
    .venv/bin/python benchmarks/torch_modules.py --write          # put it into the page

Each is a small model (tests/importers/torch_modules.py). Error: of the C on this computer, in units in the last place of the
largest output (or of 1, if that is larger), one random input. int8: signal over noise on 32 random inputs, and whether the C
on this computer is the reference's bit for bit. What is refused comes with the first obstacle.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import skosh
from skosh.base.errors import SkoshError, UnsupportedError
from skosh.ir.graph import Graph
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.study.compare import NOTHING_LOST, noise_db, real_outputs
from tests.importers.torch_modules import CASES, Case

PAGE = Path(__file__).resolve().parents[1] / "docs" / "onnx.md"
START, END = "<!-- made by benchmarks/torch_modules.py -->\n", "<!-- end -->\n"
EPS = float(np.finfo(np.float32).eps)


def row(name: str, case: Case) -> str:
    module, x = case.module(), case.example()
    try:
        graph = skosh.load(module, example=x)
    except SkoshError as error:
        return f"| {name} | refused: {reason(error)} | |"
    with torch.no_grad():
        want = np.asarray(module(x))
    got = np.asarray(skosh.compile(graph, target="host").run(x.numpy())).reshape(want.shape)
    error = float(np.abs(got - want).max() / max(1.0, np.abs(want).max()) / EPS)
    return f"| {name} | {error:.1f} | {integers(graph, case.example(32, 1).numpy())} |"


def integers(graph: Graph, samples: Any) -> str:
    try:
        small = skosh.quantize(graph, samples)
    except SkoshError as error:
        return f"refused: {reason(error)}"
    found = as_samples(graph, samples)
    loss = noise_db(real_outputs(graph, found), real_outputs(small, found))
    exact = skosh.compile(small, target="host").verify(samples=2).bit_exact
    return ("exact" if loss >= NOTHING_LOST else f"{loss:.0f} dB") + ("" if exact else ", not bit-exact")


def reason(error: SkoshError) -> str:
    first = error.obstacles[0].problem if isinstance(error, UnsupportedError) else error.message
    short = first.replace("|", "/").partition(" is not among")[0].partition(". Failure")[0]
    return short.replace("torch.export must be able to trace the module: ", "")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names with one of these in them")
    parser.add_argument("--write", action="store_true", help="put the table into docs/onnx.md")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    lines = ["| module | error, C in float32 | int8 |", "|---|---:|---:|"]
    for name, case in CASES.items():
        if not options.only or any(part in name for part in options.only):
            lines.append(row(name, case))
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(START)
        PAGE.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
