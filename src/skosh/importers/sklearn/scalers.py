"""Scalers: each feature is moved and stretched by numbers of its own. They become a subtraction and a multiplication."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.ops.elements.elementwise import Add, Maximum, Minimum, Mul, Sub


def standard(scaler: Any, builder: Builder, x: str) -> str:
    """(x - mean) / scale; either may be switched off."""
    return _moved(builder, x, scaler.mean_ if scaler.with_mean else None, scaler.scale_ if scaler.with_std else None)


def robust(scaler: Any, builder: Builder, x: str) -> str:
    """(x - median) / interquartile range; either may be switched off."""
    return _moved(
        builder, x, scaler.center_ if scaler.with_centering else None, scaler.scale_ if scaler.with_scaling else None
    )


def max_abs(scaler: Any, builder: Builder, x: str) -> str:
    """x / max |x|."""
    y = _moved(builder, x, None, scaler.scale_)
    return _clipped(builder, y, -1.0, 1.0) if getattr(scaler, "clip", False) else y


def min_max(scaler: Any, builder: Builder, x: str) -> str:
    """x * scale + min, which brings what was seen in fitting to ``feature_range``; clipped to it when asked. The least that was
    seen is taken off first, or features far from 0 would cancel."""
    least = _row(scaler.data_min_).astype(np.float32).astype(np.float64)
    rest = _row(scaler.min_) + least * _row(scaler.scale_)
    y = builder.apply(Sub(), x, builder.constant("least", least), name="above_least") if least.any() else x
    y = builder.apply(Mul(), y, builder.constant("scale", _row(scaler.scale_)), name="scaled")
    if np.abs(rest).max() > 1e-12:
        y = builder.apply(Add(), y, builder.constant("min", rest), name="moved")
    return _clipped(builder, y, *scaler.feature_range) if scaler.clip else y


def _moved(builder: Builder, x: str, center: Any, scale: Any) -> str:
    """(x - center) / scale, where None leaves a step out. Dividing is multiplying by 1 / scale in float32."""
    if center is not None and np.any(center):
        x = builder.apply(Sub(), x, builder.constant("center", _row(center)), name="centered")
    if scale is None:
        return x
    if np.any(np.asarray(scale) == 0):
        raise ModelError("the scale of every feature must differ from 0", hint="drop constant features")
    return builder.apply(Mul(), x, builder.constant("inverse_scale", 1 / _row(scale)), name="scaled")


def _clipped(builder: Builder, x: str, lo: float, hi: float) -> str:
    x = builder.apply(Maximum(), x, builder.constant("lowest", [[lo]]), name="not_below")
    return builder.apply(Minimum(), x, builder.constant("highest", [[hi]]), name="not_above")


def _row(values: Any) -> Any:
    return np.asarray(values, np.float64).reshape(1, -1)


CONVERTERS = {
    "StandardScaler": standard,
    "MinMaxScaler": min_max,
    "MaxAbsScaler": max_abs,
    "RobustScaler": robust,
}
