"""hmmlearn's hidden Markov models: CategoricalHMM, GaussianHMM, GMMHMM.

Step by step, with a state kept between runs: the forward filter, or smoothing with a fixed lag. Over a window: the most
probable path, or the probabilities of the states at each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.errors import InputError, Loc, ModelError
from skosh.importers.pgm.asked import of_chain, with_original
from skosh.importers.pgm.builder import BAD_INPUT, ModelBuilder
from skosh.importers.pgm.chains import best_path, filtered, likelihood, posteriors, smoothed
from skosh.importers.sklearn.bayes import independent_gaussians
from skosh.importers.sklearn.discriminant import gaussians
from skosh.ir.graph import Array, Graph
from skosh.ops.graphical.emissions import LOG_ZERO, GroupedLogSums, IndexedScores
from skosh.ops.moves.reshape import Reshape

FILE = "<hmmlearn>"
OUTPUTS = {"filter": None, "smooth": "lag", "viterbi": "length", "posteriors": "length", "likelihood": "length"}
"""What can be asked for, and the option that it needs."""


def load(
    source: Any,
    name: str | None = None,
    output: str = "filter",
    lag: int | None = None,
    length: int | None = None,
    **options: Any,
) -> Graph:
    """A float32 Graph of a fitted model.

    output="filter": one observation a run, [1, features]; gives the probabilities [1, K] of the states given all
    observations so far. "smooth": the same for ``lag`` observations ago. "viterbi": ``length`` observations a run,
    [1, length, features]; gives the states int32 [1, length] of the most probable path, as ``predict``. "posteriors":
    probabilities [1, length, K], as ``predict_proba``. "likelihood": the logarithm of the likelihood of all ``length``
    observations, [1, 1], as ``score``: -inf where the model can't give them.

    Symbols of a CategoricalHMM are int32, -1 for one not observed.

    Raises ModelError when the model is of another kind, not fitted or not whole, InputError for options that don't fit.
    """
    loc = Loc(FILE, type(source).__name__)
    if options:
        raise InputError(f'a hidden Markov model has no option "{min(options)}"', loc=loc, hint="it has output, lag, length")
    if output not in OUTPUTS:
        raise InputError(f'output must be one of {", ".join(OUTPUTS)}, not "{output}"', loc=loc)
    steps = _steps(output, lag, length, loc)
    start, move = chain_of(source, loc)
    builder = ModelBuilder(FILE)
    rows = steps if OUTPUTS[output] == "length" else 1
    scores, status = _scores(source, builder, rows, output == "likelihood", loc)
    states = ", ".join(map(str, range(len(start))))
    made, after = QUESTIONS[output](builder, scores, status, start, move, steps)
    what = {"viterbi": f"states, from 0 to {len(start) - 1}", "likelihood": "log-likelihood of the whole window"}
    builder.meaning[made] = what.get(output, f"states: {states}")
    graph = builder.finish(name or "hmm", [made], after)
    return with_original(graph, of_chain(source, graph, output, steps if output == "smooth" else 0))


def _steps(output: str, lag: int | None, length: int | None, loc: Loc) -> int:
    """The number that the output needs; an InputError when it is missing, or when another one is there."""
    given = {"lag": lag, "length": length}
    wanted = OUTPUTS[output]
    for option, value in given.items():
        if value is not None and option != wanted:
            raise InputError(f'output="{output}" has no option "{option}"', loc=loc)
    if wanted is None:
        return 1
    value, least = given[wanted], 0 if wanted == "lag" else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f'output="{output}" must have {wanted}, a number from {least} on, not {value}', loc=loc)
    return value


def chain_of(model: Any, loc: Loc) -> tuple[Array, Array]:
    """(start [K], moves [K, K]) in float64. ModelError when they are missing or no distributions."""
    if getattr(model, "transmat_", None) is None or getattr(model, "startprob_", None) is None:
        raise ModelError("the model must be fitted first", loc=loc, hint="call fit, or set startprob_, transmat_ and the rest")
    start, move = np.asarray(model.startprob_, np.float64), np.asarray(model.transmat_, np.float64)
    states = start.size
    if start.shape != (states,) or move.shape != (states, states):
        raise ModelError(
            f"transmat_ must have {states} rows and columns, not {' x '.join(map(str, move.shape))}", loc=loc
        )
    check_rows("startprob_", start[None], loc)
    check_rows("transmat_", move, loc)
    return start, move


def check_rows(what: str, rows: Array, loc: Loc) -> None:
    """A ModelError unless each row is a distribution; sums may be off as in hmmlearn."""
    if not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise ModelError(f"{what} must hold probabilities, finite and 0 or more", loc=loc)
    sums = rows.sum(axis=-1)
    worst = int(np.abs(sums - 1).argmax())
    if not np.isclose(sums[worst], 1, atol=1e-5):
        raise ModelError(
            f"rows of {what} must sum to 1, not {sums[worst]:.6g} as row {worst} does", loc=loc,
            hint="a state that no sample was in has no distribution: use fewer states",
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- emissions


def _scores(model: Any, builder: ModelBuilder, rows: int, absolute: bool, loc: Loc) -> tuple[str, str]:
    """(log-likelihoods [rows, K], status) from the model's input. absolute: may nothing be left out that states share?"""
    kinds = {c.__name__ for c in type(model).__mro__}
    for kind, emission in EMISSIONS.items():
        if kind in kinds:
            try:
                return emission(model, builder, rows, absolute)
            except AttributeError as error:
                raise ModelError(f"the model must be fitted first: {error}", loc=loc) from error
            except ModelError as error:
                raise ModelError(error.message, loc=loc, hint=error.hint) from error
    raise ModelError(f"only {', '.join(EMISSIONS)} can be compiled, not {type(model).__name__}", loc=loc)


