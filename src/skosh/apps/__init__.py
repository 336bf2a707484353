"""Floor 12: walk-through applications, each a short program that goes the whole way."""
