"""pgmpy's discrete networks: DiscreteBayesianNetwork and its kin, DiscreteMarkovNetwork, FactorGraph."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import InputError, Loc, ModelError, Obstacle, UnsupportedError
from skosh.importers.pgm.asked import of_network, with_original
from skosh.importers.pgm.network import Factor, Network, check_network
from skosh.importers.pgm.query import Query, query_graph
from skosh.ir.graph import Graph

FILE = "<pgmpy>"
DIRECTED = ("DiscreteBayesianNetwork", "BayesianNetwork", "NaiveBayes")
UNDIRECTED = ("DiscreteMarkovNetwork", "MarkovNetwork", "FactorGraph")


def load(source: Any, name: str | None = None, query: Any = None, evidence: Any = None, **options: Any) -> Graph:
    """A Graph that answers one query to the network, from evidence int32 [1, E]: states by number, -1 where not observed.

    query: variables that are asked for. evidence: those that may be observed; all others when left out.
    output: "posterior", probabilities float32, or "map", the most probable states int32 [1, Q]. joint: one distribution
    [1, states of the first, of the second, ...], as pgmpy's ``query``, or one output for each variable.
    missing=False: evidence is never -1, which makes it cheaper. arithmetic: "float32", which becomes
    "wide" (an exponent for each number) where a number could fall below what float32 holds, or "log": fixed-point logarithms.
    States are numbered as in the variable's CPD. ``notes["error_bound"]``: how far a probability may be off, relatively.

    Raises InputError when the query doesn't fit the network, ModelError when the network is not whole or too large.
    """
    graph = answered(network_of(source, name or "network"), query, evidence, **options)
    return with_original(graph, of_network(source, graph))


def answered(network: Network, query: Any, evidence: Any, **options: Any) -> Graph:
    """The graph of a checked network and the options of a query; InputError when an option has no such name."""
    check_network(network)
    asked = _names(query)
    observed = tuple(v for v in network.states if v not in asked) if evidence is None else _names(evidence)
    known = {"output", "joint", "missing", "arithmetic"}
    if unknown := options.keys() - known:
        raise InputError(f'a network has no option "{min(unknown)}"', loc=network.loc,
                         hint=f"it has query, evidence, {', '.join(sorted(known))}")  # fmt: skip
    return query_graph(network, Query(asked, observed, **options))


def _names(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(str(v) for v in given)


def network_of(source: Any, name: str) -> Network:
    """The network of a pgmpy model. Raises an UnsupportedError for a model of another kind, or without distributions."""
    loc = Loc(FILE, type(source).__name__)
    kinds = {c.__name__ for c in type(source).__mro__}
    if kinds & {"LinearGaussianBayesianNetwork", "FunctionalBayesianNetwork", "DynamicBayesianNetwork"} or not kinds & {
        *DIRECTED, *UNDIRECTED
    }:  # fmt: skip
        raise ModelError(f"only discrete networks can be compiled, not a {type(source).__name__}", loc=loc,
                         hint=f"it must be one of {', '.join((*DIRECTED[:1], *UNDIRECTED[:1], 'FactorGraph'))}")  # fmt: skip
    directed = bool(kinds & {*DIRECTED})
    given = list(source.get_cpds() if directed else source.get_factors())
    states: dict[str, tuple[str, ...]] = {}
    obstacles: list[Obstacle] = []
    for made in given:
        if not hasattr(made, "state_names"):
            raise ModelError(f"every distribution must be a table, not a {type(made).__name__}", loc=loc)
        for v in made.variables:
            names = tuple(map(str, made.state_names[v]))
            if states.setdefault(str(v), names) != names:
                problem = f"its states must be the same in all factors, not {_list(states[str(v)])} and {_list(names)}"
                obstacles.append(Obstacle(Loc(FILE, str(v)), problem, "name them alike, in one order"))
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=loc)
    # the nodes of a FactorGraph are also its factors
    nodes = list(states) if "FactorGraph" in kinds else [str(v) for v in source.nodes()]
    ordered = {v: states.get(v, ("0",)) for v in nodes}
    factors = tuple(
        Factor(tuple(map(str, f.variables)), np.asarray(f.values, np.float64).reshape(tuple(map(int, f.cardinality))))
        for f in given
    )
    if not directed and (bare := [v for v in nodes if v not in states]):
        raise UnsupportedError(
            tuple(
                Obstacle(Loc(FILE, v), "it must be in at least one factor", "add a factor, or remove it") for v in bare
            ),
            loc=loc,
        )
    return Network(name, ordered, factors, directed, loc)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
