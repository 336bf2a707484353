"""Nodes that decide nothing: both ways lead to the same leaf, or what was asked above has answered already.

Exact for integers. For floats only the first kind goes where NaN may come, which no bound holds: see ``pruned``.
"""

from __future__ import annotations

import numpy as np

from skosh.ir.graph import Array

Columns = dict[str, Array]
NODES = ("feature", "limit", "left", "right", "missing", "visits")


def pruned(columns: Columns, *, bounds: bool) -> Columns:
    """The same forest without nodes that decide nothing, its nodes in preorder, tree after tree. columns: the constants of a
    ``Forest`` by name; each node is reached by one way. bounds: what lies above a node counts too, as no value is NaN.

    x <= 3 ? (x <= 5 ? a : b) : c   ->   x <= 3 ? a : c          x <= 3 ? a : a   ->   a
    """
    feature, limit, left, right = (columns[n].tolist() for n in ("feature", "limit", "left", "right"))
    kept: list[int] = []
    lefts: list[int] = []
    rights: list[int] = []

    def copy(root: int) -> int:
        """The number of what stands for this node. Without recursion: trees may be deep."""
        results: list[int] = []
        low: dict[int, float] = {}
        high: dict[int, float] = {}
        work: list[tuple[str, int, float | None, int]] = [("visit", root, None, 0)]
        while work:
            what, n, old, at = work.pop()
            if what == "low":
                _restore(low, n, old)
            elif what == "high":
                _restore(high, n, old)
            elif what == "raise":
                low[feature[n]] = max(low.get(feature[n], -np.inf), limit[n])
            elif what == "join":
                b, a = results.pop(), results.pop()
                if a == b and a < 0 and at == len(kept) - 1:
                    for column in (kept, lefts, rights):
                        column.pop()
                    results.append(a)
                else:
                    lefts[at], rights[at] = a, b
                    results.append(at)
            elif n < 0:
                results.append(n)
            else:
                f, bound = feature[n], limit[n]
                if bounds and f in high and high[f] <= bound:
                    work.append(("visit", left[n], None, 0))
                elif bounds and f in low and low[f] >= bound:  # no bound yet: -inf itself is not above a limit of -inf
                    work.append(("visit", right[n], None, 0))
                else:
                    kept.append(n)
                    lefts.append(0)
                    rights.append(0)
                    work += [
                        ("join", n, None, len(kept) - 1), ("low", f, low.get(f), 0), ("visit", right[n], None, 0),
                        ("raise", n, None, 0), ("high", f, high.get(f), 0), ("visit", left[n], None, 0),
                    ]  # fmt: skip
                    high[f] = min(high.get(f, np.inf), bound)
        (top,) = results
        return top

    roots = [copy(r) for r in columns["root"].tolist()]
    order = np.array(kept, np.int64)
    out = {n: columns[n][order] for n in NODES}
    out["left"], out["right"] = np.array(lefts, np.int32), np.array(rights, np.int32)
    return {**columns, **out, "root": np.array(roots, np.int32)}


def _restore(held: dict[int, float], f: int, old: float | None) -> None:
    if old is None:
        held.pop(f, None)
    else:
        held[f] = old
