"""A network of discrete random variables as plain data, whatever file or library it came from; and what must hold of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.errors import Loc, Obstacle, UnsupportedError
from skosh.ir.graph import Array

SUM_TOLERANCE = 0.01
"""How far the probabilities of a row may be from 1 in sum: files round them. pgmpy allows as much."""


@dataclass(frozen=True, eq=False)
class Factor:
    """Numbers >= 0 for each combination of states: ``values`` has one axis for each variable of ``scope``.

    In a Bayesian network it is P(scope[0] | the rest).
    """

    scope: tuple[str, ...]
    values: Array  # float64


@dataclass(frozen=True, eq=False)
class Network:
    """``states``: the names of the states of each variable. directed: is each factor the conditional distribution of one
    variable, as in Bayesian networks?"""

    name: str
    states: Mapping[str, tuple[str, ...]]
    factors: tuple[Factor, ...]
    directed: bool
    loc: Loc

    def count(self, variable: str) -> int:
        return len(self.states[variable])


def check_network(network: Network) -> None:
    """An UnsupportedError that lists every fault, when there is one.

    Holds afterwards: factors have known variables, an axis of the right size for each, and finite numbers >= 0 that are
    not all 0. In a directed network each variable has one distribution, whose rows sum to 1, and no cycle.
    """
    faults = tuple(_faults(network))
    if faults:
        raise UnsupportedError(faults, loc=network.loc)


def _faults(network: Network) -> Iterator[Obstacle]:
    def fault(variable: str, problem: str, advice: str) -> Obstacle:
        return Obstacle(Loc(network.loc.file, variable), problem, advice)

    for variable, names in network.states.items():
        if not names:
            yield fault(variable, "it must have at least 1 state", "name its states")
        if len(set(names)) < len(names):
            yield fault(variable, f"its states must have different names, not {', '.join(names)}", "rename one of them")
    sound = True
    for factor in network.factors:
        wrong = _shape_problem(network, factor) or _value_problem(factor)
        if wrong is not None:
            sound = False
            yield fault(factor.scope[0] if factor.scope else "a factor", *wrong)
    if not network.directed:
        return
    owners = [f.scope[0] for f in network.factors if f.scope]
    for variable in network.states:
        if (times := owners.count(variable)) != 1:
            how = "no distribution" if times == 0 else f"{times} distributions"
            yield fault(
                variable, f"it must have one distribution, not {how}", "add a CPD for each variable, and one only"
            )
    for factor in network.factors if sound else ():
        sums = factor.values.sum(axis=0)
        worst = np.unravel_index(int(np.abs(sums - 1).argmax()), sums.shape)
        if abs(sums[worst] - 1) > SUM_TOLERANCE:
            given = _named(network, factor.scope[1:], worst)
            problem = f"its probabilities must sum to 1, not {sums[worst]:.6g}{f' given {given}' if given else ''}"
            yield fault(factor.scope[0], problem, "normalize the CPD")
    circle = _cycle(network)
    if circle:
        yield fault(
            circle[0], f"no variable may depend on itself, but {' <- '.join(circle)}", "remove one of these edges"
        )


def _shape_problem(network: Network, factor: Factor) -> tuple[str, str] | None:
    unknown = [v for v in factor.scope if v not in network.states]
    if unknown:
        return f'its distribution names "{unknown[0]}", which is no variable', "add this variable, or remove it here"
    if len(set(factor.scope)) < len(factor.scope):
        return "a variable must stand once in its distribution", "remove the repetition"
    want = tuple(network.count(v) for v in factor.scope)
    if factor.values.shape != want:
        return (
            f"its distribution must have {' x '.join(map(str, want))} numbers, not {' x '.join(map(str, factor.values.shape))}",
            "give each variable as many states everywhere",
        )
    return None


def _value_problem(factor: Factor) -> tuple[str, str] | None:
    if not np.isfinite(factor.values).all():
        return "its numbers must be finite", "fit it again on whole data"
    if (factor.values < 0).any():
        return (
            f"its numbers must be 0 or more, not {factor.values.min():.6g}",
            "probabilities and potentials aren't negative",
        )
    if not (factor.values > 0).any():
        return "one of its numbers must be above 0", "a factor of zeros makes everything impossible"
    return None


def _named(network: Network, scope: Sequence[str], place: Sequence[int | np.intp]) -> str:
    return ", ".join(f"{v} = {network.states[v][int(i)]}" for v, i in zip(scope, place, strict=True))


def _cycle(network: Network) -> list[str]:
    """Variables each of which depends on the next, the last on the first; empty when there is no such circle."""
    parents = {f.scope[0]: [v for v in f.scope[1:] if v in network.states] for f in network.factors if f.scope}
    left = dict(parents)
    waits = {v: len({p for p in ps if p in left}) for v, ps in left.items()}
    children: dict[str, list[str]] = {}
    for v, ps in left.items():
        for p in set(ps):
            children.setdefault(p, []).append(v)
    free = [v for v, count in waits.items() if count == 0]
    while free:
        v = free.pop()
        del left[v]
        for child in children.get(v, ()):
            waits[child] -= 1
            if waits[child] == 0:
                free.append(child)
    if not left:
        return []
    walk = [next(iter(left))]
    while walk.count(walk[-1]) == 1:
        walk.append(next(p for p in left[walk[-1]] if p in left))
    return walk[walk.index(walk[-1]) :]
