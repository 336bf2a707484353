"""Damage files of every format that skosh reads, and read each: there must be a Graph (or arrays) or a letter, nothing else.

    python benchmarks/fuzz_readers.py                        2,000 damaged files of each of the formats
    python benchmarks/fuzz_readers.py --n 100 --only ubj,npy  some

Counted: deaths of the process, letters that say "a bug in skosh" (any exception that is no SkoshError), the slowest file, the
most memory that one format takes above what the imports take. Files are damaged in the same way each time; the seed that a
failure prints repeats it: --first SEED --n 1. Each chunk of 250 runs in a child process with limits: 1 GiB of data, and 10 s
for a file.
What takes more than 1 s of the processor, or 200 MB, is a failure, too. Exit status 1 when there was any.
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
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 250
DATA_LIMIT = 1 << 30
FILE_SECONDS = 10
SLOW_SECONDS, LARGE_MB = 1.0, 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="damaged files of each format (default 2000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--only", default="", help="formats, for example ubj,npy; by default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="child processes at a time")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--child", nargs=3, metavar=("FILE", "FIRST", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(Path(options.child[0]), int(options.child[1]), int(options.child[2]))
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    from tests.support.formats import FORMATS, write_samples

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        wanted = options.only.split(",") if options.only else list(FORMATS)
        for name, files in write_samples(Path(folder), wanted).items():
            rows.append(fuzz(name, files, options.first, options.n, options.jobs))
            if not options.json:
                print_row(rows[-1], first=len(rows) == 1)
    if options.json:
        print(json.dumps(rows, indent=2))
    return 1 if any(r["deaths"] or r["bugs"] or r["slow"] or r["large"] for r in rows) else 0


def fuzz(name: str, files: list[Path], first: int, count: int, jobs: int) -> dict[str, Any]:
    """The damaged files of one format, shared among its samples."""
    started = time.perf_counter()
    chunks = [
        (file, start, min(CHUNK, first + count - start))
        for i, start in enumerate(range(first, first + count, CHUNK))
        for file in [files[i % len(files)]]
    ]
    if count < CHUNK * len(files):  # few, but some of each
        each = -(-count // len(files))
        chunks = [(file, first + i * each, each) for i, file in enumerate(files)]
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(pool.map(lambda c: run_child(*c), chunks))
    letters: collections.Counter[str] = collections.Counter()
    for part in parts:
        letters.update(part["letters"])
    return {
        "format": name,
        "files": sum(c[2] for c in chunks),
        "read": sum(p["read"] for p in parts),
        "letters": dict(letters),
        "deaths": [d for p in parts for d in p["deaths"]],
        "bugs": [b for p in parts for b in p["bugs"]],
        "slow": [s for p in parts for s in p["slow"]],
        "large": [p["large"] for p in parts if p["large"]],
        "slowest_ms": max(p["slowest_ms"] for p in parts),
        "peak_mb": max(p["peak_mb"] for p in parts),
        "seconds": round(time.perf_counter() - started, 1),
    }


def run_child(file: Path, first: int, count: int) -> dict[str, Any]:
    """One chunk in a process of its own; a process that dies is halved until the file is found."""
    command = [sys.executable, __file__, "--child", str(file), str(first), str(count)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=FILE_SECONDS * count + 60,
                              check=False)  # fmt: skip
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        if "SOUND" in done.stderr:
            raise SystemExit(f"{file.name} must be read when it is sound:\n{done.stderr}")
        died = f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    except subprocess.TimeoutExpired:
        died = "no answer"
    if count > 1:
        return joined(run_child(file, first, count // 2), run_child(file, first + count // 2, count - count // 2))
    return {"read": 0, "letters": {}, "deaths": [f"{file.name} seed {first}: {died}"], "bugs": [], "slow": [], "large": "",
            "slowest_ms": 0.0, "peak_mb": 0}  # fmt: skip


def joined(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    made = {k: a[k] + b[k] for k in ("read", "deaths", "bugs", "slow")}
    letters = collections.Counter(a["letters"]) + collections.Counter(b["letters"])
    return {**made, "letters": dict(letters), "large": a["large"] or b["large"],
            **{k: max(a[k], b[k]) for k in ("slowest_ms", "peak_mb")}}  # fmt: skip


def child(file: Path, first: int, count: int) -> int:
    """Read damaged copies, with limits on memory and time; print what came as JSON."""
    from tests.support.formats import damaged, reader_of

    signal.signal(signal.SIGALRM, _too_slow)
    data, read = file.read_bytes(), reader_of(file.suffix)
    try:
        read(file)  # so that no import counts
    except Exception as error:
        raise SystemExit(f"SOUND {type(error).__name__}: {error}") from error
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
    before = peak_mb()
    result: dict[str, Any] = {"read": 0, "deaths": [], "bugs": [], "slow": [], "large": "", "slowest_ms": 0.0}
    letters: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"damaged{file.suffix}"
        for seed in range(first, first + count):
            path.write_bytes(damaged(data, file.suffix, seed))
            what, seconds = one(read, path)
            result["read"] += what == ""
            if what.startswith("bug: "):
                result["bugs"].append(f"{file.name} seed {seed}: {what[5:]}")
            elif what:
                letters[what] += 1
            result["slowest_ms"] = max(result["slowest_ms"], round(1000 * seconds, 1))
            if seconds > SLOW_SECONDS:
                result["slow"].append(f"{file.name} seed {seed}: {seconds:.1f} s")
    result["peak_mb"] = peak_mb() - before
    if result["peak_mb"] > LARGE_MB:
        result["large"] = f"{file.name} seeds {first} to {first + count - 1}: {result['peak_mb']} MB"
    print(json.dumps(result | {"letters": dict(letters)}))
    return 0


def one(read: Callable[[Path], object], path: Path) -> tuple[str, float]:
    """("" for what was read, the kind of letter, or "bug: ..."; seconds of the processor)."""
    from skosh.base.errors import SkoshError

    started = time.process_time()
    signal.alarm(FILE_SECONDS)
    try:
        read(path)
        what = ""
    except SkoshError as error:
        what = type(error).__name__
    except BaseException as error:
        what = f"bug: {type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
    return what, time.process_time() - started


class _TooSlow(BaseException):
    pass


def _too_slow(*_: object) -> None:
    raise _TooSlow


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def print_row(row: dict[str, Any], *, first: bool) -> None:
    columns = ("format", "files", "read", "deaths", "bugs", "slow", "slowest_ms", "peak_mb", "seconds")
    if first:
        print("".join(f"{c:>11}" for c in columns), " letters")
    shown = [len(row[c]) if isinstance(row[c], list) else row[c] for c in columns]
    letters = ", ".join(f"{k} {n}" for k, n in sorted(row["letters"].items()))
    print("".join(f"{c!s:>11}" for c in shown), "", letters, flush=True)
    for failure in [*row["deaths"], *row["bugs"], *row["slow"], *row["large"]][:40]:
        print(f"    {failure}")


if __name__ == "__main__":
    sys.exit(main())
