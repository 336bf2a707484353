"""How long ``import skosh`` and ``skosh --help`` take: the best of several fresh processes, less the bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import time

RUNS = 7
GOAL = 0.3


def seconds(*arguments: str) -> float:
    """The fastest of RUNS starts of the interpreter with these arguments."""
    best = float("inf")
    for _ in range(RUNS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - begin)
    return best


def main() -> None:
    bare = seconds("-c", "pass")
    for what, arguments in {
        "import skosh": ("-c", "import skosh"),
        "skosh --help": ("-m", "skosh.cli", "--help"),
    }.items():
        print(
            f"{what}: {seconds(*arguments) - bare:.3f} s more than the bare interpreter's {bare:.3f} s (goal {GOAL} s)"
        )


if __name__ == "__main__":
    main()
