"""A query to a network as a Graph: a fixed sequence of factor products and sums.

Everything that can be decided before the evidence is known is decided here: which variables matter, the order of
elimination, the layout of every factor. A variable that is summed out is the last axis of all factors that it is in.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skosh.base.errors import InputError, ModelError
from skosh.importers.pgm.bounds import Bounds, bounds_of, product_bounds
from skosh.importers.pgm.builder import BAD_INPUT, IMPOSSIBLE, ModelBuilder, zeros
from skosh.importers.pgm.elimination import best_order, cost
from skosh.importers.pgm.evidence import NamedEvidence
from skosh.importers.pgm.network import Factor, Network
from skosh.ir.graph import Graph
from skosh.ops.graphical.factors import MOST_FACTORS, BackTrack, Condition, Decide, Eliminate, Normalize, ReadEvidence
from skosh.ops.graphical.semirings import LOG_ZERO, ONE, SEMIRINGS, Semiring

OUTPUTS = ("posterior", "map")
LEAST_FLOAT = -120.0
"""Exponent of the smallest number that float32 is trusted with: its normal numbers end at -126."""

LARGEST_FACTOR = 1 << 22
"""Elements: beyond it a query is refused, long before memory is."""


@dataclass(frozen=True)
class Query:
    """What is asked. joint: one distribution over all query variables, or one for each. missing: may evidence be -1?

    arithmetic: "float32" (with exponents of their own where float32 could lose a number), "wide" (these always), "log".
    """

    variables: tuple[str, ...]
    evidence: tuple[str, ...]
    output: str = "posterior"
    joint: bool = True
    missing: bool = True
    arithmetic: str = "float32"


@dataclass(frozen=True, eq=False)
class Table:
    """A factor in the graph. scope: its variables in the order of its axes; error: how far its elements may be off; bounds:
    what they may be; scaled: is the largest brought to [1, 2)?"""

    tensor: str
    scope: tuple[str, ...]
    error: float
    bounds: Bounds
    scaled: bool = True


class Tables:
    """The factors that are left, found by their variables, always in the order in which they were made."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._left: dict[int, Table] = {}
        self._of: dict[str, list[int]] = {}
        self._made = 0
        for t in tables:
            self.add(t)

    def add(self, table: Table) -> None:
        self._left[self._made] = table
        for v in table.scope:
            self._of.setdefault(v, []).append(self._made)
        self._made += 1

    def take(self, v: str) -> list[Table]:
        """Those with v, which are left no longer."""
        return [self._left.pop(i) for i in self._of.pop(v, ()) if i in self._left]

    def left(self) -> list[Table]:
        return list(self._left.values())


def checked_query(network: Network, query: Query) -> Query:
    """The query, or an InputError about what it names."""
    known = set(network.states)
    for what, names in (("query", query.variables), ("evidence", query.evidence)):
        for v in names:
            if v not in known:
                raise InputError(f'{what} must name variables of the network, and "{v}" is none', loc=network.loc,
                                 hint=f"they are {_listed(network.states)}")  # fmt: skip
        if len(set(names)) < len(names):
            raise InputError(f"{what} must name each variable once", loc=network.loc)
    if not query.variables:
        raise InputError("query must name at least one variable", loc=network.loc, hint='skosh.load(..., query=["x"])')
    if both := set(query.variables) & set(query.evidence):
        raise InputError(f'"{min(both)}" must not be both asked for and observed', loc=network.loc)
    if not query.evidence:
        raise InputError("evidence must name at least one variable", loc=network.loc,
                         hint="without evidence the answer is a constant, which pgmpy computes")  # fmt: skip
    if query.output not in OUTPUTS:
        raise InputError(f'output must be one of {", ".join(OUTPUTS)}, not "{query.output}"', loc=network.loc)
    if query.arithmetic not in SEMIRINGS:
        raise InputError(f'arithmetic must be one of {", ".join(SEMIRINGS)}, not "{query.arithmetic}"', loc=network.loc)
    return query


def _listed(names: Collection[str], most: int = 12) -> str:
    some = list(names)[:most]
    return ", ".join(some) + (f" and {len(names) - most} more" if len(names) > most else "")


