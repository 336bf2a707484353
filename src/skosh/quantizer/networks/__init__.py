"""Quantizing: networks."""
