"""Random fitted models of each family of classical models, with rows to try them on, and what their libraries say.

One seed makes one case, always the same. ``differences`` says where the graph's answers aren't the library's: numbers beyond
rounding, labels that the library's own scores don't leave open.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

import skosh
from skosh.importers.originals import Original
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import initial_states, run_graph
from skosh.verify.edges import TINY
from skosh.verify.library import asked, compared

Array = npt.NDArray[Any]
ROWS = 12


@dataclass(frozen=True)
class Found:
    """One case. differs: what, in words; empty where all is well. refused: what skosh or the library said instead."""

    family: str
    seed: int
    model: str
    differs: str
    refused: str
    compared: int


def single(x: Array) -> Array:
    """The nearest float32 numbers, as float64."""
    return np.asarray(x, np.float32).astype(np.float64)


def features(rng: np.random.Generator, rows: int, columns: int, kind: str, far: float = 1.0) -> Array:
    """[rows, columns] of a kind: "normal", "lattice" (whole numbers with many ties), "moved" (far from 0, each elsewhere),
    "scaled" (by powers of ten, one for all), "doubled" (columns that repeat), "counts"."""
    x = rng.normal(size=(rows, columns))
    if kind == "lattice":
        x = rng.integers(-2, 3, (rows, columns)).astype(float)
    elif kind == "moved":
        x = x + far * rng.choice([0.0, 30.0, 1e3, -2e4], columns)
    elif kind == "scaled":
        x = x * 10.0 ** int(rng.integers(-6, 7))
    elif kind == "doubled" and columns > 1:
        x[:, -1] = x[:, 0]
    elif kind == "counts":
        x = rng.poisson(2.0, (rows, columns)).astype(float)
    return single(x)


KINDS = ("normal", "normal", "lattice", "moved", "scaled", "doubled")


# ------------------------------------------------------------------------------------------------------------ scikit-learn


def pick(rng: np.random.Generator, *of: Any) -> Any:
    """One of them, as it is."""
    return of[int(rng.integers(len(of)))]


def neighbors(rng: np.random.Generator) -> Any:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, NearestCentroid

    options = {"algorithm": pick(rng, "auto", "brute", "kd_tree"), "p": pick(rng, 1, 2)}
    near = {**options, "n_neighbors": int(rng.integers(1, 9)), "weights": pick(rng, "uniform", "distance")}
    return pick(
        rng, KNeighborsClassifier(**near), KNeighborsClassifier(**near), KNeighborsRegressor(**near),
        NearestCentroid(metric=pick(rng, "euclidean", "manhattan")),
        LocalOutlierFactor(int(rng.integers(2, 9)), novelty=True, **options),
    )  # fmt: skip


def vectors(rng: np.random.Generator) -> Any:
    from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

    shared = {
        "kernel": pick(rng, "linear", "poly", "rbf", "rbf", "sigmoid"), "gamma": pick(rng, "scale", "auto", 0.3),
        "degree": int(rng.integers(1, 5)), "coef0": pick(rng, 0.0, 0.5), "max_iter": 3000,
    }  # fmt: skip
    c = float(10 ** rng.uniform(-1, 1.5))
    return pick(
        rng, SVC(C=c, decision_function_shape=pick(rng, "ovr", "ovo"), **shared), SVC(C=c, break_ties=True, **shared),
        NuSVC(nu=0.2, **shared), SVR(C=c, **shared), NuSVR(C=c, **shared), OneClassSVM(nu=0.3, **shared),
        LinearSVC(C=c), LinearSVR(C=c),
    )  # fmt: skip


def linear_classifiers(rng: np.random.Generator) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier

    c = float(10 ** rng.uniform(-2, 2))
    return pick(
        rng, LogisticRegression(C=c), LogisticRegression(C=c, fit_intercept=False), RidgeClassifier(alpha=c),
        SGDClassifier(loss=pick(rng, "hinge", "log_loss", "modified_huber", "perceptron"), random_state=0),
        Perceptron(random_state=0), LinearDiscriminantAnalysis(solver=pick(rng, "svd", "lsqr")),
    )  # fmt: skip


def linear_regressors(rng: np.random.Generator) -> Any:
    from sklearn import linear_model as lm
    from sklearn.cross_decomposition import PLSRegression

    a = float(10 ** rng.uniform(-3, 1))
    return pick(
        rng, lm.LinearRegression(), lm.Ridge(a), lm.Lasso(a), lm.ElasticNet(a), lm.BayesianRidge(), lm.Lars(), lm.LassoLars(a),
        lm.OrthogonalMatchingPursuit(), lm.HuberRegressor(), lm.SGDRegressor(random_state=0),
        lm.TheilSenRegressor(random_state=0),
        lm.PoissonRegressor(alpha=a), lm.TweedieRegressor(power=pick(rng, 0, 1, 1.5)), PLSRegression(1), lm.ARDRegression(),
    )  # fmt: skip


def gaussians(rng: np.random.Generator) -> Any:
    from sklearn.covariance import EllipticEnvelope
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
    from sklearn.naive_bayes import GaussianNB

    kind = pick(rng, "full", "tied", "diag", "spherical")
    return pick(
        rng, GaussianNB(var_smoothing=pick(rng, 1e-9, 1e-3)), QuadraticDiscriminantAnalysis(reg_param=pick(rng, 0.01, 0.3)),
        GaussianMixture(int(rng.integers(1, 4)), covariance_type=kind, random_state=0),
        BayesianGaussianMixture(n_components=2, covariance_type=kind, random_state=0),
        EllipticEnvelope(random_state=0, support_fraction=1.0),
    )  # fmt: skip


def counts(rng: np.random.Generator) -> Any:
    from sklearn import naive_bayes as nb

    return pick(rng, nb.MultinomialNB(), nb.ComplementNB(norm=pick(rng, True, False)), nb.BernoulliNB(binarize=1.5),
                nb.CategoricalNB(min_categories=30))  # fmt: skip


def clusters(rng: np.random.Generator) -> Any:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    k = int(rng.integers(1, 6))
    return pick(rng, KMeans(k, n_init=1, random_state=0), MiniBatchKMeans(k, n_init=1, random_state=0))


def networks(rng: np.random.Generator) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    options: dict[str, Any] = {
        "hidden_layer_sizes": tuple(int(n) for n in rng.integers(1, 9, int(rng.integers(1, 3)))), "max_iter": 20,
        "activation": pick(rng, "relu", "tanh", "logistic", "identity"), "random_state": 0,
    }  # fmt: skip
    return pick(rng, MLPClassifier(**options), MLPRegressor(**options))


def scalers(rng: np.random.Generator) -> Any:
    from sklearn import preprocessing as pre
    from sklearn.decomposition import PCA

    return pick(
        rng, pre.StandardScaler(), pre.StandardScaler(with_std=False), pre.MinMaxScaler(clip=pick(rng, True, False)),
        pre.MaxAbsScaler(), pre.RobustScaler(), pre.Normalizer(norm=pick(rng, "l1", "l2", "max")),
        pre.PolynomialFeatures(2), PCA(whiten=pick(rng, True, False)), pre.PowerTransformer(),
        pre.KBinsDiscretizer(3, encode=pick(rng, "ordinal", "onehot-dense")),
    )  # fmt: skip


def pipelines(rng: np.random.Generator) -> Any:
    from sklearn.pipeline import make_pipeline

    steps = [scalers(rng) for _ in range(int(rng.integers(1, 3)))]
    return make_pipeline(*steps, pick(rng, neighbors, vectors, linear_classifiers, linear_regressors, gaussians, networks)(rng))


def transformers(rng: np.random.Generator) -> Any:
    return scalers(rng)


def made_of_others(rng: np.random.Generator) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import StackingClassifier, VotingClassifier
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import SVC

    inner = linear_classifiers(rng)
    members = [("a", inner), ("b", GaussianNB()), ("c", SVC(max_iter=3000))]
    return pick(
        rng, CalibratedClassifierCV(inner, method=pick(rng, "sigmoid", "isotonic", "temperature"), cv=2),
        CalibratedClassifierCV(GaussianNB(), method=pick(rng, "sigmoid", "isotonic", "temperature"), cv=2),
        OneVsRestClassifier(inner), OneVsOneClassifier(inner), VotingClassifier(members), StackingClassifier(members, cv=2),
    )  # fmt: skip


SKLEARN: dict[str, Callable[[np.random.Generator], Any]] = {
    "neighbors": neighbors, "support vectors": vectors, "linear classifiers": linear_classifiers,
    "linear regressors": linear_regressors, "Gaussians": gaussians, "counts": counts, "clusters": clusters,
    "networks": networks,
    "pipelines": pipelines, "transformers": transformers, "made of others": made_of_others,
}  # fmt: skip


def sklearn_case(family: str, seed: int) -> Found:
    """A fitted estimator, its output chosen by chance, on rows like those of the fit, others, and edges."""
    rng = np.random.default_rng([seed, sorted(SKLEARN).index(family)])
    model = SKLEARN[family](rng)
    columns, count = int(rng.integers(1, 7)), int(rng.integers(30, 120))
    kind = "counts" if family == "counts" else pick(rng, *KINDS)
    x = features(rng, count, columns, kind, 1.0 if family in ("neighbors", "Gaussians", "clusters") else 0.01)
    score = (x - x.mean(axis=0)) @ rng.normal(size=columns)
    score = score / (score.std() or 1.0)
    classes = int(rng.integers(2, 5))
    labels = np.digitize(score + rng.normal(size=count) * 0.3, np.quantile(score, np.arange(1, classes) / classes))
    names = pick(rng, np.arange(classes), np.array(["ash", "beech", "cedar", "elm"]), np.array([-7, 0, 3, 99]))
    y: Array = names[labels]
    last = model[-1] if hasattr(model, "steps") else model
    if "Regress" in type(last).__name__ or getattr(last, "_estimator_type", "") == "regressor" or type(last).__name__ in VALUES:
        y = np.abs(score) + 0.1 if type(last).__name__ in ("PoissonRegressor", "TweedieRegressor") else score
    said = f"{model!r:.120} on {count} x {columns} {kind}".replace("\n", " ")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            model.fit(x, y)
    except (ValueError, np.linalg.LinAlgError) as error:
        return Found(family, seed, said, "", f"fit: {error!s:.80}", 0)
    output = pick(rng, None, None, "proba", "decision")
    output = output if output is None or hasattr(model, METHODS[output]) else None
    try:
        graph = skosh.load(model, **({} if output is None else {"output": output}))
    except skosh.base.errors.SkoshError as error:  # type: ignore[attr-defined]
        return Found(family, seed, said, "", f"load: {error!s:.160}", 0)
    if left_out := beyond_float32(repr(model), kind):
        return Found(family, seed, said, "", left_out, 0)
    rows = np.concatenate([x[rng.integers(0, count, ROWS)], features(rng, ROWS, columns, kind)]).astype(np.float32)
    if kind in ("moved", "doubled"):
        rows[ROWS:] = (x.mean(axis=0) + x.std(axis=0) * rng.normal(size=(ROWS, columns))).astype(np.float32)
    if family != "counts":
        tiny = rows[rng.integers(0, len(rows), 4)].copy()
        tiny[rng.random(tiny.shape) < 0.4] = rng.choice(TINY)
        rows = np.concatenate([rows, tiny])
    if "KBinsDiscretizer" in repr(model):  # the edges are samples: those may fall to either side of them, rounded
        rows = rows[ROWS:]
    inputs = [(row[None],) for row in rows]
    if graph.notes.get("warnings"):
        return Found(family, seed, said, "", f"warned: {graph.notes['warnings'][0]:.120}", 0)
    inputs = [i for i in inputs if decided(last, model, i[0])]
    return answered(family, seed, said, graph, inputs, cancelling(last, model, x))


def cancelling(last: Any, model: Any, x: Array) -> float:
    """How much more than usual the rounding of float32 shows in sums over support vectors that all but cancel."""
    if not hasattr(last, "dual_coef_") or not hasattr(model, "decision_function"):
        return 0.0
    size = float(np.abs(last.dual_coef_).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return 2e-6 * size / max(float(np.abs(model.decision_function(x)).max()), 1e-12)


def beyond_float32(model: str, kind: str) -> str:
    """Why a model of such features has more digits than float32 has; docs/scikit-learn.md tells of it."""
    if kind == "moved" and "PolynomialFeatures" in model:
        return "monomials of features far from 0"
    if kind == "moved" and "Normalizer" in model:
        return "directions of features far from 0"
    if kind == "doubled" and any(name in model for name in ("Mixture", "EllipticEnvelope", "QuadraticDiscriminant")):
        return "a covariance that is all but singular"
    return ""


def decided(last: Any, model: Any, row: Array) -> bool:
    """Whether the neighbours of a row are clear: two samples whose distances differ by rounding alone, and not at all in
    float32, may stand for each other. Equal ones on a lattice, which are equal in both, are no such case."""
    if (np.abs(row) < 1e-30).all():  # products with these are below float32's smallest number, and their sign decides
        return False
    if not hasattr(last, "kneighbors"):
        return True
    x = row.astype(np.float64)
    try:
        for step in [s for _, s in model.steps[:-1]] if hasattr(model, "steps") else ():
            x = step.transform(x)
        last.kneighbors(x)
    except ValueError:  # what a step made of it is no number
        return False
    count = min(last.n_neighbors + 1, last.n_samples_fit_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near = last.kneighbors(x, n_neighbors=count)[0][0]
    close = np.abs(np.diff(near)) <= 1e-6 * near[1:]
    whole = hasattr(last, "_fit_X") and np.array_equal(x, np.rint(x)) and np.array_equal(last._fit_X, np.rint(last._fit_X))
    return bool(whole or not close.any())


LOOSE = {"support vectors": 1e-4, "pipelines": 1e-4, "made of others": 1e-4, "Gaussians": 2e-5}
"""Families whose numbers are sums that cancel, over many vectors or through several steps: rounding of float32 shows sooner."""

VALUES = ("Ridge", "Lasso", "ElasticNet", "BayesianRidge", "Lars", "LassoLars", "OrthogonalMatchingPursuit", "PLSRegression",
          "ARDRegression", "SVR", "NuSVR", "LinearSVR")  # fmt: skip
METHODS = {"proba": "predict_proba", "decision": "decision_function"}


def answered(family: str, seed: int, said: str, graph: Graph, inputs: list[Any], more: float = 0.0) -> Found:
    """The graph's answers beside those of the object that it was made from."""
    original: Original | None = graph.notes.get("library")
    if original is None:
        return Found(family, seed, said, "", "the library can't be asked", 0)
    original = replace(original, rtol=LOOSE.get(family, original.rtol) + more)
    answers, refused = asked(original, inputs, one_by_one=True)
    if answers is None:
        return Found(family, seed, said, "", f"library: {refused:.120}", 0)
    got, states = [], initial_states(graph)
    for sample in inputs:
        run = run_graph(graph, sample, states)
        states = dict(run.states)
        got.append([run.values[n] for n in graph.outputs])
    wrong = [f"{original.name}: {int(c.differ.sum())} of {c.differ.size}, by up to {c.error:.2g}"
             for c in compared(original, graph, answers, got) if c.differ.any()]  # fmt: skip
    return Found(family, seed, said, "; ".join(wrong), "", len(inputs))


