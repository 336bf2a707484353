"""Operators: recurrent."""
