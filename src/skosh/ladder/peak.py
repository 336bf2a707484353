"""What this computer could do at best: the rate of fused multiply-adds with nothing else to do, and OpenBLAS's rate."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from skosh.base.errors import ToolError
from skosh.build.flags import WARNINGS
from skosh.ladder.native import NATIVE, this_cpu
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

CHAINS = 12
"""Independent accumulators: enough to hide a latency of 5 cycles at 2 instructions a cycle, few enough for 16 registers."""

ROUNDS = 4_000_000
REPEATS = 3

_SOURCE = """\
#include <stdint.h>
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

#define CHAINS {chains}
typedef {c} lanes __attribute__((vector_size(BYTES)));

int32_t skosh_lanes(void);
{c} skosh_peak(int64_t rounds);

int32_t skosh_lanes(void)
{{
    return (int32_t)(sizeof(lanes) / sizeof({c}));
}}

/* CHAINS independent chains of x = x * m + x0, all in registers */
{c} skosh_peak(int64_t rounds)
{{
    lanes x[CHAINS], m = {{0}}, start = {{0}};
    {c} sum = 0;
    m += ({c}){m};
    start += ({c}){start};
    for (int i = 0; i < CHAINS; i++) {{
        x[i] = start * ({c})(i + 1);
    }}
    for (int64_t r = 0; r < rounds; r++) {{
#pragma clang loop unroll(full)
        for (int i = 0; i < CHAINS; i++) {{
            {update}
        }}
    }}
    for (int i = 0; i < CHAINS; i++) {{
        for (int l = 0; l < (int)(sizeof(lanes) / sizeof({c})); l++) {{
            sum += x[i][l];
        }}
    }}
    return sum;
}}
"""

_FLOAT = "x[i] = x[i] * m + start;"
_PAIRS = """\
#if defined(__AVX512BW__)
            x[i] += (lanes)_mm512_madd_epi16((__m512i)x[i], (__m512i)m);
#elif defined(__AVX2__)
            x[i] += (lanes)_mm256_madd_epi16((__m256i)x[i], (__m256i)m);
#else
            x[i] = x[i] * m + start;
#endif"""


def peak_source(dtype: str) -> str:
    """The loop in C. For i8, the widest exact product of the machine: pairs of int16 into int32, or int32 itself."""
    if dtype == "i8":
        pairs = _PAIRS.strip()
        text = _SOURCE.format(chains=CHAINS, c="uint32_t", m="0x00010002", start="3", update=pairs)
        return "#if defined(__AVX2__)\n#include <immintrin.h>\n#endif\n" + text
    c = {"f64": "double", "f32": "float"}[dtype]
    return _SOURCE.format(chains=CHAINS, c=c, m="0.999", start="0.001", update=_FLOAT)


@cache
def _library(dtype: str) -> ctypes.CDLL:
    text = peak_source(dtype)
    flags = ("-O3", *NATIVE, "-ffp-contract=fast", "-fno-sanitize=undefined")
    warnings = tuple(w for w in WARNINGS if w not in ("-pedantic", "-std=c99"))  # vectors are an extension

    def make(folder: Path) -> None:
        (folder / "peak.c").write_text(text, encoding="utf-8")
        command = [str(zig()), "cc", "-std=gnu99", *flags, *warnings, "-g0", "-shared", "-fPIC"]
        run_tool([*command, "peak.c", "-o", "peak.so"], "compile the peak loop", folder)

    return ctypes.CDLL(str(cached(("peak", zig_version(), flags, this_cpu(), text), make) / "peak.so"))


def peak_gflops(dtype: str, threads: int, *, rounds: int = ROUNDS) -> float:
    """10^9 operations a second, a multiplication and an addition being two, of all threads at once. Best of REPEATS.

    Each thread is timed by its own CPU clock, so that other programs on the computer don't count.
    """
    library = _library(dtype)
    lanes = library.skosh_lanes()
    pairs = 2 if dtype == "i8" and _has_pairs() else 1
    operations = 2.0 * CHAINS * int(lanes) * pairs * rounds

    def one(_: int) -> float:
        start = time.thread_time()
        library.skosh_peak(ctypes.c_int64(rounds))
        return operations / (time.thread_time() - start)

    with ThreadPoolExecutor(threads) as pool:
        return max(sum(pool.map(one, range(threads))) for _ in range(REPEATS)) * 1e-9


def _has_pairs() -> bool:
    flags = this_cpu().split()
    return "avx2" in flags


# ------------------------------------------------------------------------------------------------ the judge

_WORKER = """\
import sys, time
import numpy as np
n, dtype, threads = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(1)
a, b = (rng.uniform(-1, 1, (n, n)).astype(dtype) for _ in range(2))
c = np.zeros((n, n), dtype)
clock = time.process_time if threads == 1 else time.perf_counter
np.matmul(a[:64, :64], b[:64, :64])
for line in sys.stdin:
    start = clock()
    np.matmul(a, b, out=c)
    print(clock() - start, flush=True)
"""


@dataclass
class Judge:
    """numpy's matrix product (OpenBLAS, or what numpy was built with) in a process of its own, with a number of threads.

    A context manager; ``time()`` is one product: seconds of CPU for one thread, of the clock for several.
    """

    n: int
    dtype: str
    threads: int
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    def __enter__(self) -> Callable[[], float]:
        limits = ("OPENBLAS", "MKL", "OMP", "BLIS", "VECLIB_MAXIMUM")
        environment = {**os.environ, **{f"{name}_NUM_THREADS": str(self.threads) for name in limits}}
        name = {"f64": "float64", "f32": "float32", "i8": "float32"}[self.dtype]
        command = [sys.executable, "-c", _WORKER, str(self.n), name, str(self.threads)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        return self.time

    def time(self) -> float:
        assert self.process is not None and self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            return float(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            raise ToolError("numpy's own matrix product failed in a process of its own") from error

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.communicate()


def blas_name() -> str:
    """The library that numpy multiplies with."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    name = str(config.get("Build Dependencies", {}).get("blas", {}).get("name", "")) or "BLAS"
    return "OpenBLAS" if "openblas" in name.lower() else name
