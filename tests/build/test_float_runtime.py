"""Soft-float division of the bare machine is that of IEEE 754, subnormals included."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.build import compile_firmware
from skosh.emulate import Machine
from skosh.targets import target

SPECIAL = np.array(
    [0, 0x80000000, 1, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF800001, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000],
    np.uint32,
)
COUNT = 2048


@pytest.mark.parametrize("machine", ["cortex-m0plus", "cortex-m3"])
def test_quotients(machine):
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**32, (2, COUNT), dtype=np.uint64).astype(np.uint32)
    half = COUNT // 2  # exponents that make subnormal quotients
    bits[0, :half] = (bits[0, :half] & 0x807FFFFF) | (rng.integers(0, 40, half).astype(np.uint32) << 23)
    bits[1, :half] = (bits[1, :half] & 0x807FFFFF) | (rng.integers(110, 165, half).astype(np.uint32) << 23)
    grid = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    bits[:, -grid.shape[1] :] = grid
    a, b = bits.view(np.float32)
    source = (
        f"extern float a[{COUNT}], b[{COUNT}], c[{COUNT}];\nint t_run(void);\n"
        f"float a[{COUNT}], b[{COUNT}], c[{COUNT}];\n"
        f"int t_run(void)\n{{\n    for (int i = 0; i < {COUNT}; i++) {{\n        c[i] = a[i] / b[i];\n    }}\n"
        "    return 0;\n}\n"
    )
    harness = "int t_run(void);\nint skosh_main(void);\nint skosh_main(void)\n{\n    return t_run();\n}\n"
    chosen = target(machine)
    m = Machine(compile_firmware(chosen, {"t.c": source}, prefix="t", harness=harness).elf, chosen)
    m.write("a", a.tobytes())
    m.write("b", b.tobytes())
    m.call()
    got = np.frombuffer(m.read("c", 4 * COUNT), np.float32)
    with np.errstate(all="ignore"):
        want = a / b
    same = (got.view(np.uint32) == want.view(np.uint32)) | (np.isnan(got) & np.isnan(want))
    wrong = np.flatnonzero(~same)
    assert wrong.size == 0, f"{a[wrong[0]]!r} / {b[wrong[0]]!r} is {got[wrong[0]]!r}, not {want[wrong[0]]!r}"
