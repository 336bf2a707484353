"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: what they remember becomes State."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Array, State, Tensor
from skosh.ops.recurrent.lstm import Lstm
from skosh.ops.recurrent.svdf import Svdf


def svdf(record: Record) -> Converted:
    from tflite.SVDFOptions import SVDFOptions

    options = record.options(SVDFOptions)
    fused = activation(options.FusedActivationFunction())
    if not record.input(0).dtype.is_float:
        fused = "none"  # TFLite Micro's integer kernel has none, whatever the option says
    options.AsymmetricQuantizeInputs()
    return with_states(Svdf(int(options.Rank()), fused), record, range(5), (4,))


TANH = 4  # ActivationFunctionType
KEPT = (*range(9), *range(12, 16), 18, 19)
"""Of an LSTM's inputs: x, four input and four recurrent weights, four biases, hidden state, cell state."""
VARIANTS = {
    **dict.fromkeys(range(9, 12), "peephole weights"),
    **dict.fromkeys(range(16, 18), "a projection"),
    **dict.fromkeys(range(20, 24), "layer normalization"),
}


def lstm(record: Record) -> Converted:
    from tflite.UnidirectionalSequenceLSTMOptions import UnidirectionalSequenceLSTMOptions

    options = record.options(UnidirectionalSequenceLSTMOptions)
    extras = [what for i, what in VARIANTS.items() if record.has(i)]
    if extras:
        raise ModelError(f"an LSTM with {extras[0]} is not supported")
    if options.FusedActivationFunction() != TANH:
        raise ModelError("an LSTM must have tanh as its activation")
    if options.DiagonalRecurrentTensors():
        raise ModelError("an LSTM with diagonal recurrent weights is not supported")
    options.ProjClip()  # of a projection that isn't there
    options.AsymmetricQuantizeInputs()
    record.taken.extras.add("intermediates")  # scales inside a float gate; TFLite Micro has its own, and so have we
    op = Lstm(bool(options.TimeMajor()), float(options.CellClip()))
    return with_states(op, record, KEPT, (18, 19))


def with_states(op: Svdf | Lstm, record: Record, kept: Sequence[int], changed: Sequence[int]) -> Converted:
    """The node, with a State and a new output for each input that it changes."""
    after, states = [], []
    for i in changed:
        before = record.input(i)
        if before.name not in record.variables:
            raise ModelError(f'input "{before.name}" of {record.code} must be a variable, since it keeps the past')
        later = Tensor(f"{before.name}_next", before.shape, before.dtype, before.quant)
        after.append(later)
        states.append(State(before.name, before.name, later.name, blank(before)))
    return Converted(op, tuple(kept), more_outputs=tuple(after), states=tuple(states))


def blank(t: Tensor) -> Array:
    """What TFLite Micro's variables begin with: the zero point for int8, zeros for the others."""
    zero = t.quant.zero_point if t.dtype.name == "i8" and t.quant is not None else 0
    return np.full(t.shape, zero, t.dtype.np)


CONVERTERS: dict[str, Converter] = {"SVDF": svdf, "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm}
