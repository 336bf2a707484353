"""Machines without a long multiplication: int8 depthwise layers requantized in 32 bits."""

from __future__ import annotations

import numpy as np

from skosh.ir.call import Const, Schedule
from skosh.language import call
from skosh.lower.form import Asked, Form, Made, weights_of
from skosh.machines.words.stair_kernels import depthwise_rows_stairs, depthwise_stairs
from skosh.machines.words.staircase import cheapest
from skosh.machines.words.twin_forms import RESCALED, staircase_of
from skosh.ops.layers.depthwise import depthwise, depthwise_rows
from skosh.schedule.answers import No
from skosh.schedule.draft import Draft

REPLACED = ("w", "bias", "multiplier", "right", "P", "zy", "R")
"""What a call has for the requantization that it had, or in another order; ``bias`` is given again."""


def _stairs(asked: Asked) -> Made:
    """The call, channel by channel, with filters in that order and the cheapest exact requantization."""
    c = asked.call
    n = {name: int(c.numbers[name]) for name in ("C", "R", "KH", "KW")}
    if asked.optimize == "flash":
        return No("requantization in 32 bits takes 11 bytes more a filter")
    if n["R"] > 1:
        return No("several filters a channel share its inputs better than pixels share a filter")
    filters = n["C"]
    weights = np.asarray(weights_of(c, asked.inputs)).reshape(-1, filters).T.astype(np.int64)
    form = cheapest(staircase_of(c, weights))
    if form is None:
        return No("no requantization in 32 bits is exact for these filters")
    kernel = depthwise_stairs if asked.is_a(depthwise) else depthwise_rows_stairs
    kept = {name: value for name, value in {**c.buffers, **c.numbers}.items() if name not in REPLACED}
    return (
        call(
            kernel, **kept,
            w=Const(np.ascontiguousarray(weights.reshape(filters, n["KH"], n["KW"]).astype(np.int8)), "weight"),
            bias=c.buffers["bias"], scale=Const(form.words.astype(np.int32), "scale"),
            F=form.words.shape[1], low_bits=form.low_bits, rescale=RESCALED[form.kind],
        ),
    )  # fmt: skip


def stairs(d: Draft) -> None:
    """Small windows unrolled whole, two pixels side by side."""
    if d.optimize == "flash":
        return
    d.tile("ow", 2)
    for loop in ("kw", "kh#*"):  # rows of the window: where they are gathered, and where they are multiplied
        count = d.trips(loop)[0]
        if count is not None and 1 < count <= 3 and all(t == count for t in d.trips(loop)):
            d.unroll(loop, count)


FIXED = ("KH", "KW", "F", "low_bits", "lo", "hi")

STAIRS = Form(
    "stairs", _stairs, of=(depthwise, depthwise_rows),
    schedules=tuple((kernel, Schedule(stairs, FIXED)) for kernel in (depthwise_stairs, depthwise_rows_stairs)),
)  # fmt: skip
