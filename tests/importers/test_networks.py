"""Queries to Bayesian and Markov networks: the compiled answer is pgmpy's, and that of enumeration; and what is refused."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.errors import InputError, ModelError
from skosh.importers.pgm.builder import BAD_INPUT, IMPOSSIBLE
from skosh.importers.pgm.network import Factor, Network
from skosh.importers.pgm.pgmpy import answered, network_of
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from skosh.optimize import optimize_graph
from skosh.pipeline import compile_to_c
from tests.importers.networks import (
    alarm_like,
    asia,
    cancer,
    network,
    posterior,
    random_network,
    sprinkler,
    to_pgmpy,
)

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pgmpy", "ignore::UserWarning:pgmpy")


def answers(graph: Graph, states: Any) -> tuple[list[Array], int]:
    """(outputs without their leading 1, status)."""
    run = run_graph(graph, [np.asarray([states], np.int32)])
    *outputs, status = (run.values[n] for n in graph.outputs)
    return [y[0] for y in outputs], int(status[0])


def combinations(net: Network, evidence: tuple[str, ...], missing: bool = True) -> list[tuple[int, ...]]:
    low = -1 if missing else 0
    return list(itertools.product(*(range(low, len(net.states[v])) for v in evidence)))


def agrees(
    net: Network, graph: Graph, query: tuple[str, ...], evidence: tuple[str, ...], states: tuple[int, ...]
) -> bool:
    """Asserts that the graph's posterior is that of enumeration; False when the evidence is impossible."""
    joint = len(graph.outputs) == 2
    got, status = answers(graph, states)
    want = posterior(net, query, dict(zip(evidence, states, strict=True)))
    if want.sum() == 0:
        assert status == IMPOSSIBLE and all(np.isnan(y).all() for y in got)
        return False
    assert status == 0
    want = want / want.sum()
    for i, y in enumerate(got):
        marginal = want if joint else want.sum(axis=tuple(k for k in range(want.ndim) if k != i))
        np.testing.assert_allclose(y, marginal, rtol=graph.notes["error_bound"], atol=1e-30)
    return True


# ------------------------------------------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("options", [{}, {"missing": False}, {"arithmetic": "log"}, {"joint": False}], ids=str)
@pytest.mark.parametrize(
    ("net", "query", "evidence"),
    [
        (sprinkler(), ("rain", "cloudy"), ("wet", "sprinkler")),
        (asia(), ("lung", "tub"), ("dysp", "asia", "xray")),
        (asia(), ("either",), ("smoke", "dysp", "tub")),
        (cancer(), ("Cancer", "Pollution"), ("Dyspnoea", "Xray", "Smoker")),
    ],
    ids=lambda v: v.name if isinstance(v, Network) else "",
)
def test_every_evidence_of_the_classics(
    net: Network, query: tuple[str, ...], evidence: tuple[str, ...], options: dict[str, Any]
) -> None:
    graph = answered(net, query, evidence, **options)
    for states in combinations(net, evidence, options.get("missing", True)):
        agrees(net, graph, query, evidence, states)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    split=st.integers(0, 10**6),
    missing=st.booleans(),
    joint=st.booleans(),
    arithmetic=st.sampled_from(["float32", "wide", "log"]),
    zeros=st.booleans(),
    directed=st.booleans(),
)
def test_random_networks(
    seed: int, split: int, missing: bool, joint: bool, arithmetic: str, zeros: bool, directed: bool
) -> None:
    """Up to 3 asked, up to 3 observed, of 7; with probabilities 0 among them; Bayesian networks and Markov networks."""
    net = random_network(seed, 7)
    rng = np.random.default_rng(split)
    if zeros:
        net = replace(net, factors=tuple(_with_zeros(f, rng) for f in net.factors))
    if not directed:
        scaled = tuple(Factor(f.scope, f.values * 10.0 ** rng.uniform(-20, 20)) for f in net.factors)
        net = replace(net, directed=False, factors=scaled)
    names = [str(v) for v in rng.permutation(list(net.states))]
    asked, seen = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    query, evidence = tuple(names[:asked]), tuple(names[asked : asked + seen])
    graph = answered(net, query, evidence, missing=missing, joint=joint, arithmetic=arithmetic)
    tries = combinations(net, evidence, missing)
    for k in rng.permutation(len(tries))[:8]:
        agrees(net, graph, query, evidence, tries[k])


