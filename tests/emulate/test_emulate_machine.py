"""Firmware under Unicorn: outputs, exact counts against single steps, layers, snapshots, stack, faults."""

from __future__ import annotations

from typing import Any

import pytest

from skosh.base.errors import InputError, ToolError
from skosh.build import compile_firmware
from skosh.emulate import Machine, Snapshot, run_firmware
from skosh.targets import marker_define, names, target

CORTEX = [name for name in names() if target(name).emulator.startswith("CORTEX")]  # that Unicorn has
HEADER = """\
#include <stdint.h>
int kws_run(const int8_t input[16], int8_t output[4], void *arena);
"""
HARNESS = """\
#include "kws.h"
int8_t skosh_input[16], skosh_output[4];
unsigned char skosh_arena[256];
int skosh_main(void);
int skosh_main(void) { return kws_run(skosh_input, skosh_output, skosh_arena); }
"""
TWO_LAYERS = """\
#include "kws.h"
#ifndef KWS_LAYER_DONE
#define KWS_LAYER_DONE(layer, arena) ((void)0)
#endif
static void first(const int8_t *x, int8_t *a) { for (int32_t i = 0; i < 256; i++) { a[i] = (int8_t)(x[i & 15] / 2); } }
static int32_t second(const int8_t *a)
{
    int32_t acc = 0;
    for (int32_t n = 0; n < 9; n++) {
        for (int32_t i = 0; i < 256; i++) {
            acc += a[i] > n ? a[i] * a[255 - i] : 1;
        }
    }
    return acc;
}
int kws_run(const int8_t input[16], int8_t output[4], void *arena)
{
    first(input, arena);
    KWS_LAYER_DONE(0, arena);
    int32_t acc = second(arena);
    KWS_LAYER_DONE(1, arena);
    output[0] = (int8_t)(acc & 127);
    output[1] = (int8_t)(int32_t)((float)acc / 100.0F);
    return 0;
}
"""
X = bytes(range(16))


def second(a: list[int]) -> int:
    return sum(a[i] * a[255 - i] if a[i] > n else 1 for n in range(9) for i in range(256))


def machine(code: str, name: str = "cortex-m4", optimize: str = "balanced", watch: str | None = "kws_run") -> Machine:
    sources = {"kws.h": HEADER, "kws.c": code}
    chosen = target(name)
    firmware = compile_firmware(
        chosen, sources, prefix="kws", harness=HARNESS, optimize=optimize, defines=(marker_define("kws"),)
    )
    return Machine(firmware.elf, chosen, watch=watch, check_alignment=True)


def single_steps(m: Machine) -> int:
    """Instructions that one call executes, one by one; those under an IT whose condition fails take their cycle, too."""
    executed, passed_over = steps_and_skips(m)
    return executed + passed_over


def steps_and_skips(m: Machine) -> tuple[int, int]:
    """(instructions that are executed, instructions whose condition fails)."""
    steps = skips = end = left = 0

    def step(uc: Any, address: int, size: int, user: Any) -> None:
        nonlocal steps, skips, end, left
        if address == m.image.address("skosh_stop"):
            return
        while left and end < address:  # what Unicorn passes over
            end += 4 if uc.mem_read(end + 1, 1)[0] >> 3 in (0b11101, 0b11110, 0b11111) else 2
            skips, left = skips + 1, left - 1
        steps, end, left = steps + 1, address + size, max(0, left - 1)
        low, high = uc.mem_read(address, 2)
        if size == 2 and high == 0xBF and low & 15:
            left = 4 - ((low & 15 & -(low & 15)).bit_length() - 1)

    import unicorn

    m._emulator.hook_add(unicorn.UC_HOOK_CODE, step)
    m.call()
    return steps, skips


def body(lines: str) -> str:
    start = "int kws_run(const int8_t *x, int8_t *y, void *a)\n{\n(void)x, (void)y, (void)a;"
    return f'#include "kws.h"\n{start}\n{lines}\n}}\n'


