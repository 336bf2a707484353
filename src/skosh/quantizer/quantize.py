"""Quantization of one graph by any scheme: each layer alike, or "mixed", which measures where int8 is too little."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from skosh.ir.graph import Graph
from skosh.quantizer.classical.forests import forests_of
from skosh.quantizer.networks.mixed import wide_layers
from skosh.quantizer.networks.post_training import check_asked, noted, with_scheme


def quantize_graph(
    graph: Graph,
    samples: Any = None,
    *,
    scheme: str = "int8",
    calibration: str = "minmax",
    layers: Mapping[str, str] = MappingProxyType({}),
    bias_correction: bool | None = None,
    compensate: bool | None = None,
    equalize: bool = False,
) -> Graph:
    """A Graph of integers with the meaning of a float32 one, calibrated on samples.

    scheme: "int8"; "int16x8" (int16 activations, int8 weights); "int4", "int2", "ternary" (weights of so many bits, packed,
    int8 activations); "mixed" (int8, and int16 for the layers that lose most: see ``mixed``); "float16" (float32 arithmetic,
    weights kept as float16; needs no samples). layers: by name, those that get another of these schemes than the rest.
    calibration: how int8 ranges are chosen, one of ``clipping.METHODS``; int16 has room for all that was seen.
    bias_correction, compensate: see ``layers``; None: where weights have 4 bits or less. equalize: see ``equalize``.

    Weights: symmetric, a scale for each output channel. int8 activations: asymmetric, a scale for each tensor; int16:
    symmetric. Biases: int32, int64 for int16. Inputs and outputs are integers, but a model that begins with a scaler keeps
    its float input (see ``scalers``). Tensors keep their names.

    Forests that read the model's input become integers by rules of their own, "int8" or "int16x8": see ``forests``.

    samples: an array [samples, ...] for a model of one input, else a list of one for each, in the model's own floats.
    Raises ModelError when the graph is not one of floats, UnsupportedError with all operators that have no int8 kernel,
    InputError for samples that don't fit, don't vary, are not finite, or leave a layer at 0, and for options unknown.
    """
    care: dict[str, Any] = {"bias_correction": bias_correction, "compensate": compensate, "equalize": equalize}
    if scheme != "mixed":
        return with_scheme(graph, samples, scheme=scheme, calibration=calibration, layers=layers, **care)
    check_asked(graph, samples, scheme, calibration)
    if forests_of(graph):  # which have no layers to choose from
        return with_scheme(graph, samples, scheme=scheme, calibration=calibration, layers=layers, **care)
    chosen = dict.fromkeys(wide_layers(graph, samples, calibration=calibration), "int16x8")
    made = with_scheme(graph, samples, calibration=calibration, layers={**chosen, **layers}, **care)
    seen = (made.notes.quantization or {})["samples"]
    return noted(made, "mixed", seen, wide=tuple(chosen))
