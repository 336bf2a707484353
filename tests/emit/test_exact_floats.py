"""Floats are the same under compilers at their defaults, on machines with fused multiply-add too; builds don't mix."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skosh
from skosh.emit.build_id import UNKNOWN
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

ROWS = np.random.default_rng(3).standard_normal((20, 24)).astype(np.float32)


def dense(seed: int = 0) -> bytes:
    """24 -> 9 floats and a logistic: products that are summed, which a compiler likes to fuse."""
    rng = np.random.default_rng(seed)
    w, b = (TensorSpec(n, s, np.float32, data=rng.standard_normal(s)) for n, s in (("w", (9, 24)), ("b", (9,))))
    x, y, z = (TensorSpec(n, (1, k), np.float32) for n, k in (("x", 24), ("y", 9), ("z", 9)))
    operators = [
        OperatorSpec("FULLY_CONNECTED", (0, 1, 2), (3,), {}, options_class="FullyConnectedOptions"),
        OperatorSpec("LOGISTIC", (3,), (4,)),
    ]
    return model_bytes([x, w, b, y, z], operators, [0], [4])


@pytest.fixture(scope="module")
def built() -> object:
    return skosh.compile(skosh.load(dense(), name="net"), target="host")


ZIG = [sys.executable, "-m", "ziglang", "cc"]
COMPILERS = {
    "gcc": ["gcc", "-O2", "-march=haswell"],
    "gcc, strict": ["gcc", "-std=c99", "-O3", "-march=haswell"],
    "clang": [*ZIG, "-O2", "-march=haswell"],
    "gcc, cortex-m4": [
        "arm-none-eabi-gcc", "-O2", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-nostdlib", "-I.",
    ],
    "gcc, cortex-m7, strict": [
        "arm-none-eabi-gcc", "-std=c99", "-O3", "-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard",
        "-nostdlib", "-I.",
    ],
    "clang, aarch64": [*ZIG, "-O2", "-target", "aarch64-linux-musl", "-static", "-nostdlib", "-I."],
}

BARE = """
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}
void *memset(void *to, int c, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile unsigned char *)to)[i] = (unsigned char)c;
    return to;
}
static long call(long number, long a, long b, long c)
{
#ifdef __arm__
    register long r7 __asm__("r7") = number == 64 ? 4 : 1, r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}
int put(const void *data, unsigned long size) { return call(64, 1, (long)data, (long)size) == (long)size; }
int main(void);
void _start(void) { call(93, main(), 0, 0); for (;;) ; }
"""
"""What the program needs of Linux on aarch64 and arm, so that no C library has to be built for it."""

EMULATORS = {"aarch64": "qemu-aarch64", "cortex": "qemu-arm"}


def emulator_of(compiler: str) -> str | None:
    """What runs programs of that compiler; None where this computer does."""
    return next((program for part, program in EMULATORS.items() if part in compiler), None)


def program(built: object, folder: Path, compiler: str, leave: bool = False) -> bytes:
    """What a program of the C prints of all rows. leave: without the lines that keep operations apart."""
    sources = dict(built.sources)  # type: ignore[attr-defined]
    if leave:
        sources["net.c"] = sources["net.c"].replace('#pragma GCC optimize("fp-contract=off")', "").replace(
            "#pragma STDC FP_CONTRACT OFF", "")  # fmt: skip
    rows = ",\n".join("{" + ", ".join(f"{float(v).hex()}f" for v in r) + "}" for r in ROWS)
    emulator = emulator_of(compiler)
    bare = emulator is not None
    put = "int put(const void *data, unsigned long size);" if bare else (
        "#include <stdio.h>\n#define put(data, size) (fwrite(data, size, 1, stdout) == 1)"
    )  # fmt: skip
    if bare:
        sources["bare.c"] = BARE
        sources["math.h"] = "#define INFINITY __builtin_inff()\n#define NAN __builtin_nanf(\"\")\n"
        declared = ("void *memcpy(void *, const void *, size_t);", "void *memset(void *, int, size_t);")
        sources["string.h"] = "\n".join(("#include <stddef.h>", *declared, ""))
    sources["main.c"] = f"""{put}
#include "net.h"
static const float x[20][24] = {{{rows}}};
static union {{ double whole; unsigned char bytes[NET_ARENA_BYTES]; }} arena;
int main(void)
{{
    for (int i = 0; i < 20; i++) {{
        float y[9];
        if (net_run(x[i], y, arena.bytes)) return 1;
        if (!put(y, sizeof y)) return 2;
    }}
    return 0;
}}
"""
    for name, text in sources.items():
        (folder / name).write_text(text)
    names = [n for n in sources if n.endswith(".c")]
    libraries = ["-lgcc"] if "cortex" in compiler else [] if bare else ["-lm"]
    subprocess.run([*COMPILERS[compiler], *names, "-o", "net", *libraries], cwd=folder, check=True)
    run = [emulator, "./net"] if emulator else ["./net"]
    return subprocess.run(run, cwd=folder, check=True, capture_output=True).stdout


def can_run(compiler: str) -> bool:
    if (emulator := emulator_of(compiler)) is not None:
        return shutil.which(emulator) is not None and shutil.which(COMPILERS[compiler][0]) is not None
    return " fma " in Path("/proc/cpuinfo").read_text() and shutil.which(COMPILERS[compiler][0]) is not None


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_same_bits_at_the_defaults(built: object, compiler: str, tmp_path: Path) -> None:
    if not can_run(compiler):
        pytest.skip(f"{compiler} can't be run here")
    want = built.run(ROWS).tobytes()  # type: ignore[attr-defined]
    assert program(built, tmp_path, compiler) == want


def test_without_these_lines_they_differ(built: object, tmp_path: Path) -> None:
    """So the test above can fail."""
    able = [c for c in COMPILERS if can_run(c) and "strict" not in c]
    if not able:
        pytest.skip("no machine with fused multiply-add")
    want = built.run(ROWS).tobytes()  # type: ignore[attr-defined]
    differ = [c for c in able if program(built, tmp_path, c, leave=True) != want]
    assert differ and ("gcc, cortex-m4" in differ or "gcc, cortex-m4" not in able)


def compiled(folder: Path, *flags: str) -> tuple[int, str]:
    done = subprocess.run([*ZIG, *flags, "-c", "net.c", "net_weights.c"], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_fast_math_is_refused(built: object, tmp_path: Path) -> None:
    built.save(tmp_path)  # type: ignore[attr-defined]
    assert compiled(tmp_path)[0] == 0
    status, said = compiled(tmp_path, "-ffast-math")
    assert status != 0 and "-ffast-math changes its results" in said


@pytest.mark.parametrize("file", ["net.h", "net.c", "net_weights.c"])
def test_files_of_two_builds_do_not_compile_together(built: object, file: str, tmp_path: Path) -> None:
    other = skosh.compile(skosh.load(dense(seed=1), name="net"), target="host")
    for name, text in {**built.sources, file: other.sources[file]}.items():  # type: ignore[attr-defined]
        assert UNKNOWN not in text
        (tmp_path / name).write_text(text)
    status, said = compiled(tmp_path)
    assert status != 0 and "are of different builds" in said


def test_integers_need_no_such_lines() -> None:
    from tests.ops.test_convolution import conv_model

    build = skosh.compile(skosh.load(conv_model(1, "int8"), name="c"), target="host")
    assert "FP_CONTRACT" not in build.sources["c.c"] and "C_BUILD_ID" in build.sources["c.c"]
