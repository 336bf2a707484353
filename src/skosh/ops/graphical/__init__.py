"""Operators: graphical."""
