"""The unit "quads": what it is made of."""

from __future__ import annotations

from skosh.machines.custom import instructions as of
from skosh.rtl.unit import Unit

QUADS = Unit(
    "quads",
    (of.set_quad_outputs, of.begin_sum, of.mac4, of.finish_sum),
    "Four int8 products an instruction, of words from the core's registers, requantized to bytes.",
)
