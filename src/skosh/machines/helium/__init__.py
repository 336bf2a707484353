"""Cortex-M55: 16 products of int8 an instruction."""
