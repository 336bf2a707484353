"""Instructions mean what their bodies say: the Cortex-M4 and M33 compute them, the interpreter computes the bodies."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.build import compile_firmware
from skosh.emit.functions import function_text
from skosh.emulate import run_firmware
from skosh.ir.interpret_kernel import run_function
from skosh.machines.arm_m import instructions as arm_dsp
from skosh.targets import target

INSTRUCTIONS = (arm_dsp.sxtb16, arm_dsp.sxtb16_odd, arm_dsp.smlad)
WORDS = (0, 1, 0x7F80_FF01, 0x8000_8000, 0x7FFF_8000, 0xFFFF_FFFF, 0x0102_0304, 0xDEAD_BEEF)


def cases():
    rng = np.random.default_rng(5)
    words = [*WORDS, *rng.integers(0, 2**32, 24, dtype=np.uint64).tolist()]
    return [(w, int(rng.integers(0, 2**32)), int(rng.integers(-(2**31), 2**31))) for w in words]


def arguments(function, case):
    given = dict(zip(("a", "b", "acc"), case, strict=True), x=case[0])
    return [given[p.name] for p in function.params]


@pytest.mark.parametrize("machine", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m0plus"])
def test_the_machine_computes_the_body(machine):
    text = "".join(function_text(f, lambda n: f"t_{n}") for f in INSTRUCTIONS)
    lines, want = [], []
    for case in cases():
        for f in INSTRUCTIONS:
            values = arguments(f, case)
            spelled = ", ".join(f"({p.dtype.c}){v}LL" for p, v in zip(f.params, values, strict=True))
            lines.append(f"    results[{len(want)}] = (uint32_t)t_{f.name}({spelled});")
            want.append(run_function(f, *values) & 0xFFFFFFFF)
    source = (
        "#include <stdint.h>\n#ifdef __ARM_FEATURE_DSP\n#include <arm_acle.h>\n#endif\n"
        f"extern uint32_t results[{len(want)}];\nint t_run(void);\n{text}"
        f"uint32_t results[{len(want)}];\nint t_run(void)\n{{\n" + "\n".join(lines) + "\n    return 0;\n}\n"
    )
    harness = "int t_run(void);\nint skosh_main(void);\nint skosh_main(void)\n{\n    return t_run();\n}\n"
    chosen = target(machine)
    firmware = compile_firmware(chosen, {"t.c": source}, prefix="t", harness=harness)
    _, memory = run_firmware(firmware.elf, chosen, writes={}, reads={"results": 4 * len(want)})
    assert np.frombuffer(memory["results"], "<u4").tolist() == want