def query_graph(network: Network, query: Query) -> Graph:
    """A Graph that answers the query. The network must be checked. InputError when the query doesn't fit it, ModelError
    when the factors between would be too large."""
    query = checked_query(network, query)
    maker = _Maker(network, query)
    graph = maker.graph()
    if query.arithmetic == "float32" and maker.least < LEAST_FLOAT:
        return _Maker(network, replace(query, arithmetic="wide"), maker.orders).graph()
    return graph


def relevant(network: Network, query: Query) -> tuple[Factor, ...]:
    """The factors that matter: in a Bayesian network, a variable on which nothing asked or observed depends sums to 1."""
    if not network.directed:
        return network.factors
    parents = {f.scope[0]: f.scope[1:] for f in network.factors}
    needed: set[str] = set()
    left = [*query.variables, *query.evidence]
    while left:
        v = left.pop()
        if v not in needed:
            needed.add(v)
            left += parents[v]
    return tuple(f for f in network.factors if f.scope[0] in needed)


class _Maker:
    """One query on its way into a graph."""

    def __init__(self, network: Network, query: Query, orders: dict[object, tuple[str, ...]] | None = None) -> None:
        self.network, self.query = network, query
        self.orders = {} if orders is None else orders  # of elimination: the arithmetic doesn't matter to them
        self.ring: Semiring = SEMIRINGS[query.arithmetic]
        self.builder = ModelBuilder(network.loc.file)
        self.factors = relevant(network, query)
        self.present = {v for f in self.factors for v in f.scope}
        self.count = {v: network.count(v) for v in network.states}
        self.fixed = () if query.missing else query.evidence  # variables that are gone once the evidence is read
        self.error = 0.0
        self.least = 0.0  # exponent of the smallest number that may occur beside numbers near 1
        self.largest = 0
        self.rank: dict[str, int] = {}  # of the variables, as axes of the factors now made
        bits = sum(math.log2(self.count[v]) for v in self.present)
        if query.arithmetic == "log" and bits * ONE > -LOG_ZERO / 8:
            raise ModelError(f'arithmetic="log" must have no more than 2^{-LOG_ZERO // 8 // ONE} combinations of states',
                             loc=network.loc, hint='use arithmetic="float32"')  # fmt: skip

    def graph(self) -> Graph:
        """Inputs: evidence int32 [1, E]. Outputs: probabilities float32 [1, ...] or states int32 [1, Q]."""
        query, builder = self.query, self.builder
        states = tuple(self.count[v] for v in query.evidence)
        low = 0 if not query.missing else -1
        listed = "\n".join(f"{i}: {v} ({self._states(v)})" for i, v in enumerate(query.evidence))
        unknown = "" if self.fixed else "; -1: not observed"
        evidence = builder.integer_input(
            "evidence", (1, len(states)), low, np.array(states, np.int32) - 1, f"states by number{unknown}\n{listed}"
        )
        self.spans, status = builder.apply_all(
            ReadEvidence(states, query.missing, BAD_INPUT), evidence, names=("spans", "read")
        )
        if query.output == "map":
            outputs, status = self._map(status)
        elif query.joint:
            outputs, status = self._posterior(query.variables, "posterior", status)
        else:
            outputs = []
            for v in query.variables:
                made, status = self._posterior(
                    (v,), f"posterior_{v}" if len(query.variables) > 1 else "posterior", status
                )
                outputs += made
        builder.notes |= {
            "query": query.variables,
            "evidence": query.evidence,
            "states": dict(self.network.states),
            "largest_factor": self.largest,
            "arithmetic": query.arithmetic,
            "predict": NamedEvidence(
                query.evidence, query.variables, dict(self.network.states), query.output == "map", self.network.loc
            ),
        }
        if query.output == "posterior":
            builder.notes["error_bound"] = self.error
        return builder.finish(self.network.name, outputs, status)

    def _states(self, v: str) -> str:
        return ", ".join(f"{i} {name}" for i, name in enumerate(self.network.states[v]))

    # ------------------------------------------------------------------------------------------------------ questions

    def _posterior(self, asked: tuple[str, ...], name: str, status: str) -> tuple[list[str], str]:
        self._refuse_beyond(math.prod(self.count[v] for v in asked))
        hidden = self.present - set(asked) - set(self.fixed)
        order = self._order([hidden])
        tables = self._tables((*asked, *reversed(order)))
        for v in order:
            self._eliminate(tables, v, "sum")
        whole = self._product(tables.left(), asked, name=f"{name}_weights")
        self.least = min(self.least, whole.bounds.least)
        shape = tuple(self.count[v] for v in asked)
        y, status = self.builder.apply_all(
            Normalize(shape, IMPOSSIBLE), whole.tensor, status, names=(name, f"{name}_status")
        )
        self.builder.meaning[y] = "\n".join(f"axis {i + 1}: {v} ({self._states(v)})" for i, v in enumerate(asked))
        total = whole.error + (math.prod(shape) - 1) * self.ring.total_error
        relative = self.ring.relative(whole.error + total) + self.ring.ratio_error
        self.error = max(self.error, math.expm1(1.01 * relative))
        return [y], status

    def _map(self, status: str) -> tuple[list[str], str]:
        asked = self.query.variables
        hidden = self.present - set(asked) - set(self.fixed)
        order = self._order([hidden, asked])
        tables = self._tables(tuple(reversed(order)))
        best: list[tuple[str, Table]] = []
        for v in order:
            states = self._eliminate(tables, v, "max" if v in asked else "sum")
            if states is not None:
                best.append((v, states))
        value = self._product(tables.left(), (), name="best_value")
        decided = self.builder.integers("undecided", zeros(len(asked)))
        for v, states in reversed(best):
            sizes = tuple(self.count[u] for u in states.scope)
            scope = tuple(asked.index(u) for u in states.scope)
            decided = self.builder.apply(
                BackTrack(asked.index(v), scope, sizes), states.tensor, decided, name=f"best_{v}"
            )
        y, status = self.builder.apply_all(
            Decide(IMPOSSIBLE), decided, value.tensor, status, names=("states", "states_status")
        )
        self.builder.meaning[y] = "\n".join(f"{i}: {v} ({self._states(v)})" for i, v in enumerate(asked))
        return [y], status

    # ---------------------------------------------------------------------------------------------------------- steps

    def _order(self, stages: Sequence[Collection[str]]) -> tuple[str, ...]:
        scopes = [[v for v in f.scope if v not in self.fixed] for f in self.factors]
        live = {v: self.count[v] for v in self.count if v in self.present and v not in self.fixed}
        key = tuple(frozenset(stage) for stage in stages)
        if key not in self.orders:
            self.orders[key] = best_order(scopes, live, [[v for v in stage if v in self.present] for stage in stages])
        order = self.orders[key]
        largest = cost(scopes, live, order)[1]
        self._refuse_beyond(largest)
        self.largest = max(self.largest, largest)
        return order

    def _refuse_beyond(self, elements: int) -> None:
        if elements > LARGEST_FACTOR:
            raise ModelError(
                f"no factor may have more than {LARGEST_FACTOR:,} elements, but the best order of elimination found needs "
                f"one of {elements:,}",
                loc=self.network.loc,
                hint="ask for fewer variables at once (joint=False), or observe more with missing=False",
            )

    def _tables(self, ranked: Sequence[str]) -> Tables:
        """The network's factors, their axes in the order of ``ranked``; what the evidence fixes is taken out of them."""
        self.rank = {v: i for i, v in enumerate(ranked)}
        made = []
        for f in self.factors:
            fixed = [v for v in f.scope if v in self.fixed]
            free = sorted((v for v in f.scope if v not in fixed), key=self.rank.__getitem__)
            values = f.values if self.network.directed else f.values / f.values.max()
            data = self.ring.stored(values.transpose([f.scope.index(v) for v in (*fixed, *free)]))
            name = f"p_{f.scope[0]}" if f.scope else "p"
            if fixed:
                sizes = tuple(self.count[v] for v in fixed)
                table = self.builder.raw(name, np.ascontiguousarray(data).reshape(math.prod(sizes), -1))
                which = tuple(self.query.evidence.index(v) for v in fixed)
                tensor = self.builder.apply(Condition(which, sizes), table, self.spans, name=f"{name}_given")
            else:
                tensor = self.builder.raw(name, np.ascontiguousarray(data).reshape(-1))
            ordered = values.transpose([f.scope.index(v) for v in (*fixed, *free)])
            bounds = bounds_of(ordered, len(fixed))
            self.least = min(self.least, bounds.least)
            made.append(Table(tensor, tuple(free), self.ring.stored_error, bounds, scaled=False))
        return Tables(made)

    def _eliminate(self, tables: Tables, v: str, how: str) -> Table | None:
        """Replace the factors with v by one without it, and give the states of v at the maximum."""
        mine = tables.take(v)
        while len(mine) > MOST_FACTORS:
            mine.sort(key=self._elements)
            first, mine = mine[:MOST_FACTORS], mine[MOST_FACTORS:]
            mine.append(self._product(first, self._joined(first), name=f"product_{v}"))
        joined = self._joined(mine)
        assert joined[-1] == v, "what is eliminated next is the last axis of all its factors"
        observed = self.query.evidence.index(v) if v in self.query.evidence else None
        op = self._op(mine, joined, how, observed)
        inputs = [t.tensor for t in mine] + ([self.spans] if observed is not None else [])
        error = sum(t.error for t in mine) + (len(mine) - 1) * self.ring.product_error
        bounds = self._joint(mine, joined).without_last(self.count[v], observed=observed is not None, best=how == "max")
        self.least = min(self.least, bounds.least)
        if how == "max":
            value, best = self.builder.apply_all(op, *inputs, names=(f"max_{v}", f"arg_{v}"))
            tables.add(Table(value, joined[:-1], error, bounds))
            return Table(best, joined[:-1], 0.0, bounds)
        error += (self.count[v] - 1) * self.ring.total_error
        tables.add(Table(self.builder.apply(op, *inputs, name=f"sum_{v}"), joined[:-1], error, bounds))
        return None

    def _joint(self, tables: Sequence[Table], joined: tuple[str, ...]) -> Bounds:
        """Bounds of the product; how small it may become before it is scaled is kept."""
        sizes = {v: self.count[v] for v in joined}
        bounds = product_bounds([t.bounds.over([sizes[v] if v in t.scope else 1 for v in joined]) for t in tables])
        reach = sum(t.bounds.most for t in tables if t.scaled)
        self.least = min(self.least, bounds.smallest - reach - len(tables))
        return bounds

    def _product(self, tables: Sequence[Table], scope: tuple[str, ...], *, name: str) -> Table:
        """The product of all tables over ``scope``, the small ones first."""
        left = sorted(tables, key=self._elements)
        while True:
            first, left = left[:MOST_FACTORS], left[MOST_FACTORS:]
            over = scope if not left else tuple(v for v in scope if any(v in t.scope for t in first))
            self._refuse_beyond(math.prod(self.count[v] for v in over))
            if len(first) == 1 and first[0].scope == over:
                return first[0]
            op = self._op(first, over, "sum", None, plain=True)
            error = sum(t.error for t in first) + (len(first) - 1) * self.ring.product_error
            bounds = self._joint(first, over)
            self.least = min(self.least, bounds.least)
            made = Table(self.builder.apply(op, *(t.tensor for t in first), name=name), over, error, bounds)
            if not left:
                return made
            left = sorted([*left, made], key=self._elements)

    def _op(
        self, tables: Sequence[Table], joined: tuple[str, ...], how: str, observed: int | None, *, plain: bool = False
    ) -> Eliminate:
        sizes = tuple(self.count[v] for v in joined) + ((1,) if plain else ())
        return Eliminate(sizes, tuple(tuple(joined.index(v) for v in t.scope) for t in tables), how, observed)

    def _joined(self, tables: Sequence[Table]) -> tuple[str, ...]:
        """All variables of the tables, in the order that their axes agree on."""
        return tuple(sorted({v for t in tables for v in t.scope}, key=self.rank.__getitem__))

    def _elements(self, t: Table) -> int:
        return math.prod(self.count[v] for v in t.scope)
