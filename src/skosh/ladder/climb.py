"""Climbing: each rung is run, its result compared, its time taken; where n would take too long, at a smaller n."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from skosh.base.errors import InputError, ToolError
from skosh.ir.graph import Array
from skosh.ladder.matmul import Product, product
from skosh.ladder.native import cpu_name
from skosh.ladder.peak import Judge, blas_name, peak_gflops
from skosh.ladder.plain import java_missing, java_run, java_source, python_run, python_source
from skosh.ladder.rungs import RUNGS, Rung, tile_here
from skosh.ladder.unit import MOST_THREADS

DTYPES = ("f64", "f32", "i8")
SMALLEST = 48
"""n is halved down to this when a rung is slow."""

ROUNDS = 3
"""Runs of a rung, of which the best counts; the last rung takes turns with its judge."""

Progress = Callable[[str, int, int], None]
"""What begins, how many are done, of how many."""


@dataclass(frozen=True)
class Step:
    """A rung as measured. seconds: for the n that was asked for; ``measured_n``: the n that was run. Less of it means that the

    time was extrapolated with (n / measured_n)^3. Speedups are over the first rung and over the rung before.
    """

    name: str
    seconds: float
    gflops: float
    absolute_speedup: float
    relative_speedup: float
    fraction_of_peak: float
    measured_n: int
    measured_seconds: float
    adds: str
    schedule: tuple[str, ...] = ()
    source: str = field(default="", repr=False)

    @property
    def extrapolated(self) -> bool:
        return self.measured_seconds != self.seconds


@dataclass(frozen=True)
class Ladder:
    """All rungs, and what they are held against: the measured peak of as many threads, and numpy's own product."""

    n: int
    dtype: str
    threads: int
    cpu: str
    peak_gflops: float
    blas: str
    openblas: dict[str, float]
    rungs: tuple[Step, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        rungs = [{**asdict(s), "extrapolated": s.extrapolated} for s in self.rungs]
        for r in rungs:
            del r["source"]
        skipped = [{"name": name, "why": why} for name, why in self.skipped]
        return {**{k: v for k, v in asdict(self).items() if k != "rungs"}, "rungs": rungs, "skipped": skipped}

    def files(self) -> dict[str, str]:
        """The code of each rung, by file name."""
        kinds = {"Python": "python.py", "Java": "java.txt"}
        names = [kinds.get(s.name, s.name.replace(" ", "_") + ".c") for s in self.rungs]
        return {f"{i}_{name}": s.source for i, (name, s) in enumerate(zip(names, self.rungs, strict=True), start=1)}


def climb(
    n: int = 4096,
    dtype: str = "f64",
    threads: int = 1,
    *,
    patience: float = 8.0,
    progress: Progress = lambda what, done, of: None,
) -> Ladder:
    """Measure all rungs for n x n matrices.

    patience: seconds that one run may take (about); a slower rung is run at n halved, perhaps several times.
    Raises InputError for arguments that make no sense, ToolError when a rung's result is wrong or no compiler is there.
    """
    goal = product(n, dtype)
    if n < 16:
        raise InputError(f"n must be at least 16, not {n}", hint="a smaller product is over before a clock ticks")
    if not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads must be from 1 to {MOST_THREADS}, not {threads}")
    if not patience > 0:
        raise InputError(f"patience must be more than 0 seconds, not {patience}")
    total = len(RUNGS) + 1
    progress("peak", 0, total)
    peak = peak_gflops(dtype, threads)
    work = 2.0 * n**3
    products: dict[int, Product] = {n: goal}
    steps: list[Step] = []
    skipped: list[tuple[str, str]] = []
    openblas: dict[str, float] = {}
    for i, rung in enumerate(RUNGS):
        progress(rung.name, i + 1, total)
        why = _missing(rung, goal)
        if why:
            skipped.append((rung.name, why))
            continue
        runner = _Runner(rung, goal, threads)
        is_last = i + 1 == len(RUNGS)
        m, seconds = runner.measure(n, patience, products)
        if is_last and m == n:
            seconds, openblas = _against_judge(runner, products[n], seconds, threads, patience)
        whole = seconds * (n / m) ** 3
        first, before = (steps[0].seconds, steps[-1].seconds) if steps else (whole, whole)
        gflops = work / whole * 1e-9
        steps.append(
            Step(
                rung.name, whole, gflops, first / whole, before / whole, gflops / peak, m, seconds, rung.adds,
                runner.schedule, runner.source,
            )
        )  # fmt: skip
    if not openblas:
        openblas = _judged(goal, threads, patience)
    return Ladder(n, dtype, threads, cpu_name(), peak, blas_name(), openblas, tuple(steps), tuple(skipped))


def _missing(rung: Rung, goal: Product) -> str:
    """Why a rung can't be run here; "" when it can."""
    if rung.name == "Java":
        return java_missing()
    if rung is RUNGS[-1] and tile_here(goal.dtype) is None:
        return f"no tile of {goal.dtype} for the vectors of this computer"
    return ""


class _Runner:
    """A rung, ready to run at any size; remembers the code of the largest."""

    def __init__(self, rung: Rung, goal: Product, threads: int) -> None:
        self.rung, self.dtype, self.threads = rung, goal.dtype, threads
        self.schedule: tuple[str, ...] = ()
        self.source = ""
        self._plain = None
        if rung.make is None:
            self.source = (python_source if rung.name == "Python" else java_source)(goal.dtype)
            self._plain = (python_run if rung.name == "Python" else java_run)(goal.dtype)

    def run(self, p: Product, *, check: bool = True) -> float:
        """Seconds of one run. ToolError if an element of the result is not what it must be."""
        c = p.zeros()
        if self._plain is not None:
            seconds = self._plain(p, c)
        else:
            assert self.rung.make is not None, "a rung is run in one way or the other"
            made = self.rung.make(self.dtype, p.n, self.threads)
            self.schedule, self.source = made.kernel.steps, made.source
            seconds = made.run(p, c)
        if check:
            _check(self.rung.name, p, c)
        return seconds

    def measure(self, n: int, patience: float, products: dict[int, Product]) -> tuple[int, float]:
        """(the size that was run, its best seconds): the largest of n, n / 2, n / 4, ... that takes no longer than patience."""
        sizes = [n]
        while sizes[-1] % 2 == 0 and sizes[-1] // 2 >= SMALLEST:
            sizes.append(sizes[-1] // 2)
        rate = self.rung.guess * 1e9
        start = next((i for i, m in enumerate(sizes) if 2.0 * m**3 / rate < patience / 4), len(sizes) - 1)
        while True:
            m = sizes[start]
            p = products.setdefault(m, Product(m, self.dtype))
            seconds = self.run(p)
            if start == 0 or seconds * 8 > patience:
                break
            start -= 1
        for _ in range(ROUNDS - 1):
            if seconds * ROUNDS < patience:
                seconds = min(seconds, self.run(p, check=False))
        return m, seconds


def _check(name: str, p: Product, c: Array) -> None:
    wrong = p.mistakes(c)
    if wrong:
        raise ToolError(f"{name}: {wrong:,} of {c.size:,} elements of the product are wrong (n = {p.n}, {p.dtype})")


def _against_judge(
    runner: _Runner, p: Product, seconds: float, threads: int, patience: float
) -> tuple[float, dict[str, float]]:
    """The last rung and numpy by turns, so that a busy moment hits both; (seconds, rates of numpy)."""
    with Judge(p.n, p.dtype.name, threads) as judge:
        best = judge()
        for _ in range(ROUNDS):
            best = min(best, judge())
            seconds = min(seconds, runner.run(p, check=False))
    return seconds, _rates(p, best, threads, patience)


def _judged(p: Product, threads: int, patience: float) -> dict[str, float]:
    with Judge(p.n, p.dtype.name, threads) as judge:
        best = min(judge() for _ in range(ROUNDS))
    return _rates(p, best, threads, patience)


def _rates(p: Product, seconds: float, threads: int, patience: float) -> dict[str, float]:
    rate = 2e-9 * p.n**3
    rates = {"gflops": rate / seconds, "seconds": seconds}
    if threads > 1:
        with Judge(p.n, p.dtype.name, 1) as alone:
            rates["gflops_one_thread"] = rate / min(alone() for _ in range(ROUNDS))
    return rates
