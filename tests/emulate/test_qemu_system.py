"""Firmware under qemu-system-arm: outputs, exact counts against single steps, layers, snapshots, stack, faults."""

from __future__ import annotations

import pytest

from skosh.base.errors import InputError, ToolError
from skosh.build import compile_firmware
from skosh.emulate import Snapshot
from skosh.emulate.frames import stack_depth
from skosh.emulate.qemu_system import QemuMachine
from skosh.targets import target
from tests.emulate.test_emulate_machine import HEADER, TWO_LAYERS, X, body, second
from tests.support.machines import missing

pytestmark = pytest.mark.skipif(bool(missing("cortex-m55")), reason="qemu-system-arm is not installed")

M55 = target("cortex-m55")
HARNESS = f"""\
#include "kws.h"
int8_t skosh_input[16], skosh_output[4];
unsigned char skosh_arena[256];
int skosh_main(void);
int skosh_main(void) {{ return kws_run(skosh_input, skosh_output, skosh_arena); }}
void skosh_mark(int32_t layer);
void skosh_mark(int32_t layer) {{ *(volatile uint32_t *){M55.marker:#x}u = (uint32_t)layer; }}
"""
MARKS = "#include <stdint.h>\nvoid skosh_mark(int32_t layer);\n#define KWS_LAYER_DONE(layer, arena) skosh_mark(layer)\n"


def machine(
    code: str, optimize: str = "balanced", watch: str | None = "kws_run", harness: str = HARNESS, single: bool = False
) -> QemuMachine:
    sources = {"kws.h": HEADER + MARKS, "kws.c": code}
    firmware = compile_firmware(M55, sources, prefix="kws", harness=harness, optimize=optimize)
    return QemuMachine(firmware.elf, M55, watch=watch, single=single)


