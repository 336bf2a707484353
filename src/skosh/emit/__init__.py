"""Floor 6: kernels and a plan become C."""
