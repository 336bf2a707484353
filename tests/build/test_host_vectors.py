"""The benchmark of the host's vectors calls C by addresses: whatever lies there lives as long as the functions do."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from tests.support.shared import models_folder


def test_the_loop_in_c_keeps_what_it_writes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    for name in ("host_vectors", "folder"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import host_vectors

    made: list[weakref.ref[object]] = []
    runner = host_vectors.HostRunner

    class Watched(runner):  # type: ignore[misc, valid-type]
        def __init__(self, *given: object) -> None:
            super().__init__(*given)
            made.append(weakref.ref(self.model.arena))

    monkeypatch.setattr("skosh.built.HostRunner", Watched)
    models_folder()
    x = np.zeros((1, 1), np.int8)
    in_python, in_c, y = host_vectors.ours("hello_world", "host", x)
    in_python()
    want = y.copy()
    y[:] = 0
    del in_python
    gc.collect()
    assert made and made[0]() is not None
    assert len(in_c(3)) == 3
    assert np.array_equal(y, want)
