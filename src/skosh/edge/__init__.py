"""Floor 12: nodes, gateways and the cloud: what carries a decision from where it is made to where it is kept.

``wire.py`` is the one schema; ``node/`` is firmware around a compiled model, in C, and the emulator that runs it.
"""
