"""WHILE, IF and CALL: loops and branches whose course is known now are put into the graph, step by step.

    i = 0; WHILE i < 3: h = TANH(h); i = i + 1    ->    h1 = tanh h; h2 = tanh h1; h3 = tanh h2

So recurrent layers become the operators of their steps. Weights are constants of the file and stay one copy, whatever the
number of steps, and so do the C functions: only calls repeat. A loop whose end depends on data is refused.

Lists that a loop fills (the outputs of each step) are told by their pieces: what a step puts in, and a later one takes out, is
the tensor itself, and the whole list is put together once, where it is read as a whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import ModelError
from skosh.importers.tflite.cells import lstm_loop
from skosh.importers.tflite.reader import Record
from skosh.ir.graph import Tensor

MAX_STEPS = 512


def while_(record: Record, walk: Any) -> bool:
    """Rounds as long as the condition, which must be known, holds."""
    from tflite.WhileOptions import WhileOptions

    options = record.options(WhileOptions)
    condition, body = int(options.CondSubgraphIndex()), int(options.BodySubgraphIndex())
    values: list[Tensor] = [record.input(i) for i in range(len(record.inputs))]
    record.take(*range(len(values)))
    if len(record.outputs) != len(values):
        raise ModelError(f"WHILE must have {len(values)} outputs, as many as inputs, not {len(record.outputs)}")
    if lstm_loop(record, walk, body, values, steps_of(walk, condition, values)):
        walk.called |= {condition, body}
        return True
    for _ in range(MAX_STEPS):
        if not known_truth(walk.inline(condition, values), "WHILE"):
            break
        values = walk.inline(body, values)
        if len(values) != len(record.outputs):
            raise ModelError(f"the body of WHILE must give {len(record.outputs)} tensors, not {len(values)}")
    else:
        raise ModelError(f"a loop must end after at most {MAX_STEPS:,} steps", hint="shorten the sequence")
    for y, value in zip(record.outputs, values, strict=True):
        walk.alias(y, value)
    return True


def steps_of(walk: Any, condition: int, values: list[Tensor]) -> int:
    """How many rounds a loop makes if it goes once along a sequence, and all that it counts goes up by 1; 0 if it doesn't."""
    counters = [t for t in values if t.dtype == i32 and t.data is not None and t.size == 1]
    for steps in sorted({t.shape[0] for t in values if len(t.shape) == 3 and t.data is None}):
        goes_on = []
        for done in (0, steps - 1, steps):
            given = [
                replace(t, data=np.full(t.shape, done, np.int32)) if any(t is c for c in counters) else t
                for t in values
            ]
            (truth,) = walk.inline(condition, given)
            if truth.data is None or truth.data.size != 1:
                return 0
            goes_on.append(bool(truth.data.reshape(-1)[0]))
        if goes_on == [True, True, False]:
            return steps
    return 0


def if_(record: Record, walk: Any) -> bool:
    """The branch that a known condition chooses."""
    from tflite.IfOptions import IfOptions

    options = record.options(IfOptions)
    branches = int(options.ElseSubgraphIndex()), int(options.ThenSubgraphIndex())
    record.take(*range(len(record.inputs)))
    chosen = branches[known_truth([record.input(0)], "IF")]
    values = walk.inline(chosen, [record.input(i) for i in range(1, len(record.inputs))])
    if len(values) != len(record.outputs):
        raise ModelError(f"a branch of IF must give {len(record.outputs)} tensors, not {len(values)}")
    for y, value in zip(record.outputs, values, strict=True):
        walk.alias(y, value)
    return True


def known_truth(values: list[Tensor], what: str) -> bool:
    """A condition that is known now."""
    if len(values) != 1 or values[0].dtype.kind != "bool" or values[0].size != 1:
        raise ModelError(f"the condition of {what} must be one truth value")
    data = values[0].data
    if data is None:
        hint = "compute both sides and choose with SELECT_V2, or split the model in two"
        if what == "WHILE":
            hint = "give the loop a fixed number of steps: a sequence of fixed length, without masking"
        raise ModelError(f"the condition of {what} must be known now, but depends on what comes in", hint=hint)
    return bool(data.reshape(())) if data.shape == () else bool(data.reshape(-1)[0])


EXPANSIONS = {"WHILE": while_, "IF": if_}
