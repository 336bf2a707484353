"""A window that slides over height and width: convolutions and pooling share its geometry.

Positions that fall on the padding are left out, not multiplied by zero: that is what TFLM's reference kernels do, and for
floats the difference would show when a weight is infinite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skosh.base.errors import ModelError

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]

MAX_NUMBER = 1 << 20
"""No stride, dilation, padding or window side is larger; a file that says so is damaged."""


@dataclass(frozen=True)
class Tap:
    """One place of the window: its row and column, the outputs that it contributes to, the inputs that it reads there."""

    row: int
    column: int
    out: tuple[slice, slice]
    into: tuple[slice, slice]


@dataclass(frozen=True)
class Window:
    """size, stride, dilation: (height, width). pads: rows and columns added (top, bottom, left, right)."""

    size: Pair
    stride: Pair
    pads: Pads
    dilation: Pair = (1, 1)

    def check(self) -> None:
        """A ModelError when a number makes no sense."""
        for what, numbers in (("size", self.size), ("stride", self.stride), ("dilation", self.dilation)):
            if any(not 1 <= n <= MAX_NUMBER for n in numbers):
                raise ModelError(f"the window's {what} must be positive, not {numbers}")
        if any(not 0 <= n <= MAX_NUMBER for n in self.pads):
            raise ModelError(f"padding must not be negative, but is {self.pads}")

    @property
    def reach(self) -> Pair:
        """Rows and columns from the first to the last element of the window, dilation counted."""
        return (self.size[0] - 1) * self.dilation[0] + 1, (self.size[1] - 1) * self.dilation[1] + 1

    def outputs(self, height: int, width: int) -> Pair:
        """Number of positions down and across; a ModelError when the window doesn't fit the padded input."""
        self.check()
        top, bottom, left, right = self.pads
        padded = height + top + bottom, width + left + right
        if self.reach[0] > padded[0] or self.reach[1] > padded[1]:
            raise ModelError(f"a window of {self.reach} must fit the padded input of {padded}")
        return (padded[0] - self.reach[0]) // self.stride[0] + 1, (padded[1] - self.reach[1]) // self.stride[1] + 1

    def taps(self, height: int, width: int) -> Iterator[Tap]:
        """Every place of the window in row-major order, with where it lies inside the input."""
        down, across = self.outputs(height, width)
        columns = list(self._places(1, width, across))
        for row, (y, rows) in self._places(0, height, down):
            for column, (x, inside) in columns:
                yield Tap(row, column, (y, x), (rows, inside))

    def _places(self, axis: int, size: int, outputs: int) -> Iterator[tuple[int, tuple[slice, slice]]]:
        """Rows (axis 0) or columns (axis 1) of the window that meet the input, each with its outputs and inputs."""
        stride, dilation, before = self.stride[axis], self.dilation[axis], self.pads[2 * axis]
        first = max(0, -(((outputs - 1) * stride - before) // dilation))
        last = min(self.size[axis] - 1, (size - 1 + before) // dilation)
        for place in range(first, last + 1):
            overlap = _overlap(place * dilation - before, stride, size, outputs)
            if overlap is not None:
                yield place, overlap


def _overlap(offset: int, stride: int, size: int, outputs: int) -> tuple[slice, slice] | None:
    """Outputs o with 0 <= o * stride + offset < size, and those inputs; None when there are none."""
    first = max(0, -(offset // stride))
    last = min(outputs - 1, (size - 1 - offset) // stride)
    if first > last:
        return None
    start = first * stride + offset
    return slice(first, last + 1), slice(start, last * stride + offset + 1, stride)
