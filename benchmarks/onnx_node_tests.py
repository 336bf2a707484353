"""ONNX's own node tests, each loaded, interpreted, and compared with the outputs of ONNX's reference.

    python benchmarks/onnx_node_tests.py                 counts, and what is refused by operator
    python benchmarks/onnx_node_tests.py --only resize -v

Exit code 1 when an answer is wrong, or an exception is none of ours.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.importers.onnx_node_cases import BROKEN, REFUSED, RIGHT, WRONG, cases, in_c, judged


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only tests with this in their name")
    parser.add_argument("--c", action="store_true", help="also compile each right one for this computer: an hour or so")
    parser.add_argument("-v", "--verbose", action="store_true", help="also why each is refused")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args()
    found = [judged(case) for name, case in sorted(cases().items()) if options.only in name]
    if options.c:
        found = [replace(v, kind=WRONG, why=why) if v.kind == RIGHT and (why := in_c(v)) else v for v in found]
    counts = collections.Counter(v.kind for v in found)
    refused = collections.Counter(v.operator for v in found if v.kind == REFUSED)
    if options.json:
        print(json.dumps({**{k: counts[k] for k in (RIGHT, WRONG, REFUSED, BROKEN)}, "refused_by_operator": refused}))
    else:
        for v in found:
            if v.kind in (WRONG, BROKEN) or (options.verbose and v.kind == REFUSED):
                print(f"{v.kind:8} {v.name}: {v.why}")
        if not options.verbose:
            print("refused:", ", ".join(f"{name} {n}" for name, n in refused.most_common()))
        print(f"{len(found)} tests:", ", ".join(f"{counts[k]} {k}" for k in (RIGHT, WRONG, REFUSED, BROKEN)))
    return 1 if counts[WRONG] or counts[BROKEN] else 0


if __name__ == "__main__":
    sys.exit(main())