# ----------------------------------------------------------------------------------------------------------------- hmmlearn


def hidden_markov_case(family: str, seed: int) -> Found:
    """A model with random parameters, zeros and very small moves among them, asked for all that skosh gives."""
    from hmmlearn import hmm

    rng = np.random.default_rng([seed, 77])
    states, columns, steps = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 20))
    kind = pick(rng, "categorical", "diag", "spherical", "full", "tied", "mixture")
    if kind == "categorical":
        model = hmm.CategoricalHMM(states)
        model.n_features = int(rng.integers(2, 6))
        model.emissionprob_ = rows_with_zeros(rng, states, model.n_features)
    elif kind == "mixture":
        mixtures = int(rng.integers(1, 4))
        model = hmm.GMMHMM(states, mixtures, covariance_type="diag")
        model.weights_ = rng.dirichlet(np.ones(mixtures), states)
        model.means_ = rng.normal(0, 3, (states, mixtures, columns))
        model.covars_ = rng.uniform(0.2, 2, (states, mixtures, columns))
        model.n_features = columns
    else:
        model = hmm.GaussianHMM(states, covariance_type=kind)
        model.n_features, model.means_ = columns, rng.normal(0, 3, (states, columns))
        root = rng.normal(size=(states, columns, columns))
        full = root @ root.swapaxes(1, 2) + 0.3 * np.eye(columns)
        model.covars_ = {"full": full, "tied": full[0], "diag": np.diagonal(full, axis1=1, axis2=2),
                         "spherical": full[:, 0, 0]}[kind]  # fmt: skip
    model.startprob_ = rows_with_zeros(rng, 1, states)[0]
    model.transmat_ = rows_with_zeros(rng, states, states)
    if rng.random() < 0.3:
        model.transmat_ = np.triu(model.transmat_) + 1e-12 * np.eye(states)
        model.transmat_ /= model.transmat_.sum(axis=1, keepdims=True)
        model.startprob_ = np.eye(states)[0]
    said = f"{type(model).__name__} {kind}, {states} states, {columns} features, {steps} steps"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        x, _ = model.sample(steps, random_state=seed)
        whole = kind == "categorical"
        x = x if whole else single(x)
        if not whole and rng.random() < 0.4:
            x[int(rng.integers(steps))] *= pick(rng, 10.0, 100.0, -30.0)
        found, count = [], 0
        log_likelihood = model.score(x)
        for options in ({"output": "posteriors", "length": steps}, {"output": "viterbi", "length": steps}, {},
                        {"output": "likelihood", "length": steps}, {"output": "smooth", "lag": 2}):  # fmt: skip
            graph = skosh.load(model, **options)
            name = str(options.get("output", "filter"))
            given = x.astype(np.int32).T if whole else x.astype(np.float32)[None]
            if name in ("filter", "smooth"):
                given = x.astype(np.int32) if whole else x.astype(np.float32)
                got = in_steps(graph, [given[t : t + 1] for t in range(steps)])
                last = [model.predict_proba(x[: t + 1])[max(0, t - 2) if name == "smooth" else -1] for t in range(steps)]
                want, far = np.array(last), 2e-3
            else:
                got = in_steps(graph, [given])[0]
                want, far = {
                    "posteriors": lambda: (model.predict_proba(x), 2e-3),
                    "likelihood": lambda: (np.array([log_likelihood]), 1e-4 + abs(log_likelihood) * 1e-6),
                    "viterbi": lambda: (None, 1e-4 + abs(log_likelihood) * 1e-6),
                }[name]()  # fmt: skip
            count += 1
            if name == "viterbi":
                gap = path_score(model, x, model.predict(x)) - path_score(model, x, got.reshape(-1))
                if np.isfinite(log_likelihood) and not gap <= far:
                    found.append(f"viterbi: a path less likely by {gap:.3g}")
            elif not same(got, want, far):
                found.append(f"{name}: by {np.nanmax(np.abs(got - want)):.3g}")
    return Found(family, seed, said, "; ".join(found), "", count)


