"""Machines with 32-bit registers and nothing smaller: two products in one multiplication."""
