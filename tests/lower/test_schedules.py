"""What the compiler's schedules rest on: each loop that a step rewrites is judged by itself, in every call."""

from __future__ import annotations

import numpy as np
import pytest

from skosh import schedule
from skosh.ir.call import Schedule
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import For, walk
from skosh.language import kernel, seq
from skosh.lower.schedules import apply_schedule
from skosh.machines.arm_m.tile_forms import depthwise_tile
from skosh.machines.arm_m.tile_kernels import depthwise_tiles
from skosh.schedule.draft import Draft
from tests.language.zoo import ZOO


@kernel
def halves(x: i32[2 * A + B], y: i32[2 * A + B]):
    """Two loops over one variable: of 2 A rounds, and of B."""
    for k in seq(2 * A):
        y[k] = x[k] + 1
    for k in seq(2 * A, 2 * A + B):
        y[k] = x[k] - 1


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("step", ["unroll", "tile"])
def test_each_loop_of_each_kernel_by_each_factor(name: str, step: str) -> None:
    """With the numbers known only as the calls' numbers, and all loops over a variable at once."""
    animal = ZOO[name]
    want = animal.run(animal.kernel, 1)
    for variable in sorted({s.var for s in walk(animal.kernel.body) if isinstance(s, For)}):
        for factor in (2, 3, 4, 5):
            draft = Draft(animal.kernel, [animal.numbers], "balanced")
            if step == "tile" and not schedule.can_unroll_and_jam(animal.kernel, f"{variable}#*"):
                continue
            getattr(draft, step)(f"{variable}#*", factor)
            got = animal.run(draft.kernel, 1)
            for buffer in want:
                equal = np.array_equal(got[buffer], want[buffer], equal_nan=want[buffer].dtype.kind == "f")
                assert equal, f'{step} "{variable}" by {factor}: "{buffer}" differs'


@pytest.mark.parametrize("cases", [[(2, 1)], [(2, 2)], [(2, 2), (3, 3)], [(2, 2), (4, 6)], [(1, 0), (0, 1)]])
def test_two_loops_over_one_variable(cases: list[tuple[int, int]]) -> None:
    numbers = [{"A": a, "B": b} for a, b in cases]
    draft = Draft(halves, numbers, "balanced")
    draft.unroll("k#*", 2)
    rests = len(schedule.loops(draft.kernel, "k")) - 2
    assert rests == (not all(b % 2 == 0 for _, b in cases))  # the first never has one
    for a, b in cases:
        x = np.arange(2 * a + b, dtype=np.int32)
        y = np.zeros_like(x)
        run_kernel(draft.kernel, {"x": x, "y": y}, {"A": a, "B": b})
        assert list(y) == [*(x[: 2 * a] + 1), *(x[2 * a :] - 1)]


@pytest.mark.parametrize("kw", [1, 2, 3])
@pytest.mark.parametrize("kh", range(1, 10))
@pytest.mark.parametrize("optimize", ["balanced", "speed", "flash"])
def test_depthwise_of_any_number_of_rows(kh: int, kw: int, optimize: str) -> None:
    """Pairs of rows and the row that an odd number leaves: two loops, of which the first once decided for both."""
    rng = np.random.default_rng([kh, kw])
    height, width, channels = 11, 5, 4
    numbers = {
        "H": height, "W": width, "C4": channels // 4, "KW": kw, "KH": kh, "OH": 3, "OW": width, "PW": width + kw - 1,
        "inside": width, "stride_h": 1, "stride_w": 1, "top": 1, "left": kw // 2, "zx": 0x03030303, "lo": -128, "hi": 127,
    }  # fmt: skip
    scale = np.zeros((2, 1, 8), np.int32)
    scale[..., :2], scale[..., 2], scale[..., 6] = 100, 1 << 30, 1 << 29
    scale[..., 3], scale[..., 7], scale[..., 4], scale[..., 5] = 1 << 3, 1 << 3, 4, 4
    w = rng.integers(0, 1 << 32, (2, 1, kw, kh), np.uint32)
    buffers = {
        "x": rng.integers(-128, 128, height * width * channels).astype(np.int8), "w": (w & 0x007F007F).ravel(),
        "scale": scale.ravel(), "rows": np.zeros((width + kw - 1) * kh, np.uint32),
        "y": np.zeros(3 * width * channels, np.int8),
    }  # fmt: skip
    made = apply_schedule(schedule.bind(depthwise_tiles, numbers), Schedule(depthwise_tile), [numbers], optimize)
    want, got = ({n: v.copy() for n, v in buffers.items()} for _ in range(2))
    run_kernel(depthwise_tiles, want, numbers)
    run_kernel(made, got, {})
    assert np.array_equal(got["y"], want["y"])
    assert len(set(want["y"])) > 8, "an output that varies"