def _with_zeros(f: Factor, rng: np.random.Generator) -> Factor:
    values = np.where(rng.random(f.values.shape) < 0.3, 0.0, f.values)
    total = values.sum(axis=0)
    return Factor(f.scope, np.where(total > 0, values / np.where(total > 0, total, 1), f.values))


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), split=st.integers(0, 10**6), arithmetic=st.sampled_from(["float32", "wide", "log"]))
def test_the_most_probable_states(seed: int, split: int, arithmetic: str) -> None:
    """No other states of the query variables, the others summed out, are more probable."""
    net = random_network(seed, 7)
    rng = np.random.default_rng(split)
    names = [str(v) for v in rng.permutation(list(net.states))]
    asked, seen = int(rng.integers(1, 6)), int(rng.integers(1, 3))
    query, evidence = tuple(names[:asked]), tuple(names[asked : asked + seen])
    graph = answered(net, query, evidence, output="map", arithmetic=arithmetic)
    tries = combinations(net, evidence)
    for k in rng.permutation(len(tries))[:6]:
        (best,), status = answers(graph, tries[k])
        want = posterior(net, query, dict(zip(evidence, tries[k], strict=True)))
        assert status == 0
        assert want[tuple(best)] >= want.max() * (1 - (5e-3 if arithmetic == "log" else 1e-5))


@pytest.mark.parametrize("arithmetic", ["float32", "log"])
def test_alarm_like_networks_agree_with_pgmpy(arithmetic: str) -> None:
    """Posterior, marginals and MAP of a network of 37 variables."""
    from pgmpy.inference import VariableElimination

    net = alarm_like(1)
    model = to_pgmpy(net)
    exact = VariableElimination(model)
    query, evidence = ["v10", "v30"], ["v3", "v8", "v15", "v21", "v29", "v35"]
    joint = skosh.load(model, query=query, evidence=evidence, arithmetic=arithmetic)
    single = skosh.load(model, query=query, evidence=evidence, joint=False, arithmetic=arithmetic)
    most = skosh.load(model, query=query, evidence=evidence, output="map", arithmetic=arithmetic)
    rng = np.random.default_rng(0)
    tolerance = 1e-5 if arithmetic == "float32" else joint.notes["error_bound"]
    for _ in range(4):
        states = [int(rng.integers(-1, len(net.states[v]))) for v in evidence]
        seen = {v: net.states[v][s] for v, s in zip(evidence, states, strict=True) if s >= 0}
        want = exact.query(query, seen, show_progress=False)
        values = want.values if list(want.variables) == query else want.values.T
        np.testing.assert_allclose(answers(joint, states)[0][0], values, atol=tolerance, rtol=0)
        for y, axis in zip(answers(single, states)[0], (1, 0), strict=True):
            np.testing.assert_allclose(y, values.sum(axis=axis), atol=tolerance, rtol=0)
        decided = exact.map_query(query, seen, show_progress=False)
        assert [net.states[v][s] for v, s in zip(query, answers(most, states)[0][0], strict=True)] == [
            decided[v] for v in query
        ]


def test_markov_networks_and_factor_graphs_of_pgmpy() -> None:
    from pgmpy.inference import VariableElimination

    net = replace(cancer(), directed=False)
    model = to_pgmpy(net)
    query, evidence = ("Cancer",), ("Xray", "Dyspnoea")
    for given_model in (model, model.to_factor_graph()):
        graph = skosh.load(given_model, query=query, evidence=evidence)
        for states in combinations(net, evidence):
            agrees(net, graph, query, evidence, states)
    want = VariableElimination(model).query(["Cancer"], {"Xray": "positive"}, show_progress=False).values
    np.testing.assert_allclose(answers(graph, (0, -1))[0][0], want / want.sum(), atol=1e-6)


def test_all_others_may_be_observed_when_evidence_is_left_out() -> None:
    graph = skosh.load(to_pgmpy(sprinkler()), query="rain")
    assert graph.notes["evidence"] == ("cloudy", "sprinkler", "wet")
    assert agrees(sprinkler(), graph, ("rain",), graph.notes["evidence"], (-1, -1, 0))


