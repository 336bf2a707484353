"""Watch a float graph at work: samples as its inputs take them, and the range of every tensor over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.errors import InputError, Loc
from skosh.ir.graph import Array, Graph
from skosh.ops.common import FLOAT_MAX
from skosh.quantizer.networks.affine import Range, range_of
from skosh.quantizer.networks.clipping import Histogram, clipped, histogram
from skosh.quantizer.study.batch import runs

Samples = list[tuple[Array, ...]]


def as_samples(graph: Graph, data: Any) -> Samples:
    """For each sample one array for each input, of its shape and type.

    data: an array [samples, ...] for a graph of one input, else a list or tuple of one for each. Numbers of any type
    are taken as the input's. Raises InputError for shapes that don't fit and for numbers that are not finite.
    """
    several = len(graph.inputs) > 1
    if several and (not isinstance(data, (list, tuple)) or len(data) != len(graph.inputs)):
        raise InputError(f"samples must be a list of {len(graph.inputs)} arrays, one for each input", loc=graph.loc)
    columns = [_column(graph, name, a) for name, a in zip(graph.inputs, data if several else [data], strict=True)]
    if len({len(c) for c in columns}) > 1:
        raise InputError(f"all inputs must have as many samples, not {[len(c) for c in columns]}", loc=graph.loc)
    return list(zip(*columns, strict=True))


def _column(graph: Graph, name: str, data: Any) -> list[Array]:
    t = graph.tensors[name]
    try:
        a = np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise _complaint(graph, name, f"must be an array: {error}") from error
    if a.dtype.kind not in "biuf":
        raise _complaint(graph, name, f"must be numbers, not {a.dtype}")
    single = t.shape[1:] if t.shape[:1] == (1,) else t.shape
    if a.shape[1:] not in (t.shape, single) or a.ndim == 0:
        raise _complaint(graph, name, f"must have shape (samples, {str(single)[1:].rstrip(',)')}), not {a.shape}")
    if len(a) == 0:
        raise _complaint(graph, name, "must not be empty")
    with np.errstate(over="ignore"):
        a = a.astype(t.dtype.np)
    if t.dtype.is_float:
        _check_values(graph, name, a)
    return [row.reshape(t.shape) for row in a]


def _check_values(graph: Graph, name: str, a: Array) -> None:
    finite = np.isfinite(a)
    if not finite.all():
        index = np.argwhere(~finite)[0]
        raise _complaint(graph, name, f"must be finite float32 numbers, but sample {index[0]} holds {a[tuple(index)]}")
    if a.min() == a.max():
        raise _complaint(
            graph, name, f"must vary, but all are {a.flat[0]:g}", "give samples like those that the model will see"
        )


def ranges(graph: Graph, samples: Sequence[Sequence[Array]], method: str = "minmax") -> dict[str, Range]:
    """The range of every float tensor that is not constant, over all samples, by one of ``clipping.METHODS``.

    Raises InputError when a tensor is not finite: then no integer can stand for it.
    """
    whole = _extremes(graph, samples)
    if method == "minmax":
        return whole
    seen: dict[str, Histogram] = {}
    for values in runs(graph, samples):
        for name, found in whole.items():
            here = histogram(values[name], found)
            seen[name] = replace(here, counts=here.counts + seen[name].counts) if name in seen else here
    return {name: clipped(h, method) for name, h in seen.items()}


def _extremes(graph: Graph, samples: Sequence[Sequence[Array]]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for values in runs(graph, samples):
        for name, value in values.items():
            t = graph.tensors[name]
            if t.is_constant or not t.dtype.is_float or not value.size:
                continue
            if not np.abs(value).max() < FLOAT_MAX:  # operators clamp infinities to it
                raise InputError(
                    "its values must be finite on the samples",
                    loc=Loc(graph.loc.file, name),
                    hint="check the samples and the weights: some sum overflows",
                )
            here = range_of(value)
            found[name] = found[name] | here if name in found else here
    return found


def _complaint(graph: Graph, name: str, message: str, hint: str = "") -> InputError:
    return InputError(f'samples for "{name}" {message}', loc=graph.loc, hint=hint)
