"""Models as shared libraries of this computer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skosh.base.errors import InputError, ToolError
from skosh.build import compile_host
from skosh.emulate import HostModel

CODE = """\
#include <stdint.h>
int kws_run(const int8_t *x, int16_t *y, void *arena);
#ifdef TRACE
extern void (*skosh_layer_done)(int layer, const void *arena);
#define DONE(layer) do { if (skosh_layer_done) { skosh_layer_done(layer, arena); } } while (0)
#else
#define DONE(layer) ((void)0)
#endif
int kws_run(const int8_t *x, int16_t *y, void *arena)
{
    int16_t *hidden = arena;
    if (((uintptr_t)arena & 63u) != 0) {
        return 1;
    }
    for (int32_t i = 0; i < 4; i++) {
        hidden[i] = (int16_t)(x[i] * 2);
    }
    DONE(0);
    for (int32_t i = 0; i < 4; i++) {
        y[i] = (int16_t)(hidden[i] + 1);
    }
    DONE(1);
    return 0;
}
"""
TRACE = """\
extern void (*skosh_layer_done)(int layer, const void *arena);
void (*skosh_layer_done)(int layer, const void *arena) = 0;
"""


@pytest.fixture(scope="module")
def traced() -> Path:
    return compile_host({"kws.c": CODE}, TRACE, defines=("TRACE",))


def load(path: Path) -> HostModel:
    return HostModel(path, "kws", arena_bytes=8, arena_align=64)


def test_outputs() -> None:
    x, y = np.array([1, -2, 3, 100], dtype=np.int8), np.zeros(4, dtype=np.int16)
    assert load(compile_host({"kws.c": CODE})).call([x], [y]) == 0
    assert y.tolist() == [3, -3, 7, 201]


def test_each_layer_can_be_seen(traced: Path) -> None:
    seen = {}

    def on_layer(layer: int, arena: memoryview) -> None:
        seen[layer] = np.frombuffer(arena, dtype=np.int16).tolist()

    x, y = np.array([1, 2, 3, 4], dtype=np.int8), np.zeros(4, dtype=np.int16)
    model = load(traced)
    assert model.call([x], [y], on_layer) == 0
    assert seen == {0: [2, 4, 6, 8], 1: [2, 4, 6, 8]}
    assert model.call([x], [y]) == 0


def test_an_error_in_the_callback_comes_out(traced: Path) -> None:
    def on_layer(layer: int, arena: memoryview) -> None:
        raise ValueError(f"layer {layer}")

    with pytest.raises(ValueError, match="layer 0"):
        load(traced).call([np.zeros(4, np.int8)], [np.zeros(4, np.int16)], on_layer)


def test_what_cannot_be_is_told(traced: Path) -> None:
    x, y = np.zeros(8, dtype=np.int8), np.zeros(4, dtype=np.int16)
    with pytest.raises(InputError, match=r"inputs and outputs must be C-contiguous, not strided \(2,\)"):
        load(traced).call([x[::2]], [y])
    with pytest.raises(ToolError, match='the library has no function "vww_run"'):
        HostModel(traced, "vww", arena_bytes=8)
    with pytest.raises(ToolError, match='the library has no "skosh_layer_done"'):
        load(compile_host({"kws.c": CODE})).call([x], [y], lambda layer, arena: None)
    with pytest.raises(ToolError, match="can't load"):
        HostModel(traced.parent / "nothing.so", "kws", arena_bytes=8)