def test_a_thousand_unlikely_observations_do_not_vanish() -> None:
    """A hidden cause with 200 symptoms of probability 1e-4 or so: their product is far below what float32 holds."""
    count = 200
    names = {"cause": ("yes", "no")} | {f"e{i}": ("yes", "no") for i in range(count)}
    tables: dict[str, Any] = {"cause": ((), [0.5, 0.5])}
    for i in range(count):
        yes = [1.01e-4, 1e-4] if i % 2 else [1e-4, 1.01e-4]
        tables[f"e{i}"] = (("cause",), [[yes[0], 1 - yes[0]], [yes[1], 1 - yes[1]]])
    tables["e0"] = (("cause",), [[2e-4, 1 - 2e-4], [1e-4, 1 - 1e-4]])
    net = network("symptoms", names, tables)
    log_ratio = np.log(2) + (count // 2) * np.log(1.01) - (count // 2 - 1) * np.log(1.01)
    want = 1 / (1 + np.exp(-log_ratio))
    for arithmetic in ("float32", "log"):
        graph = answered(net, "cause", None, arithmetic=arithmetic)
        (y,), status = answers(graph, [0] * count)
        assert status == 0
        np.testing.assert_allclose(y[0], want, rtol=graph.notes["error_bound"])


def nearly_impossible(e: float = 1e-33) -> Network:
    """What is observed has probability e^2 or so: far below what float32 holds, and far above 0."""
    names = dict.fromkeys("abcd", ("no", "yes"))
    tables: dict[str, Any] = {
        "a": ((), [0.5, 0.5]),
        "b": (("a",), [[1 - e, e], [1 - 2 * e, 2 * e]]),
        "c": (("b",), [[1.0, 0.0], [1 - e, e]]),
        "d": (("a",), [[0.3, 0.7], [0.6, 0.4]]),
    }
    return network("rare", names, tables)


@pytest.mark.parametrize("arithmetic", ["float32", "wide", "log"])
def test_impossible_is_only_what_has_probability_0(arithmetic: str) -> None:
    net, query, evidence = nearly_impossible(), ("a", "d"), ("b", "c")
    graph = answered(net, query, evidence, arithmetic=arithmetic)
    assert graph.notes["arithmetic"] == ("log" if arithmetic == "log" else "wide")
    found = [agrees(net, graph, query, evidence, states) for states in combinations(net, evidence)]
    assert found.count(False) == 1  # c = yes, b = no
    assert skosh.compile(graph, target="cortex-m4").verify(samples=6).bit_exact
    most = answered(net, ("a", "d"), evidence, output="map", arithmetic=arithmetic)
    assert answers(most, (1, 1)) == ([pytest.approx([1, 0])], 0)


def test_float32_is_kept_where_it_holds_all() -> None:
    assert answered(alarm_like(1), ("v10",), ("v3", "v8", "v15")).notes["arithmetic"] == "float32"


def test_evidence_by_name() -> None:
    """Frames of categories, dicts, lists of dicts; what is not there was not observed."""
    import pandas as pd

    net = to_pgmpy(sprinkler())
    names = {v: tuple(net.get_cpds(v).state_names[v]) for v in net.nodes()}
    build = skosh.compile(skosh.load(net, query=["rain"], evidence=["wet", "cloudy"]), target="host")
    rows = [{"wet": names["wet"][1], "cloudy": names["cloudy"][0]}, {"wet": names["wet"][0]}, {"cloudy": names["cloudy"][1]}]
    want = build.run(np.array([[1, 0], [0, -1], [-1, 1]], np.int32))
    np.testing.assert_array_equal(build.predict(rows), want)
    frame = pd.DataFrame(rows)
    np.testing.assert_array_equal(build.predict(frame), want)
    np.testing.assert_array_equal(build.predict(frame.astype("category")), want)
    np.testing.assert_array_equal(build.predict(rows[0]), want[:1])
    listed = {v: [row.get(v) for row in rows] for v in ("wet", "cloudy")}
    np.testing.assert_array_equal(build.predict(listed), want)
    by_place = np.array([[row.get("wet"), row.get("cloudy")] for row in rows], object)
    np.testing.assert_array_equal(build.predict(by_place), want)
    np.testing.assert_array_equal(build.predict([[1, 0], [0, -1], [-1, 1]]), want)
    most = skosh.compile(skosh.load(net, query=["rain"], evidence=["wet"], output="map"), target="host")
    assert most.predict({"wet": names["wet"][1]})[0, 0] in names["rain"]
    with pytest.raises(InputError, match=f'"wet" must be one of {", ".join(map(str, names["wet"]))}, not \'soaked\''):
        build.predict({"wet": "soaked"})


# -------------------------------------------------------------------------------------------------------------- compiled


@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4"])
@pytest.mark.parametrize(
    "options",
    [{}, {"arithmetic": "log", "missing": False}, {"output": "map", "joint": True}, {"joint": False},
     {"arithmetic": "wide"}, {"arithmetic": "wide", "output": "map", "missing": False}],
    ids=str,
)
def test_the_c_is_bit_exact(target: str, options: dict[str, Any]) -> None:
    graph = answered(random_network(5, 12), ("v2", "v9"), ("v0", "v5", "v11"), **options)
    build = skosh.compile(graph, target=target)
    proof = build.verify(samples=8)
    assert proof.bit_exact, proof.first_difference
    if target != "cortex-m4":
        return
    for aim in ("speed", "flash", "ram"):
        assert skosh.compile(graph, target="host", optimize=aim).verify(samples=4).bit_exact


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_the_c_says_that_there_is_no_answer(target: str) -> None:
    """The grass is wet though it neither rained nor was sprinkled: probability 0."""
    graph = answered(sprinkler(), ("cloudy",), ("wet", "sprinkler", "rain"))
    build = skosh.compile(graph, target=target, name="wet")
    assert "WET_IMPOSSIBLE = 16, /* what was observed has probability 0" in build.sources["wet.h"]
    statuses = []
    for states in ([0, 1, 1], [0, 0, 1], [0, 2, 1]):
        y, status = build.runner.run([np.array([states], np.int32)])
        statuses.append(int(status[0]))
        assert np.isnan(y).all() == (status[0] != 0)
    assert statuses == [IMPOSSIBLE, 0, BAD_INPUT]
    rows = build.run(np.array([[0, 1, 1], [0, 0, 1]], np.int32))
    assert rows.shape == (2, 2) and np.isnan(rows[0]).all() and rows[1].sum() == pytest.approx(1)


def test_the_header_says_what_the_numbers_mean() -> None:
    sources = compile_to_c(answered(cancer(), ("Cancer",), ("Xray", "Pollution")), name="lung").sources
    assert """/* input "evidence", int32[1, 2]
 * states by number; -1: not observed
 * 0: Xray (0 positive, 1 negative)
 * 1: Pollution (0 low, 1 medium, 2 high) */
#define LUNG_INPUT_LEN 2""" in sources["lung.h"]
    assert """/* output "posterior", float32[1, 2]
 * axis 1: Cancer (0 true, 1 false) */""" in sources["lung.h"]


def test_what_matters_for_nothing_asked_or_observed_is_not_there() -> None:
    """dysp is no ancestor of anything here; what needs no evidence is worked out now."""
    graph = optimize_graph(answered(asia(), ("tub",), ("xray",)))
    assert not [n.name for n in graph.nodes if "dysp" in n.name or "smoke" in n.name]
    assert [n.op.kind for n in graph.nodes].count("eliminate") <= 3


# -------------------------------------------------------------------------------------------------------------- refusals


def refused(make: Any) -> str:
    with pytest.raises((InputError, ModelError)) as error:
        make()
    return str(error.value)


def test_queries_that_do_not_fit() -> None:
    net = sprinkler()
    told = "Hint: they are cloudy, sprinkler, rain, wet"
    assert refused(lambda: answered(net, "snow", None)) == (
        f'<sprinkler>: query must name variables of the network, and "snow" is none. {told}'
    )
    assert refused(lambda: answered(net, "rain", ["ice"])) == (
        f'<sprinkler>: evidence must name variables of the network, and "ice" is none. {told}'
    )
    assert refused(lambda: answered(net, None, None)) == (
        '<sprinkler>: query must name at least one variable. Hint: skosh.load(..., query=["x"])'
    )
    assert refused(lambda: answered(net, ["rain", "rain"], None)) == "<sprinkler>: query must name each variable once."
    assert (
        refused(lambda: answered(net, "rain", ["rain"]))
        == '<sprinkler>: "rain" must not be both asked for and observed.'
    )
    assert refused(lambda: answered(net, "rain", [])) == (
        "<sprinkler>: evidence must name at least one variable. "
        "Hint: without evidence the answer is a constant, which pgmpy computes"
    )
    assert refused(lambda: answered(net, "rain", None, output="mean")) == (
        '<sprinkler>: output must be one of posterior, map, not "mean".'
    )
    assert refused(lambda: answered(net, "rain", None, arithmetic="int8")) == (
        '<sprinkler>: arithmetic must be one of float32, wide, log, not "int8".'
    )
    assert refused(lambda: answered(net, "rain", None, jiont=True)) == (
        '<sprinkler>: a network has no option "jiont". Hint: it has query, evidence, arithmetic, joint, missing, output'
    )


def test_every_fault_of_a_network_at_once() -> None:
    net = network("bad", {"a": ("x", "y"), "b": ("x", "y"), "c": ("x", "x"), "d": ("x", "y")}, {
        "a": (("b",), [[0.5, 0.5], [0.9, 0.9]]), "b": (("a",), [[0.5, 0.5], [0.1, 0.9]]), "c": ((), [0.5, 0.5]),
    })  # fmt: skip
    assert (
        refused(lambda: answered(net, "a", None))
        == """<bad>: 4 obstacles to compiling this model
  "c": its states must have different names, not x, x. Hint: rename one of them
  "d": it must have one distribution, not no distribution. Hint: add a CPD for each variable, and one only
  "a": its probabilities must sum to 1, not 1.8 given b = y. Hint: normalize the CPD
  "a": no variable may depend on itself, but a <- b <- a. Hint: remove one of these edges"""
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([0.5, np.nan], "its numbers must be finite. Hint: fit it again on whole data"),
        ([1.5, -0.5], "its numbers must be 0 or more, not -0.5. Hint: probabilities and potentials aren't negative"),
        ([0.0, 0.0], "one of its numbers must be above 0. Hint: a factor of zeros makes everything impossible"),
        (
            [0.2, 0.3, 0.5],
            "its distribution must have 2 numbers, not 3. Hint: give each variable as many states everywhere",
        ),
    ],
)
def test_numbers_that_are_no_probabilities(values: list[float], problem: str) -> None:
    net = network("bad", {"a": ("x", "y")}, {"a": ((), values)})
    assert refused(lambda: answered(net, "a", None)) == f'<bad>: 1 obstacle to compiling this model\n  "a": {problem}'


