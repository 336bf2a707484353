"""Floor 12: hardware made for a model: units proposed, measured, and written as projects."""

from __future__ import annotations
