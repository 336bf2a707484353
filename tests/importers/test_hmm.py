"""Hidden Markov models: what the compiled model gives is what hmmlearn gives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError, ModelError
from skosh.importers.pgm.builder import BAD_INPUT, IMPOSSIBLE

hmm = pytest.importorskip("hmmlearn.hmm")
pytestmark = pytest.mark.filterwarnings(
    "ignore:divide by zero encountered in log:RuntimeWarning"
)  # weights of 0, in hmmlearn

Array = np.ndarray[Any, Any]
TARGETS = ("host", "cortex-m0plus", "cortex-m4")


def chain(model: Any, states: int, rng: np.random.Generator) -> Any:
    model.n_features = 3
    model.startprob_ = rng.dirichlet(np.ones(states))
    model.transmat_ = rng.dirichlet(np.ones(states) * 0.6, states)
    return model


def categorical(seed: int = 0, states: int = 3, symbols: int = 4) -> Any:
    rng = np.random.default_rng(seed)
    model = chain(hmm.CategoricalHMM(states), states, rng)
    model.n_features = symbols
    model.emissionprob_ = rng.dirichlet(np.ones(symbols) * 0.5, states)
    return model


def covariances(rng: np.random.Generator, *shape: int, features: int = 3) -> Array:
    root = rng.normal(size=(*shape, features, features))
    return np.asarray(root @ root.swapaxes(-1, -2) + 0.3 * np.eye(features))


def gaussian(kind: str, seed: int = 0, states: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    model = chain(hmm.GaussianHMM(states, covariance_type=kind), states, rng)
    model.means_ = rng.normal(0, 2, (states, 3))
    full = covariances(rng, states)
    model.covars_ = {
        "full": full, "tied": full[0], "diag": np.diagonal(full, axis1=1, axis2=2), "spherical": full[:, 0, 0],
    }[kind]  # fmt: skip
    return model


def mixture(kind: str, seed: int = 0, states: int = 2, mixtures: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    model = chain(hmm.GMMHMM(states, mixtures, covariance_type=kind), states, rng)
    model.weights_ = rng.dirichlet(np.ones(mixtures), states)
    model.weights_[0] = [0.0, 0.25, 0.75]
    model.means_ = rng.normal(0, 2, (states, mixtures, 3))
    full = covariances(rng, states, mixtures)
    model.covars_ = {
        "full": full, "tied": full[:, 0], "diag": np.diagonal(full, axis1=2, axis2=3), "spherical": full[..., 0, 0],
    }[kind]  # fmt: skip
    return model


KINDS = ("diag", "spherical", "full", "tied")
MODELS = {
    "categorical": categorical, **{f"gaussian {k}": lambda seed=0, k=k: gaussian(k, seed) for k in KINDS},
    **{f"mixture {k}": lambda seed=0, k=k: mixture(k, seed) for k in KINDS},
}  # fmt: skip


def observations(model: Any, count: int, seed: int = 1) -> Array:
    """[count, features] from the model itself, all float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, _ = model.sample(count, random_state=seed)
    return np.asarray(x if x.dtype.kind == "i" else x.astype(np.float32).astype(np.float64))


def given(x: Array) -> Array:
    """As the compiled model takes them."""
    return x.astype(np.int32) if x.dtype.kind == "i" else x.astype(np.float32)


def window(x: Array) -> Array:
    return given(x).reshape(1, -1) if x.dtype.kind == "i" else given(x)[None]


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return MODELS[request.param]()


