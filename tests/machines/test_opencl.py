"""Kernels as OpenCL: grids do what loops do, batches what samples do, and what can't run says so.

Every operator is compared with those of the other targets, in tests/conformance; the shared models in tests/test_models.py.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import skosh
from skosh.base.errors import ToolError
from skosh.emulate import opencl
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Kernel
from skosh.language import kernel, par, seq, widen
from skosh.lower.program import ArenaPointer
from skosh.machines.gpu.grid import ITEM, in_order, keeps_places, launches
from skosh.machines.gpu.opencl import needs_order
from skosh.targets import native
from tests.support.shared import models_folder


@kernel
def nested(x: i8[H, W], y: i32[H, W, N], *, step, K):
    for h in par(H):
        row = h * step
        for w, n in par(W, N):
            acc = 0
            for k in seq(K):
                acc += widen(x[h, w]) * (row + n + k)
            y[h, w, n] = acc


@kernel
def two_parts(x: i8[H, W], y: i32[H, W, N], *, step, K):
    for h in par(H):
        base = h * K
        for w in par(W):
            y[h, w, 0] = widen(x[h, w]) + base
        for w in par(0, W):
            for n in par(1, N):
                y[h, w, n] = base + n * step


@kernel
def triangle(x: i8[H, W], y: i32[H, W, N], *, step, K):
    for h, w, n in par(H, W, N):
        y[h, w, n] = K
    for h in par(H):
        for w in par(min(h, W)):
            y[h, w, 0] = widen(x[h, w]) * step


@kernel
def in_sequence(x: i8[H, W], y: i32[H, W, N], *, step, K):
    total = K
    for h, w in seq(H, W):
        total += widen(x[h, w]) * step
        for n in seq(N):
            y[h, w, n] = total


def by_items(k: Kernel, x: np.ndarray, y: np.ndarray, numbers: dict[str, int], backwards: bool) -> None:
    for launch in launches(k):
        items = range(launch.items(numbers))
        for item in reversed(items) if backwards else items:
            one = replace(launch.kernel, scalars=(*launch.kernel.scalars, ITEM))
            run_kernel(one, {"x": x.reshape(-1), "y": y.reshape(-1)}, {**numbers, ITEM.name: item})


@pytest.mark.parametrize(("k", "grids"), [(nested, [3]), (two_parts, [2, 3]), (triangle, [3, 1]), (in_sequence, [0])])
@pytest.mark.parametrize("backwards", [False, True])
def test_items_do_what_the_loops_do_in_any_order(k: Kernel, grids: list[int], backwards: bool) -> None:
    rng = np.random.default_rng(0)
    assert [len(launch.counts) for launch in launches(k)] == grids
    for shape in ((4, 3, 5), (1, 1, 1), (2, 5, 1)):
        numbers = dict(zip("HWN", shape, strict=True)) | {"step": 3, "K": 2}
        x = rng.integers(-128, 128, shape[:2], dtype=np.int8)
        want, got = np.full(shape, 7, np.int32), np.full(shape, 7, np.int32)
        run_kernel(k, {"x": x.reshape(-1), "y": want.reshape(-1)}, numbers)
        by_items(k, x, got, numbers, backwards)
        assert np.array_equal(want, got)


def test_a_sum_over_all_is_one_item() -> None:
    (launch,) = launches(in_sequence)
    assert launch == in_order(in_sequence)[0]
    assert launch.items({}) == 1


@kernel
def doubled(x: i32[N], y: i32[N]):
    for n in par(N):
        y[n] = x[n] + n


@kernel
def reversed_order(x: i32[N], y: i32[N]):
    for n in par(N):
        y[n] = x[N - 1 - n]


def test_only_what_keeps_its_places_runs_in_place() -> None:
    assert keeps_places(doubled, "x", "y")
    assert not keeps_places(reversed_order, "x", "y")


def test_a_batch_is_its_samples_and_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    build = skosh.compile(skosh.load(models_folder() / "kws.tflite"), target="opencl")
    shape = build.source.tensors[build.source.inputs[0]].shape[1:]
    x = np.random.default_rng(1).integers(-128, 128, (7, *shape), dtype=np.int8)
    want = skosh.compile(build.source).run(x)
    assert np.array_equal(build.run(x), want)
    runner = build.runner
    assert isinstance(runner, opencl.OpenClRunner)
    monkeypatch.setattr(opencl, "MOST_BYTES", 3 * runner.stride)
    assert np.array_equal(build.run(x), want)
    assert np.array_equal(np.concatenate([build.run(x[i : i + 1]) for i in range(7)]), want)


def test_calls_that_write_over_what_they_read_are_in_order() -> None:
    program = skosh.compile(skosh.load(models_folder() / "kws.tflite"), target="opencl").program
    call = next(c for layer in program.layers for c in layer.calls if "matmul" in c.routine)
    assert not needs_order(program, call)
    read, *between, written = [a for a in call.arguments if isinstance(a, ArenaPointer)]
    assert not between and read.offset != written.offset
    meeting = replace(call, arguments=tuple(replace(a, offset=read.offset + 1) if a is written else a for a in call.arguments))
    assert not needs_order(program, meeting)  # the routine says that no call does that
    routine = replace(program.routine(call.routine), restrict=False)
    program = replace(program, routines=tuple(routine if r.name == routine.name else r for r in program.routines))
    assert needs_order(program, meeting) and not needs_order(program, call)


def test_a_state_lives_from_sample_to_sample() -> None:
    front = skosh.features.microfrontend()
    x = np.random.default_rng(2).integers(-3000, 3000, (4, *front.tensors[front.inputs[0]].shape[1:]), dtype=np.int16)
    build = skosh.compile(front, target="opencl")
    want = skosh.compile(front).run(x)
    for _ in range(2):  # each call of run begins anew
        assert np.array_equal(build.run(x), want)


def test_the_text_names_no_word_of_opencl_that_c_has_not() -> None:
    text = skosh.compile(skosh.load(models_folder() / "kws.tflite"), target="opencl").sources["kws.cl"]
    assert "kws_matmul" in text and "get_global_id(1)" in text and "memcpy" not in text
    assert max(map(len, text.splitlines())) <= 132


def test_no_device_and_inexact_floats_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyopencl as cl

    floats = skosh.compile(skosh.load(models_folder() / "hello_world_float.tflite"), target="opencl")
    monkeypatch.setattr(opencl, "device", lambda: SimpleNamespace(name="a toy", single_fp_config=cl.device_fp_config.FMA))
    with pytest.raises(ToolError, match=r"a toy rounds float32 divisions or denormal numbers its own way.*quantize the model"):
        floats.run(np.zeros((1, 1), np.float32))
    monkeypatch.undo()
    opencl.device.cache_clear()
    monkeypatch.delenv("PYOPENCL_CTX", raising=False)
    monkeypatch.setattr(cl, "get_platforms", list)
    with pytest.raises(ToolError, match=r"there is no OpenCL device here.*pip install 'skosh\[gpu\]'"):
        opencl.device()
    opencl.device.cache_clear()
    monkeypatch.setattr(native, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"opencl needs the package pyopencl: pip install 'skosh\[gpu\]'"):
        skosh.compile(floats.source, target="opencl").run(np.zeros((1, 1), np.float32))
