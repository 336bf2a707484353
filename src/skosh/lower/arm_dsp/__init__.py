"""Forms for Cortex-M4, M7 and M33: pairs of int16, and tiles in assembly."""
