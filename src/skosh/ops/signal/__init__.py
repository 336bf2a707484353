"""Operators: signals in front of a model."""
