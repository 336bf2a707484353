"""The rungs in C: a kernel shared out to threads, and how its C is compiled and called."""

from __future__ import annotations

import ctypes
import platform
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import ScheduleError, ToolError
from skosh.build.flags import MEANING, WARNINGS
from skosh.ir.graph import Array
from skosh.ir.kernel import Binary, Const, Expr, For, Kernel, Var
from skosh.ir.simplify import simplify
from skosh.ladder.matmul import Product
from skosh.ladder.unit import ALIGN, scratch, scratch_bytes, unit_text
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

LARGE = 1 << 23
"""Bytes from which on numpy asks for large pages, with some to spare."""

BASELINE = ("-mcpu=baseline",)
NATIVE = ("-mcpu=native",)


def shared(kernel: Kernel) -> Kernel:
    """Part ``part`` of ``parts`` of a kernel that is one parallelized loop: all parts, in any order or at once, are it.

    for i in par(0, M, step 4), for threads
      ->  R = (M + 3) // 4; for i in par(R * part // parts * 4, min(M, R * (part + 1) // parts * 4), step 4)
    """
    match kernel.body:
        case (For(threads=True) as outer,):
            pass
        case _:
            raise ScheduleError("threads can share only a parallelized loop that is all of the kernel", loc=kernel.loc)
    step, part, parts = Const(outer.step), Var("part"), Var("parts")
    trips = simplify(_binary("-", outer.hi, outer.lo))
    rounds = simplify(_binary("//", _binary("+", trips, Const(outer.step - 1)), step))

    def bound(number: Expr) -> Expr:
        return _binary("+", outer.lo, _binary("*", _binary("//", _binary("*", rounds, number), parts), step))

    high = simplify(bound(_binary("+", part, Const(1))))
    end = _binary("min", outer.hi, high) if outer.step > 1 else high
    inner = replace(outer, lo=simplify(bound(part)), hi=end, threads=False)
    return replace(kernel, body=(inner,), scalars=(*kernel.scalars, part, parts))


def _binary(op: str, a: Expr, b: Expr) -> Expr:
    return Binary(op, a, b, i32)


@dataclass(frozen=True)
class Native:
    """A kernel as it is run on this computer. ``kernel``: bound to its numbers, but for part and parts."""

    kernel: Kernel
    threads: int
    cpu: tuple[str, ...] = BASELINE
    vectorize: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """-O3; loops are unrolled by schedules, and made vectors by the compiler only where a rung says so."""
        lanes = () if self.vectorize else ("-fno-vectorize", "-fno-slp-vectorize")
        return ("-O3", *self.cpu, *MEANING, *lanes, "-fno-unroll-loops")

    @cached_property
    def source(self) -> str:
        """One C file: the kernel, and ``skosh_run``, which starts it."""
        return unit_text(self.kernel)

    @cached_property
    def library(self) -> ctypes.CDLL:
        """The shared library, from the cache if it was made before."""

        def make(folder: Path) -> None:
            (folder / "matmul.c").write_text(self.source, encoding="utf-8")
            command = [str(zig()), "cc", *self.flags, *WARNINGS, "-g0", "-shared", "-fPIC", "-pthread"]
            run_tool([*command, "matmul.c", "-o", "matmul.so", "-lm"], "compile a rung", folder)

        key = ("ladder", zig_version(), self.flags, this_cpu() if self.cpu == NATIVE else "", self.source)
        return ctypes.CDLL(str(cached(key, make) / "matmul.so"))

    def run(self, product: Product, c: Array) -> float:
        """c = a b. Seconds: of CPU for one thread, so that what else runs here counts less; of the clock for several."""
        operands = {"a": product.a, "b": product.b, "c": c}
        room = self._scratch()
        pointers = [ctypes.c_void_p({**operands, **room}[p.name].ctypes.data) for p in self.kernel.params]
        function = self.library.skosh_run
        clock = time.thread_time if self.threads == 1 else time.perf_counter
        start = clock()
        failed = function(*pointers, ctypes.c_int32(self.threads))
        seconds = clock() - start
        if failed:
            raise ToolError(f"{self.threads} threads could not be started")
        return seconds

    def _scratch(self) -> dict[str, Array]:
        """Scratch memory for all threads, touched before the clock starts, in one piece so that it may have large pages."""
        sizes = {p.name: self.threads * scratch_bytes(p) for p in scratch(self.kernel)}
        slab = np.empty(max(sum(sizes.values()), LARGE) + ALIGN if sizes else 0, np.uint8)
        slab.fill(0)
        place, room = -slab.ctypes.data % ALIGN, {}
        for name, size in sizes.items():
            room[name] = slab[place : place + size]
            place += size
        return room


def this_cpu() -> str:
    """What ``-mcpu=native`` means here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part", "isa"))}))


def cpu_name() -> str:
    """The processor, for titles."""
    named = [x.partition(":")[2].strip() for x in this_cpu().splitlines() if x.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
