"""Floor 6: instructions of custom function units as hardware. Golden model, arrays, C and Verilog from one body."""

from __future__ import annotations

from skosh.rtl.unit import Unit, unit

__all__ = ["Unit", "unit"]
