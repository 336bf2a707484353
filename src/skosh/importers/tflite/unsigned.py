"""Models quantized to uint8, the older way, become int8 models of the same numbers: values and zero points move by 128.

    conv2d x: u8 (zero point 128), w: u8 (zero point 121)  ->  x: i8 (0), w: i8 (-7): scale * (q - zero point) stays

Integer layers, sums, products, pooling and moves give the same integers less 128. Functions of one element (LOGISTIC, TANH, a
CONCATENATION that rescales) become tables of TFLite's own answers. SOFTMAX, MEAN and RESIZE_BILINEAR, which TFLite computes in
other steps for uint8, may be one step of the output's scale apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.arith import requantize
from skosh.base.dtypes import i8, u8
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.reader import Model, Record, Subgraph
from skosh.ir.graph import Array, Quant, Tensor
from skosh.ops.common import multipliers, quantized
from skosh.ops.elements.lookup import Lookup
from skosh.ops.elements.quantization import Cast, Quantize
from skosh.ops.moves.movement import Concat, normal_axis

PASSIVE = frozenset({
    "QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT",
    "SPLIT_V", "UNPACK", "GATHER", "SHAPE",
})  # fmt: skip
"""What an int8 model may do with the uint8 numbers that come in and go out."""

INTERFACES = ("int8", "file")
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")


def is_unsigned(model: Model) -> bool:
    """Whether the model computes in uint8, beyond taking and giving such numbers."""
    return any(
        t is not None and stored_unsigned(t)
        for s in model.subgraphs
        for r in s.records
        if r.code not in PASSIVE and not r.code.startswith("CUSTOM:")
        for t in (*r.inputs, *r.outputs)
    )


def stored_unsigned(t: Tensor) -> bool:
    return t.dtype == u8 and t.quant is not None and not t.quant.per_channel


def to_signed(model: Model, interface: str = "int8") -> Model:
    """The model in int8. interface: "int8", or "file": inputs and outputs stay uint8, by one more operator each."""
    changed = replace(model, subgraphs=tuple(signed_subgraph(s) for s in model.subgraphs))
    return with_interface(model, changed) if interface == "file" else changed


def signed_subgraph(s: Subgraph) -> Subgraph:
    moved = {t.name: moved_tensor(t) for t in s.tensors}

    def of(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(moved[t.name] for t in tensors)

    records = tuple(signed_record(r, moved) for r in s.records)
    return replace(s, tensors=of(s.tensors), inputs=of(s.inputs), outputs=of(s.outputs), records=records)


def moved_tensor(t: Tensor) -> Tensor:
    """A uint8 tensor with a scale as int8; others as they are."""
    if not stored_unsigned(t):
        return t
    assert t.quant is not None, "asked above"
    quant = replace(t.quant, zero_points=tuple(z - 128 for z in t.quant.zero_points))
    data = None if t.data is None else (t.data.astype(np.int16) - 128).astype(np.int8)
    return replace(t, dtype=i8, quant=quant, data=data)


def signed_record(r: Record, moved: dict[str, Tensor]) -> Record:
    inputs = [None if t is None else moved.get(t.name, t) for t in r.inputs]
    unsigned = any(t is not None and stored_unsigned(t) for t in (*r.inputs, *r.outputs))
    if unsigned and r.code in LAYERS and len(inputs) > 2:
        x, w = (inputs[2], inputs[1]) if r.code == "TRANSPOSE_CONV" else (inputs[0], inputs[1])
        if x is not None and w is not None:
            inputs[1] = layer_weights(x, w)
    outputs = tuple(moved.get(t.name, t) for t in r.outputs)
    return replace(r, inputs=tuple(inputs), outputs=outputs, unsigned=unsigned)


def layer_weights(x: Tensor, w: Tensor) -> Tensor:
    """Weights with zero point 0 where int8 can hold them so, and with the scale by which uint8 kernels multiply.

    TFLite rounds x.scale * w.scale to float32 for uint8 and not for int8 (GetQuantizedConvolutionMultipler).
    """
    if w.quant is None or w.data is None or x.quant is None or w.dtype != i8 or w.quant.per_channel:
        return w
    with np.errstate(over="ignore", under="ignore"):
        product = float(np.float32(x.quant.scale) * np.float32(w.quant.scale))
    quant = Quant((product / x.quant.scale if product else w.quant.scale,), w.quant.zero_points)
    real = w.data.astype(np.int16) - w.quant.zero_point
    if real.min() >= i8.min and real.max() <= i8.max:
        return replace(
            w, name=f"{w.name}_of_{x.name}", quant=replace(quant, zero_points=(0,)), data=real.astype(np.int8)
        )
    return replace(w, name=f"{w.name}_of_{x.name}", quant=quant)


def with_interface(old: Model, new: Model) -> Model:
    """The int8 model between a QUANTIZE for each uint8 input and output."""
    main, before = new.subgraphs[0], old.subgraphs[0]
    names = {t.name for s in new.subgraphs for t in s.tensors}
    swapped: dict[str, Tensor] = {}
    first, last = [], []
    for t in dict.fromkeys(before.inputs):
        if stored_unsigned(t):
            inner = replace(moved_tensor(t), name=unused(f"{t.name}_int8", names))
            swapped[t.name] = inner
            first.append(Record("QUANTIZE", 1, (t,), (inner,), main.records[0].loc))
    for t in dict.fromkeys(before.outputs):
        if stored_unsigned(t) and t.name not in swapped:
            inner = replace(moved_tensor(t), name=unused(f"{t.name}_int8", names))
            swapped[t.name] = inner
            last.append(Record("QUANTIZE", 1, (inner,), (t,), main.records[-1].loc))
    records = tuple(
        replace(
            r,
            inputs=tuple(None if t is None else swapped.get(t.name, t) for t in r.inputs),
            outputs=tuple(swapped.get(t.name, t) for t in r.outputs),
        )
        for r in main.records
    )
    originals = {t.name: t for t in (*before.inputs, *before.outputs)}
    tensors = tuple(originals.get(t.name, t) if t.name in swapped else t for t in main.tensors)
    ends = [tuple(originals.get(t.name, t) for t in group) for group in (main.inputs, main.outputs)]
    main = replace(
        main, tensors=(*tensors, *swapped.values()), inputs=ends[0], outputs=ends[1], records=(*first, *records, *last)
    )
    opened = {**new.open, **{swapped[n].name: shape for n, shape in new.open.items() if n in swapped}}
    return replace(new, subgraphs=(main, *new.subgraphs[1:]), open=opened)


def unused(name: str, taken: set[str]) -> str:
    found = next(n for n in (name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))) if n not in taken)
    taken.add(found)
    return found


# ------------------------------------------------------------------------------------------------- functions as tables


def table(x: Tensor, y: Tensor, function: Callable[[Array], Array]) -> Array:
    """TFLite's LUTPopulate: y of each x, in float32, rounded half away from zero. [256], for int8 x from -128."""
    assert x.quant is not None and y.quant is not None, "a table needs scales"
    real = np.float32(x.quant.scale) * (np.arange(-128, 128) - x.quant.zero_point).astype(np.float32)
    steps = function(real).astype(np.float32) * (np.float32(1) / np.float32(y.quant.scale))
    rounded = np.sign(steps) * np.floor(np.abs(steps) + np.float32(0.5))
    found: Array = np.clip(rounded.astype(np.float64) + y.quant.zero_point, i8.min, i8.max)
    return found.astype(np.int8)


