"""Floor 10: the choice between the forms of each layer by what they cost, measured in the target's emulator."""

from skosh.search.choice import Choice, LayerChoice
from skosh.search.search import search

__all__ = ["Choice", "LayerChoice", "search"]
