"""Floor 8: where to compute. The catalogue of devices, links, gateways and clouds; what each way costs; which is best."""