def test_outputs_layers_and_snapshots() -> None:
    m = machine(TWO_LAYERS)
    m.write("skosh_input", X)
    arena = m.image.address("skosh_arena")
    run = m.call(snapshots=(Snapshot(0, arena, 256), Snapshot(1, arena + 8, 4)))
    hidden = [X[i & 15] // 2 for i in range(256)]
    assert m.read("skosh_output", 1)[0] == second(hidden) & 127
    assert m.read("skosh_output", 2)[1] == int(second(hidden) / 100) & 255
    assert run.snapshots == (bytes(hidden), bytes(hidden[8:12]))
    assert set(run.layers) == {0, 1}
    assert run.layers[1].instructions > 5 * run.layers[0].instructions > 200
    rest = run.instructions - sum(cost.instructions for cost in run.layers.values())
    assert 0 <= rest < 30
    assert 0 < run.harness.instructions < 30
    assert run.cycles_modelled is None
    assert m.call().instructions == run.instructions


@pytest.mark.parametrize("optimize", ["balanced", "flash"])
def test_counts_equal_single_steps(optimize: str) -> None:
    blocks, steps = machine(TWO_LAYERS, optimize).call(), machine(TWO_LAYERS, optimize, single=True).call()
    assert blocks == steps


def test_counts_are_exact_in_long_straight_code() -> None:
    step = "v = (v ^ {0}u) * {1}u + (v >> {2}); if (v & {3}u) {{ y[1]++; }}"
    lines = (step.format(i * 40503, i * 7919 + 13, i % 13 + 1, 1 << i % 20) for i in range(600))
    code = body("uint32_t v = (uint32_t)x[0];\n" + "\n".join(lines) + "\ny[0] = (int8_t)(v & 127u);\nreturn 0;")
    run = machine(code).call()
    assert run.instructions > 4000
    assert run == machine(code, single=True).call()


def test_a_loop_counts_what_it_says() -> None:
    lines = '__asm__ volatile("dls lr, %0\\n\\t1: nop\\n\\tnop\\n\\tle lr, 1b" : : "r"(1000) : "lr");\nreturn 0;'
    assert 3000 + 2 <= machine(body(lines)).call().instructions <= 3000 + 10


def test_without_a_watched_function_the_harness_counts_too() -> None:
    watched, everything = machine(TWO_LAYERS).call(), machine(TWO_LAYERS, watch=None).call()
    assert everything.harness.instructions == 0
    assert everything.instructions == watched.instructions + watched.harness.instructions
    assert everything.layers[1] == watched.layers[1]


def test_a_harness_that_calls_and_returns() -> None:
    calls = "return kws_run(skosh_input, skosh_output, skosh_arena);"
    around = calls.replace("return ", "volatile int n = ").replace(";", "; n++; return n;")
    run = machine(TWO_LAYERS, harness=HARNESS.replace(calls, around)).call()
    plain = machine(TWO_LAYERS).call()
    assert run.instructions == plain.instructions
    assert run.harness.instructions > plain.harness.instructions
    assert run.stack_bytes == plain.stack_bytes


def test_stack_is_that_of_the_watched_function() -> None:
    deep = body("volatile int8_t b[1000]; b[x[0]] = 1; b[999] = 0; y[0] = b[5];\nreturn 0;")
    assert 1000 <= machine(deep).call().stack_bytes <= 1040
    assert machine(body("y[0] = x[0];\nreturn 0;")).call().stack_bytes <= 8


def test_depth_of_a_frame() -> None:
    # push {r4, r7, lr}; sub sp, #20; bl +0 (to 0x10a)
    code = bytes.fromhex("90b5 85b0 00f0 00f8 0000")
    assert stack_depth((0x100, code), 0x108) == 12 + 20
    assert stack_depth((0x100, code), 0x200) is None


def test_state_lives_from_call_to_call() -> None:
    m = machine(body("int8_t *n = a;\n*n = (int8_t)(*n + x[0]);\ny[0] = *n;\nreturn 0;"))
    m.write("skosh_input", b"\x03")
    results = []
    for _ in range(3):
        m.call()
        results.append(m.read("skosh_output", 1)[0])
    assert results == [3, 6, 9]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("return *(volatile int8_t *)0xf0000000;", r"kws_run.*: an exception was taken"),
        ('__asm__ volatile("udf #1"); return 0;', r"kws_run.*: an exception was taken"),
        ('__asm__ volatile("1: b 1b"); return 0;', r"kws_run.*: it ran more than 1000000 instructions"),
    ],
)
def test_a_fault_names_the_function(lines: str, message: str) -> None:
    m = machine(body(lines))
    with pytest.raises(ToolError, match=f"^firmware on cortex-m55 stopped at {message}"):
        m.call(max_instructions=1_000_000)


def test_a_timeout_ends_a_loop() -> None:
    m = machine(body('__asm__ volatile("1: b 1b"); return 0;'))
    with pytest.raises(ToolError, match=r"firmware on cortex-m55: it ran longer than 0\.1 s"):
        m.call(timeout_s=0.1)


def test_wrong_symbols_and_sizes_are_told() -> None:
    m = machine(TWO_LAYERS)
    with pytest.raises(InputError, match='"skosh_input" has 16 bytes, not 17'):
        m.write("skosh_input", bytes(17))
    with pytest.raises(ToolError, match='firmware has no symbol "skosh_inputs"'):
        m.write("skosh_inputs", b"")
    with pytest.raises(InputError, match="no memory at 0x40000000 to read 4 bytes"):
        m.read(0x40000000, 4)


def test_the_emulator_ends_with_the_machine() -> None:
    m = machine(TWO_LAYERS)
    process = m._process._process
    del m
    assert process.wait(10) is not None


def test_a_missing_emulator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from skosh.emulate import qemu_plugin

    monkeypatch.setenv("PATH", "")
    qemu_plugin.qemu_version.cache_clear()
    with pytest.raises(ToolError, match="no emulator: qemu-system-arm was not found"):
        qemu_plugin.qemu_version("qemu-system-arm", "qemu-system-arm")
