"""Marked loops as C of a vector machine."""
