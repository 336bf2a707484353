"""hello-world: a network of 16 and 16 neurons learns a sine; the device draws it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.apps.app import App, Learned, Moment, Say
from skosh.base.errors import InputError, ToolError
from skosh.built import dequantized, quantized
from skosh.ir.graph import Array, Graph
from skosh.quantizer.study.batch import runs

TURN = 2 * np.pi
POINTS = 100


def learn(data: Path | None, seed: int, say: Say) -> Learned:
    """1,000 points of a sine, and 300 others to measure with. data: none is needed."""
    try:
        from sklearn.neural_network import MLPRegressor
    except ImportError as error:
        raise ToolError("hello-world trains with scikit-learn", hint="pip install 'skosh[sklearn]'") from error
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, TURN, (1000, 1)).astype(np.float32)
    say("training two layers of 16 neurons on 1,000 points")
    model = MLPRegressor(hidden_layer_sizes=(16, 16), solver="lbfgs", alpha=0.3, max_iter=3000, tol=1e-7, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could converge further
        model.fit(x, np.sin(x[:, 0]))
    floats = skosh.load(model, name="hello_world")
    say("quantizing to int8")
    integers = skosh.quantize(floats, x)
    tried = rng.uniform(0, TURN, (300, 1)).astype(np.float32)
    said, meant, true = model.predict(tried), _predicted(integers, tried), np.sin(tried[:, 0])
    accuracy = {
        "float": _share(said, true),
        "int8": _share(meant, true),
        "split": "random points",
        "what": "1 - mean |error|",
        "int8_from_float": {"mean": _rounded(np.abs(meant - said).mean()), "largest": _rounded(np.abs(meant - said).max())},
    }
    entry = integers.tensors[integers.inputs[0]]
    return Learned(floats, integers, quantized(_points(), entry)[:, None], accuracy, "synthetic", "sin(x), 0 to 2 pi")


def stream(file: Path | None, data: Path | None) -> Iterator[Moment]:
    """A turn in 100 points, one a 50th of a second. file: none is read."""
    if file is not None:
        raise InputError("hello-world makes its own numbers: it must be given no file", loc=str(file))
    for i, x in enumerate(_points()):
        yield Moment(i / 50, x, f"{np.sin(x[0]):.3f}")


def decide(graph: Graph, outputs: tuple[Array, ...]) -> dict[str, Any]:
    return {"decision": _rounded(dequantized(outputs[0], graph.tensors[graph.outputs[0]]).reshape(-1)[0])}


def encoded(graph: Graph, x: Array) -> Array:
    """A real number as the device takes it."""
    return quantized(x, graph.tensors[graph.inputs[0]])[None]


def _points() -> Array:
    return np.linspace(0, TURN, POINTS, dtype=np.float32)[:, None]


def _predicted(graph: Graph, x: Array) -> Array:
    rows = quantized(x, graph.tensors[graph.inputs[0]])
    out = np.concatenate([values[graph.outputs[0]] for values in runs(graph, [(row[None],) for row in rows])])
    return dequantized(out, graph.tensors[graph.outputs[0]]).reshape(-1)


def _share(got: Array, want: Array) -> float:
    return _rounded(1 - np.abs(got - want).mean())


def _rounded(x: Any) -> float:
    return round(float(x), 4)


APP = App(
    "hello-world", "A sine, drawn by a device", "pico", "no file", learn, stream, decide, encoded, plot=True,
)  # fmt: skip
