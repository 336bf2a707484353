"""Resizing images: nearest neighbour and bilinear, NHWC.

The meaning is TFLite Micro's: kernels/internal/reference/{resize_nearest_neighbor,resize_bilinear}.h. All that depends
on the sizes alone (which rows, which weights) is worked out when compiling; TFLM does it in float32, and so do we.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skosh.base.arith import round_half_away
from skosh.base.dtypes import f32, i8, i16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import SAME, Traits
from skosh.language import assume, call, kernel, par, widen, wrap
from skosh.ops.common import check_dtype, check_rank, required

Ints = npt.NDArray[np.int16]


@kernel
def resize_nearest(x: T[B, H, W, C], rows: i16[OH], columns: i16[OW], y: T[B, OH, OW, C]):
    """y[b, i, j] = x[b, rows[i], columns[j]]."""
    for b, i, j in par(B, OH, OW):
        h = widen(rows[i])
        w = widen(columns[j])
        assume(0 <= h < H and 0 <= w < W)
        for c in par(C):
            y[b, i, j, c] = x[b, h, w, c]


@kernel
def resize_bilinear_i8(x: i8[B, H, W, C], rows: i16[OH, 3], columns: i16[OW, 3], y: i8[B, OH, OW, C]):
    """Mean of four pixels. rows[i], columns[j]: (first index, second index, weight of the second in 1/1024)."""
    for b, i, j in par(B, OH, OW):
        h0 = widen(rows[i, 0])
        h1 = widen(rows[i, 1])
        fh = widen(rows[i, 2])
        w0 = widen(columns[j, 0])
        w1 = widen(columns[j, 1])
        fw = widen(columns[j, 2])
        assume(0 <= h0 < H and 0 <= h1 < H and 0 <= w0 < W and 0 <= w1 < W)
        k00 = (1024 - fh) * (1024 - fw)
        k10 = fh * (1024 - fw)
        k01 = (1024 - fh) * fw
        k11 = fh * fw
        for c in par(C):
            acc = widen(x[b, h0, w0, c]) * k00 + widen(x[b, h1, w0, c]) * k10
            acc += widen(x[b, h0, w1, c]) * k01 + widen(x[b, h1, w1, c]) * k11
            y[b, i, j, c] = wrap(i8, (acc + (524288 if acc > 0 else -524288)) // 1048576)


@kernel
def resize_bilinear_f32(
    x: f32[B, H, W, C], rows: i16[OH, 2], row_weights: f32[OH], columns: i16[OW, 2], column_weights: f32[OW],
    y: f32[B, OH, OW, C]
):  # fmt: skip
    """Mean of four pixels. rows[i], columns[j]: (first index, second index); weights: of the second."""
    for b, i, j in par(B, OH, OW):
        h0 = widen(rows[i, 0])
        h1 = widen(rows[i, 1])
        w0 = widen(columns[j, 0])
        w1 = widen(columns[j, 1])
        assume(0 <= h0 < H and 0 <= h1 < H and 0 <= w0 < W and 0 <= w1 < W)
        fh = row_weights[i]
        gh = 1.0 - fh
        fw = column_weights[j]
        gw = 1.0 - fw
        for c in par(C):
            y[b, i, j, c] = (
                x[b, h0, w0, c] * gh * gw
                + x[b, h1, w0, c] * fh * gw
                + x[b, h0, w1, c] * gh * fw
                + x[b, h1, w1, c] * fh * fw
            )


@dataclass(frozen=True)
class Resize(Op):
    """What both kinds share. size: (height, width) of the output.

    align_corners: the corners of both images are the same points; half_pixel_centers: pixels are areas, sampled at
    their middle. Not both, for bilinear.
    """

    size: tuple[int, int]
    align_corners: bool = False
    half_pixel_centers: bool = False

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_rank(x, 4)
        if min(self.size) < 1 or max(*self.size, *x.shape[1:3]) > i16.max:
            raise ModelError(f"a resize of {x.shape[1:3]} to {self.size} must have sizes from 1 to {i16.max}")
        return (Type((x.shape[0], *self.size, x.shape[3]), x.dtype),)

    def sizes(self, x: Tensor) -> dict[str, int]:
        b, h, w, c = x.shape
        return {"B": b, "H": h, "W": w, "C": c, "OH": self.size[0], "OW": self.size[1]}


@dataclass(frozen=True)
class ResizeNearest(Resize):
    """Each output pixel is the nearest input pixel, of any element type."""

    kind = "resize_nearest"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def picks(self, size: int, out: int) -> Ints:
        """The input index of each output index along one axis, computed in float32 as TFLM does."""
        one = np.float32(1)
        aligned = self.align_corners and out > 1
        scale = np.float32(size - 1) / np.float32(out - 1) if aligned else np.float32(size) * one / np.float32(out)
        offset = np.float32(0.5 if self.half_pixel_centers else 0.0)
        where = (np.arange(out, dtype=np.float32) + offset) * scale
        found = round_half_away(where) if self.align_corners else np.floor(where)
        return np.clip(found, 0, size - 1).astype(np.int16)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = np.asarray(values[0])
        return (x[:, self.picks(x.shape[1], self.size[0])][:, :, self.picks(x.shape[2], self.size[1])],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        rows = Const(self.picks(x.shape[1], self.size[0]), "rows")
        columns = Const(self.picks(x.shape[2], self.size[1]), "columns")
        return (call(resize_nearest, x=In(0), rows=rows, columns=columns, y=Out(0), T=x.dtype, **self.sizes(x)),)


@dataclass(frozen=True)
class ResizeBilinear(Resize):
    """Each output pixel is the weighted mean of the four input pixels around its place; int8 or float32."""

    kind = "resize_bilinear"
    traits = Traits(monotone=True, int8=SAME)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i8, f32)
        if self.align_corners and self.half_pixel_centers:
            raise ModelError("a bilinear resize must not have both align_corners and half_pixel_centers")
        return super().infer(inputs)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        (y,) = required(outputs, 1)
        return 4 * y.size

    def in_1024ths(self, size: int, out: int) -> Ints:
        """(first index, second index, weight of the second in 1/1024) of each output index, in integers as TFLM does.

        TFLM reads beyond the image where its rounded scale overshoots; here both indices are then the last.
        """
        scale = (1024 * size + out // 2) // out
        if self.align_corners and out > 1:
            scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
        where = np.arange(out, dtype=np.int64) * scale
        if self.half_pixel_centers:
            where += scale // 2 - 512
        first = np.clip(where // 1024, 0, size - 1)
        second = np.clip(-(-where // 1024), 0, size - 1)
        weight = np.where(first == second, np.clip(where - 1024 * first, -512, 1024), where - 1024 * first)
        return np.stack([first, second, weight], axis=1).astype(np.int16)

    def in_floats(self, size: int, out: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        """((first index, second index), weight of the second) of each output index, in float32 as TFLM does."""
        scale = np.float32(size) / np.float32(out)
        if self.align_corners and out > 1:
            scale = np.float32(size - 1) / np.float32(out - 1)
        where = np.arange(out, dtype=np.float32)
        where = (where + np.float32(0.5)) * scale - np.float32(0.5) if self.half_pixel_centers else where * scale
        first = np.clip(np.floor(where).astype(np.int64), 0, size - 1)
        second = np.clip(np.ceil(where).astype(np.int64), 0, size - 1)
        return np.stack([first, second], axis=1).astype(np.int16), where - first.astype(np.float32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = np.asarray(values[0])
        if x.dtype == np.int8:
            rows, columns = self.in_1024ths(x.shape[1], self.size[0]), self.in_1024ths(x.shape[2], self.size[1])
            fh, fw = rows[:, 2].astype(np.int64).reshape(-1, 1, 1), columns[:, 2].astype(np.int64).reshape(-1, 1)
            gh, gw = 1024 - fh, 1024 - fw
            p00, p10, p01, p11 = (p.astype(np.int64) for p in corners(x, rows, columns))
            acc = p00 * (gh * gw) + p10 * (fh * gw) + p01 * (gh * fw) + p11 * (fh * fw)
            halves = np.abs(acc) + (1 << 19)  # rounds half away from zero; 0 stays 0
            return ((np.sign(acc) * (halves >> 20)).astype(np.int8),)
        rows, weight_h = self.in_floats(x.shape[1], self.size[0])
        columns, weight_w = self.in_floats(x.shape[2], self.size[1])
        sh, sw = weight_h.reshape(-1, 1, 1), weight_w.reshape(-1, 1)
        th, tw = np.float32(1) - sh, np.float32(1) - sw
        q00, q10, q01, q11 = corners(x, rows, columns)
        return (q00 * th * tw + q10 * sh * tw + q01 * th * sw + q11 * sh * sw,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        (_, h, w, _), (oh, ow) = x.shape, self.size
        if x.dtype == i8:
            tables = {
                "rows": Const(self.in_1024ths(h, oh), "rows"),
                "columns": Const(self.in_1024ths(w, ow), "columns"),
            }
            return (call(resize_bilinear_i8, x=In(0), y=Out(0), **tables, **self.sizes(x)),)
        (rows, sh), (columns, sw) = self.in_floats(h, oh), self.in_floats(w, ow)
        tables = {
            "rows": Const(rows, "rows"),
            "row_weights": Const(sh, "row_weights"),
            "columns": Const(columns, "columns"),
            "column_weights": Const(sw, "column_weights"),
        }
        return (call(resize_bilinear_f32, x=In(0), y=Out(0), **tables, **self.sizes(x)),)


def corners(x: Array, rows: Ints, columns: Ints) -> tuple[Array, Array, Array, Array]:
    """The four pixels of each output pixel: (top, bottom) of the left column, then of the right one."""
    top, bottom = x[:, rows[:, 0]], x[:, rows[:, 1]]
    left, right = columns[:, 0], columns[:, 1]
    return top[:, :, left], bottom[:, :, left], top[:, :, right], bottom[:, :, right]
