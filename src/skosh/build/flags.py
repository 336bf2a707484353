"""Compiler flags: what every compilation says, and what each aim adds."""

from __future__ import annotations

from skosh.base.aims import Aim, as_aim

#: Emitted C must pass these without a word.
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")

#: The same meaning everywhere: no fused multiply-add, no sanitizer (zig's default), errno left alone.
MEANING = ("-ffp-contract=off", "-fno-math-errno", "-fno-sanitize=undefined")

#: What a bare machine needs: unused functions can go, no unwinding, no stack protector, no frame pointer. Hosted,
#: so that the compiler may open-code memcpy and sqrtf as firmware compilers do; runtime/ brings the functions.
BARE = (
    "-fhosted", "-ffunction-sections", "-fdata-sections", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector", "-fomit-frame-pointer", "-g0",
    # these cores run in order: LLVM's scheduler moves loads up, for latencies they don't have, and spills register tiles
    "-mllvm", "-enable-misched=false",
)  # fmt: skip

#: aim -> optimization. Loops are unrolled by our schedules, with registers counted; only for speed may the compiler add to it.
#: zig hands -O3 on as -O2, and -Oz as -Os. A real -O3 (-Xclang -O3) gains nothing: 99.3 to 100.1 % of the instructions of
#: kws, ic, vww and ad on a Cortex-M4, for 4 to 23 % more code.
OPTIMIZE: dict[Aim, tuple[str, ...]] = {
    "balanced": ("-O2", "-fno-unroll-loops"),
    "speed": ("-O3",),
    "flash": ("-Os",),
    "ram": ("-O2", "-fno-unroll-loops"),
}

#: aim -> what each file is compiled with once more, to keep the smaller object.
SMALLER: dict[Aim, tuple[str, ...]] = {"flash": ("-Xclang", "-Oz")}


def optimize_flags(optimize: str) -> tuple[str, ...]:
    """The optimization flags for an aim; an InputError that lists the aims for another word."""
    return OPTIMIZE[as_aim(optimize)]
