"""Operators: text."""
