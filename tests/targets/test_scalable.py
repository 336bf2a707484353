"""NEON, SVE and RVV compute what the language says: each spelling, under qemu-user, against the interpreter, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from skosh.build import compile_firmware
from skosh.emit.expressions import literal
from skosh.emulate.qemu_user import QemuUserMachine
from skosh.ir.layout import used_numbers
from skosh.targets import Target, target, vector_length
from skosh.targets.simd import vector_machine
from tests.support.lanes import Trial, expected, trials, unit
from tests.support.machines import needs

MACHINES = [
    ("aarch64", 128), ("aarch64-sve", 128), ("aarch64-sve", 256), ("aarch64-sve", 512), ("rv64gcv", 128), ("rv64gcv", 256),
    ("rv64gcv", 1024),
]  # fmt: skip


def chosen(name: str, bits: int) -> Target:
    return target(name) if name == "aarch64" else vector_length(target(name), bits)


def program(found: Sequence[Trial], machine: Target) -> bytes:
    """An ELF file whose skosh_main runs each trial's kernel on buffers called b<i>_<name>."""
    code = unit([t.kernel for t in found])
    buffers, prototypes, calls = "", "", ""
    for i, t in enumerate(found):
        buffers += "".join(f"{t.kernel.param(n).dtype.c} b{i}_{n}[{b.size}];\n" for n, b in t.buffers.items())
        numbers = [literal(t.numbers[v.name], v.dtype)[0] for v in used_numbers(t.kernel)]
        arguments = [*(f"b{i}_{p.name}" for p in t.kernel.params), *numbers]
        start = code.index(f"void t_k{i}(")
        prototypes += code[start : code.index(";", start) + 1] + "\n"
        calls += f"    t_k{i}({', '.join(arguments)});\n"
    harness = f"#include <stdint.h>\n#include <stdbool.h>\nint skosh_main(void);\n{prototypes}{buffers}"
    harness += f"int skosh_main(void)\n{{\n{calls}    return 0;\n}}\n"
    return compile_firmware(machine, {"t.c": code}, prefix="t", harness=harness).elf


def outputs(found: Sequence[Trial], elf: bytes, machine: Target) -> list[np.ndarray]:
    """What each trial's kernel leaves in y."""
    m = QemuUserMachine(elf, machine)
    for i, t in enumerate(found):
        for n, b in t.buffers.items():
            m.write(f"b{i}_{n}", b.tobytes())
    m.call()
    return [np.frombuffer(m.read(f"b{i}_y", t.buffers["y"].nbytes), np.uint8) for i, t in enumerate(found)]


@pytest.mark.parametrize("vectors", [1, 2])
@pytest.mark.parametrize(("name", "bits"), MACHINES)
def test_the_machine_computes_what_the_language_says(name: str, bits: int, vectors: int) -> None:
    needs(name)
    machine = chosen(name, bits)
    found = trials(vector_machine(machine.simd), vectors)
    assert len(found) > 40
    got = outputs(found, program(found, machine), machine)
    differ = [t.name for t, y in zip(found, got, strict=True) if not np.array_equal(expected(t)["y"].view(np.uint8), y)]
    assert not differ
