"""Every kernel there is: those of the modules, and those that the conformance cases' operators call, with the numbers bound."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import skosh.lower
import skosh.ops
from skosh.ir.call import Call
from skosh.ir.kernel import Kernel
from skosh.lower.calls import node_calls
from skosh.targets import names, target
from tests.conformance.cases import cases


@cache
def calls() -> tuple[Call, ...]:
    """One call of each kernel of the conformance cases, in each target's form and in the form without scratch memory."""
    found: dict[Kernel, Call] = {}
    machines = [None, *(target(n) for n in names())]
    for case in cases(range(1)):
        for node in case.graph.nodes:
            if node.op.view:
                continue
            for made in [
                *(node_calls(case.graph, node, m) for m in machines),
                node_calls(case.graph, node, frugal=True),
            ]:
                for c in made:
                    found.setdefault(c.kernel, c)
    return tuple(found.values())


@cache
def kernels() -> tuple[Kernel, ...]:
    """Every kernel without type variables, and the instances that calls made of the others."""
    found = {c.kernel: None for c in calls()}
    for package in (skosh.ops, skosh.lower):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for thing in vars(importlib.import_module(info.name)).values():
                if isinstance(thing, Kernel):
                    found[thing] = None
    return tuple(found)
