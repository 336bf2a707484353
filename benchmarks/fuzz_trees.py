"""Random models of trees against the libraries that made them: samples, thresholds and their neighbours, denormal and huge
numbers, NaN and infinities where the library takes them.

    python benchmarks/fuzz_trees.py --n 1000 --family xgboost --compile 50

Each model's meaning is compared with its library; every ``--compile``-th is compiled too and run on this computer, bit for bit.
The seed that it prints repeats a failure (--first SEED --n 1). Exit code 1 when there was any.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import skosh
from skosh.base.errors import SkoshError
from tests.support.library import disagreements
from tests.support.tree_models import FAMILIES, random_model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=[*FAMILIES, "all"], default="all")
    parser.add_argument("--n", type=int, default=1000, help="models of each family (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--compile", type=int, default=50, metavar="K", help="compile every K-th (default 50; 0: none)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = 0
    for family in FAMILIES if options.family == "all" else [options.family]:
        started, wrong, refused = time.process_time(), 0, 0
        for seed in range(options.first, options.first + options.n):
            try:
                found = trial(family, seed, options.compile > 0 and seed % options.compile == 0)
            except SkoshError as error:
                found, refused = [], refused + 1
                print(f"{family} {seed}: refused: {error}")
            except Exception:
                found = [traceback.format_exc()]
            wrong += bool(found)
            for line in found[:2]:
                print(f"{family} {seed}: {line}")
        failed += wrong
        took = time.process_time() - started
        print(f"{family}: {options.n} models, {wrong} wrong, {refused} refused, {took:.0f} s of CPU time")
    return int(failed > 0)


def trial(family: str, seed: int, compiled: bool) -> list[str]:
    """What is wrong with one model."""
    model, options, rows = random_model(family, seed)
    graph = skosh.load(model, **options)
    found = disagreements(graph, rows[:16], seed=seed)
    if compiled:
        proof = skosh.compile(graph, target="host").verify(4)
        found += [] if proof.bit_exact else [str(proof.first_difference)]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
