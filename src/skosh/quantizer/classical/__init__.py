"""Quantizing: classical."""
