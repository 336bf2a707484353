"""CONV_3D: a stack of 2D convolutions over windows of the depth. Weights [KD, KH, KW, C, F].

    y[:, d] = sum over kd of conv2d(x[:, d * stride + kd * dilation - before], w[kd])

The depth of x becomes channels once ([N, H, W, D * C]); each output depth is then one 2D convolution of KD * C channels.
"""

from __future__ import annotations

from typing import Any

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation, padding
from skosh.importers.tflite.reader import Record
from skosh.ops.common import out_size, same_pads, window_pads
from skosh.ops.layers.convolution import Conv2D
from skosh.ops.moves.movement import Pack, Slice, Transpose
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Reshape

MOST_DEPTHS = 64


def conv_3d(record: Record, walk: Any) -> bool:
    from tflite.Conv3DOptions import Conv3DOptions

    options = record.options(Conv3DOptions)
    x, w = record.input(0), record.input(1)
    if len(x.shape) != 5 or len(w.shape) != 5 or x.dtype != f32:
        raise ModelError(f"x and weights must be float32 and have 5 dimensions, not {x.shape} and {w.shape}")
    weights = record.constant(1)
    n, depth, height, width, channels = x.shape
    kd, kh, kw, c, filters = w.shape
    if c != channels:
        raise ModelError(f"x must have the {c} channels of the weights, not {channels}")
    scheme, fused = padding(options.Padding()), activation(options.FusedActivationFunction())
    strides = int(options.StrideD()), int(options.StrideH()), int(options.StrideW())
    dilations = int(options.DilationDFactor()), int(options.DilationHFactor()), int(options.DilationWFactor())
    if min(*strides, *dilations) < 1:
        raise ModelError(f"strides and dilations must be positive, not {strides} and {dilations}")
    depths = out_size(scheme, depth, kd, strides[0], dilations[0])
    if not 0 < depths <= MOST_DEPTHS:
        raise ModelError(f"the output must have a depth of 1 to {MOST_DEPTHS}, not {depths}")
    before, after = same_pads(depth, kd, strides[0], dilations[0]) if scheme == "same" else (0, 0)
    pads = window_pads(scheme, (height, width), (kh, kw), strides[1:], dilations[1:])
    rows = walk.make(Transpose((0, 2, 3, 1, 4)), x)
    if before or after:
        rows = walk.make(Pad(((0, 0), (0, 0), (0, 0), (before, after), (0, 0)), 0), rows)
    flat = walk.constant(f"{w.name}_rows", weights.transpose(4, 1, 2, 0, 3).reshape(filters, kh, kw, kd * c), f32)
    bias = (record.input(2),) if record.has(2) else ()
    op = Conv2D(strides[1:], pads, dilations[1:], fused)
    layers = []
    for d in range(depths):
        size = (n, height, width, kd, c)
        start, step = (0, 0, 0, d * strides[0], 0), (1, 1, 1, dilations[0], 1)
        window = walk.make(Slice(start, size, step, size), rows)
        layers.append(walk.make(op, walk.make(Reshape((n, height, width, kd * c)), window), flat, *bias))
    walk.make(Pack(1), *layers, out=record.output())
    return True


EXPANSIONS = {"CONV_3D": conv_3d}
