"""One small fitted example of every model class that skosh reads: for the conformance test of importers, and for the table in
docs/model-table.md. A new importer adds a line to ``EXAMPLES``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

import skosh
from skosh.built import Build
from skosh.ir.graph import Array, Graph


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model. load: (options) -> its graph; ways: options for other arithmetic, by its name.

    rows: what the library predicts, ``want``. samples: floats to calibrate a quantization on, None where there is nothing to
    calibrate. labels: whether ``want`` are answers to choose between, not numbers. predict: (build, rows) -> what is
    comparable with ``want``."""

    load: Callable[..., Graph]
    rows: Any
    want: Array
    samples: Array | None
    labels: bool
    predict: Callable[[Build, Any], Array] = lambda build, rows: np.asarray(build.predict(rows))
    ways: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """fit: makes and fits the model; ImportError where its library is missing."""

    library: str
    name: str
    fit: Callable[[], Fitted]


# ------------------------------------------------------------------------------------------------------------ tabular models


@cache
def halves(data: str) -> tuple[Array, Array, Array, Array]:
    """(train, test, y_train, y_test): 70/30, random_state 42, stratified; features are float32 numbers."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    x = x.astype(np.float32).astype(np.float64)
    parts = train_test_split(x, y, test_size=0.3, random_state=42, stratify=None if data == "diabetes" else y)
    return tuple(parts)


@cache
def standardized(data: str) -> tuple[Array, Array, Array, Array]:
    from sklearn.preprocessing import StandardScaler

    train, test, *y = halves(data)
    scaler = StandardScaler().fit(train)
    scaled = [scaler.transform(x).astype(np.float32).astype(np.float64) for x in (train, test)]
    return (*scaled, *y)


def made(path: str, **options: Any) -> Callable[[], Any]:
    """An estimator by "module.Class"; the module's package stands before it."""

    def make() -> Any:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)(**options)

    return make


def tabular(make: Callable[[], Any], data: str, *, scaled: bool, binary: bool = False, load: Any = None) -> Fitted:
    """An estimator with fit and predict, on one of scikit-learn's data sets."""
    train, test, y, _ = standardized(data) if scaled else halves(data)
    if binary:
        middle = np.median(train, axis=0)
        train, test = (train > middle).astype(float), (test > middle).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make().fit(train, y)
        want = np.asarray(model.predict(test))
    labels = data != "diabetes"
    options = {"output": "label"} if labels and hasattr(model, "classes_") else {}
    options |= load or {}
    return Fitted(lambda: skosh.load(model, **options), test, want.reshape(len(test), -1), train, labels)


def transformed(make: Callable[[], Any], data: str = "iris", **options: Any) -> Fitted:
    """A preprocessing step before logistic regression."""

    def pipeline() -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        return make_pipeline(make(), LogisticRegression(max_iter=500))

    return tabular(pipeline, data, scaled=False, **options)


def columns() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    return ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", MinMaxScaler(), [2, 3])])


def voting(kind: str) -> Any:
    from sklearn import ensemble, linear_model, naive_bayes

    if kind == "VotingClassifier":
        members = [("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())]
        return ensemble.VotingClassifier(members, voting="soft")
    return ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso())])


