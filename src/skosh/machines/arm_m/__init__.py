"""Cortex-M without vectors: pairs of int16, tiles in assembly, Thumb."""
