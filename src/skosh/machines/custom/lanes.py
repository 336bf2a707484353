"""The unit "lanes": what it is made of."""

from __future__ import annotations

from skosh.machines.custom import instructions as of
from skosh.rtl.unit import Unit

LANES = Unit(
    "lanes",
    (
        of.set_outputs, of.set_shape, of.begin_loading, of.put_input, of.put_filter, of.put_bias, of.put_multiplier,
        of.begin_pixel, of.compute, of.sum_of,
    ),
    "Sixteen int8 products a cycle from scratchpads, requantized to bytes.",
)  # fmt: skip