def in_steps(graph: Graph, given: list[Array]) -> Array:
    """The first output of runs one after another."""
    out, states = [], initial_states(graph)
    for x in given:
        run = run_graph(graph, [x], states)
        states = dict(run.states)
        out.append(run.values[graph.outputs[0]][0])
    return np.array(out)


def same(got: Array, want: Array, far: float) -> bool:
    """Within ``far`` of each other; where the library has no number, there must be none, or an infinity."""
    both = np.isfinite(want)
    return bool((np.abs(got - want)[both] <= far).all() and not np.isfinite(got[~both]).any())


def path_score(model: Any, x: Array, path: Array) -> float:
    """The logarithm of the probability of a path and what was observed."""
    scores = model._compute_log_likelihood(x)
    start, move = np.log(model.startprob_), np.log(model.transmat_)
    inside = sum(move[a, b] for a, b in pairwise(path))
    return float(start[path[0]] + inside + sum(scores[t, s] for t, s in enumerate(path)))


def rows_with_zeros(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Distributions, some elements of which are 0, or very small."""
    p = rng.dirichlet(np.ones(columns) * 0.7, rows)
    p[rng.random(p.shape) < 0.2] = pick(rng, 0.0, 0.0, 1e-60)
    p[p.sum(axis=1) == 0] = 1 / columns
    return np.asarray(p / p.sum(axis=1, keepdims=True))


# -------------------------------------------------------------------------------------------------------------------- pgmpy


def network_case(family: str, seed: int) -> Found:
    """A Bayesian network with zeros and very small numbers in its tables, beside pgmpy's elimination."""
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

    rng = np.random.default_rng([seed, 78])
    count = int(rng.integers(2, 8))
    names = [f"v{i}" for i in range(count)]
    states = {v: int(rng.integers(2, 4)) for v in names}
    small = pick(rng, 1e-3, 1e-12, 1e-40)
    net = DiscreteBayesianNetwork()
    net.add_nodes_from(names)
    for i, v in enumerate(names):
        parents = [str(p) for p in rng.permutation(names[:i])[: int(rng.integers(0, 3))]]
        columns = int(np.prod([states[p] for p in parents], dtype=int))
        table = rng.dirichlet(np.ones(states[v]), columns)
        table[rng.random(table.shape) < 0.15] = pick(rng, 0.0, small)
        table[table.sum(axis=1) < 0.1, 0] = 1.0
        table = table / table.sum(axis=1, keepdims=True)
        net.add_edges_from([(p, v) for p in parents])
        net.add_cpds(TabularCPD(v, states[v], table.T, parents or None, [states[p] for p in parents] or None))
    mixed = [str(v) for v in rng.permutation(names)]
    asks = int(rng.integers(1, min(3, count)))
    query, evidence = mixed[:asks], mixed[asks : asks + int(rng.integers(1, 5))]
    said = f"{count} variables, {asks} asked, {len(evidence)} observed, numbers down to {small:g}"
    exact, found, tried = VariableElimination(net), [], 0
    for missing in (True, False):
        graph = skosh.load(net, query=query, evidence=evidence, missing=missing)
        for _ in range(4):
            seen = [int(rng.integers(-1 if missing else 0, states[v])) for v in evidence]
            got = run_graph(graph, [np.array([seen], np.int32)]).values[graph.outputs[0]][0]
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                given = {v: s for v, s in zip(evidence, seen, strict=True) if s >= 0}
                answer = exact.query(query, given, show_progress=False, joint=True)
            want = answer.values.transpose([answer.variables.index(v) for v in query])
            tried += 1
            whole = net.get_cpds()[0].to_factor()
            for cpd in net.get_cpds()[1:]:
                whole = whole.product(cpd.to_factor(), inplace=False)
            if given and float(whole.reduce(list(given.items()), inplace=False, show_warnings=False).values.sum()) == 0:
                if np.isfinite(got).any():  # pgmpy leaves the evidence's own probability out, and answers even so
                    found.append(f"{seen}: an answer to evidence of probability 0")
                continue
            if np.isfinite(want).all() and abs(want.sum() - 1) < 1e-6 and not np.allclose(got, want, rtol=1e-4, atol=1e-7):
                found.append(f"{seen}: by {np.nanmax(np.abs(got - want)):.3g}")
            elif not np.isfinite(want).all() and np.isfinite(got).all():
                found.append(f"{seen}: an answer where pgmpy has none")
    return Found(family, seed, said, "; ".join(found), "", tried)


# --------------------------------------------------------------------------------------------------------------------- CRFs


def crf_case(family: str, seed: int) -> Found:
    """A field fitted to random sequences: labels and marginals."""
    import sklearn_crfsuite

    rng = np.random.default_rng([seed, 79])
    words, labels = [f"a{i}" for i in range(int(rng.integers(2, 9)))], ["x", "y", "z", "w"][: int(rng.integers(1, 5))]

    def sequence() -> list[dict[str, float]]:
        return [{str(w): float(single(rng.normal())) for w in rng.permutation(words)[: int(rng.integers(1, 4))]}
                for _ in range(int(rng.integers(1, 8)))]  # fmt: skip

    train = [sequence() for _ in range(12)]
    y = [[str(pick(rng, *labels)) for _ in s] for s in train]
    options = {"algorithm": pick(rng, "lbfgs", "l2sgd", "ap", "pa", "arow"), "max_iterations": 20}
    model = sklearn_crfsuite.CRF(**options).fit(train, y)
    tests = [sequence() for _ in range(6)]
    said, found = f"CRF {options['algorithm']}, {len(labels)} labels, {len(words)} attributes", []
    for output in ("viterbi", "marginals"):
        graph = skosh.load(model, output=output, length=8, attributes=3)

        def run(arrays: Any, graph: Graph = graph) -> Any:
            return np.concatenate([run_graph(graph, [a[i : i + 1].reshape(graph.tensors[n].shape) for n, a in
                                                     zip(graph.inputs, arrays, strict=True)]).values[graph.outputs[0]]
                                   for i in range(len(arrays[0]))])  # fmt: skip

        got = graph.notes["predict"](run, tests)
        if output == "viterbi":
            apart = sum(a != b for g, w in zip(got, model.predict(tests), strict=True) for a, b in zip(g, w, strict=True))
            if apart:
                found.append(f"{apart} labels")
        else:
            for g, w in zip(got, model.predict_marginals(tests), strict=True):
                off = max(abs(a[k] - b[k]) for a, b in zip(g, w, strict=True) for k in b)
                if off > 1e-4:
                    found.append(f"marginals by {off:.3g}")
    return Found(family, seed, said, "; ".join(found), "", 2 * len(tests))


FAMILIES: dict[str, Callable[[str, int], Found]] = {
    **dict.fromkeys(SKLEARN, sklearn_case), "hidden Markov models": hidden_markov_case, "Bayesian networks": network_case,
    "conditional random fields": crf_case,
}  # fmt: skip


def case(family: str, seed: int) -> Found:
    """One case; an exception that is none of skosh's own is a difference too."""
    try:
        return FAMILIES[family](family, seed)
    except Exception as error:  # whatever it is, it must be seen and repeated
        return Found(family, seed, "", f"{type(error).__name__}: {error!s:.200}", "", 0)
