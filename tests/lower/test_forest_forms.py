"""The form of a forest: the aim decides, the target has a say, and no form changes what is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.ir.graph import Operands
from skosh.lower.forests import formed
from skosh.ops.trees.forest import AUTO, Forest
from skosh.targets import target
from tests.ops.test_forest import features, large_forest, many_trees, operands

TARGETS = ("cortex-m0plus", "cortex-m4", "rv32imc", "host")


def chosen(inputs: Operands, name: str, optimize: str, **options: Any) -> int:
    op = formed(Forest("votes", inline=AUTO, **options), inputs, target(name), optimize)
    assert isinstance(op, Forest)
    return op.inline


@pytest.mark.parametrize("name", TARGETS)
def test_the_aim_decides(name: str) -> None:
    constants = many_trees()
    inputs, nodes = operands(features(0, "f32", 1), constants), len(constants[0])
    assert chosen(inputs, name, "flash") == 0
    assert chosen(inputs, name, "speed") == nodes
    assert chosen(inputs, name, "balanced") == chosen(inputs, name, "ram") <= nodes


def test_what_leaves_no_choice() -> None:
    constants = many_trees()
    inputs = operands(features(0, "f32", 1), constants)
    assert chosen(inputs, "cortex-m4", "speed", sided=True) == 0
    assert formed(Forest("votes", inline=7), inputs, target("cortex-m4"), "speed") == Forest("votes", inline=7)
    assert chosen(operands(features(0, "f32", 8), constants), "cortex-m4", "speed") == 0
    shared = [*constants]
    shared[3] = np.where(shared[2] >= 0, shared[2], shared[3])  # both sides lead to one node
    assert chosen(operands(features(0, "f32", 1), shared), "cortex-m4", "speed") == 0


def test_few_samples_below_make_a_table_of_what_is_deep() -> None:
    constants = large_forest("u8", "votes", 100)
    inputs = operands(features(0, "u8", 1), constants)
    assert chosen(inputs, "cortex-m4", "speed") > 0
    op = replace(Forest("votes"), inline=AUTO)
    x = features(0, "u8", 4)
    assert (op.reference(inputs, [], [x, *constants])[0] >= 0).all()


def test_every_aim_computes_the_same() -> None:
    sklearn = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    model = sklearn.RandomForestClassifier(6, random_state=0).fit(x, (x[:, 0] * x[:, 1] > 0) + (x[:, 2] > 0.5))
    for optimize in ("flash", "speed", "balanced"):
        build = skosh.compile(skosh.load(model), target="cortex-m4", optimize=optimize)
        assert (build.predict(x[:8]) == model.predict(x[:8])).all()
        assert build.verify(samples=3).bit_exact
