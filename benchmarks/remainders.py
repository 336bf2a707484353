"""Layers of every remainder class on every machine: each distinct scheduled kernel against its layer's meaning.

    .venv/bin/python benchmarks/remainders.py                       # 200 layers, all targets that can run here
    .venv/bin/python benchmarks/remainders.py --layers 2000 --seed 7 --targets cortex-m4 cortex-m55
    .venv/bin/python benchmarks/remainders.py --no-machines         # in the interpreter alone

Prints how many distinct scheduled kernels were compared, and each one that is wrong. Status 1 when one is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from skosh.targets import names, target
from tests.conformance.remainders import differs_interpreted, distinct, family, run_on_machine
from tests.conformance.test_remainders import batches
from tests.support.machines import runnable

TOGETHER = 60
"""Layers compiled as one program: a compiler's start is shared, and flash holds them."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=200, help="layers for each family of targets")
    parser.add_argument("--seed", type=int, default=1, help="other layers; the tests take seed 0")
    parser.add_argument("--targets", nargs="+", choices=names(), default=list(runnable()))
    parser.add_argument("--no-machines", action="store_true", help="compare in the interpreter alone")
    given = parser.parse_args()
    wrong: list[str] = []
    compared = run = 0
    for of in dict.fromkeys(family(n) for n in given.targets):
        began = time.process_time()
        formed = list(distinct([target(n) for n in given.targets if family(n) == of], given.layers, seed=given.seed))
        found = [f"{f}: {text}" for f in formed if (text := differs_interpreted(f))]
        here = sum(len(f.kernels) for f in formed)
        compared += here
        if not given.no_machines:
            for (_, style), some in batches(formed).items():
                for i in range(0, len(some), TOGETHER):
                    found += run_on_machine(some[i : i + TOGETHER], style)
            run += here
        took = time.process_time() - began
        print(
            f"{of}: {here} distinct scheduled kernels of {len(formed)} forms, {len(found)} wrong, {took:.0f} s",
            flush=True,
        )
        wrong += found
    print(*wrong, sep="\n")
    print(f"{compared} distinct scheduled kernels compared with their layers' meaning, {run} of them on their machines")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
