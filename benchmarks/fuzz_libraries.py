"""Random models of each family, fitted by their libraries; what the graph gives beside what the library gives.

    python benchmarks/fuzz_libraries.py --n 100                     # 100 of each family
    python benchmarks/fuzz_libraries.py --only neighbors --seed 17  # one case again

A seed makes one case, always the same: its family, its parameters, its data, rows like those, others, and edges. Labels must
be equal unless the library's own scores leave them open, numbers within rounding (``skosh.verify.library``). Exit code 1 when
any case differs; seeds that did once are in tests/importers/test_library_fuzz.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.random_library_models import FAMILIES, Found, case


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="models of each family (default 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--seed", type=int, help="this seed only")
    parser.add_argument("--only", choices=FAMILIES, help="this family only")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.n) if options.seed is None else [options.seed]
    rows, differing = [], []
    if not options.json:
        print(f"{'family':28} {'models':>7} {'compared':>9} {'refused':>8} {'differ':>7} {'s':>6}")
    for family in [options.only] if options.only else FAMILIES:
        started = time.perf_counter()
        found: list[Found] = []
        for n, seed in enumerate(seeds):
            found.append(case(family, seed))
            if sys.stderr.isatty():
                print(f"\r{family}: {n + 1} of {len(seeds)}", end="\r", file=sys.stderr)
        bad = [f for f in found if f.differs]
        differing += bad
        rows.append({
            "family": family, "models": len(found), "compared": sum(f.compared for f in found),
            "refused": sum(bool(f.refused) for f in found), "differ": len(bad), "seconds": time.perf_counter() - started,
        })  # fmt: skip
        if not options.json:
            r = rows[-1]
            print(f"{family:28} {r['models']:7} {r['compared']:9} {r['refused']:8} {r['differ']:7} {r['seconds']:6.1f}")
            for f in bad:
                print(f"    seed {f.seed}: {f.model}: {f.differs}")
            for reason, times in Counter(f.refused[:60] for f in found if f.refused).most_common(4):
                print(f"    {times} refused: {reason}")
    if options.json:
        print(json.dumps({"families": rows, "differing": [asdict(f) for f in differing]}, indent=2))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
