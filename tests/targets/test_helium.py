"""Helium computes what the language says: each spelling on the emulated Cortex-M55 against the interpreter, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from skosh import schedule
from skosh.base.dtypes import i8, i32
from skosh.build import compile_firmware
from skosh.emit.expressions import literal
from skosh.emulate.qemu_system import QemuMachine
from skosh.ir.layout import used_numbers
from skosh.language import kernel, par, requantize_bounded, wrap
from skosh.schedule.lanes import vectorize
from skosh.targets import target
from skosh.targets.simd import vector_machine
from tests.support.lanes import Trial, expected, trials, unit
from tests.support.machines import missing

pytestmark = pytest.mark.skipif(bool(missing("cortex-m55")), reason="qemu-system-arm is not installed")


@kernel
def one_scale(x: i32[N], y: i32[N], *, multiplier, right):
    for i in par(N):
        y[i] = requantize_bounded(x[i], multiplier, right)


@kernel
def moved(x: i8[N + 3], y: i8[N]):
    for i in par(N):
        y[i] = x[i + 3]


@kernel
def filled(y: i8[N], *, zx):
    for i in par(N):
        y[i] = wrap(i8, zx)


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


def uniform() -> list[Trial]:
    """Requantization with one multiplier and one shift for all lanes, and bytes moved and filled."""
    rng = np.random.default_rng(3)
    found = []
    for right in (1, 7, 30):
        ties = np.arange(-20, 20, dtype=np.int64) << (right - 1)
        bound = 2**30 - 1
        x = np.clip(np.append(rng.integers(-bound, bound, 60), ties), -bound, bound).astype(np.int32)
        numbers = {"N": x.size, "multiplier": int(rng.integers(2**30, 2**31)), "right": right}
        buffers = {"x": x, "y": np.zeros(x.size, np.int32)}
        found.append(Trial(f"one scale, {right}", vectorize(one_scale, "i", "helium"), buffers, numbers))
    for size in (1, 15, 16, 40, 100):
        x = rng.integers(-128, 128, size + 3).astype(np.int8)
        copy = Trial(f"copy {size}", vectorize(moved, "i", "helium"), {"x": x, "y": x[3:] * 0}, {"N": size})
        fill = Trial(f"fill {size}", vectorize(filled, "i", "helium"), {"y": x[3:] * 0}, {"N": size, "zx": -7})
        known = [
            Trial(f"{t.name}, known", vectorize(schedule.bind(k, {"N": size}), "i", "helium"), t.buffers, t.numbers)
            for t, k in ((copy, moved), (fill, filled))
            if size > 1
        ]
        found += [copy, fill, *known]
    return found


@pytest.mark.parametrize("vectors", [1, 2])
def test_the_machine_computes_what_the_language_says(vectors: int) -> None:
    found = [*trials(vector_machine("helium"), vectors), *(uniform() if vectors == 1 else ())]
    assert len(found) > 50
    got = run_on_m55(found)
    differ = [
        t.name
        for t, after in zip(found, got, strict=True)
        if not np.array_equal(expected(t)["y"].view(np.uint8), after["y"].view(np.uint8))
    ]
    assert not differ