def test_the_filter(model: Any) -> None:
    x = observations(model, 30)
    build = skosh.compile(skosh.load(model), target="host")
    got = build.run(given(x))
    want = np.array([model.predict_proba(x[: t + 1])[-1] for t in range(len(x))])
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("lag", [0, 1, 5])
def test_smoothing_with_a_lag(model: Any, lag: int) -> None:
    x = observations(model, 20)
    got = skosh.compile(skosh.load(model, output="smooth", lag=lag), target="host").run(given(x))
    want = np.array([model.predict_proba(x[: t + 1])[max(0, t - lag)] for t in range(len(x))])
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_windows(model: Any) -> None:
    """predict and predict_proba; the path is compared by its probability, as two may be equally good."""
    path = skosh.compile(skosh.load(model, output="viterbi", length=24), target="host")
    posteriors = skosh.compile(skosh.load(model, output="posteriors", length=24), target="host")
    for seed in range(4):
        x = observations(model, 24, seed)
        np.testing.assert_array_equal(path.run(window(x))[0], model.predict(x))
        np.testing.assert_allclose(posteriors.run(window(x))[0], model.predict_proba(x), atol=1e-5)


def test_the_likelihood_of_a_window(model: Any) -> None:
    """What tells gestures apart that have a model each."""
    made = skosh.compile(skosh.load(model, output="likelihood", length=24), target="host")
    for seed in range(3):
        x = observations(model, 24, seed)
        np.testing.assert_allclose(made.run(window(x)), [[model.score(x)]], rtol=1e-5)


def forward_only(kind: str, seed: int, states: int = 5) -> Any:
    """A Gaussian chain that never goes back, from its first state."""
    model = gaussian(kind, seed, states)
    model.startprob_ = np.eye(states)[0]
    model.transmat_ = 0.8 * np.eye(states) + 0.2 * np.eye(states, k=1)
    model.transmat_[-1, -1] = 1
    return model


@pytest.mark.parametrize("kind", ["diag", "full"])
def test_one_outlier_in_a_chain_that_never_goes_back(kind: str) -> None:
    """The states that an outlier fits best can't be reached: what is left is compared however improbable it is."""
    for seed in range(8):
        model = forward_only(kind, seed)
        x = observations(model, 26, seed)
        x[np.random.default_rng(seed).integers(26)] = [100, -60, 30]
        want = model.predict_proba(x)
        got = skosh.compile(skosh.load(model, output="posteriors", length=26), target="host").run(window(x))[0]
        np.testing.assert_allclose(got, want, atol=1e-3)
        steps = skosh.compile(skosh.load(model), target="host").run(given(x))
        np.testing.assert_allclose(steps, [model.predict_proba(x[: t + 1])[-1] for t in range(26)], atol=1e-3)
        lagged = skosh.compile(skosh.load(model, output="smooth", lag=4), target="host").run(given(x))
        np.testing.assert_allclose(lagged, [model.predict_proba(x[: t + 1])[max(0, t - 4)] for t in range(26)], atol=1e-3)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "options",
    [{}, {"output": "smooth", "lag": 3}, {"output": "viterbi", "length": 6}, {"output": "posteriors", "length": 6},
     {"output": "likelihood", "length": 6}],
    ids=lambda o: o.get("output", "filter"),
)
def test_the_c_is_bit_exact(target: str, options: dict[str, Any]) -> None:
    for model in (categorical(), mixture("full")):
        build = skosh.compile(skosh.load(model, **options), target=target)
        x = observations(model, 36)
        if "length" in options:
            x = x.reshape(6, 6) if x.dtype.kind == "i" else x.reshape(6, 6, 3)
        proof = build.verify(given(x))
        assert proof.bit_exact, proof.first_difference