def test_a_query_too_large_is_refused_before_it_takes_memory() -> None:
    many = {f"v{i}": tuple("abcdefgh") for i in range(12)}
    net = network("wide", many, {v: ((), [0.125] * 8) for v in many})
    assert refused(lambda: answered(net, list(many)[:11], ["v11"])) == (
        "<wide>: no factor may have more than 4,194,304 elements, but the best order of elimination found needs one of "
        "8,589,934,592. Hint: ask for fewer variables at once (joint=False), or observe more with missing=False"
    )


def test_models_of_pgmpy_that_are_not_discrete_or_not_whole() -> None:
    from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork, LinearGaussianBayesianNetwork

    linear = LinearGaussianBayesianNetwork([("a", "b")])
    assert refused(lambda: skosh.load(linear, query="a")) == (
        '<pgmpy>: "LinearGaussianBayesianNetwork": only discrete networks can be compiled, not a '
        "LinearGaussianBayesianNetwork. Hint: it must be one of DiscreteBayesianNetwork, DiscreteMarkovNetwork, FactorGraph"
    )
    bare = DiscreteBayesianNetwork([("a", "b")])
    assert '"a": it must have one distribution, not no distribution' in refused(lambda: skosh.load(bare, query="a"))
    lone = DiscreteMarkovNetwork([("a", "b")])
    assert '"a": it must be in at least one factor' in refused(lambda: skosh.load(lone, query="a"))
    renamed = to_pgmpy(sprinkler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        renamed.get_cpds("wet").state_names["rain"] = ["no", "yes"]
    assert '"rain": its states must be the same in all factors, not yes, no and no, yes' in refused(
        lambda: network_of(renamed, "x")
    )


def test_states_keep_the_order_of_the_cpd() -> None:
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork()
    model.add_node("x")
    model.add_node("y")
    model.add_edge("x", "y")
    names: Mapping[str, Any] = {"x": [7, 3], "y": ["no", "yes"]}
    model.add_cpds(
        TabularCPD("x", 2, [[0.9], [0.1]], state_names={"x": names["x"]}),
        TabularCPD("y", 2, [[0.8, 0.3], [0.2, 0.7]], ["x"], [2], state_names=dict(names)),
    )
    graph = skosh.load(model, query="x", evidence=["y"])
    assert graph.notes["states"] == {"x": ("7", "3"), "y": ("no", "yes")}
    (y,), _ = answers(graph, [1])
    np.testing.assert_allclose(y, [0.18 / 0.25, 0.07 / 0.25], rtol=1e-6)
