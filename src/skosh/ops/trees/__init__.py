"""Operators: trees."""
