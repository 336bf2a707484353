"""What must hold of trees that a file describes before anything walks them: children are there, and no way leads back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import ModelError

if TYPE_CHECKING:
    from skosh.importers.trees import Tree


def check_trees(trees: Sequence[Tree], features: int) -> None:
    """Raises ModelError unless every tree can be walked, and asks for features that there are; linear in the nodes."""
    for i, t in enumerate(trees):
        spend("nodes", len(t.left), "the trees")
        inner = t.left >= 0
        sizes = {len(t.left), len(t.right), len(t.feature), len(t.limit), len(t.missing), len(t.visits), len(t.value)}
        if len(sizes) > 1 or not len(t.left):
            raise ModelError(f"tree {i} must have a root, and as many of everything as nodes")
        ends = np.concatenate([t.left[inner], t.right[inner]])
        if len(ends) and (ends.min() < 0 or ends.max() >= len(t.left)):
            raise ModelError(f"each child in tree {i} must be one of its {len(t.left)} nodes")
        if inner.any() and not 0 <= t.feature[inner].min() <= t.feature[inner].max() < features:
            raise ModelError(f"tree {i} must ask for features from 0 to {features - 1} only")
        if not _leads_down(t):
            raise ModelError(f"no way in tree {i} may lead back to a node that it came from")


def _leads_down(t: Tree) -> bool:
    """Whether the nodes can be put in an order in which children follow (Kahn 1962), level by level."""
    if not (inner := np.flatnonzero(t.left >= 0)).size:
        return True
    if (t.left[inner] > inner).all() and (t.right[inner] > inner).all():
        return True  # the order of the file is one
    parents = np.bincount(np.concatenate([t.left[inner], t.right[inner]]), minlength=len(t.left))
    level = np.flatnonzero(parents == 0)
    seen = 0
    while level.size:
        seen += level.size
        spend("work", level.size, "the trees")
        from_here = level[t.left[level] >= 0]
        children = np.concatenate([t.left[from_here], t.right[from_here]])
        np.subtract.at(parents, children, 1)
        level = np.unique(children[parents[children] == 0])
    return seen == len(t.left)
