"""Small networks: the classics by hand, and random ones like ALARM; as plain data and as pgmpy's models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skosh.base.errors import Loc
from skosh.importers.pgm.network import Factor, Network

YES_NO = ("yes", "no")


def network(name: str, states: Mapping[str, Sequence[str]], tables: Mapping[str, tuple[Sequence[str], Any]]) -> Network:
    """tables: variable -> (parents, probabilities with the variable's axis last)."""
    factors = tuple(
        Factor((v, *parents), np.moveaxis(np.asarray(values, np.float64), -1, 0))
        for v, (parents, values) in tables.items()
    )
    return Network(name, {v: tuple(s) for v, s in states.items()}, factors, True, Loc(f"<{name}>"))


def sprinkler() -> Network:
    """Russell and Norvig: is it cloudy, does the sprinkler run, does it rain, is the grass wet?"""
    names = ("cloudy", "sprinkler", "rain", "wet")
    return network("sprinkler", dict.fromkeys(names, YES_NO), {
        "cloudy": ((), [0.5, 0.5]),
        "sprinkler": (("cloudy",), [[0.1, 0.9], [0.5, 0.5]]),
        "rain": (("cloudy",), [[0.8, 0.2], [0.2, 0.8]]),
        "wet": (("sprinkler", "rain"), [[[0.99, 0.01], [0.9, 0.1]], [[0.9, 0.1], [0.0, 1.0]]]),
    })  # fmt: skip


def asia() -> Network:
    """Lauritzen and Spiegelhalter (1988): dyspnoea after a visit to Asia."""
    names = ("asia", "tub", "smoke", "lung", "bronc", "either", "xray", "dysp")
    return network("asia", dict.fromkeys(names, YES_NO), {
        "asia": ((), [0.01, 0.99]),
        "tub": (("asia",), [[0.05, 0.95], [0.01, 0.99]]),
        "smoke": ((), [0.5, 0.5]),
        "lung": (("smoke",), [[0.1, 0.9], [0.01, 0.99]]),
        "bronc": (("smoke",), [[0.6, 0.4], [0.3, 0.7]]),
        "either": (("lung", "tub"), [[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]),
        "xray": (("either",), [[0.98, 0.02], [0.05, 0.95]]),
        "dysp": (("bronc", "either"), [[[0.9, 0.1], [0.8, 0.2]], [[0.7, 0.3], [0.1, 0.9]]]),
    })  # fmt: skip


def cancer() -> Network:
    """Korb and Nicholson: lung cancer, with variables of two and three states."""
    states = {"Pollution": ("low", "medium", "high"), "Smoker": ("true", "false"), "Cancer": ("true", "false"),
              "Xray": ("positive", "negative"), "Dyspnoea": ("true", "false")}  # fmt: skip
    return network("cancer", states, {
        "Pollution": ((), [0.7, 0.2, 0.1]),
        "Smoker": ((), [0.3, 0.7]),
        "Cancer": (("Pollution", "Smoker"), [[[0.03, 0.97], [0.001, 0.999]], [[0.04, 0.96], [0.01, 0.99]],
                                             [[0.05, 0.95], [0.02, 0.98]]]),
        "Xray": (("Cancer",), [[0.9, 0.1], [0.2, 0.8]]),
        "Dyspnoea": (("Cancer",), [[0.65, 0.35], [0.3, 0.7]]),
    })  # fmt: skip


def random_network(
    seed: int, variables: int, *, most_parents: int = 3, most_states: int = 4, near: int = 6, edges: float = 1.24
) -> Network:
    """A random Bayesian network: each variable has parents among the ``near`` before it, ``edges`` of them on average."""
    rng = np.random.default_rng(seed)
    names = [f"v{i}" for i in range(variables)]
    states = {v: tuple(f"s{k}" for k in range(int(rng.integers(2, most_states + 1)))) for v in names}
    tables = {}
    for i, v in enumerate(names):
        around = names[max(0, i - near) : i]
        count = min(int(rng.poisson(edges)), most_parents, len(around))
        parents = tuple(str(p) for p in rng.choice(around, count, replace=False)) if count else ()
        shape = (*(len(states[p]) for p in parents), len(states[v]))
        tables[v] = (parents, rng.dirichlet(np.full(shape[-1], 0.7), shape[:-1]))
    return network(f"random{seed}", states, tables)


def alarm_like(seed: int = 0) -> Network:
    """37 variables of 2 to 4 states, 1.24 parents on average and 4 at most: the figures of ALARM (Beinlich et al. 1989)."""
    return random_network(seed, 37, most_parents=4, edges=1.35)


def to_pgmpy(net: Network) -> Any:
    """The same network as pgmpy's model."""
    from pgmpy.factors.discrete import DiscreteFactor, TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork

    count = {v: len(s) for v, s in net.states.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not net.directed:
            model = DiscreteMarkovNetwork()
            model.add_nodes_from(net.states)
            for f in net.factors:
                model.add_edges_from([(a, b) for i, a in enumerate(f.scope) for b in f.scope[i + 1 :]])
                named = {v: list(net.states[v]) for v in f.scope}
                model.add_factors(
                    DiscreteFactor(list(f.scope), [count[v] for v in f.scope], f.values, state_names=named)
                )
            return model
        model = DiscreteBayesianNetwork()
        model.add_nodes_from(net.states)
        model.add_edges_from([(p, f.scope[0]) for f in net.factors for p in f.scope[1:]])
        for f in net.factors:
            child, *parents = f.scope
            names = {v: list(net.states[v]) for v in f.scope}
            values = f.values.reshape(count[child], -1)
            model.add_cpds(
                TabularCPD(child, count[child], values, parents or None, [count[p] for p in parents] or None, names)
            )
        return model


def joint(net: Network) -> np.ndarray[Any, Any]:
    """The joint distribution in float64, unnormalized: one axis for each variable, in the network's order."""
    letters = {v: i for i, v in enumerate(net.states)}
    operands: list[Any] = []
    for f in net.factors:
        operands += [f.values, [letters[v] for v in f.scope]]
    return np.asarray(np.einsum(*operands, list(letters.values())))


def posterior(net: Network, query: Sequence[str], evidence: Mapping[str, int]) -> np.ndarray[Any, Any]:
    """By enumeration: unnormalized, axes in the order of ``query``. evidence: -1 for what was not observed."""
    names = list(net.states)
    whole = joint(net)[
        tuple(slice(None) if evidence.get(v, -1) < 0 else slice(evidence[v], evidence[v] + 1) for v in names)
    ]
    left = [v for v in names if v in query]
    summed = whole.sum(axis=tuple(i for i, v in enumerate(names) if v not in query))
    return np.asarray(summed.transpose([left.index(v) for v in query]))
