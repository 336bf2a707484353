"""Hierarchies and early exits: the C does what was fitted, exits save instructions, accuracy is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.ir.graph import Graph
from skosh.lower.exits import exits
from skosh.ops.choices.confidence import Gate
from skosh.place.exits import checked
from skosh.place.hierarchy import RULES
from tests.cli.run import run
from tests.place.digits import digits


def as_input(graph: Graph, x: np.ndarray) -> np.ndarray:
    return checked(graph, x, np.zeros(len(x), np.int64))[0]


# ------------------------------------------------------------------------------------------------------ hierarchies


@pytest.mark.parametrize("rule", RULES)
def test_the_c_is_sure_where_the_rule_is(rule: str) -> None:
    small, large, x, y = digits()
    found = skosh.hierarchy(small, large, x, y, cost_ratio=0.05, rules=(rule,))
    assert found.rule.kind == rule == found.as_json()["rule"]
    assert found.graph.outputs == (*small.outputs, "sure")
    build = skosh.compile(found.graph)
    q = as_input(small, x)[:60]
    scores, sure = build.run(q)
    assert build.verify(q[:8]).bit_exact
    np.testing.assert_array_equal(scores, skosh.compile(small, target="host").run(q))
    assert 0 < sure.mean() < 1
    right = scores.reshape(60, -1).argmax(axis=1) == y[:60]
    assert right[sure.reshape(-1)].mean() >= right.mean(), "sure answers are right at least as often"


def test_as_good_as_the_large_one_and_most_stay() -> None:
    """Sending gets dearer, and less is sent; where it costs little, both together are as good as the large one."""
    small, large, x, y = digits()
    cheap, middle, dear = (skosh.hierarchy(small, large, x, y, cost_ratio=c) for c in (0.02, 0.05, 0.5))
    assert cheap.accuracy >= cheap.accuracy_large - 0.005
    assert cheap.accuracy_small < middle.accuracy < cheap.accuracy_large
    assert dear.sent < middle.sent < cheap.sent < 0.5
    assert skosh.hierarchy(small, large, x, y, cost_ratio=0.0).sent > cheap.sent
    assert "asks large for" in repr(cheap)


def test_samples_as_integers_of_the_large_model() -> None:
    small, large, x, y = digits()
    real, integers = (skosh.hierarchy(small, large, s, y, cost_ratio=0.05) for s in (x, as_input(large, x)))
    assert abs(real.sent - integers.sent) < 0.1


# ------------------------------------------------------------------------------------------------------- early exits


@pytest.fixture(scope="module")
def stopping() -> Graph:
    _, large, x, y = digits()
    return skosh.early_exit(large, x, y)


def test_exits_save_instructions_and_keep_accuracy(stopping: Graph) -> None:
    _, large, _, _ = digits()
    build = skosh.compile(stopping)
    profile = build.profile()
    whole = skosh.compile(large).profile().instructions
    assert whole is not None
    assert [e.exit for e in profile.exits][-1] == "end"
    assert sum(e.share for e in profile.exits) == pytest.approx(1)
    counts = [e.instructions for e in profile.exits]
    assert counts == sorted(counts), "a later exit takes more"
    assert counts[0] < 0.75 * counts[-1]
    mean = sum(e.share * e.instructions for e in profile.exits)
    assert mean < 0.75 * whole
    accuracy = stopping.notes["exit_accuracy"]
    assert accuracy["with"] >= accuracy["without"] - 0.02, "224 samples are left to see it by: one is 0.45 points"
    assert profile.as_json()["exits"][0]["exit"] == "exit0"


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus", "rv32imc", "host"])
def test_the_c_computes_what_the_graph_means(stopping: Graph, target: str) -> None:
    """On samples that take every way; layers that were left out are not compared, outputs are."""
    _, _, x, _ = digits()
    ways = [e for e in stopping.notes["exit_examples"] if e is not None]
    q = np.concatenate([np.stack(ways), as_input(stopping, x)[:10]])
    proof = skosh.compile(stopping, target=target).verify(q)
    assert proof.bit_exact, proof.first_difference


def test_the_c_reads_as_what_it_does(stopping: Graph) -> None:
    source = skosh.compile(stopping).sources["large.c"]
    assert source.count("{ /* not sure: go on */") == sum(isinstance(n.op, Gate) for n in stopping.nodes) > 0


def test_a_gate_that_would_hide_something_skips_nothing(stopping: Graph) -> None:
    """A layer behind the gate is an output too: it must be computed always, and is."""
    _, _, x, _ = digits()
    behind = next(n for n in stopping.nodes if any("gate" in i for i in n.inputs))
    shown = replace(stopping, outputs=(*stopping.outputs, behind.outputs[0]))
    build = skosh.compile(shown, name="shown")
    gates = {e.first for e in exits(build.program)}
    position = next(i for i, layer in enumerate(build.program.layers) if layer.node.outputs == behind.outputs)
    assert not any(e.first < position < e.last for e in exits(build.program)), gates
    assert build.verify(as_input(stopping, x)[:6]).bit_exact


def test_no_exit_where_none_is_worth_it() -> None:
    small, _, x, y = digits()
    kept = skosh.early_exit(small, x, y)
    assert kept.notes["exits"] == [] or kept.nodes != small.nodes
    none = skosh.early_exit(small, x, y, most=0)
    assert none.notes["exits"] == [] and none.nodes == small.nodes


def test_the_planner_takes_both() -> None:
    small, large, x, y = digits()
    found = skosh.place(large, x, y, device="nrf52840-dk", link="ble-1m", small=small, early=True)
    early, asks, sends = (found.named[n] for n in ("early-exit", "hierarchical-fog", "raw-fog"))
    assert early.energy_uj.middle < found.named["device"].energy_uj.middle
    assert asks.energy_uj.middle < 0.75 * sends.energy_uj.middle
    assert asks.accuracy is not None and sends.accuracy is not None and asks.accuracy >= sends.accuracy - 0.005
    assert not any(n == "early-exit" for n, _ in found.answer.not_tried)


def test_what_doesnt_fit() -> None:
    small, large, x, y = digits()
    with pytest.raises(InputError, match="cost_ratio must be from 0 to 1, not 2"):
        skosh.hierarchy(small, large, x, y, cost_ratio=2)
    with pytest.raises(InputError, match="rules must be"):
        skosh.hierarchy(small, large, x, y, rules=("dice",))
    with pytest.raises(InputError, match="at least 20 samples are needed, not 4"):
        skosh.early_exit(large, x[:4], y[:4])
    with pytest.raises(InputError, match="there must be a label for each sample"):
        skosh.early_exit(large, x, y[:-1])
    with pytest.raises(InputError, match="must be int8 scores of at least 2 classes"):
        skosh.early_exit(skosh.load(str(_float_model())), x, y)


def _float_model() -> str:
    from tests.support.shared import models_folder

    return str(models_folder() / "hello_world_float.tflite")


def test_profile_shows_exits(stopping: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skosh, "load", lambda source: stopping)
    ran = run("profile", "large.tflite")
    assert ran.status == 0
    assert "exit0" in ran.out and "samples" in ran.out
