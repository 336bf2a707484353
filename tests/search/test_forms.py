"""Every form of a node computes what the node means: in the kernel interpreter, and in the target's emulator."""

from __future__ import annotations

import random

import numpy as np
import pytest

from skosh.base.dtypes import i32
from skosh.ir.interpret_calls import run_calls
from skosh.ir.interpret_graph import run_graph
from skosh.language import kernel, par
from skosh.lower.calls import node_calls
from skosh.lower.forms import STYLES, Candidate, node_forms, style_of
from skosh.ops.layers.convolution import Conv2D
from skosh.search.trial import measured, steered_by_data, trials
from skosh.targets import target
from tests.search.layers import Chain, small_network
from tests.support.machines import needs

MACHINES = ("cortex-m4", "cortex-m0plus", "cortex-m55", "rv32imc", "rv64gcv", "aarch64", "x86-64-avx2")


def test_the_forms_of_a_convolution() -> None:
    graph = small_network()
    names = [str(f) for f in node_forms(graph, graph.nodes[0], target("cortex-m4"))]
    assert names == [
        "tiles, speed", "pairs, speed", "plain, speed", "frugal plain, speed",
        "tiles, balanced", "pairs, balanced", "plain, balanced", "frugal plain, balanced",
        "pairs, flash", "plain, flash", "frugal plain, flash",
    ]  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("style", STYLES)
def test_the_first_form_is_that_of_the_rules(machine: str, style: str) -> None:
    graph = small_network()
    for node in graph.nodes:
        if node.op.view:
            continue
        rules = node_calls(graph, node, target(machine), optimize=style, pack=style != "speed")
        first = next(iter(node_forms(graph, node, target(machine), (style,)).values()))
        assert [(c.kernel, dict(c.numbers)) for c in first] == [(c.kernel, dict(c.numbers)) for c in rules]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_form_is_exact_in_the_interpreter(machine: str) -> None:
    graph = small_network()
    rng = np.random.default_rng(1)
    run = run_graph(graph, [rng.integers(-128, 128, (1, 4, 4, 4)).astype(np.int8)])
    for node in graph.nodes:
        if node.op.view:
            continue
        ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
        values = [run.values[n] for n in node.inputs]
        for form, calls in node_forms(graph, node, target(machine), ("balanced",)).items():  # styles are schedules
            (got,) = run_calls(node.op, ins, outs, values, calls=calls, shuffle=random.Random(1))
            assert np.array_equal(got.reshape(-1), run.values[node.outputs[0]].reshape(-1)), f"{node.name}: {form}"


@pytest.mark.parametrize("machine", ["cortex-m4", "cortex-m0plus", "cortex-m55"])
def test_every_form_is_exact_in_the_emulator(machine: str) -> None:
    """``measured`` compares outputs with the reference, and stops where they differ. 3 channels to 8, as images begin:
    on the Cortex-M55 this was once compiled to wrong code."""
    needs(machine)
    graph = Chain((1, 24, 24, 3), seed=5).layer(Conv2D((2, 2), (0, 1, 0, 1)), (8, 3, 3, 3), 8).graph()
    rng = np.random.default_rng(2)
    values = run_graph(graph, [rng.integers(-128, 128, (1, 24, 24, 3)).astype(np.int8)]).values
    forms = node_forms(graph, graph.nodes[0], target(machine))
    ways = list(forms.values())
    made = trials(graph, graph.nodes[0], ways, values, target=target(machine), optimize="balanced", cohorts={})
    costs = dict(
        zip(forms, measured(graph.nodes[0], made, values, target=target(machine), optimize="balanced"), strict=True)
    )
    assert all(c.instructions > 0 and c.shared > 0 and c.weights >= 8 * 27 for c in costs.values())
    assert costs[Candidate("frugal plain", "flash")].scratch == 0 < costs[Candidate("plain", "flash")].scratch
    assert (costs[Candidate("plain", "speed")].cycles is None) == (machine == "cortex-m55")


def test_the_style_of_an_aim() -> None:
    assert [style_of(aim) for aim in ("speed", "balanced", "flash", "ram")] == [
        "speed", "balanced", "flash", "balanced",
    ]  # fmt: skip


@kernel
def first_few(count: i32[1], y: i32[8]):
    few = count[0]
    for i in par(8):
        if i < few:
            y[i] = 1


@kernel
def first_half(x: i32[8], y: i32[8]):
    for i in par(8):
        if i < 4:
            y[i] = x[i]


def test_what_data_steers() -> None:
    assert steered_by_data(first_few)
    assert not steered_by_data(first_half)
