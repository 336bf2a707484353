"""Inverse and hyperbolic functions of one float32 tensor, and the tangent; computed by ``language.arcs``."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.language import arcs
from skosh.ops.elements.functions import FloatFunction


@dataclass(frozen=True)
class Atan(FloatFunction):
    """The angle in [-pi/2, pi/2] whose tangent is x. float32."""

    kind = "atan"
    function = arcs.atan


@dataclass(frozen=True)
class Asin(FloatFunction):
    """The angle in [-pi/2, pi/2] whose sine is x; NaN beyond -1 and 1. float32."""

    kind = "asin"
    function = arcs.asin


@dataclass(frozen=True)
class Acos(FloatFunction):
    """The angle in [0, pi] whose cosine is x; NaN beyond -1 and 1. float32."""

    kind = "acos"
    function = arcs.acos


@dataclass(frozen=True)
class Tan(FloatFunction):
    """The tangent. float32."""

    kind = "tan"
    function = arcs.tan


@dataclass(frozen=True)
class Sinh(FloatFunction):
    """(e^x - e^-x) / 2. float32."""

    kind = "sinh"
    function = arcs.sinh


@dataclass(frozen=True)
class Cosh(FloatFunction):
    """(e^x + e^-x) / 2. float32."""

    kind = "cosh"
    function = arcs.cosh


@dataclass(frozen=True)
class Asinh(FloatFunction):
    """ln(x + sqrt(x^2 + 1)). float32."""

    kind = "asinh"
    function = arcs.asinh


@dataclass(frozen=True)
class Acosh(FloatFunction):
    """ln(x + sqrt(x^2 - 1)); NaN below 1. float32."""

    kind = "acosh"
    function = arcs.acosh


@dataclass(frozen=True)
class Atanh(FloatFunction):
    """ln((1 + x) / (1 - x)) / 2; NaN beyond -1 and 1. float32."""

    kind = "atanh"
    function = arcs.atanh


@dataclass(frozen=True)
class Log1p(FloatFunction):
    """ln(1 + x), precise near 0. float32."""

    kind = "log1p"
    function = arcs.log1p
