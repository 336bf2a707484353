"""GPUs and other devices that run many work items at once: OpenCL."""