SEED = {"random_state": 0}
TEN = {"n_estimators": 10, **SEED}
LINEAR: dict[str, Any] = {
    "linear_model.LogisticRegression": {}, "linear_model.RidgeClassifier": {}, "linear_model.SGDClassifier": SEED,
    "linear_model.Perceptron": SEED, "linear_model.PassiveAggressiveClassifier": SEED, "svm.LinearSVC": SEED,
}  # fmt: skip
CLASSIFIERS: dict[str, Any] = {
    **LINEAR, **{f"svm.SVC kernel={k}": {"kernel": k} for k in ("linear", "poly", "rbf", "sigmoid")},
    "svm.NuSVC": {"nu": 0.1}, "svm.OneClassSVM": {}, "discriminant_analysis.LinearDiscriminantAnalysis": {},
    "discriminant_analysis.QuadraticDiscriminantAnalysis": {}, "naive_bayes.GaussianNB": {},
    "naive_bayes.MultinomialNB": {}, "naive_bayes.ComplementNB": {}, "naive_bayes.BernoulliNB": {},
    "naive_bayes.CategoricalNB": {"min_categories": 2}, "neighbors.KNeighborsClassifier": {},
    "neighbors.NearestCentroid": {}, "cluster.KMeans": {"n_clusters": 3, **SEED},
    "mixture.GaussianMixture": {"n_components": 3, **SEED},
    "mixture.BayesianGaussianMixture": {"n_components": 3, **SEED}, "covariance.EllipticEnvelope": SEED,
    "tree.DecisionTreeClassifier": SEED, "ensemble.RandomForestClassifier": TEN, "ensemble.ExtraTreesClassifier": TEN,
    "ensemble.GradientBoostingClassifier": TEN, "ensemble.HistGradientBoostingClassifier": {"max_iter": 10, **SEED},
    "ensemble.AdaBoostClassifier": TEN, "ensemble.BaggingClassifier": TEN, "ensemble.IsolationForest": TEN,
    "neural_network.MLPClassifier": {"hidden_layer_sizes": (16,), **SEED},
}  # fmt: skip
REGRESSORS: dict[str, Any] = {
    "linear_model.LinearRegression": {}, "linear_model.Ridge": {}, "linear_model.Lasso": {}, "linear_model.ElasticNet": {},
    "linear_model.SGDRegressor": SEED, "svm.LinearSVR": SEED,
    **{f"svm.SVR kernel={k}": {"kernel": k, "C": 10.0} for k in ("linear", "poly", "rbf", "sigmoid")},
    "svm.NuSVR": {"C": 10.0}, "neighbors.KNeighborsRegressor": {}, "tree.DecisionTreeRegressor": {"max_depth": 6, **SEED},
    "ensemble.RandomForestRegressor": {"max_depth": 6, **TEN}, "ensemble.ExtraTreesRegressor": {"max_depth": 6, **TEN},
    "ensemble.GradientBoostingRegressor": TEN, "ensemble.HistGradientBoostingRegressor": {"max_iter": 10, **SEED},
    "ensemble.AdaBoostRegressor": TEN, "ensemble.BaggingRegressor": {"max_samples": 0.2, **TEN},
    "neural_network.MLPRegressor": {"hidden_layer_sizes": (16,), "max_iter": 1000, **SEED},
}  # fmt: skip
BEFORE: dict[str, Any] = {
    "preprocessing.StandardScaler": {}, "preprocessing.MinMaxScaler": {}, "preprocessing.RobustScaler": {},
    "preprocessing.Normalizer": {}, "preprocessing.PolynomialFeatures": {}, "decomposition.PCA": {"n_components": 2},
    "preprocessing.PowerTransformer": {}, "feature_selection.SelectKBest": {"k": 2}, "impute.SimpleImputer": {},
}  # fmt: skip
CODES: dict[str, Any] = {
    "preprocessing.OneHotEncoder": {"handle_unknown": "ignore"},
    "preprocessing.OrdinalEncoder": {"handle_unknown": "use_encoded_value", "unknown_value": -1},
}  # fmt: skip
UNSCALED = ("tree.", "ensemble.", "naive_bayes.", "discriminant_analysis.")
SKLEARN = "scikit-learn"


def _sklearn() -> list[Example]:
    out = []
    for group, data in ((CLASSIFIERS, "iris"), (REGRESSORS, "diabetes")):
        for path, options in group.items():
            fit = partial(
                tabular, made(f"sklearn.{path.split()[0]}", **options), data, scaled=not path.startswith(UNSCALED),
                binary=path.endswith("CategoricalNB"),
            )  # fmt: skip
            out.append(Example(SKLEARN, path.partition(".")[2], fit))
    for kind, data in (("VotingClassifier", "iris"), ("VotingRegressor", "diabetes")):
        out.append(Example(SKLEARN, kind, partial(tabular, partial(voting, kind), data, scaled=True)))
    for path, options in {**BEFORE, **CODES}.items():
        fit = partial(transformed, made(f"sklearn.{path}", **options), binary=path in CODES)
        out.append(Example(SKLEARN, f"{path.partition('.')[2]}, LogisticRegression", fit))
    out.append(Example(SKLEARN, "ColumnTransformer, LogisticRegression", partial(transformed, columns)))
    for name, options in (("TfidfVectorizer", {}), ("CountVectorizer", {}), ("HashingVectorizer", {"n_features": 256})):
        out.append(Example(SKLEARN, f"{name}, LogisticRegression", partial(text, name, options)))
    return out


