"""Damage TFLite files in thousands of ways and load each: there must be a Graph or a ModelError, nothing else.

    python benchmarks/fuzz_tflite.py --n 10000 ../shared/models/*.tflite

Each chunk of 250 runs in a child process with limits: 1 GiB of data, 10 s for one file. A crash, a hang, another
exception or too much memory is a failure; the seed that it prints repeats it. Exit code 1 when there was any.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 250
DATA_LIMIT = 1 << 30
FILE_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, help="TFLite files; by default the shared models")
    parser.add_argument("--n", type=int, default=10_000, help="damaged copies of each model (default 10000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="child processes at a time")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--child", nargs=3, metavar=("MODEL", "FIRST", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(Path(options.child[0]), int(options.child[1]), int(options.child[2]))
    models = options.models or default_models()
    rows = []
    for model in models:
        rows.append(fuzz(model, options.first, options.n, options.jobs))
        if not options.json:
            print_row(rows[-1], first=len(rows) == 1)
    if options.json:
        print(json.dumps(rows, indent=2))
    return 1 if any(r["failures"] for r in rows) else 0


def default_models() -> list[Path]:
    from tests.support.shared import shared_models

    return shared_models()


def fuzz(model: Path, first: int, count: int, jobs: int) -> dict[str, Any]:
    """All chunks of one model, summed up."""
    started = time.perf_counter()
    chunks = [(s, min(CHUNK, first + count - s)) for s in range(first, first + count, CHUNK)]
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(pool.map(lambda c: run_child(model, *c), chunks))
    errors: collections.Counter[str] = collections.Counter()
    for part in parts:
        errors.update(part["errors"])
    return {
        "model": model.name,
        "files": count,
        "graphs": sum(p["graphs"] for p in parts),
        "errors": dict(errors),
        "failures": [f for p in parts for f in p["failures"]],
        "slowest_ms": max(p["slowest_ms"] for p in parts),
        "peak_mb": max(p["peak_mb"] for p in parts),
        "seconds": round(time.perf_counter() - started, 1),
    }


def run_child(model: Path, first: int, count: int) -> dict[str, Any]:
    """One chunk in a process of its own; a process that dies is a failure of the whole chunk."""
    command = [sys.executable, __file__, "--child", str(model), str(first), str(count)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    died = ""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=FILE_SECONDS * count, check=False
        )
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        died = f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    except subprocess.TimeoutExpired:
        died = f"no answer in {FILE_SECONDS * count} s"
    failure = f"seeds {first} to {first + count - 1}: {died}"
    return {"graphs": 0, "errors": {}, "failures": [failure], "slowest_ms": 0.0, "peak_mb": 0}


def child(model: Path, first: int, count: int) -> int:
    """Load damaged copies, with limits on memory and time; print what came as JSON."""
    from skosh.base.errors import SkoshError
    from skosh.importers.tflite import load
    from skosh.ir.check_graph import check_graph
    from tests.support.mutate import mutate

    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
    signal.signal(signal.SIGALRM, _too_slow)
    data = model.read_bytes()
    load(data, name="whole")  # so that no import counts as slow
    graphs, slowest = 0, 0.0
    errors: collections.Counter[str] = collections.Counter()
    failures = []
    for seed in range(first, first + count):
        damaged = mutate(data, seed)
        started = time.perf_counter()
        signal.alarm(FILE_SECONDS)
        try:
            check_graph(load(damaged, name="damaged"))
            graphs += 1
        except SkoshError as error:
            errors[type(error).__name__] += 1
        except (Exception, _TooSlow) as error:
            failures.append(f"seed {seed}: {type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found = {"graphs": graphs, "errors": errors, "failures": failures, "slowest_ms": round(slowest * 1000, 1)}
    print(json.dumps({**found, "peak_mb": peak}))
    return 0


class _TooSlow(BaseException):
    """Raised by the alarm; not an Exception, so that no parser swallows it."""


def _too_slow(*_: Any) -> None:
    raise _TooSlow(f"more than {FILE_SECONDS} s")


def print_row(row: dict[str, Any], first: bool) -> None:
    """One model's line, under the heads of the columns, and its first failures."""
    if first:
        print(
            f"{'model':<26}{'files':>8}{'graphs':>8}{'errors':>8}{'failures':>9}{'slowest ms':>12}{'peak MB':>9}{'s':>8}"
        )
    errors = sum(row["errors"].values())
    print(
        f"{row['model']:<26}{row['files']:>8}{row['graphs']:>8}{errors:>8}{len(row['failures']):>9}"
        f"{row['slowest_ms']:>12}{row['peak_mb']:>9}{row['seconds']:>8}",
        flush=True,
    )
    for failure in row["failures"][:20]:
        print(f"    {failure}")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    sys.exit(main())
