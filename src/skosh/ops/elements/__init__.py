"""Operators: elements."""
