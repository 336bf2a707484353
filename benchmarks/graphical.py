"""Bayesian networks, hidden Markov models, conditional random fields: size on a Cortex-M4, time beside the libraries.

    python benchmarks/graphical.py            # the tables of docs/graphical-models.md, on stdout; needs skosh[pgm,crf]
    python benchmarks/graphical.py --write    # put them into the page
    python benchmarks/graphical.py --only alarm --queries 10

Networks are those that pgmpy brings (no network is used): one query each, of a root, with as many observed variables as in
../shared/baselines/host.md, 30 rows of evidence drawn from the network itself. The hidden Markov models are made at random;
the conditional random field is fitted to made sequences, and its library gets items that are its own objects already.

Time, all of one thread (CPU time, the median of rounds that take turns): the library's own call, a query or a sequence at a
time, as it takes no batches; ``in C``, one call of C that loops over all rows, so what a device would do, without Python; and
``through Python``, ``Build.run`` with all rows at once, which calls the C for each. The C is that of target="host", -O2,
without this computer's own vector instructions.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.build import compile_host
from skosh.built import Build
from skosh.emit.interface import Interface, interface
from skosh.emulate.host import HostModel
from skosh.ir.graph import Graph

Array = np.ndarray[Any, Any]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "graphical-models.md"
START, END = "<!-- made by benchmarks/graphical.py -->\n", "<!-- end -->\n"
NETWORKS = {"asia": 3, "sachs": 3, "child": 5, "alarm": 8}
"""Name and how many variables are observed."""
ROWS, IN_C = 30, 3000
TARGET = "cortex-m4"


@dataclass(frozen=True)
class Row:
    """What was found. Sizes in bytes, times in seconds a query or sequence."""

    name: str
    what: str
    flash: int
    ram: int
    instructions: int
    difference: float
    library: float
    in_c: float
    through_python: float

    def cells(self) -> list[str]:
        micro = [f"{t * 1e6:,.{2 if t < 1e-5 else 0}f}" for t in (self.library, self.in_c, self.through_python)]
        times = [f"{self.library / t:,.0f}x" for t in (self.in_c, self.through_python)]
        sizes = [f"{n:,}" for n in (self.flash, self.ram, self.instructions)]
        return [self.name, self.what, *sizes, f"{max(self.difference, 0):.0e}", *micro, *times]


def loop(face: Interface) -> str:
    """``loop(rows, inputs..., output, arena)``: a run for each row."""
    (y,) = face.outputs
    inputs = ", ".join(f"const {x.dtype.c} *x{i}" for i, x in enumerate(face.inputs))
    given = ", ".join(f"&x{i}[r * {x.length_macro}]" for i, x in enumerate(face.inputs))
    head = f"int loop(size_t rows, {inputs}, {y.dtype.c} *y, void *arena)"
    run = f"{face.prefix}_run({given}, &y[r * {y.length_macro}], arena)"
    return f"""#include "{face.prefix}.h"

#include <stddef.h>

{head};

