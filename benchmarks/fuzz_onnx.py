"""Random ONNX graphs against onnxruntime: what loads must give its numbers, what doesn't must be one clear error.

    python benchmarks/fuzz_onnx.py --n 500            seeds 0 to 499
    python benchmarks/fuzz_onnx.py --first 77 --n 1 -v

Exit code 1 when an answer is wrong, or an exception is none of ours; the seed that it prints repeats it.
"""

from __future__ import annotations

import argparse
import collections
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.importers.onnx_random import BROKEN, WRONG, tried


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=300, help="graphs (default 300)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("-v", "--verbose", action="store_true", help="also what is refused, and why")
    options = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    for seed in range(options.first, options.first + options.n):
        kind, why = tried(seed)
        counts[kind] += 1
        if kind in (WRONG, BROKEN) or (options.verbose and why):
            print(f"seed {seed}: {kind}: {why}")
    print(f"{options.n} graphs:", ", ".join(f"{n} {kind}" for kind, n in counts.most_common()))
    return 1 if counts[WRONG] or counts[BROKEN] else 0


if __name__ == "__main__":
    sys.exit(main())