def text(name: str, options: dict[str, Any]) -> Fitted:
    from sklearn.feature_extraction import text as vectorizers
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    verbs, things = ("turn on", "switch on", "turn off", "switch off", "dim"), ("the light", "the fan", "everything", "it")
    orders = [f"{v} {t}{end}" for v in verbs for t in things for end in ("", " please")]
    classes = [o.split(" ")[1] if o[0] != "d" else "dim" for o in orders]
    model = make_pipeline(getattr(vectorizers, name)(**options), LogisticRegression()).fit(orders[::2], classes[::2])
    want = np.asarray(model.predict(orders))[:, None]
    return Fitted(lambda: skosh.load(model, length=64), orders, want, None, labels=True)


# ------------------------------------------------------------------------------------------------------- boosting libraries


def boosted(path: str, data: str, **options: Any) -> Fitted:
    return tabular(made(path, n_estimators=10, n_jobs=1, **options), data, scaled=False, load={"missing": False})


BOOSTING = [
    Example(library, f"{short}{kind}", partial(boosted, f"{package}.{short}{kind}", data, **more))
    for library, package, short, more in (
        ("XGBoost", "xgboost", "XGB", {"max_depth": 3}),
        ("LightGBM", "lightgbm", "LGBM", {"verbose": -1, "num_leaves": 8}),
    )
    for kind, data in (("Classifier", "iris"), ("Regressor", "diabetes"))
]

# -------------------------------------------------------------------------------------------------------- graphical models


def bayesian_network() -> Fitted:
    from tests.importers.networks import asia, posterior, to_pgmpy

    net, evidence = asia(), ("dysp", "asia", "xray")
    rows = np.array([[a, b, c] for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)], np.int32)
    want = np.stack([posterior(net, ["lung"], dict(zip(evidence, r.tolist(), strict=True))) for r in rows])
    want = want / want.sum(axis=1, keepdims=True)
    model = to_pgmpy(net)
    return Fitted(
        lambda **o: skosh.load(model, query=["lung"], evidence=list(evidence), **o), rows, want, None, labels=False,
        predict=answers, ways=LOGARITHMS,
    )  # fmt: skip


def markov_network() -> Fitted:
    from skosh.base.errors import Loc
    from skosh.importers.pgm.network import Factor, Network
    from tests.importers.networks import posterior, to_pgmpy

    rng = np.random.default_rng(0)
    states = dict.fromkeys("abcd", ("no", "yes"))
    factors = tuple(Factor((u, v), rng.uniform(0.2, 2, (2, 2))) for u, v in ("ab", "bc", "cd", "da"))
    net = Network("ring", MappingProxyType(states), factors, directed=False, loc=Loc("ring"))
    rows = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)], np.int32)
    want = np.stack([posterior(net, ["a"], dict(zip("bd", r.tolist(), strict=True))) for r in rows])
    want = want / want.sum(axis=1, keepdims=True)
    model = to_pgmpy(net)
    return Fitted(
        lambda **o: skosh.load(model, query=["a"], evidence=["b", "d"], **o), rows, want, None, labels=False,
        predict=answers, ways=LOGARITHMS,
    )  # fmt: skip


LOGARITHMS = {"fixed-point logarithms": {"arithmetic": "log"}}


def answers(build: Build, rows: Any) -> Array:
    """The first output, whatever status comes with it."""
    y = build.run(rows)
    return np.asarray(y[0] if isinstance(y, tuple) else y)


def hidden_markov(kind: str) -> Fitted:
    from hmmlearn import hmm

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    x = np.sort(y.reshape(20, 15), axis=1).reshape(-1)
    seen = x[:, None] if kind == "CategoricalHMM" else (x[:, None] + rng.normal(0, 0.4, (300, 2)))
    seen = seen if kind == "CategoricalHMM" else seen.astype(np.float32).astype(np.float64)
    extra = {"n_mix": 2} if kind == "GMMHMM" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(hmm, kind)(n_components=3, random_state=0, n_iter=20, **extra).fit(seen, [15] * 20)
    rows = seen[:30]
    want = np.stack([model.predict_proba(rows[: t + 1])[-1] for t in range(len(rows))])
    rows = rows.astype(np.int32 if kind == "CategoricalHMM" else np.float32)
    return Fitted(lambda: skosh.load(model), rows, want, None, labels=False, predict=lambda build, r: np.asarray(build.run(r)))


