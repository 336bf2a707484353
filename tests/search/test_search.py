"""The search from end to end: exact, not worse than the rules, the same every time, and instant when it was done before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import skosh
from skosh.base.errors import FitError, InputError
from skosh.optimize import optimize_graph
from skosh.search import Choice, search
from skosh.search.choice import choice_from_json
from skosh.search.search import digest
from skosh.targets import target, toolchain
from tests.search.layers import twin_network

GRAPH = twin_network()


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(toolchain, "cache_root", lambda: tmp_path)
    return tmp_path


def found(optimize: str, machine: str = "cortex-m4") -> Choice:
    return search(optimize_graph(GRAPH), target=target(machine), optimize=optimize)


@pytest.mark.parametrize("optimize", ["speed", "balanced", "flash", "ram"])
def test_exact_and_not_worse_than_the_rules(optimize: str) -> None:
    rules = skosh.compile(GRAPH, target="cortex-m4", optimize=optimize)
    build = skosh.compile(GRAPH, target="cortex-m4", optimize=optimize, search=True)
    proof = build.verify(samples=5)
    assert proof.bit_exact, proof.first_difference
    before, after, choice = rules.profile(), build.profile(), build.choice
    assert choice is not None and rules.choice is None
    assert before.cycles_modelled is not None and after.cycles_modelled is not None
    if optimize == "speed":
        assert after.cycles_modelled <= before.cycles_modelled
        assert all(layer.costs[layer.chosen].time <= layer.costs[layer.rules].time for layer in choice.layers)
    else:
        assert any(layer.chosen != layer.rules for layer in choice.layers)
    if optimize == "flash":
        assert after.flash.total <= before.flash.total
    elif optimize == "ram":
        assert after.ram.total <= before.ram.total


def test_the_same_every_time_and_instant_the_second(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, int]] = []
    first = search(
        optimize_graph(GRAPH), target=target("cortex-m0plus"), progress=lambda done, of: steps.append((done, of))
    )
    assert steps == sorted(steps) and steps[-1][0] == steps[-1][1] == len(first.layers) + 2

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is compiled again")

    with monkeypatch.context() as patched:
        patched.setattr("skosh.search.trial.compile_firmware", refuse)
        patched.setattr("skosh.search.whole.compile_firmware", refuse)
        again = found("balanced", "cortex-m0plus")
    assert again == first
    for folder in fresh_cache.iterdir():
        if (folder / "choice.json").is_file():
            shutil.rmtree(folder)
    monkeypatch.setattr("skosh.search.trial.compile_firmware", refuse)  # the layers' costs are still known
    assert found("balanced", "cortex-m0plus") == first


def test_the_same_bytes() -> None:
    builds = [skosh.compile(GRAPH, target="cortex-m0plus", search=True) for _ in range(2)]
    assert builds[0].sources == builds[1].sources


def test_limits_are_kept_where_they_can_be() -> None:
    fast = skosh.compile(GRAPH, target="cortex-m4", optimize="speed", search=True)
    limit = fast.profile().flash.total - 500
    with pytest.raises(FitError):
        skosh.compile(GRAPH, target="cortex-m4", optimize="speed", max_flash=limit)
    fitting = skosh.compile(GRAPH, target="cortex-m4", optimize="speed", max_flash=limit, search=True)
    assert fitting.profile().flash.total <= limit
    assert fitting.verify(samples=3).bit_exact


def test_json_reads_back() -> None:
    choice = found("speed")
    assert choice_from_json(choice.as_json()) == choice


def test_a_graph_is_known_by_what_is_in_it() -> None:
    assert digest(twin_network()) == digest(GRAPH)
    assert digest(GRAPH.with_(name="other")) != digest(GRAPH)


def test_a_machine_without_an_emulator() -> None:
    with pytest.raises(InputError) as caught:
        skosh.compile(GRAPH, target="host", search=True)
    assert str(caught.value) == (
        'a search counts instructions in an emulator, and "host" has none: its code runs on this computer. '
        "Hint: leave the search out, or choose a device, for example cortex-m4"
    )