@pytest.mark.parametrize("name", CORTEX)
def test_outputs_layers_and_snapshots(name: str) -> None:
    m = machine(TWO_LAYERS, name)
    m.write("skosh_input", X)
    arena = m.image.address("skosh_arena")
    run = m.call(snapshots=(Snapshot(0, arena, 256), Snapshot(1, arena + 8, 4)))
    hidden = [X[i & 15] // 2 for i in range(256)]
    assert m.read("skosh_output", 1)[0] == second(hidden) & 127
    assert m.read("skosh_output", 2)[1] == int(second(hidden) / 100) & 255
    assert run.snapshots == (bytes(hidden), bytes(hidden[8:12]))
    assert set(run.layers) == {0, 1}
    assert run.layers[1].instructions > 5 * run.layers[0].instructions > 1000
    rest = run.instructions - sum(cost.instructions for cost in run.layers.values())
    assert 0 <= rest < 700  # converting and dividing the accumulator, in software on some, to the last bit
    assert run.harness.instructions < 20
    assert run.cycles_modelled is not None
    assert name == "cortex-m7" or run.cycles_modelled > run.instructions
    assert m.call().instructions == run.instructions


@pytest.mark.parametrize("optimize", ["balanced", "flash"])
@pytest.mark.parametrize("name", ["cortex-m0plus", "cortex-m7"])
def test_counts_equal_single_steps(name: str, optimize: str) -> None:
    run = machine(TWO_LAYERS, name, optimize).call()
    assert run.instructions + run.harness.instructions == single_steps(machine(TWO_LAYERS, name, optimize))


def test_counts_are_exact_in_long_straight_code() -> None:
    step = "v = (v ^ {0}u) * {1}u + (v >> {2}); if (v & {3}u) {{ y[1]++; }}"
    lines = (step.format(i * 40503, i * 7919 + 13, i % 13 + 1, 1 << i % 20) for i in range(600))
    code = body("uint32_t v = (uint32_t)x[0];\n" + "\n".join(lines) + "\ny[0] = (int8_t)(v & 127u);\nreturn 0;")
    run = machine(code, "cortex-m0plus").call()
    assert run.instructions > 4000
    assert run.instructions + run.harness.instructions == single_steps(machine(code, "cortex-m0plus"))


def test_what_an_it_block_skips_counts_as_executed() -> None:
    code = body(
        "int32_t i = 0, n = 0;\n"
        '__asm__ volatile("1: cmp %0, #4\\n\\titt lt\\n\\taddlt %1, #1\\n\\taddlt %1, #1\\n\\t"\n'
        '                 "adds %0, #1\\n\\tcmp %0, #10\\n\\tbne 1b" : "+l"(i), "+l"(n) : : "cc");\n'
        "y[0] = (int8_t)n;\nreturn 0;"
    )
    m = machine(code)
    run = m.call()
    assert m.read("skosh_output", 1) == b"\x08"
    executed, passed_over = steps_and_skips(machine(code))
    assert passed_over == 2 * 6
    assert run.instructions + run.harness.instructions == executed + passed_over
    assert run.cycles_modelled is not None
    # 10 times: cmp, itt, two adds, adds, cmp at 1 cycle, bne at 3 but for the last at 1
    around = run.cycles_modelled - (10 * (6 + 3) - 2)
    assert 0 < around < 15


def test_without_a_watched_function_the_harness_counts_too() -> None:
    watched, everything = machine(TWO_LAYERS).call(), machine(TWO_LAYERS, watch=None).call()
    assert everything.harness.instructions == 0
    assert everything.instructions == watched.instructions + watched.harness.instructions
    assert everything.layers[1] == watched.layers[1]


def test_stack_is_that_of_the_watched_function() -> None:
    deep = body("volatile int8_t b[1000]; b[x[0]] = 1; b[999] = 0; y[0] = b[5];\nreturn 0;")
    m = machine(deep)
    assert 1000 <= m.call().stack_bytes <= 1040
    assert machine(body("y[0] = x[0];\nreturn 0;")).call().stack_bytes <= 8


def test_state_lives_from_call_to_call() -> None:
    m = machine(body("int8_t *n = a;\n*n = (int8_t)(*n + x[0]);\ny[0] = *n;\nreturn 0;"))
    m.write("skosh_input", b"\x03")
    results = []
    for _ in range(3):
        m.call()
        results.append(m.read("skosh_output", 1)[0])
    assert results == [3, 6, 9]


def test_one_call_of_a_fresh_machine() -> None:
    firmware = compile_firmware(
        target("cortex-m3"), {"kws.h": HEADER, "kws.c": body("y[0] = (int8_t)(x[0] + 1);\nreturn 0;")},
        prefix="kws", harness=HARNESS,
    )  # fmt: skip
    run, read = run_firmware(
        firmware.elf, target("cortex-m3"), writes={"skosh_input": b"\x29"}, reads={"skosh_output": 1}, watch="kws_run"
    )
    assert read == {"skosh_output": b"\x2a"}
    assert run.instructions < 12


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("return *(volatile int8_t *)0x40000000;", r"kws_run.*: Invalid memory read"),
        ("*(volatile int8_t *)0x08000000 = 1; return 0;", r"kws_run.*: Write to write-protected memory"),
        ('__asm__ volatile("udf #1"); return 0;', r"kws_run.*: "),
        ('__asm__ volatile("1: b 1b"); return 0;', r"kws_run.*: it ran more than 1000000 instructions"),
        ('__asm__ volatile("b skosh_fault"); return 0;', r"skosh_fault: an exception was taken"),
    ],
)
def test_a_fault_names_the_function(lines: str, message: str) -> None:
    m = machine(body(lines))
    with pytest.raises(ToolError, match=f"^firmware on cortex-m4 stopped at {message}"):
        m.call(max_instructions=1_000_000)


def test_the_m0plus_refuses_a_misaligned_load() -> None:
    code = body("return *(volatile int32_t *)(void *)((int8_t *)a + 1);")
    with pytest.raises(ToolError, match=r"stopped at kws_run.*: a load or store must be aligned to its size here"):
        machine(code, "cortex-m0plus").call()
    machine(code, "cortex-m3").call()


def test_a_timeout_ends_a_loop() -> None:
    m = machine(body('__asm__ volatile("1: b 1b"); return 0;'))
    with pytest.raises(ToolError, match=r"stopped at kws_run.*: it ran longer than 0\.1 s"):
        m.call(timeout_s=0.1)


def test_wrong_symbols_and_sizes_are_told() -> None:
    m = machine(TWO_LAYERS)
    with pytest.raises(InputError, match='"skosh_input" has 16 bytes, not 17'):
        m.write("skosh_input", bytes(17))
    with pytest.raises(ToolError, match='firmware has no symbol "skosh_inputs"'):
        m.write("skosh_inputs", b"")
    with pytest.raises(InputError, match="no memory at 0x40000000 to read 4 bytes"):
        m.read(0x40000000, 4)
    with pytest.raises(InputError, match='target must be one that is emulated, not "host"'):
        Machine(b"", target("host"))
