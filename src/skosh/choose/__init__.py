"""Floor 9: the choice between the forms of each layer by what they cost, measured in the target's emulator."""

from skosh.choose.choice import Choice, LayerChoice
from skosh.choose.search import search

__all__ = ["Choice", "LayerChoice", "search"]
