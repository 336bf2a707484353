"""Every write and many allocations of four commands fail, one after the other: is any file half-written?

python benchmarks/faults.py [allocations=200]
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.cli.test_faults import COMMANDS, faults_of, plan_of
from tests.support.faults import ALL, every, preloaded


def main(allocations: int) -> int:
    wrong: list[str] = []
    for name in COMMANDS:
        for before in (False, True):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                plan = plan_of(name, folder, points={"write": ALL, "full": ALL, "allocation": allocations}, before=before)
                left = every(plan, preloaded(folder))
            felt = Counter((r.kind, "died" if r.status < 0 else "said so" if r.status else "done") for r in left[2:])
            found = faults_of(left)
            wrong += found
            told = ", ".join(f"{kind} {what}: {n}" for (kind, what), n in sorted(felt.items()))
            print(f"{name}, {'over an older one' if before else 'new'}: {told}; wrong: {len(found)}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
