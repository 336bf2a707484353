"""Floor 10: what a person keeps. ``report`` is a page about one compiled model."""

from skosh.deliver.facts import Accuracy, Facts, Picture, facts_of
from skosh.deliver.report import report_html

__all__ = ["Accuracy", "Facts", "Picture", "facts_of", "report_html"]