def _logistic(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-x)), np.float32)


def _of_one(function: Callable[[Array], Array]) -> Callable[[Record, Any], bool]:
    def expand(record: Record, walk: Any) -> bool:
        x, y = record.input(0), record.output()
        if not record.unsigned or x.dtype != i8 or y.dtype != i8 or x.quant is None or y.quant is None:
            return False
        constant = walk.constant(f"{y.name}_table", table(x, y, function), i8)
        walk.make(Lookup(), x, constant, out=y)
        return True

    return expand


def _limited(low: float | None, high: float | None) -> Callable[[Record, Any], bool]:
    """RELU6 and its kin, which TFLite requantizes in uint8 (QuantizedReluX), as a table."""

    def expand(record: Record, walk: Any) -> bool:
        x, y = record.input(0), record.output()
        if not record.unsigned or x.dtype != i8 or y.dtype != i8 or x.quant is None or y.quant is None:
            return False
        if x.quant == y.quant:
            return False
        steps = requantize(np.arange(-128, 128) - x.quant.zero_point, *multipliers(x.quant.scale / y.quant.scale))
        bounds = (i8.min if low is None else max(i8.min, quantized(low, y.quant)),
                  i8.max if high is None else min(i8.max, quantized(high, y.quant)))  # fmt: skip
        found = np.clip(steps + y.quant.zero_point, *bounds).astype(np.int8)
        walk.make(Lookup(), x, walk.constant(f"{y.name}_table", found, i8), out=y)
        return True

    return expand