def random_field() -> Fitted:
    from sklearn_crfsuite import CRF

    rng = np.random.default_rng(0)
    y = [[f"s{k}" for k in np.sort(rng.integers(0, 3, 8))] for _ in range(40)]
    x = [[{f"a{(int(s[1]) + int(rng.random() < 0.3)) % 4}": True} for s in line] for line in y]
    model = CRF(max_iterations=20).fit(x, y)
    want = np.array([list(line) for line in model.predict(x[:20])])
    return Fitted(
        lambda: skosh.load(model, length=8), x[:20], want, None, labels=True,
        predict=lambda build, r: np.array([list(line) for line in build.predict(r)]),
    )  # fmt: skip


GRAPHICAL = [
    Example("pgmpy", "DiscreteBayesianNetwork", bayesian_network),
    Example("pgmpy", "DiscreteMarkovNetwork", markov_network),
    *(Example("hmmlearn", k, partial(hidden_markov, k)) for k in ("CategoricalHMM", "GaussianHMM", "GMMHMM")),
    Example("sklearn-crfsuite", "CRF", random_field),
]

# ----------------------------------------------------------------------------------------------------------------- networks


def network(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Fitted:
    """A PyTorch module on the digits, a row of which is given the shape. Trained for a moment."""
    import torch

    train, test, y, _ = halves("digits")
    x, rows = (torch.tensor(a / 16, dtype=torch.float32).reshape(-1, *shape) for a in (train, test))
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    module = build(torch.nn)
    target = torch.tensor(y)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(x), target).backward()
        optimizer.step()
    module.eval()
    with torch.no_grad():
        want = module(rows).argmax(dim=1).numpy()
    torch.set_num_threads(threads)
    image = len(shape) == 3
    given = np.asarray(rows.permute(0, 2, 3, 1) if image else rows)
    samples = np.asarray(x.permute(0, 2, 3, 1) if image else x)

    def predict(made: Build, r: Any) -> Array:
        scores = np.asarray(made.predict(r))
        return scores.reshape(len(r), -1).argmax(axis=1)[:, None]

    return Fitted(
        lambda: skosh.load(module, example=rows[:1], layout="nhwc" if image else "nchw"), given, want[:, None],
        samples, labels=True, predict=predict,
    )  # fmt: skip


def dense(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))


def convolutional(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Conv2d(8, 16, 1),
        nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


def recurrent(nn: Any, kind: str = "GRU") -> Any:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = getattr(nn, kind)(8, 12, batch_first=True), nn.Linear(12, 10)

        def forward(self, x: Any) -> Any:
            return self.out(self.cell(x)[0][:, -1])

    return Last()


def attention(nn: Any) -> Any:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.out = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Any) -> Any:
            return self.out(self.layer(x).mean(dim=1))

    return Attention()


def tflite() -> Fitted:
    from tests.support.shared import shared_models

    found = [p for p in shared_models() if p.name == "kws.tflite"]
    if not found:
        raise ImportError("the shared models are not here")
    with np.load(found[0].with_suffix(".npz")) as golden:
        rows, want = (np.asarray(golden[n]) for n in golden.files[:2])
    count = min(len(rows), 20)
    return Fitted(
        lambda: skosh.load(found[0]), rows[:count], want[:count].reshape(count, -1), None, labels=True,
        predict=lambda build, r: np.asarray(build.run(r)).reshape(len(r), -1),
    )  # fmt: skip


NETWORKS = [
    Example("PyTorch", "dense network", partial(network, dense, (64,))),
    Example("PyTorch", "convolutions", partial(network, convolutional, (1, 8, 8))),
    *(Example("PyTorch", k, partial(network, partial(recurrent, kind=k), (8, 8))) for k in ("RNN", "GRU", "LSTM")),
    Example("PyTorch", "attention", partial(network, attention, (8, 8))),
    Example("TFLite", "kws (MLPerf Tiny), its int8", tflite),
]

EXAMPLES: Sequence[Example] = [*_sklearn(), *BOOSTING, *GRAPHICAL, *NETWORKS]


def agreement(fitted: Fitted, build: Build, rows: Any = None) -> tuple[float, float]:
    """(the share of rows with the library's answer, the largest error relative to the number or the mean magnitude)."""
    given = fitted.rows if rows is None else rows
    want = fitted.want[: len(given)].reshape(len(given), -1)
    got = np.asarray(fitted.predict(build, given)).reshape(len(given), -1)
    if fitted.labels:
        return float(np.mean((got == want).all(axis=1))), 0.0
    scale = np.maximum(np.abs(want), np.abs(fitted.want).mean())
    return 1.0, float(np.max(np.abs(got - want) / scale))