{head}
{{
    int worst = 0;
    for (size_t r = 0; r < rows; r++) {{
        const int status = (int){run};
        worst = status > worst ? status : worst;
    }}
    return worst;
}}
"""


def in_c(build: Build, ports: list[Array]) -> tuple[Callable[[], None], Array]:
    """(a call of C that runs the model on each row, where the answers are then)"""
    face = interface(build.program)
    library = compile_host(build.sources, loop(face), machine=build.target.flags)
    plan = build.program.plan
    model = HostModel(library, build.program.name, arena_bytes=plan.arena_bytes, arena_align=max(64, plan.base_align))
    out = np.empty((len(ports[0]), face.outputs[0].tensor.size), face.outputs[0].dtype.np)
    data = [np.ascontiguousarray(p) for p in ports]
    run = model.function("loop")

    def call() -> None:
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*data, out, model.arena)]
        status = int(run(ctypes.c_size_t(len(out)), *pointers))
        assert status == 0, f"row of status {status}"

    return call, out


def times(runs: list[tuple[Callable[[], Any], int]], rounds: int) -> list[float]:
    """Seconds for one of what each run does so many of; medians of rounds that take turns."""
    spent: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for (run, count), list_ in zip(runs, spent, strict=True):
            start = time.thread_time()
            run()
            list_.append((time.thread_time() - start) / count)
    return [float(np.median(s)) for s in spent]


def row(
    name: str, what: str, graph: Graph, ports: list[Array], library: Callable[[], Any], distance: Callable[[Array], float],
    rounds: int,
) -> Row:  # fmt: skip
    """ports: the inputs, rows first; library: what it does with all rows; distance: how far answers are from the library's."""
    device, host = skosh.compile(graph, target=TARGET), skosh.compile(graph, target="host")
    profile = device.profile()
    few, count = [p[:2] for p in ports], len(ports[0])
    assert np.array_equal(device.run(few), host.run(few)), "the device must compute what the host does"
    call, out = in_c(host, [np.concatenate([p] * -(-IN_C // count)) for p in ports])
    spent = times([(library, count), (call, len(out)), (lambda: host.run(ports), count)], rounds)
    got = out[:count].reshape(count, *graph.tensors[graph.outputs[0]].shape[1:])
    difference = float(distance(got))
    return Row(name, what, profile.flash.total, profile.ram.total, profile.instructions or 0, difference, *spent)


# --------------------------------------------------------------------------------------------------------------- networks


def network(name: str, observed: int, rounds: int, seed: int) -> list[Row]:
    """One query, drawn by the seed: all evidence is always there, or (the default) any of it may be missing."""
    from pgmpy.inference import VariableElimination
    from pgmpy.utils import get_example_model

    model = get_example_model(name)
    rng = np.random.default_rng(seed)
    nodes = sorted(map(str, model.nodes()))
    roots = [v for v in nodes if not model.get_parents(v) and model.get_children(v)]
    asked = str(rng.choice(roots))
    evidence = [str(v) for v in rng.permutation([v for v in nodes if v != asked])[:observed]]
    rows = sampled(model, evidence, rng)
    engine = VariableElimination(model)
    names = {v: model.get_cpds(v).state_names[v] for v in evidence}

    def query(r: Array) -> Any:
        given = {v: names[v][int(s)] for v, s in zip(evidence, r, strict=True)}
        return engine.query([asked], given, show_progress=False)

    want = np.array([query(r).values for r in rows])
    found = []
    for missing in (False, True):
        graph = skosh.load(model, query=[asked], evidence=evidence, missing=missing, name=name)
        what = f"{asked}, {observed} of {len(nodes)} {'observed, or not' if missing else 'observed'}"
        found.append(
            row(name, what, graph, [rows], lambda: [query(r) for r in rows], lambda got: np.abs(got - want).max(), rounds)
        )
    return found


def sampled(model: Any, evidence: list[str], rng: np.random.Generator) -> Array:
    """int32 [ROWS, evidence]: states by number, drawn from the network from its roots on."""
    import networkx

    order = [*networkx.topological_sort(model)]
    found = []
    for _ in range(ROWS):
        state: dict[str, int] = {}
        for v in order:
            cpd = model.get_cpds(v)
            p = np.asarray(cpd.values)[(slice(None), *(state[u] for u in cpd.variables[1:]))]
            state[v] = int(rng.choice(len(p), p=p / p.sum()))
        found.append([state[v] for v in evidence])
    return np.array(found, np.int32)


# ---------------------------------------------------------------------------------------------------- hidden Markov models


def gaussian(states: int, features: int) -> tuple[Any, Array]:
    from hmmlearn.hmm import GaussianHMM

    rng = np.random.default_rng(0)
    model = GaussianHMM(states, covariance_type="diag")
    model.startprob_, model.transmat_ = rng.dirichlet(np.ones(states)), rng.dirichlet(np.ones(states), states)
    model.means_, model.covars_ = rng.normal(0, 2, (states, features)), rng.uniform(0.5, 2, (states, features))
    return model, np.stack([model.sample(100, random_state=i)[0] for i in range(ROWS)]).astype(np.float32)


def categorical(states: int, symbols: int) -> tuple[Any, Array]:
    from hmmlearn.hmm import CategoricalHMM

    rng = np.random.default_rng(0)
    model = CategoricalHMM(states)
    model.startprob_, model.transmat_ = rng.dirichlet(np.ones(states)), rng.dirichlet(np.ones(states), states)
    model.n_features, model.emissionprob_ = symbols, rng.dirichlet(np.ones(symbols), states)
    return model, np.stack([model.sample(100, random_state=i)[0][:, 0] for i in range(ROWS)]).astype(np.int32)


CHAINS = {
    "Gaussian, 4 states, 3 features": lambda: gaussian(4, 3), "Gaussian, 8 states, 6 features": lambda: gaussian(8, 6),
    "categorical, 5 states, 8 symbols": lambda: categorical(5, 8),
}  # fmt: skip


def chains(name: str, rounds: int) -> list[Row]:
    """The most probable path through 100 observations, and the probabilities of the states."""
    model, x = CHAINS[name]()
    found = []
    for what, output in (("path of 100", "viterbi"), ("states of 100", "posteriors")):
        method = model.predict if output == "viterbi" else model.predict_proba
        graph = skosh.load(model, output=output, length=100, name=output)

        def library(method: Any = method) -> Any:
            return [method(r if r.ndim == 2 else r[:, None]) for r in x]

        want = np.array(library())

        def distance(got: Array, want: Array = want, path: bool = output == "viterbi") -> float:
            if not path:
                return float(np.abs(got - want).max())
            return max(probability(model, r, w) - probability(model, r, g) for r, w, g in zip(x, want, got, strict=True))

        found.append(row(name, what, graph, [x], library, distance, rounds))
    return found


def probability(model: Any, x: Array, path: Array) -> float:
    """The logarithm of a path's, with the observations'."""
    scores = model._compute_log_likelihood(x if x.ndim == 2 else x[:, None])
    moves = np.log(model.transmat_)[path[:-1], path[1:]].sum()
    return float(np.log(model.startprob_[path[0]]) + moves + scores[np.arange(len(path)), path].sum())


# ------------------------------------------------------------------------------------------------ conditional random fields


def tagged(count: int, seed: int) -> tuple[list[list[list[str]]], list[list[str]]]:
    """Sequences of 20 items with 8 attributes of some 300, and their labels, 6 that like to stay."""
    rng = np.random.default_rng(seed)
    items, labels = [], []
    for _ in range(count):
        k = np.cumsum(rng.random(20) < 0.3) * int(rng.integers(1, 6)) % 6
        draws = rng.integers(0, 60, (20, 8))
        items.append([[f"{i}:{(d + 7 * k[t]) % 40}" for i, d in enumerate(row)] for t, row in enumerate(draws)])
        labels.append([f"L{i}" for i in k])
    return items, labels


def field(rounds: int) -> list[Row]:
    """The labels of 20 items, and their probabilities."""
    import pycrfsuite
    import sklearn_crfsuite

    crf = sklearn_crfsuite.CRF(max_iterations=50).fit(*tagged(200, 0))
    unseen = tagged(ROWS, 1)[0]
    theirs = [pycrfsuite.ItemSequence(s) for s in unseen]
    name, found = f"{len(crf.classes_)} labels, {crf.num_attributes_} attributes", []
    for what, output in (("labels of 20", "viterbi"), ("marginals of 20", "marginals")):
        graph = skosh.load(crf, output=output, length=20, attributes=8, values=False, name=output)
        items = graph.notes["predict"].items
        ports = [np.stack([items.arrays(s, 20)[0] for s in unseen]), np.full((ROWS, 1), 20, np.int32)]
        method = crf.predict_single if output == "viterbi" else crf.predict_marginals_single

        def library(method: Any = method) -> Any:
            return [method(s) for s in theirs]

        def distance(got: Array, library: Any = library, path: bool = output == "viterbi") -> float:
            if path:
                return float(np.mean(np.array(crf.classes_)[got] != np.array(library())))
            return float(np.abs(got - np.array([[list(p.values()) for p in s] for s in library()])).max())

        found.append(row(name, what, graph, ports, library, distance, rounds))
    return found


# ----------------------------------------------------------------------------------------------------------------- tables


def table(found: list[Row], library: str) -> str:
    head = ["model", "asked", "M4 flash", "M4 RAM", "M4 instructions", "differs"]
    head += [f"{library} us", "in C us", "through Python us", "in C", "through Python"]
    lines = [head, ["---", "---", *["--:"] * (len(head) - 2)], *(r.cells() for r in found)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="parts of names")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--queries", type=int, default=1, help="to each network")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/graphical-models.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    def wanted(name: str) -> bool:
        return not arguments.only or any(o in name for o in arguments.only)

    networks = [
        r
        for n, e in NETWORKS.items()
        if wanted(n)
        for seed in range(arguments.queries)
        for r in network(n, e, arguments.rounds, seed)
    ]
    hidden = [r for n in CHAINS if wanted(n) for r in chains(n, arguments.rounds)]
    fields = field(arguments.rounds) if wanted("labels") else []
    text = "\n".join([table(networks, "pgmpy"), table(hidden, "hmmlearn"), table(fields, "crfsuite")])
    if not arguments.write:
        print(text)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START, 1)
    PAGE.write_text(before + START + text + END + rest.split(END, 1)[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
