"""What a model is tried on: random inputs, a person's own arrays, or golden inputs with the outputs they must give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.arrays import NotArrays, read_npy, read_npz
from skosh.base.budget import Budget, budgeted
from skosh.base.errors import InputError
from skosh.base.files import read_bytes
from skosh.ir.graph import Array, Graph, Tensor

SEED = 12345
FILES = Budget().times(8)
"""What a file of samples may cost: 4 GiB, unpacked."""


@dataclass(frozen=True, eq=False)
class Samples:
    """inputs[i]: one array for each model input. golden[i]: the outputs that input i must give, when they are known."""

    inputs: tuple[tuple[Array, ...], ...]
    golden: tuple[tuple[Array, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.inputs)


def random_samples(graph: Graph, count: int, seed: int = SEED) -> Samples:
    """Uniform over the whole range of integers; standard normal floats; fair bools. The same seed gives the same samples.

    Integers that mean something lie where ``notes["limits"]`` says: input -> (lowest, highest), numbers or arrays. Inputs
    that are no numbers at all, such as text, are made by ``notes["example"]``: generator -> arrays.
    """
    if (example := graph.notes.example) is not None:
        made = np.random.default_rng(seed)
        return Samples(tuple(tuple(example(made)) for _ in range(count)))
    rng, limits = np.random.default_rng(seed), graph.notes.limits or {}
    return Samples(
        tuple(tuple(_random(rng, graph.tensors[n], limits.get(n)) for n in graph.inputs) for _ in range(count)),
    )


def _random(rng: np.random.Generator, t: Tensor, limits: tuple[Any, Any] | None) -> Array:
    if limits is not None:
        return rng.integers(*limits, t.shape, dtype=t.dtype.np, endpoint=True)
    if t.dtype.is_float:
        return rng.standard_normal(t.shape).astype(t.dtype.np)
    if t.dtype.kind == "bool":
        return rng.integers(0, 2, t.shape).astype(np.bool_)
    return rng.integers(t.dtype.min, t.dtype.max, t.shape, dtype=t.dtype.np, endpoint=True)


def as_samples(graph: Graph, data: Array | Sequence[Array]) -> Samples:
    """Arrays, batch first, as samples: one array for a model with one input, else one for each.

    Raises InputError when an array has another type or shape than the input it is for.
    """
    arrays = [data] if isinstance(data, np.ndarray) else [np.asarray(a) for a in data]
    if len(arrays) != len(graph.inputs):
        raise InputError(f"the model takes {len(graph.inputs)} inputs, not {len(arrays)}", loc=graph.loc)
    split = [_split(graph, name, np.asarray(a)) for name, a in zip(graph.inputs, arrays, strict=True)]
    if len({len(s) for s in split}) > 1:
        raise InputError(f"all inputs must have as many samples, not {[len(s) for s in split]}", loc=graph.loc)
    return Samples(tuple(zip(*split, strict=True)))


def _split(graph: Graph, name: str, a: Array) -> list[Array]:
    return split_batch(a, graph.tensors[name], f'input "{name}"', graph)


def split_batch(a: Array, t: Tensor, what: str, graph: Graph) -> list[Array]:
    """One array of the tensor's own shape for each sample of a batch; a lone sample is a batch of one."""
    single = t.shape[1:] if t.shape[:1] == (1,) else t.shape
    if a.dtype == np.float64 and t.dtype.name == "f32":  # what numpy makes of Python's numbers
        with np.errstate(over="ignore"):
            a = a.astype(np.float32)
    if a.dtype != t.dtype.np:
        hint = ""
        if t.quant is not None and a.dtype.kind == "f":
            q = t.quant
            hint = (
                "quantize it with the scale and zero point of each feature"
                if q.per_channel
                else f"quantize it: q = round(x / {q.scale:.6g}) + {q.zero_point}"
            )
        raise InputError(f"{what} must be {t.dtype.np}, not {a.dtype}", loc=graph.loc, hint=hint)
    if a.shape in (t.shape, single):
        return [a.reshape(t.shape)]
    if a.shape[1:] in (t.shape, single):
        return [row.reshape(t.shape) for row in a]
    raise InputError(f"{what} must have shape {single} for each sample, not {a.shape[1:]}", loc=graph.loc)


def load_samples(graph: Graph, path: str | Path) -> Samples:
    """Samples of a ``.npy`` file (inputs), or a ``.npz`` with ``inputs`` and perhaps ``outputs`` (golden)."""
    path = Path(path)
    arrays = read_arrays(path)
    if not isinstance(arrays, dict):
        return as_samples(graph, arrays)
    if "inputs" not in arrays:
        raise InputError(f'must hold "inputs", not only {", ".join(arrays) or "nothing"}', loc=str(path))
    samples = as_samples(graph, arrays["inputs"])
    if "outputs" not in arrays:
        return samples
    outputs = split_batch(arrays["outputs"], graph.tensors[graph.outputs[0]], "golden output", graph)
    if len(outputs) != len(samples):
        raise InputError(f"must have as many outputs as inputs, {len(samples)}, not {len(outputs)}", loc=str(path))
    return Samples(samples.inputs, tuple((o,) for o in outputs))


def read_arrays(path: Path) -> Array | dict[str, Array]:
    """The array of a ``.npy`` file, or those of a ``.npz`` by name. InputError where there are none, or they are damaged."""
    with budgeted(FILES, str(path), hint="give fewer samples at a time"):
        data = read_bytes(path)
        try:
            return read_npz(data) if data[:2] == b"PK" else read_npy(data)
        except NotArrays as error:
            raise InputError(f"must be a .npy or .npz file of numbers: {error}", loc=str(path)) from error
