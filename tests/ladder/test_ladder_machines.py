"""The vectors of the last rung on machines that this one isn't: whole products, which use each spelling, bit for bit."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from skosh import schedule
from skosh.base.dtypes import DTYPES
from skosh.build.flags import MEANING, WARNINGS
from skosh.ir.graph import Array
from skosh.ladder.fma import fused
from skosh.ladder.matmul import accumulator, matmul_of
from skosh.ladder.native import NATIVE, Native
from skosh.ladder.rungs import TILES, has, panels
from skosh.ladder.unit import scratch, scratch_bytes, unit_text
from skosh.targets import target
from skosh.targets.toolchain import run_tool, zig
from tests.ladder.products import Rough, random_product, run_native

N = 29


FREE = """
/* no C library: one would have to be built first */
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*work)(void *),
                   void *restrict given)
{
    (void)thread, (void)attributes, (void)work, (void)given;
    return 1;
}

int pthread_join(pthread_t thread, void **result)
{
    (void)thread, (void)result;
    return 1;
}

static long call(long number, long first, long second, long third)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

/* read (63) or write (64) all of it */
static void move(long number, long file, char *data, unsigned long bytes)
{
    while (bytes != 0) {
        const long done = call(number, file, (long)data, (long)bytes);
        if (done <= 0) {
            call(93, 1, 0, 0);
        }
        data += done;
        bytes -= (unsigned long)done;
    }
}
"""


def program(dtype: str, vectors: str, main: str) -> str:
    """The last rung's kernel of a machine, its operands and its scratch memory, and ``main``, where RUN runs it."""
    element = DTYPES[dtype]
    kernel = panels(element, N, 1, TILES[dtype, vectors])
    rooms = [(p.name, p.dtype.c, scratch_bytes(p) // p.dtype.bytes) for p in scratch(kernel)]
    places = "".join(f"static {c} {name}[{size}];\n" for name, c, size in rooms)
    given = ", ".join(["a", "b", "c", *(name for name, _, _ in rooms)])
    own = f"static {element.c} a[{N * N}], b[{N * N}];\nstatic {accumulator(element).c} c[{N * N}];\n"
    return unit_text(kernel) + own + places + main.replace("RUN", f"skosh_run({given}, 1)")


def built(text: str, flags: tuple[str, ...], link: tuple[str, ...], folder: Path) -> Path:
    (folder / "product.c").write_text(text, encoding="utf-8")
    command = [str(zig()), "cc", *flags, "-O2", *MEANING, *WARNINGS, "-c", "product.c"]
    run_tool(command, "compile a product", folder)
    run_tool([str(zig()), "cc", *link, "product.o", "-o", "product"], "link a product", folder)
    return folder / "product"


def wanted(p: Rough) -> Array:
    """The product by plain loops of fused multiply-adds, on this computer."""
    plain = fused(schedule.bind(matmul_of(p.dtype), {"M": N, "K": N, "N": N}))
    return run_native(Native(plain, 1, NATIVE), p)


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 is not here")
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_neon_under_emulation(dtype: str, tmp_path: Path) -> None:
    main = """
void _start(void);
void _start(void)
{
    move(63, 0, (char *)a, sizeof a);
    move(63, 0, (char *)b, sizeof b);
    if (RUN == 0) {
        move(64, 1, (char *)c, sizeof c);
    }
    call(93, 0, 0, 0);
}
"""
    linux = ("-target", "aarch64-linux-musl")
    p, text = random_product(N, dtype), program(dtype, "neon", FREE + main)
    file = built(text, linux, (*linux, "-nostdlib", "-static"), tmp_path)
    operands = p.a.tobytes() + p.b.tobytes()
    done = subprocess.run(["qemu-aarch64", str(file)], input=operands, capture_output=True, check=True)
    assert done.stdout == wanted(p).tobytes()
    assert "vfmaq_" in text


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the headers are those of x86")
@pytest.mark.parametrize("dtype", ["f64", "f32", "i8"])
def test_avx512_is_built_always(dtype: str, tmp_path: Path) -> None:
    main = """
#include <stdio.h>
int main(void)
{
    int bad = fread(a, sizeof a, 1, stdin) != 1 || fread(b, sizeof b, 1, stdin) != 1;
    return bad || RUN != 0 || fwrite(c, sizeof c, 1, stdout) != 1;
}
"""
    p, text = random_product(N, dtype), program(dtype, "avx512", main)
    file = built(text, target("x86-64-avx512").flags, ("-mcpu=baseline", "-pthread", "-lm"), tmp_path)
    assert "_mm512_" in text
    if has("avx512"):
        done = subprocess.run([str(file)], input=p.a.tobytes() + p.b.tobytes(), capture_output=True, check=True)
        assert done.stdout == wanted(p).tobytes()
