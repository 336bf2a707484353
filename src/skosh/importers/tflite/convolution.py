"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV: padding schemes become numbers for each side."""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import i16, i32
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation, dtype, padding
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Tensor
from skosh.ops.common import out_size, window_pads
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.windows import Pads, Pair, Window


def conv2d(record: Record) -> Converted:
    """Weights [F, KH, KW, C / groups]."""
    from tflite.Conv2DOptions import Conv2DOptions

    options = record.options(Conv2DOptions)
    stride, dilation = _stride(options), _dilation(options)
    pads = _pads(record, options, 1, stride, dilation)
    check_centred(record, 1)
    op = Conv2D(stride, pads, dilation, activation(options.FusedActivationFunction()))
    return with_bias_type(record, op, options.QuantizedBiasType())


def check_centred(record: Record, i: int) -> None:
    """A ModelError for int8 weights with a zero point, which TFLite's convolutions take for 0; uint8 ones may have one."""
    w = record.input(i)
    if not record.unsigned and w.quant is not None and any(w.quant.zero_points):
        raise ModelError(f'weights "{w.name}" must have zero point 0', hint="quantize weights symmetrically")


def with_bias_type(record: Record, op: Conv2D, bias_type: int) -> Converted:
    """Without a bias, int16 layers sum in 64 bits, or in 32 when the options say so: then a zero int32 bias does."""
    x = record.input(0)
    if record.has(2):
        check_bias_type(record, 2, bias_type)
    if record.has(2) or x.dtype != i16 or bias_type != 2:
        return Converted(op)
    count = record.input(1).shape[0] if record.input(1).shape else 1
    name = f"{record.output().name}/zero_bias"
    return Converted(op, (0, 1), more_inputs=(Tensor(name, (count,), i32, data=np.zeros(count, np.int32)),))


def depthwise_conv2d(record: Record) -> DepthwiseConv2D:
    """Weights [1, KH, KW, F]; the depth multiplier follows from the shapes."""
    from tflite.DepthwiseConv2DOptions import DepthwiseConv2DOptions

    options = record.options(DepthwiseConv2DOptions)
    stride, dilation = _stride(options), _dilation(options)
    pads = _pads(record, options, 1, stride, dilation)
    x, w = record.input(0).shape, record.input(1).shape
    if int(options.DepthMultiplier()) * x[3] not in (0, w[3]):
        raise ModelError(
            f"{w[3]} filters must be {options.DepthMultiplier()} for each of {x[3]} channels, as the options say"
        )
    check_centred(record, 1)
    return DepthwiseConv2D(stride, pads, dilation, activation(options.FusedActivationFunction()))


def transpose_conv(record: Record) -> Converted:
    """Inputs: output shape, weights [F, KH, KW, C], x, bias. Padding is that of the convolution it transposes."""
    from tflite.TransposeConvOptions import TransposeConvOptions

    options = record.options(TransposeConvOptions)
    stride = _stride(options)
    if record.input(0).is_constant:
        shape = record.numbers(0)
    else:  # TFLite Micro, too, takes the size that the output has in the file
        shape = record.output().shape
        record.take(0)
    weights, x = record.input(1), record.input(2)
    if len(weights.shape) != 4 or len(x.shape) != 4 or len(shape) != 4:
        raise ModelError("x, weights and output must have 4 dimensions")
    kernel = weights.shape[1], weights.shape[2]
    Window(kernel, stride, (0, 0, 0, 0)).check()
    top, _, left, _ = window_pads(padding(options.Padding()), (shape[1], shape[2]), kernel, stride)
    natural = (x.shape[1] - 1) * stride[0] + kernel[0], (x.shape[2] - 1) * stride[1] + kernel[1]
    pads = (top, natural[0] - top - shape[1], left, natural[1] - left - shape[2])
    op = TransposeConv(stride, pads, activation(options.FusedActivationFunction()))
    if not record.has(3):
        options.QuantizedBiasType()  # of a bias that isn't there
        return Converted(op, (2, 1))
    check_bias_type(record, 3, options.QuantizedBiasType())
    return Converted(op, (2, 1, 3))


def check_bias_type(record: Record, i: int, stated: int) -> None:
    """A ModelError when the options name another type than the bias, input ``i``, has; 0 says nothing."""
    if stated and dtype(stated) != record.input(i).dtype:
        raise ModelError(f"the bias must be {dtype(stated)}, as the options say, not {record.input(i).dtype}")


def _stride(options: object) -> Pair:
    return int(options.StrideH()), int(options.StrideW())  # type: ignore[attr-defined]


def _dilation(options: object) -> Pair:
    return int(options.DilationHFactor()), int(options.DilationWFactor())  # type: ignore[attr-defined]


def _pads(record: Record, options: object, weights: int, stride: Pair, dilation: Pair) -> Pads:
    """Explicit padding of a window as large as axes 1 and 2 of input number ``weights``."""
    x, w = record.input(0).shape, record.input(weights).shape
    if len(x) != 4 or len(w) != 4:
        raise ModelError(f"x and weights must have 4 dimensions, not {len(x)} and {len(w)}")
    window = Window((w[1], w[2]), stride, (0, 0, 0, 0), dilation)
    return explicit_pads(padding(options.Padding()), (x[1], x[2]), window)  # type: ignore[attr-defined]


def explicit_pads(scheme: str, size: Pair, window: Window) -> Pads:
    """(top, bottom, left, right) of a padding scheme over an input of (height, width)."""
    window.check()
    if scheme == "valid" and 0 in (
        out_size(scheme, size[0], window.size[0], window.stride[0], window.dilation[0]),
        out_size(scheme, size[1], window.size[1], window.stride[1], window.dilation[1]),
    ):
        raise ModelError(f"a window of {window.reach} must fit the input of {size}")
    return window_pads(scheme, size, window.size, window.stride, window.dilation)


CONVERTERS: dict[str, Converter] = {
    "CONV_2D": conv2d,
    "DEPTHWISE_CONV_2D": depthwise_conv2d,
    "TRANSPOSE_CONV": transpose_conv,
}
