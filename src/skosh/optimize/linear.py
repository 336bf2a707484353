"""The integer sums inside convolutions and dense layers, for any real numbers in the place of the input's elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skosh.base.arith import Ints
from skosh.ir.graph import Array, Node, Tensor
from skosh.ops.common import activation_range, finish, product_multipliers
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense, dense_multipliers
from skosh.ops.layers.offset import has_offset
from skosh.ops.layers.weights import is_wide

Floats = npt.NDArray[np.float64]
LinearOp = Conv2D | DepthwiseConv2D | Dense


@dataclass(frozen=True, eq=False)
class Linear:
    """An integer layer: x (zero point zx), weights [as TFLite's], bias or None, output y."""

    op: LinearOp
    x: Tensor
    w: Tensor
    bias: Tensor | None
    y: Tensor

    @property
    def zx(self) -> int:
        assert self.x.quant is not None, "checked by infer"
        return self.x.quant.zero_point

    @property
    def weights(self) -> Array:
        assert self.w.data is not None, "checked by infer"
        return self.w.data

    @property
    def addend(self) -> Ints:
        """[F]: the bias, or zeros."""
        if self.bias is None or self.bias.data is None:
            return np.zeros(self.y.shape[-1], np.int64)
        return self.bias.data.reshape(-1).astype(np.int64)

    @property
    def wide(self) -> bool:
        return is_wide((self.x, self.w, self.bias))

    @property
    def scaling(self) -> tuple[Ints, Ints]:
        """(multiplier, shift) arrays, [F] or [1]."""
        if isinstance(self.op, Dense):
            return dense_multipliers(self.x, self.w, self.y)
        return product_multipliers(self.x, self.w, self.y, self.y.shape[-1])


def linear(node: Node, operands: tuple[Tensor | None, ...], y: Tensor) -> Linear | None:
    """The node as an integer layer; None when it is none, one on floats, or one whose weights have a zero point."""
    if not isinstance(node.op, (Conv2D, DepthwiseConv2D, Dense)):
        return None
    x, w = operands[0], operands[1]
    assert x is not None and w is not None, "checked by infer"
    if not x.dtype.is_integer or x.quant is None or w.data is None or has_offset(w):
        return None
    return Linear(node.op, x, w, operands[2] if len(operands) > 2 else None, y)


def accumulate(layer: Linear, x: Floats, w: Floats) -> Floats:
    """Sums of x * w over the window and its channels, of y's shape; nothing is added for places on the padding.

    Exact for multiples of 1/2 below 2^52. x may have fewer channels than the layer, if w has as many.
    """
    op = layer.op
    if isinstance(op, Dense):
        return np.asarray(x.reshape(-1, w.shape[1]) @ w.T).reshape(*layer.y.shape[:-1], w.shape[0])
    acc = np.zeros((x.shape[0], *layer.y.shape[1:3], w.shape[3] if isinstance(op, DepthwiseConv2D) else w.shape[0]))
    for tap in op.window(layer.w).taps(x.shape[1], x.shape[2]):
        window = x[:, *tap.into]
        if isinstance(op, DepthwiseConv2D):
            acc[:, *tap.out] += np.repeat(window, w.shape[3] // x.shape[3], axis=3) * w[0, tap.row, tap.column]
            continue
        depth, filters = w.shape[3], w.shape[0] * w.shape[3] // x.shape[3]
        for g in range(x.shape[3] // depth):
            mine = slice(g * filters, (g + 1) * filters)
            product = window[..., g * depth : (g + 1) * depth] @ w[mine, tap.row, tap.column].T
            acc[:, *tap.out, mine] += product
    return acc


def outputs_between(layer: Linear, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Bounds of the outputs from bounds of the sums (bias not yet added), as requantization never decreases.

    Where the sum could leave 32 bits and wrap, all that the activation lets through is possible.
    """
    low, high = low + layer.addend, high + layer.addend
    multiplier, shift = layer.scaling
    lo, hi = activation_range(layer.op.activation, layer.y.quant, layer.y.dtype)
    safe = np.broadcast_to(multiplier >= 0, low.shape)
    if not layer.wide:
        reach = np.int64(1) << (31 - np.maximum(shift, 0))  # |sum| below it: neither the sum nor its left shift wraps
        safe = safe & (low >= -reach) & (high < reach)
        low, high = np.where(safe, low, 0), np.where(safe, high, 0)
    ends = [finish(end, (multiplier, shift), layer.y, layer.op.activation, layer.wide) for end in (low, high)]
    return np.where(safe, ends[0].astype(np.int64), lo), np.where(safe, ends[1].astype(np.int64), hi)
