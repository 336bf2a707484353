"""Every distinct scheduled kernel of layers of all remainder classes, against the layers' meaning; see ``remainders``.

A longer run: ``python benchmarks/remainders.py --layers 1000``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from skosh.schedule import rewriting
from skosh.targets import names, target
from tests.conformance.remainders import Formed, differs_interpreted, distinct, family, run_on_machine
from tests.support.machines import missing

LAYERS, ON_MACHINE = 72, 3
"""Layers of each family, and of how many forms each third runs on its machine: about four minutes in all."""


def members(of: str) -> list[str]:
    return [n for n in names() if family(n) == of and not missing(n)]


def batches(formed: Sequence[Formed]) -> dict[tuple[str, str], list[Formed]]:
    """What can be compiled together: one target, one style."""
    found: dict[tuple[str, str], list[Formed]] = {}
    for f in formed:
        found.setdefault((f.target.name, f.style), []).append(f)
    return found


@pytest.mark.parametrize("of", sorted({family(n) for n in names()}))
def test_every_remainder_class(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = members(of)
    assert targets or missing(of), "a family has a target"
    found: list[str] = []
    formed = list(distinct([target(n) for n in targets], LAYERS))
    for f in formed:
        wrong = differs_interpreted(f, f.layer.seed % 2)
        found += [f"{f}: {wrong}"] if wrong else []
    picked = formed[::ON_MACHINE]
    for (_, style), some in batches(picked).items():
        found += run_on_machine(some, style)
    kernels, run = (sum(len(f.kernels) for f in each) for each in (formed, picked))
    with capsys.disabled():
        print(
            f"\n{of}: {kernels} distinct scheduled kernels compared with their layers' meaning, {run} of them on the machine"
        )
    assert not found, "\n".join([f"{len(found)} differ:", *found])


def test_a_schedule_that_drops_what_is_left_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The net sees the kind of fault that it is for, in the interpreter and on the machine."""
    monkeypatch.setattr(rewriting, "divides", lambda *_: True)
    formed = list(distinct([target("cortex-m4")], 6, ("speed",)))
    wrong = [f for f in formed if differs_interpreted(f)]
    assert wrong
    some = [f for f in wrong if f.style == "speed" and f.layer.dtype == "int8"][:4]
    assert run_on_machine(some, "speed")
