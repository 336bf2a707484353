"""The performance ladder: a matrix product from Python to vector instructions, held against numpy's; and models on a target.

    .venv/bin/python benchmarks/ladder.py                       # f64 4096, 1 and 2 threads; about four minutes
    .venv/bin/python benchmarks/ladder.py --n 2048 --dtype f64 f32 i8 --threads 1
    .venv/bin/python benchmarks/ladder.py --only last --rounds 9    # only the last rung and numpy, by turns
    .venv/bin/python benchmarks/ladder.py --only models

GFLOPS depend on the computer and on what else it does: compare what one run printed. Instruction counts are exact.
"""

from __future__ import annotations

import argparse

from folder import add_folder, model_file
from rich.console import Console
from rich.table import Table

from skosh.cli.ladder import print_ladder, print_model
from skosh.ladder import climb
from skosh.ladder.matmul import product
from skosh.ladder.models import climb_model
from skosh.ladder.peak import Judge, blas_name, peak_gflops
from skosh.ladder.rungs import intrinsics

MODELS = ("kws", "ic", "vww", "ad")


def last_rung(n: int, dtypes: list[str], threads: list[int], rounds: int, console: Console) -> None:
    """Peak, numpy and the last rung by turns: the best of each, and the median of the ratios of neighbours."""
    table = Table(
        "", "threads", "peak", "last rung", "of peak", blas_name(), "best / best", "median of pairs", title=f"n = {n}"
    )
    for dtype in dtypes:
        for count in threads:
            p = product(n, dtype)
            native = intrinsics(p.dtype, n, count)
            ours, theirs, peaks = [], [], []
            with Judge(n, dtype, count) as judge:
                judge()
                for _ in range(rounds):
                    peaks.append(peak_gflops(dtype, count))
                    theirs.append(2e-9 * n**3 / judge())
                    c = p.zeros()
                    ours.append(2e-9 * n**3 / native.run(p, c))
            assert p.mistakes(c) == 0, "the last rung is wrong"
            ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
            best, peak, other = max(ours), max(peaks), max(theirs)
            table.add_row(
                dtype, str(count), f"{peak:.1f}", f"{best:.1f}", f"{100 * best / peak:.1f} %", f"{other:.1f}",
                f"{best / other:.3f}", f"{ratios[len(ratios) // 2]:.3f}",
            )  # fmt: skip
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--dtype", nargs="+", default=["f64"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("ladder", "last", "models"))
    given = parser.parse_args()
    console = Console(width=140)
    if given.only in (None, "ladder"):
        for dtype in given.dtype:
            for count in given.threads:
                print_ladder(climb(given.n, dtype, count))
    if given.only in (None, "last"):
        last_rung(given.n, given.dtype, given.threads, given.rounds, console)
    if given.only in (None, "models"):
        for model in MODELS:
            print_model(climb_model(model_file(f"{model}.tflite")))


if __name__ == "__main__":
    main()
