"""The check that every compile makes of its schedules."""

from __future__ import annotations

from pathlib import Path

import pytest

import skosh
from skosh.lower import self_check
from skosh.lower.self_check import difference, few_rounds_differ
from skosh.schedule import rewriting
from skosh.targets import target, toolchain
from tests.conformance.remainders import differs_interpreted, distinct
from tests.support.shared import models_folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "cache_root", lambda: tmp_path)


@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m0plus", "cortex-m55", "x86-64-avx2", "aarch64", "rv64gcv"])
def test_few_rounds_of_right_schedules_never_differ(name: str) -> None:
    """Otherwise a compile would take the time of all rounds."""
    for f in distinct([target(name)], 16):
        for call, made in zip(f.calls, f.kernels, strict=True):
            assert not few_rounds_differ(f.layer.graph, f.node, call, made), str(f)


def test_few_rounds_see_a_rest_that_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "divides", lambda *_: True)
    wrong = [f for f in distinct([target("cortex-m4")], 12, ("balanced", "speed")) if differs_interpreted(f)]
    assert len(wrong) > 4
    for f in wrong:
        each = zip(f.calls, f.kernels, strict=True)
        assert any(difference(f.layer.graph, f.node, call, made) for call, made in each), str(f)


@pytest.mark.usefixtures("own_cache")
def test_a_wrong_schedule_is_our_fault_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "divides", lambda *_: True)
    model = models_folder() / "kws.tflite"
    with pytest.raises(AssertionError, match=r'lower: the schedule of routine "kws_\w+" \(kernel \w+, .*\) changes what it'):
        skosh.compile(model, target="cortex-m4", optimize="speed")
    assert skosh.compile(model, target="cortex-m4", optimize="speed", self_check=False).sources


@pytest.mark.usefixtures("own_cache")
def test_what_was_checked_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models_folder() / "kws.tflite"
    asked = []
    monkeypatch.setattr(self_check, "difference", lambda *given: asked.append(given) or "")
    skosh.compile(model, target="cortex-m4")
    first = len(asked)
    skosh.compile(model, target="cortex-m4")
    assert len(asked) == first > 0


@pytest.mark.usefixtures("own_cache")
def test_nothing_is_checked_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_check, "difference", lambda *_: pytest.fail("asked"))
    skosh.compile(models_folder() / "kws.tflite", target="cortex-m4", self_check=False)
