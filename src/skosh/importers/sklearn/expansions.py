"""Features through functions and kernels: elementary functions, powers, kernel values, random waves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense, scalar
from skosh.importers.sklearn.scalers import standard
from skosh.importers.sklearn.svm import KERNELS, kernel_values
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Div, Mul, Sub
from skosh.ops.elements.functions import Abs, Cos, Exp, Log, Neg, Sin, Sqrt, Square

FUNCTIONS = {
    "exp": Exp, "log": Log, "sqrt": Sqrt, "square": Square, "absolute": Abs, "negative": Neg, "sin": Sin, "cos": Cos,
}  # fmt: skip
LOGARITHMS = {"log2": 2.0, "log10": 10.0}


def function_transformer(model: Any, builder: Builder, x: str) -> str:
    """A function of numpy on every feature."""
    if model.kw_args:
        raise ModelError("the function must have no kw_args")
    return function(model.func, builder, x)


def function(func: Any, builder: Builder, x: str) -> str:
    """A function of numpy by its name; None is none."""
    if func is None:
        return x
    name = func.__name__ if isinstance(func, np.ufunc) else ""
    if name in FUNCTIONS:
        return builder.apply(FUNCTIONS[name](), x, name=name)
    if name in LOGARITHMS:
        y = builder.apply(Log(), x, name="log")
        return builder.apply(Mul(), y, builder.constant("base", [[1 / np.log(LOGARITHMS[name])]]), name=name)
    if name in ("log1p", "expm1"):
        return (log1p if name == "log1p" else expm1)(builder, x)
    known = ", ".join(f"numpy.{n}" for n in (*FUNCTIONS, *LOGARITHMS, "log1p", "expm1"))
    raise ModelError(f"the function must be one of {known}", hint="write what it does with other steps")


def log1p(builder: Builder, x: str) -> str:
    """log(1 + x) to the last digits of x: log(u) x / (u - 1) for u = 1 + x as float32 rounds it (Higham 2002, 1.14.1)."""
    one, zero = builder.constant("one", [[1.0]]), builder.constant("zero", [[0.0]])
    u = builder.apply(Add(), x, one, name="more")
    d = builder.apply(Sub(), u, one, name="less")
    tiny = builder.apply(Compare("=="), d, zero, name="tiny")
    ratio = builder.apply(Div(), x, builder.apply(Select(), tiny, one, d, name="rounded"), name="ratio")
    y = builder.apply(Mul(), builder.apply(Log(), u, name="log"), ratio, name="corrected")
    return builder.apply(Select(), tiny, x, y, name="log1p")


def expm1(builder: Builder, x: str) -> str:
    """exp(x) - 1 to the last digits of x: (u - 1) x / log(u) for u = exp(x) near 1 (Higham 2002, 1.14.1)."""
    one, zero = builder.constant("one", [[1.0]]), builder.constant("zero", [[0.0]])
    u = builder.apply(Exp(), x, name="exp")
    d = builder.apply(Sub(), u, one, name="less")
    log = builder.apply(Log(), u, name="log")
    tiny = builder.apply(Compare("=="), log, zero, name="tiny")
    ratio = builder.apply(Div(), x, builder.apply(Select(), tiny, one, log, name="rounded"), name="ratio")
    near = builder.apply(Select(), tiny, x, builder.apply(Mul(), d, ratio, name="corrected"), name="near")
    far = builder.apply(Compare(">"), builder.apply(Abs(), x, name="size"), one, name="far")
    return builder.apply(Select(), far, d, near, name="expm1")


def power_transformer(model: Any, builder: Builder, x: str) -> str:
    """Box and Cox (1964): expm1(p log x) / p. Yeo and Johnson (2000): the same of 1 + |x|, with 2 - p and a sign below 0."""
    powers = apart_from_zero(np.asarray(model.lambdas_, np.float64)[None])
    p = builder.constant("powers", powers)
    zero = builder.constant("none", [[0.0]])
    if model.method == "box-cox":
        logs = builder.apply(Log(), x, name="logs")
        y = over(builder, logs, p)
    else:
        below = builder.apply(Compare("<"), x, zero, name="below")
        p = builder.apply(Select(), below, builder.constant("powers_below", apart_from_zero(2 - powers)), p, name="power")
        y = over(builder, log1p(builder, builder.apply(Abs(), x, name="sizes")), p)
        y = builder.apply(Select(), below, builder.apply(Neg(), y, name="negative"), y, name="signed")
    return standard(model._scaler, builder, y) if model.standardize else y


def over(builder: Builder, logs: str, p: str) -> str:
    """expm1(p logs) / p."""
    return builder.apply(Div(), expm1(builder, builder.apply(Mul(), logs, p, name="exponents")), p, name="powered")


def apart_from_zero(p: Any) -> Any:
    """Powers whose limit at 0 float32 can't tell from their value a little away from it."""
    return np.where(np.abs(p) < 1e-8, 1e-8, p)


# ---------------------------------------------------------------------------------------------------------------- kernels


def kernel_of(model: Any, builder: Builder, x: str, vectors: Any) -> str:
    """[1, N]: the kernel of x and each of N rows, with the parameters of a model."""
    kernel, features = model.kernel, np.shape(vectors)[1]
    if kernel not in KERNELS:
        raise ModelError(f"the kernel must be {', '.join(KERNELS[:-1])} or {KERNELS[-1]}, not {kernel!r}")
    given = {n: getattr(model, n, None) for n in ("gamma", "degree", "coef0")}
    gamma = 1 / features if given["gamma"] is None else given["gamma"]
    degree, coef0 = 3 if given["degree"] is None else given["degree"], 1 if given["coef0"] is None else given["coef0"]
    if kernel == "linear":
        return dense(builder, x, np.asarray(vectors), 0.0, "kernel_values")
    if degree != int(degree):
        raise ModelError(f"the degree of a polynomial kernel must be a whole number, not {degree}")
    machine = SimpleNamespace(kernel=kernel, support_vectors_=vectors, _gamma=gamma, coef0=coef0, degree=degree)
    return kernel_values(machine, builder, x)


def kernel_ridge(model: Any, builder: Builder, x: str) -> str:
    """The sum over the samples; for a linear kernel, one product."""
    weights = np.asarray(model.dual_coef_, np.float64)
    rows = np.atleast_2d(weights.T)
    if model.kernel == "linear":
        y = dense(builder, x, rows @ np.asarray(model.X_fit_), 0.0, "values")
    else:
        y = dense(builder, kernel_of(model, builder, x, model.X_fit_), rows, 0.0, "values")
    return scalar(builder, y) if weights.ndim == 1 else y


def nystroem(model: Any, builder: Builder, x: str) -> str:
    """normalization . kernel values of the components (Williams, Seeger 2000)."""
    values = kernel_of(model, builder, x, model.components_)
    return dense(builder, values, model.normalization_, 0.0, "features")


def random_waves(model: Any, builder: Builder, x: str) -> str:
    """sqrt(2 / N) cos(w . x + b) (Rahimi, Recht 2007)."""
    y = dense(builder, x, np.asarray(model.random_weights_).T, model.random_offset_, "phases")
    scale = builder.constant("scale", [[(2 / len(model.random_offset_)) ** 0.5]])
    return builder.apply(Mul(), builder.apply(Cos(), y, name="waves"), scale, name="features")


CONVERTERS = {
    "FunctionTransformer": function_transformer,
    "PowerTransformer": power_transformer,
    "KernelRidge": kernel_ridge,
    "Nystroem": nystroem,
    "RBFSampler": random_waves,
}