def rescaled(x: Tensor, y: Tensor) -> Array:
    """What CONCATENATION makes of an input of another scale (reference_ops::ConcatenationWithScaling). [256]."""
    assert x.quant is not None and y.quant is not None, "asked before"
    scale = np.float32(x.quant.scale) * (np.float32(1) / np.float32(y.quant.scale))
    # in uint8, as TFLite has it: the float32 sums round by where 0 is
    bias = np.float32(-(x.quant.zero_point + 128)) * scale
    steps = np.arange(256).astype(np.float32) * scale + bias
    rounded = np.sign(steps) * np.floor(np.abs(steps) + np.float32(0.5))
    moved: Array = np.clip(rounded + (y.quant.zero_point + 128), 0, 255) - 128
    return moved.astype(np.int8)


def concatenation(record: Record, walk: Any) -> bool:
    """Inputs of other scales than the output's, which only uint8 may have, are brought to it."""
    from tflite.ConcatenationOptions import ConcatenationOptions

    y = record.output()
    tensors = [record.input(i) for i in range(len(record.inputs))]
    if not record.unsigned or y.dtype != i8 or all(t.quant == y.quant for t in tensors):
        return False
    if any(t.dtype != i8 or t.quant is None for t in tensors) or y.quant is None:
        raise ModelError("CONCATENATION must join tensors of one type")
    options = record.options(ConcatenationOptions)
    if activation(options.FusedActivationFunction()) != "none":
        raise ModelError("CONCATENATION must not have a fused activation")
    record.take(*range(len(tensors)))
    parts = []
    for t in tensors:
        if t.quant != y.quant:
            lookup = walk.constant(f"{t.name}_rescaled", rescaled(t, y), i8)
            parts.append(walk.make(Lookup(), t, lookup, quant=y.quant))
        else:
            parts.append(t)
    walk.make(Concat(normal_axis(int(options.Axis()), len(tensors[0].shape))), *parts, out=y)
    return True


def cast(record: Record, walk: Any) -> bool:
    """CAST reads and writes the stored number, from 0 to 255."""
    from skosh.importers.tflite.quantization import check_cast

    x, y = record.input(0), record.output()
    if not record.unsigned:
        return False
    check_cast(record)
    if x.dtype == i8 and x.quant is not None:
        above = Quant(x.quant.scales, tuple(z + 128 for z in x.quant.zero_points))
        raw = walk.make(Quantize(u8), x, quant=above)
        if y.dtype == i8:
            raise ModelError("CAST from uint8 must give another type")
        walk.make(Cast(y.dtype), raw, out=y)
        return True
    assert y.quant is not None, "an unsigned record has an input or an output with a scale"
    raw = walk.make(Cast(u8), x, quant=Quant(y.quant.scales, tuple(z + 128 for z in y.quant.zero_points)))
    walk.make(Quantize(i8), raw, out=y)
    return True


EXPANSIONS: dict[str, Callable[[Record, Any], bool]] = {
    "LOGISTIC": _of_one(_logistic), "TANH": _of_one(np.tanh), "CONCATENATION": concatenation, "CAST": cast,
    "RELU": _limited(0.0, None), "RELU6": _limited(0.0, 6.0), "RELU_N1_TO_1": _limited(-1.0, 1.0),
}  # fmt: skip
