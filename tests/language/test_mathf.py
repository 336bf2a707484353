"""The float functions: within a few units in the last place of the true value, the same bits lane by lane and at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from skosh.ir.interpret_kernel import Trap, run_function
from skosh.language import arcs, func, mathf
from skosh.language.vectorized import apply

Array = npt.NDArray[Any]
Wide = np.longdouble

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.17549435e-38, 3.4028235e38, -3.4028235e38, 88.72283,
     88.72284, 88.73, -103.97, -103.98, -87.3, 0.625, 9.02, 0.84, -4.1, 10.06, 0.78539816, 1.5707964, 3.1415927, 5.3e37,
     16777216.0, 1e-30],
    np.float32,
)  # fmt: skip


def of_double(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda x: np.array([function(float(v)) for v in x], dtype=np.float64)


FUNCTIONS: list[tuple[str, Callable[[Array], Array], float, list[tuple[float, float]]]] = [
    ("exp", lambda x: np.exp(x.astype(Wide)), 0.9, [(-104, 89), (-1, 1)]),
    ("expm1", lambda x: np.expm1(x.astype(Wide)), 1.5, [(-20, 20), (-1, 1)]),
    ("log", lambda x: np.log(x.astype(Wide)), 0.9, [(0, 3), (0.9, 1.1), (0, 1e10)]),
    ("square_root", lambda x: np.sqrt(x.astype(Wide)), 0.5, [(0, 4), (0, 1e-38)]),
    ("tanh", lambda x: np.tanh(x.astype(Wide)), 1.4, [(-10, 10), (-1, 1)]),
    ("erf", of_double(math.erf), 1.3, [(-5, 5), (-1, 1)]),
    ("erfc", of_double(math.erfc), 4.2, [(-5, 10.1), (0.5, 3)]),
    ("sin", lambda x: np.sin(x.astype(Wide)), 1.6, [(-10, 10), (-1e4, 1e4)]),
    ("cos", lambda x: np.cos(x.astype(Wide)), 1.6, [(-10, 10), (-1e4, 1e4)]),
    ("atan", lambda x: np.arctan(x.astype(Wide)), 2.5, [(-10, 10), (-1, 1)]),
    ("asin", lambda x: np.arcsin(x.astype(Wide)), 3.0, [(-1, 1), (-0.01, 0.01)]),
    ("acos", lambda x: np.arccos(x.astype(Wide)), 3.0, [(-1, 1), (0.99, 1)]),
    ("tan", lambda x: np.tan(x.astype(Wide)), 4.0, [(-10, 10), (-1e4, 1e4)]),
    ("sinh", lambda x: np.sinh(x.astype(Wide)), 4.0, [(-90, 90), (-1, 1)]),
    ("cosh", lambda x: np.cosh(x.astype(Wide)), 4.0, [(-90, 90), (-1, 1)]),
    ("log1p", lambda x: np.log1p(x.astype(Wide)), 3.0, [(-1, 3), (-0.01, 0.01)]),
    ("asinh", lambda x: np.arcsinh(x.astype(Wide)), 4.0, [(-10, 10), (-1, 1)]),
    ("acosh", lambda x: np.arccosh(x.astype(Wide)), 4.0, [(1, 10), (1, 1.01)]),
    ("atanh", lambda x: np.arctanh(x.astype(Wide)), 4.0, [(-1, 1), (-0.01, 0.01)]),
]
NAMES = [f[0] for f in FUNCTIONS]


def named(name: str) -> Any:
    return getattr(mathf, name) if hasattr(mathf, name) else getattr(arcs, name)


def any_floats(rng: np.random.Generator, n: int) -> Array:
    return rng.integers(-(2**31), 2**31, n).astype(np.int32).view(np.float32)


@pytest.mark.parametrize(("name", "exact", "limit", "ranges"), FUNCTIONS, ids=NAMES)
def test_error_in_units_of_the_last_place(
    name: str, exact: Callable[[Array], Array], limit: float, ranges: list[tuple[float, float]]
) -> None:
    rng = np.random.default_rng(1)
    pieces = [rng.uniform(low, high, 6000).astype(np.float32) for low, high in ranges]
    x = np.concatenate([SPECIAL, any_floats(rng, 6000), *pieces])
    got = apply(named(name), x)
    with np.errstate(all="ignore"):
        want = exact(x)
        rounded = want.astype(np.float32)
    finite = np.isfinite(got) & np.isfinite(rounded)
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True)
    exponent = np.maximum(np.frexp(np.abs(want[finite].astype(np.float64)))[1], -125)
    error = np.abs(got[finite] - want[finite]) / np.ldexp(1.0, exponent - 24)
    assert float(np.max(error)) <= limit, (
        f"{name} is wrong by {float(np.max(error)):.2f} units at {x[finite][np.argmax(error)]}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_numpy_twin_equals_interpreter(name: str) -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([SPECIAL, any_floats(rng, 60), rng.normal(0, 4, 60).astype(np.float32)])
    function = named(name)
    one_by_one = np.array([run_function(function, v) for v in x], dtype=np.float32)
    at_once = apply(function, x)
    same = at_once.view(np.int32) == one_by_one.view(np.int32)
    assert np.all(same | (np.isnan(at_once) & np.isnan(one_by_one)))


def test_square_root_is_the_machines() -> None:
    x = np.abs(any_floats(np.random.default_rng(3), 20000))
    with np.errstate(invalid="ignore"):  # signalling NaN
        assert np.array_equal(apply(mathf.square_root, x), np.sqrt(x), equal_nan=True)


# ------------------------------------------------------------------------------------------------------ the twin itself


@func
def branches(a: i32, b: i32) -> i32:
    """Nested branches that change and declare variables, and shifts."""
    y = a * 2
    if a > b:
        part = a - b
        if part > 10:
            y = part << 3
        else:
            y -= part
    elif a == b:
        y = wrap(i32, u32(7) - wrap(u32, a))
    return min(y, 1000) if y > 0 else y >> 1


@func
def divided(a: i32, b: i32) -> i32:
    """Division where it is safe."""
    y = 0
    if b != 0:
        y = a * a
    return y


def test_branches_run_only_where_they_are_taken() -> None:
    rng = np.random.default_rng(4)
    a, b = (rng.integers(-50, 50, 300) for _ in range(2))
    assert apply(branches, a, b).tolist() == [run_function(branches, int(i), int(j)) for i, j in zip(a, b, strict=True)]
    assert apply(divided, [10**9, 3], [0, 1]).tolist() == [0, 9]
    with pytest.raises(Trap, match="overflows i32"):
        apply(divided, [10**9], [1])


def test_shapes_broadcast() -> None:
    assert apply(branches, np.zeros((2, 1)), np.zeros(3)).shape == (2, 3)
    assert apply(mathf.exp, np.float32(0)).shape == ()