def _categorical(model: Any, builder: ModelBuilder, rows: int, absolute: bool) -> tuple[str, str]:
    p = np.asarray(model.emissionprob_, np.float64)
    check_rows("emissionprob_", p, Loc(FILE))
    symbols = p.shape[1]
    x = builder.integer_input("x", (1, rows), -1, symbols - 1, f"symbols from 0 to {symbols - 1}; -1: not observed")
    y = builder.apply(Reshape((rows, 1)), x, name="symbols")
    weight = builder.constant("emission", logarithms(p).T)
    scores, status = builder.apply_all(IndexedScores(BAD_INPUT), y, weight, names=("scores", "read"))
    return scores, status


def _features(builder: ModelBuilder, rows: int, count: int) -> tuple[str, str]:
    """(observations [rows, features], a status that is always 0)"""
    status = builder.integers("no_status", np.zeros(1))
    if rows == 1:
        return builder.input("x", (1, count)), status
    x = builder.input("x", (1, rows, count))
    return builder.apply(Reshape((rows, count)), x, name="rows"), status


def _gaussian(model: Any, builder: ModelBuilder, rows: int, absolute: bool) -> tuple[str, str]:
    means = np.asarray(model.means_, np.float64)
    x, status = _features(builder, rows, means.shape[1])
    full = np.asarray(model.covars_, np.float64)  # [K, features, features], whatever the covariance type
    return densities(builder, x, means, full, np.zeros(len(means)), model.covariance_type, absolute), status


def _mixture(model: Any, builder: ModelBuilder, rows: int, absolute: bool) -> tuple[str, str]:
    means, weights = np.asarray(model.means_, np.float64), np.asarray(model.weights_, np.float64)
    check_rows("weights_", weights, Loc(FILE))
    states, mixtures, features = means.shape
    x, status = _features(builder, rows, features)
    covars, kind = np.asarray(model.covars_, np.float64), model.covariance_type
    if kind == "spherical":
        covars = covars[..., None, None] * np.eye(features)
    elif kind == "diag":
        covars = covars[..., None] * np.eye(features)
    elif kind == "tied":
        covars = np.repeat(covars[:, None], mixtures, axis=1)
    flat = covars.reshape(-1, features, features)
    y = densities(builder, x, means.reshape(-1, features), flat, logarithms(weights).reshape(-1), kind, absolute)
    return builder.apply(GroupedLogSums(states), y, name="scores"), status


def densities(
    builder: ModelBuilder, x: str, means: Array, covariances: Array, log_weights: Array, kind: str, absolute: bool
) -> str:
    """[rows, N]: the log-density of each Gaussian plus its log weight; if not absolute, perhaps less what a row shares."""
    if not (np.isfinite(means).all() and np.isfinite(covariances).all()):
        raise ModelError("means_ and covars_ must be finite")
    if kind in ("diag", "spherical"):
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        return independent_gaussians(builder, x, means, variances, log_weights, absolute)
    try:
        lower = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError as error:
        raise ModelError("each covariance must be positive definite", hint="raise min_covar, and fit again") from error
    half_determinant = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    bias = log_weights - half_determinant - 0.5 * means.shape[1] * np.log(2 * np.pi)
    return gaussians(builder, x, means, list(np.linalg.inv(lower)), bias)


def logarithms(p: Array) -> Array:
    """log p, with a finite number for log 0."""
    return np.asarray(np.where(p > 0, np.log(np.where(p > 0, p, 1)), LOG_ZERO))


EMISSIONS: dict[str, Callable[[Any, ModelBuilder, int, bool], tuple[str, str]]] = {
    "CategoricalHMM": _categorical, "GaussianHMM": _gaussian, "GMMHMM": _mixture,
}  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- questions


def _filter(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, steps: int) -> tuple[str, str]:
    return filtered(builder, scores, status, logarithms(start), move)


def _viterbi(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, steps: int) -> tuple[str, str]:
    length = builder.integers("length", np.array([steps]))
    return best_path(builder, scores, status, logarithms(start), logarithms(move), length, name="states")


def _posteriors(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, steps: int) -> tuple[str, str]:
    return posteriors(builder, scores, status, logarithms(start), move, builder.integers("length", np.array([steps])))


def _smoothed(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, steps: int) -> tuple[str, str]:
    return smoothed(builder, scores, status, logarithms(start), move, steps)


def _likelihood(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, steps: int) -> tuple[str, str]:
    return likelihood(builder, scores, status, logarithms(start), move)


QUESTIONS: dict[str, Callable[[ModelBuilder, str, str, Array, Array, int], tuple[str, str]]] = {
    "filter": _filter, "smooth": _smoothed, "viterbi": _viterbi, "posteriors": _posteriors, "likelihood": _likelihood,
}  # fmt: skip
