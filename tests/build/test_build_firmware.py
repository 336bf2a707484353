"""Firmware from little hand-written C in the shape of an emitted model: sizes, libraries, errors as small letters."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from skosh.base.errors import FitError, InputError, ToolError
from skosh.build import compile_firmware
from skosh.build.flags import MEANING, SMALLER
from skosh.targets import Memory, names, read_elf, target
from skosh.targets.toolchain import run_tool, zig

CORTEX = [name for name in names() if name.startswith("cortex")]
MODEL = {
    "kws.h": """\
#include <stdint.h>
int kws_run(const int8_t input[16], int8_t output[4], void *arena);
extern const int8_t kws_weight[1000];
""",
    "kws.c": """\
#include "kws.h"
int kws_run(const int8_t input[16], int8_t output[4], void *arena)
{
    int32_t acc = 0;
    for (int32_t i = 0; i < 1000; i++) {
        acc += input[i & 15] * kws_weight[i];
    }
    (void)arena;
    output[0] = (int8_t)(acc >> 8);
    return 0;
}
""",
    "kws_weights.c": '#include "kws.h"\nconst int8_t kws_weight[1000] = {1, 2, 3};\n',
}
HARNESS = """\
#include "kws.h"
int8_t skosh_input[16], skosh_output[4];
unsigned char skosh_arena[64];
int skosh_main(void);
int skosh_main(void) { return kws_run(skosh_input, skosh_output, skosh_arena); }
"""


def with_body(body: str) -> dict[str, str]:
    code = f'#include "kws.h"\n#include <math.h>\n#include <string.h>\n{body}'
    return {"kws.h": MODEL["kws.h"], "kws.c": code}


@pytest.mark.parametrize("name", CORTEX)
def test_sizes_come_from_the_linker_map(name: str) -> None:
    firmware = compile_firmware(target(name), MODEL, prefix="kws", harness=HARNESS)
    assert firmware.flash_weights == 1000
    assert 0 < firmware.flash_code == firmware.objects["kws.o"][0] < 600
    assert firmware.ram_static == 0
    assert firmware.sizes.ram_support == 16 + 4 + 64 + 4  # rounded up to 8
    in_flash = sum(s.size for n, s in firmware.sections.items() if n in (".vectors", ".text", ".rodata", ".data"))
    assert firmware.flash_code + firmware.flash_weights + firmware.sizes.flash_support == in_flash
    assert firmware.symbols["skosh_arena"].size == 64


def test_the_same_sources_give_the_same_bytes() -> None:
    first, second = (compile_firmware(target("cortex-m4"), MODEL, prefix="kws", harness=HARNESS) for _ in range(2))
    assert first == second


def test_optimize_flash_is_smaller_than_speed() -> None:
    by_aim = {
        aim: compile_firmware(target("cortex-m4"), MODEL, prefix="kws", harness=HARNESS, optimize=aim).flash_code
        for aim in ("flash", "balanced", "speed")
    }
    assert by_aim["flash"] <= by_aim["balanced"] <= by_aim["speed"]
    assert by_aim["flash"] < by_aim["speed"]


def test_state_of_the_model_counts_as_static_ram() -> None:
    sources = with_body(
        "static int32_t n = 7;\n"
        "int kws_run(const int8_t *input, int8_t *output, void *arena)\n"
        "{ (void)arena; n += input[0]; output[0] = (int8_t)n; return 0; }\n"
    )
    firmware = compile_firmware(target("cortex-m0plus"), sources, prefix="kws", harness=HARNESS)
    assert firmware.ram_static == 4
    assert firmware.sections[".data"].load_address >= target("cortex-m0plus").flash.origin


def test_libm_and_soft_float_come_from_zig() -> None:
    sources = with_body(
        "int kws_run(const int8_t *input, int8_t *output, void *arena)\n"
        "{ (void)arena; output[0] = (int8_t)(int32_t)(tanhf((float)input[0]) * 100.0F); return 0; }\n"
    )
    assert set(compile_firmware(target("cortex-m4"), sources, prefix="kws", harness=HARNESS).objects) >= {"libmath.a"}
    soft = compile_firmware(target("cortex-m0plus"), sources, prefix="kws", harness=HARNESS)
    assert soft.objects["libruntime.a"][0] > 500
    assert soft.flash_code > soft.objects["libruntime.a"][0] + soft.objects["libmath.a"][0]


def test_hosted_code_uses_the_fpu_for_a_square_root() -> None:
    sources = with_body(
        "int kws_run(const int8_t *input, int8_t *output, void *arena)\n"
        "{ (void)arena; output[0] = (int8_t)(int32_t)sqrtf((float)input[0]); return 0; }\n"
    )
    for name in ("cortex-m4", "cortex-m7", "cortex-m33"):
        assert "libruntime.a" not in compile_firmware(target(name), sources, prefix="kws", harness=HARNESS).objects


def test_a_warning_in_emitted_c_is_an_error() -> None:
    sources = with_body(
        "int kws_run(const int8_t *x, int8_t *y, void *a) { (void)a; int n = x[0]; y[0] = n; return 0; }\n"
    )
    with pytest.raises(ToolError) as caught:
        compile_firmware(target("cortex-m4"), sources, prefix="kws", harness=HARNESS)
    first, second = str(caught.value).splitlines()[:2]
    assert first == '"kws" for cortex-m4: compile kws.c: zig failed (exit status 1)'
    assert "kws.c:4:82: error: implicit conversion loses integer precision" in second


def test_a_missing_function_is_named() -> None:
    sources = with_body(
        "int nowhere(void);\n"
        "int kws_run(const int8_t *x, int8_t *y, void *a) { (void)x, (void)y, (void)a; return nowhere(); }\n"
    )
    with pytest.raises(ToolError, match="undefined symbol: nowhere"):
        compile_firmware(target("cortex-m4"), sources, prefix="kws", harness=HARNESS)


def test_too_large_for_ram_is_a_fit_error() -> None:
    small = dataclasses.replace(target("cortex-m4"), ram=Memory(0x20000000, 4096))
    big = HARNESS.replace("skosh_arena[64]", "skosh_arena[5000]")
    with pytest.raises(FitError) as caught:
        compile_firmware(small, MODEL, prefix="kws", harness=big)
    assert str(caught.value) == (
        "the program must fit 4096 bytes of RAM on cortex-m4; it is 928 bytes too large. Hint: try optimize=\"ram\""
    )  # fmt: skip
    with pytest.raises(FitError, match="less than 2048 are left for the stack"):
        compile_firmware(small, MODEL, prefix="kws", harness=HARNESS.replace("[64]", "[3000]"))


def test_an_unknown_aim_lists_the_known() -> None:
    with pytest.raises(InputError) as caught:
        compile_firmware(target("cortex-m4"), MODEL, prefix="kws", harness=HARNESS, optimize="fast")
    assert str(caught.value) == 'optimize must be one of balanced, speed, flash, ram, not "fast".'


def test_an_elf_is_read_back() -> None:
    firmware = compile_firmware(target("cortex-m3"), MODEL, prefix="kws", harness=HARNESS)
    image = read_elf(firmware.elf)
    assert image.entry == image.address("skosh_reset")
    assert image.name_at(image.address("kws_run") + 4) == "kws_run+0x4"
    assert image.segments[0][0] == 0x08000000
    with pytest.raises(ToolError, match='firmware has no symbol "main"'):
        image.address("main")
    with pytest.raises(ToolError, match="must be a little-endian ELF file of 32 or 64 bits"):
        read_elf(b"MZ" + bytes(100))


def test_flash_keeps_the_smaller_of_two_objects_of_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = compile_firmware(target("cortex-m4"), MODEL, prefix="kws", harness=HARNESS, optimize="flash")
    monkeypatch.delitem(SMALLER, "flash")
    plain = compile_firmware(target("cortex-m4"), MODEL, prefix="kws", harness=HARNESS, optimize="flash")
    assert smaller.flash_code < plain.flash_code  # -Oz has an effect, and the cache tells the two apart
    monkeypatch.setitem(SMALLER, "flash", ("-Xclang", "-O3"))
    larger = compile_firmware(target("cortex-m4"), MODEL, prefix="kws", harness=HARNESS, optimize="flash")
    assert larger.flash_code == plain.flash_code  # what isn't smaller isn't kept


EFFECTS = {
    "-O2": ("-O2",),
    "-Os": ("-Os",),
    "a real -Oz": ("-Os", "-Xclang", "-Oz"),
    "no unrolling": ("-O2", "-fno-unroll-loops"),
    "fused multiply-add": ("-O2", "-ffp-contract=fast"),
}
SOURCE = """\
float mixed(const float *a, const float *b, int *c, int n);
float mixed(const float *a, const float *b, int *c, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        sum = sum + a[i] * b[i];
        c[i] = c[i] / 7;
    }
    for (int i = 0; i < n; i++) {
        c[0] += c[i] * 3;
    }
    for (int i = 0; i < n; i++) {
        c[i] = 5;
    }
    return sum;
}
"""


def test_flags_reach_the_compiler(tmp_path: Path) -> None:
    """Each of these changes what is compiled; -O3 and -Oz alone don't: zig hands them on as -O2 and -Os."""
    machine = target("cortex-m7").flags
    (tmp_path / "a.c").write_text(SOURCE, encoding="utf-8")

    def compiled(*flags: str) -> bytes:
        command = [str(zig()), "cc", *machine, *MEANING, *flags, "-g0", "-c", "a.c", "-o", "a.o"]
        run_tool(command, "compile", tmp_path)
        return (tmp_path / "a.o").read_bytes()

    made = {name: compiled(*flags) for name, flags in EFFECTS.items()}
    assert len(set(made.values())) == len(made), [k for k, v in made.items() if list(made.values()).count(v) > 1]
    assert compiled("-Oz") == made["-Os"]
    assert compiled("-O3") == made["-O2"]
