"""Floor 9: where to compute. The catalogue of devices, links, gateways and clouds; what each way costs; which is best."""
