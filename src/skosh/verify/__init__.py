"""Floor 9: nothing is believed. Samples, comparisons layer by layer, and what a comparison found."""

from skosh.verify.proof import Difference, Proof, prove
from skosh.verify.samples import Samples, load_samples, random_samples

__all__ = ["Difference", "Proof", "Samples", "load_samples", "prove", "random_samples"]
