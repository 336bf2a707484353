"""Helium computes what the language says: each spelling on the emulated Cortex-M55 against the interpreter, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from skosh.build import compile_firmware
from skosh.emit.expressions import literal
from skosh.emulate.qemu_system import QemuMachine
from skosh.ir.layout import used_numbers
from skosh.targets import target
from skosh.targets.simd import vector_machine
from tests.support.lanes import Trial, expected, trials, unit
from tests.support.machines import missing

pytestmark = pytest.mark.skipif(bool(missing("cortex-m55")), reason="qemu-system-arm is not installed")


def run_on_m55(found: Sequence[Trial]) -> list[dict[str, np.ndarray]]:
    """The buffers after each trial's kernel has run."""
    m55 = target("cortex-m55")
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
    m = QemuMachine(compile_firmware(m55, {"t.c": code}, prefix="t", harness=harness).elf, m55)
    for i, t in enumerate(found):
        for n, b in t.buffers.items():
            m.write(f"b{i}_{n}", b.tobytes())
    m.call()
    return [
        {n: np.frombuffer(m.read(f"b{i}_{n}", b.nbytes), b.dtype) for n, b in t.buffers.items()}
        for i, t in enumerate(found)
    ]


@pytest.mark.parametrize("vectors", [1, 2])
def test_the_machine_computes_what_the_language_says(vectors: int) -> None:
    found = trials(vector_machine("helium"), vectors)
    assert len(found) > 50
    got = run_on_m55(found)
    differ = [
        t.name
        for t, after in zip(found, got, strict=True)
        if not np.array_equal(expected(t)["y"].view(np.uint8), after["y"].view(np.uint8))
    ]
    assert not differ
