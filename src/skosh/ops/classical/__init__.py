"""Operators: classical."""