def test_fitted_by_hmmlearn() -> None:
    """Fitted to data, as users have it."""
    x = observations(gaussian("diag"), 300)
    model = hmm.GaussianHMM(3, covariance_type="diag", n_iter=5, random_state=0).fit(x)
    got = skosh.compile(skosh.load(model, output="viterbi", length=100, name="gait"), target="host").run(
        window(x[:100])
    )
    np.testing.assert_array_equal(got[0], model.predict(x[:100]))


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_observations_without_an_answer(target: str) -> None:
    """A symbol that no state emits, one that there isn't; the filter goes on after them. -1 is none, and fine."""
    model = categorical()
    model.emissionprob_ = np.array([[0.5, 0.5, 0.0]] * 3)
    build = skosh.compile(skosh.load(model), target=target)
    build.runner.reset()
    got = [build.runner.run([np.array([[s]], np.int32)]) for s in (0, 2, 3, -7, -1, 1)]
    assert [int(status[0]) for _, status in got] == [0, IMPOSSIBLE, BAD_INPUT, BAD_INPUT, 0, 0]
    assert [bool(np.isnan(y).any()) for y, _ in got] == [False, True, True, True, False, False]
    after = model.startprob_ @ np.linalg.matrix_power(model.transmat_, 5)
    np.testing.assert_allclose(got[-1][0][0], after, rtol=1e-5)
    path = skosh.compile(skosh.load(model, output="viterbi", length=3), target=target)
    (y, status) = path.runner.run([np.array([[0, 2, 1]], np.int32)])
    assert (y == -1).all() and status[0] == IMPOSSIBLE


def test_floats_that_are_no_numbers_have_no_answer() -> None:
    build = skosh.compile(skosh.load(gaussian("diag")), target="host")
    y = build.run(np.array([[0, 0, 0], [np.nan, 0, 0], [0, np.inf, 0], [0, 0, 0]], np.float32))
    assert np.isnan(y).any(axis=1).tolist() == [False, True, True, False]


def letter(make: Any) -> str:
    with pytest.raises((InputError, ModelError)) as error:
        make()
    return str(error.value)


def test_letters() -> None:
    model = categorical()
    place = '<hmmlearn>: "CategoricalHMM":'
    assert letter(lambda: skosh.load(hmm.CategoricalHMM(2))) == (
        f"{place} the model must be fitted first. Hint: call fit, or set startprob_, transmat_ and the rest"
    )
    assert letter(lambda: skosh.load(model, output="mode")) == (
        f'{place} output must be one of filter, smooth, viterbi, posteriors, likelihood, not "mode".'
    )
    assert letter(lambda: skosh.load(model, output="viterbi")) == (
        f'{place} output="viterbi" must have length, a number from 1 on, not None.'
    )
    assert letter(lambda: skosh.load(model, output="smooth", lag=-1)) == (
        f'{place} output="smooth" must have lag, a number from 0 on, not -1.'
    )
    assert letter(lambda: skosh.load(model, lag=2)) == f'{place} output="filter" has no option "lag".'
    assert letter(lambda: skosh.load(model, lagg=2)) == (
        f'{place} a hidden Markov model has no option "lagg". Hint: it has output, lag, length'
    )
    poisson = chain(hmm.PoissonHMM(2), 2, np.random.default_rng(0))
    assert letter(lambda: skosh.load(poisson)) == (
        '<hmmlearn>: "PoissonHMM": only CategoricalHMM, GaussianHMM, GMMHMM can be compiled, not PoissonHMM.'
    )
    model.transmat_[1] = 0
    assert letter(lambda: skosh.load(model)) == (
        f"{place} rows of transmat_ must sum to 1, not 0 as row 1 does. "
        "Hint: a state that no sample was in has no distribution: use fewer states"
    )
    model.transmat_[1] = [np.nan, 0, 1]
    assert letter(lambda: skosh.load(model)) == f"{place} transmat_ must hold probabilities, finite and 0 or more."
    bad = gaussian("diag")
    bad.means_ = bad.means_ * np.nan
    assert letter(lambda: skosh.load(bad)) == '<hmmlearn>: "GaussianHMM": means_ and covars_ must be finite.'
    half = hmm.GaussianHMM(2)
    half.startprob_, half.transmat_ = np.array([0.5, 0.5]), np.eye(2)
    assert letter(lambda: skosh.load(half)).startswith('<hmmlearn>: "GaussianHMM": the model must be fitted first:')
