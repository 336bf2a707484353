"""Floor 5: operators become kernel calls, kernels become the few C functions that a model needs."""
