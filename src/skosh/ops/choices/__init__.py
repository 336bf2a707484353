"""Is a model sure of its answer, and what isn't computed any more when it is."""
