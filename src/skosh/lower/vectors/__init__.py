"""Forms for vector machines: lanes side by side."""
