"""Operators: layers."""
