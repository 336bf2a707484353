"""The emitted C is what it was: a hash of each program, so that a difference names the model, the target and the aim."""

from __future__ import annotations

import json

import pytest

from tests.golden.programs import HASHES, graphs, hashes

HELD = json.loads(HASHES.read_text(encoding="utf-8")) if HASHES.is_file() else {}
"""Kept in ``programs.json``. A change that means to change the C renews it: make golden."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(HELD))
def test_the_c_is_what_it_was(name: str) -> None:
    graph = next(g for n, g in graphs() if n == name)
    made = hashes(graph, name)
    changed = [key for key in made if HELD.get(name, {}).get(key) != made[key]]
    assert not changed, f"the C of {name} changed for {changed}: if that is meant, run make golden and commit the difference"
    assert set(HELD[name]) == set(made), "a target or an aim went, or came: run make golden"


def test_every_model_is_held() -> None:
    assert sorted(HELD) == sorted(name for name, _ in graphs())
