"""float32 on targets without an FPU: instructions an operation, and a proof by many more pairs than the tests take.

    .venv/bin/python benchmarks/soft_float.py                         # instructions
    .venv/bin/python benchmarks/soft_float.py --pairs 10 --only add   # and 10 million pairs of all kinds, compared bit by bit

Instructions: from the call to the return, both included, means; counted by the emulator, so they repeat on any machine.
Normal: both numbers from N(0, 1).
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from skosh.targets import names, target
from skosh.verify.arithmetic import OPERATIONS, PAIRS, Arithmetic, random_pairs

TARGETS = [name for name in names() if target(name).soft_float and not name.startswith("vexriscv")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--only", nargs="+", default=list(OPERATIONS), choices=list(OPERATIONS))
    parser.add_argument("--pairs", type=float, default=0.0, help="millions of pairs to compare, for each operation")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| operation | target | normal | any bits | pairs compared |\n| --- | --- | --: | --: | --: |")
    for name in arguments.target:
        arithmetic = Arithmetic(target(name))
        for operation in arguments.only:
            kinds = random_pairs(np.random.default_rng(0))
            normal, any_bits = (arithmetic.run(operation, *kinds[kind])[1] for kind in ("normal", "any bits"))
            rng, compared = np.random.default_rng(arguments.seed), 0
            while compared < arguments.pairs * 1e6:
                for a, b in random_pairs(rng).values():
                    wrong = arithmetic.difference(operation, a, b)
                    if wrong:
                        print(f"{name}: {wrong}", file=sys.stderr)
                        return 1
                    compared += PAIRS
            print(f"| {operation} | {name} | {normal:.1f} | {any_bits:.1f} | {compared:,} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
