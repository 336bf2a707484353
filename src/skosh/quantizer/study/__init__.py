"""Quantizing: study."""
