"""Operators: moves."""
