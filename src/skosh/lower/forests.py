"""Which nodes of a forest become code: what each form would cost on a target is modelled, and the aim decides.

Constants are counted exactly, from the calls themselves. Code and instructions are modelled: so many bytes for a node that
is written out, so many instructions for a step. The figures were fitted to 96 measured builds (eight forests in four forms
on three targets); they rank forms, and foretell neither flash nor instructions to better than a fifth.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skosh.base.aims import Aim
from skosh.ir.call import Call, Const
from skosh.ir.graph import Array, Op, Operands
from skosh.ops.common import required
from skosh.ops.trees.forest import AUTO, Forest, several_ways
from skosh.ops.trees.forest_code import written_out
from skosh.targets import ForestCosts, Target

SHARES = (0.0, 0.3, 0.5, 1.0)
"""The forms that are tried: the share of nodes, the most visited first, that becomes code."""

MOST = 1800
"""So many nodes become code at the most, those that are visited most: more is more than a small computer's flash takes, and
time to compile grows with them."""

ROOM = 2.0
"""How many times the smallest form's flash another may take where neither flash nor speed is the aim."""

FIXED_BYTES, FIXED_INSTRUCTIONS = 300, 60


CODE_TREE, TABLE_TREE, MIXED_VOTE, MIXED_SUM = 4, 16, 9, 20
"""Instructions of a tree, beside its steps."""


def formed(op: Op, inputs: Operands, target: Target | None, optimize: Aim) -> Op:
    """The operator with its form chosen, where it is a forest that leaves the choice open.

    "flash": the fewest bytes; "speed": the fewest instructions; else the least product of both, of the forms that
    take at most ``ROOM`` times the smallest one's bytes.
    """
    if not isinstance(op, Forest) or op.inline != AUTO:
        return op
    x, *constants = required(inputs, 10)
    _, _, left, right, _, visits, root, _, _ = (_data(t.data) for t in constants)
    if x.shape[0] != 1 or op.sided or len(left) == 0 or several_ways(left, right, root):
        return replace(op, inline=0)
    costs = target.forest_costs if target is not None else ForestCosts()
    wide = int(x.dtype.bytes > 1)
    share = _share_of_samples(left, right, root, visits)
    found: list[tuple[float, float, Forest]] = []
    for part in SHARES:
        made = replace(op, inline=min(int(np.ceil(len(left) * part)), MOST))
        code = written_out(left, right, root, visits, made.inline)
        weights = _constants(made.calls(inputs, ()))
        whole, mixed = bool(code.all()), bool(code.any() and not code.all())
        loops = len(root) * costs.loop if mixed and op.sums == "votes" else 0.0
        each = CODE_TREE if whole else TABLE_TREE if not mixed else MIXED_VOTE if op.sums == "votes" else MIXED_SUM
        flash = FIXED_BYTES + weights + code.sum() * costs.node[wide] + loops
        steps = share[code].sum() * costs.code_step[wide] + share[~code].sum() * costs.table_step[wide]
        found.append((float(flash), float(FIXED_INSTRUCTIONS + steps + len(root) * each), made))
    return _best(found, optimize)


def _best(found: list[tuple[float, float, Forest]], optimize: Aim) -> Forest:
    """Of (bytes, instructions, form)."""
    if optimize == "flash":
        return min(found, key=lambda f: f[:2])[2]
    if optimize == "speed":
        return min(found, key=lambda f: (f[1], f[0]))[2]
    least = min(f[0] for f in found)
    return min((f for f in found if f[0] <= ROOM * least), key=lambda f: f[0] * f[1])[2]


def _share_of_samples(left: Array, right: Array, root: Array, visits: Array) -> Array:
    """[nodes]: how much of what came to a node's root comes to the node itself, as fitting saw it."""
    top = np.zeros(len(left), np.int64)
    level = root[root >= 0]
    top[level] = level
    while level.size:
        below = []
        for side in (left, right):
            inner = level[side[level] >= 0]
            top[side[inner]] = top[inner]
            below.append(side[inner])
        level = np.concatenate(below)
    return np.asarray(visits / np.maximum(visits[top], 1))


def _constants(calls: tuple[Call, ...]) -> int:
    return sum(b.data.nbytes for c in calls for b in c.buffers.values() if isinstance(b, Const))


def _data(data: Array | None) -> Array:
    assert data is not None, "a forest's columns are constants"
    return data
