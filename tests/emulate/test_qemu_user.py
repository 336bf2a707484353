"""Programs under qemu-user: outputs, exact counts against single steps, layers, snapshots, stack, vector lengths, faults."""

from __future__ import annotations

import pytest

from skosh.base.errors import InputError, ToolError
from skosh.build import compile_firmware
from skosh.emulate import Snapshot
from skosh.emulate.qemu_user import QemuUserMachine
from skosh.targets import Target, target, vector_length
from tests.emulate.test_emulate_machine import HEADER, TWO_LAYERS, X, body, second
from tests.support.machines import missing

TARGETS = ["rv64gcv", "aarch64", "aarch64-sve"]
pytestmark = pytest.mark.skipif(any(map(missing, TARGETS)), reason="qemu-user is not installed")

HARNESS = """\
#include "kws.h"
int8_t skosh_input[16], skosh_output[4];
uint64_t skosh_arena[32];
int32_t skosh_three = 3;
int skosh_main(void);
int skosh_main(void) { return kws_run(skosh_input, skosh_output, skosh_arena); }
void skosh_mark(int32_t layer);
void skosh_mark(int32_t layer) { *(volatile uint32_t *)MARKERu = (uint32_t)layer; }
"""
MARKS = "#include <stdint.h>\nvoid skosh_mark(int32_t layer);\n#define KWS_LAYER_DONE(layer, arena) skosh_mark(layer)\n"


def machine(
    code: str,
    name: str | Target,
    optimize: str = "balanced",
    watch: str | None = "kws_run",
    harness: str = HARNESS,
    single: bool = False,
) -> QemuUserMachine:
    chosen = target(name) if isinstance(name, str) else name
    sources = {"kws.h": HEADER + MARKS, "kws.c": code}
    harness = harness.replace("MARKER", hex(chosen.marker))
    firmware = compile_firmware(chosen, sources, prefix="kws", harness=harness, optimize=optimize)
    return QemuUserMachine(firmware.elf, chosen, watch=watch, single=single)


@pytest.mark.parametrize("name", TARGETS)
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
    assert run.layers[1].instructions > run.layers[0].instructions > 50
    rest = run.instructions - sum(cost.instructions for cost in run.layers.values())
    assert 0 <= rest < 30
    assert 0 < run.harness.instructions < 30
    assert run.cycles_modelled is None
    assert m.call().instructions == run.instructions


@pytest.mark.parametrize("name", TARGETS)
def test_counts_equal_single_steps(name: str) -> None:
    assert machine(TWO_LAYERS, name).call() == machine(TWO_LAYERS, name, single=True).call()


def test_a_loop_counts_what_it_says() -> None:
    riscv = '__asm__ volatile("li a5, 1000\\n1: nop\\n\\taddi a5, a5, -1\\n\\tbnez a5, 1b" : : : "a5");\nreturn 0;'
    arm = '__asm__ volatile("mov x9, #1000\\n1: nop\\n\\tsubs x9, x9, #1\\n\\tb.ne 1b" : : : "x9", "cc");\nreturn 0;'
    for name, lines in (("rv64gcv", riscv), ("aarch64", arm)):
        assert 3000 + 3 <= machine(body(lines), name).call().instructions <= 3000 + 6


@pytest.mark.parametrize("name", ["rv64gcv", "aarch64-sve"])
def test_the_length_of_vectors_is_the_machines(name: str) -> None:
    asks = {"rv64gcv": "csrr %0, vlenb", "aarch64-sve": "rdvl %0, #1"}[name]
    code = body(f'unsigned long n; __asm__ volatile("{asks}" : "=r"(n)); y[0] = (int8_t)n;\nreturn 0;')
    for bits in (128, 256, 512):
        m = machine(code, vector_length(target(name), bits))
        m.call()
        assert m.read("skosh_output", 1)[0] == bits // 8


def test_lengths_that_no_vector_has() -> None:
    with pytest.raises(InputError, match=r'^target must have vectors of any length, not "aarch64"\. Hint: rv64gcv'):
        vector_length(target("aarch64"), 256)
    with pytest.raises(InputError, match=r"^vector length must be one of 128, 256, 512, 1024 bits, not 300"):
        vector_length(target("rv64gcv"), 300)


def test_data_and_bss_are_there() -> None:
    code = body("extern int32_t skosh_three; y[0] = (int8_t)skosh_three++;\nreturn 0;")
    m = machine(code, "aarch64")
    got = []
    for _ in range(2):
        m.call()
        got.append(m.read("skosh_output", 1)[0])
    assert got == [3, 4]
    assert m.read("skosh_input", 16) == bytes(16)


@pytest.mark.parametrize("name", TARGETS)
def test_stack_is_that_of_the_watched_function(name: str) -> None:
    deep = body("volatile int8_t b[1000]; b[x[0]] = 1; b[999] = 0; y[0] = b[5];\nreturn 0;")
    calls = "return kws_run(skosh_input, skosh_output, skosh_arena);"
    around = HARNESS.replace(calls, calls.replace("return ", "volatile int n = ").replace(";", "; n++; return n;"))
    for harness in (HARNESS, around):
        assert 1000 <= machine(deep, name, harness=harness).call().stack_bytes <= 1040
    assert machine(body("y[0] = x[0];\nreturn 0;"), name).call().stack_bytes <= 16


@pytest.mark.parametrize("name", TARGETS)
def test_a_fault_is_told(name: str) -> None:
    m = machine(body("return *(volatile int8_t *)8;"), name)
    with pytest.raises(ToolError, match=r"^qemu-\w+ ended with status -11"):
        m.call()


def test_an_endless_loop_ends() -> None:
    loop = body("for (;;) { y[0] = *(volatile const int8_t *)x; }")
    with pytest.raises(ToolError, match=r"stopped at kws_run.*: it ran more than 1000000 instructions"):
        machine(loop, "rv64gcv").call(max_instructions=1_000_000)
    with pytest.raises(ToolError, match=r"^firmware on aarch64: it ran longer than 0\.1 s"):
        machine(loop, "aarch64").call(timeout_s=0.1)


def test_wrong_places_are_told() -> None:
    m = machine(TWO_LAYERS, "aarch64")
    with pytest.raises(InputError, match='"skosh_input" has 16 bytes, not 17'):
        m.write("skosh_input", bytes(17))
    with pytest.raises(InputError, match="no memory at 0x10000000 to read 4 bytes"):
        m.read(0x10000000, 4)


def test_the_emulator_ends_with_the_machine() -> None:
    m = machine(TWO_LAYERS, "aarch64")
    process = m._process._process
    del m
    assert process.wait(10) is not None
