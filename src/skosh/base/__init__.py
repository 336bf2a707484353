"""Floor 0: what everything else may lean on. Errors, element types, integer arithmetic, the registry."""
