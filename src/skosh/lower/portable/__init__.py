"""How the kernels that operators ask for are scheduled as plain C, for any machine."""
