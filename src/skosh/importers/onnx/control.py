"""If, Loop and Scan: branches that are known are taken, others computed both; loops of a known length are unrolled."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body, put_in_place
from skosh.importers.onnx.reader import Part, Record
from skosh.ops.moves.movement import normal_axis

MAX_ROUNDS = 1024


def branch(ctx: Context, record: Record) -> None:
    """If: a condition that is computed at run time chooses between the results of both branches."""
    parts = _part(record, "then_branch"), _part(record, "else_branch")
    condition = ctx.constants.get(record.inputs[0])
    b = Body(ctx, record)
    if condition is not None:
        taken = parts[0] if bool(condition.reshape(-1)[0]) else parts[1]
        for k, name in enumerate(put_in_place(ctx, record, taken, ())):
            b.end(name, k)
        return
    made = [put_in_place(ctx, record, part, (), way) for part, way in zip(parts, ("then", "else"), strict=True)]
    for k, (yes, no) in enumerate(zip(*made, strict=True)):
        if ctx.shape(yes) != ctx.shape(no):
            raise ModelError("both branches must give the same shapes where the condition isn't constant")
        b.end(b.of("Where", record.inputs[0], yes, no), k)


def loop(ctx: Context, record: Record) -> None:
    """Inputs: the number of rounds, a condition, what goes from round to round. The body says whether to go on."""
    part = _part(record, "body")
    count, go_on = (ctx.known(record, k, what) for k, what in ((0, "the number of rounds"), (1, "the condition")))
    carried = list(record.inputs[2:])
    if count is None and go_on is None:
        raise ModelError("a loop must have a number of rounds, or a condition that is known")
    rounds = MAX_ROUNDS + 1 if count is None else int(count.reshape(-1)[0])
    b = Body(ctx, record)
    going = go_on is None or bool(go_on.reshape(-1)[0])
    stacked: list[list[str]] = [[] for _ in range(len(part.outputs) - 1 - len(carried))]
    t = 0
    while going and t < rounds:
        if t >= MAX_ROUNDS:
            raise ModelError(f"a loop must end after at most {MAX_ROUNDS} rounds")
        names = [b.constant(np.asarray(t, np.int64)), b.constant(np.asarray(True)), *carried]
        results = put_in_place(ctx, record, part, names, f"round{t}")
        if results[0] not in ctx.constants:
            raise ModelError("how often a loop runs must be known", hint="export with fixed sizes")
        going = bool(ctx.constants[results[0]].reshape(-1)[0])
        carried = list(results[1 : 1 + len(carried)])
        for each, name in zip(stacked, results[1 + len(carried) :], strict=True):
            each.append(name)
        t += 1
    for k, name in enumerate(carried):
        b.end(name, k)
    for k, each in enumerate(stacked):
        b.end(stack(b, each, 0), len(carried) + k)


def scan(ctx: Context, record: Record) -> None:
    """A body for each place along an axis of the last inputs; states go from place to place."""
    if ctx.opset < 9:
        raise ModelError("a scan must be of operator set 9 or newer")
    part, a = _part(record, "body"), record.attributes
    scanned = int(a["num_scan_inputs"])
    names = list(record.inputs)
    states, inputs = names[: len(names) - scanned], names[len(names) - scanned :]
    outputs = len(part.outputs) - len(states)
    in_axes = [
        normal_axis(k, len(ctx.shape(n))) for k, n in zip(a.get("scan_input_axes", (0,) * scanned), inputs, strict=True)
    ]
    back_in = a.get("scan_input_directions", (0,) * scanned)
    out_axes, back_out = a.get("scan_output_axes", (0,) * outputs), a.get("scan_output_directions", (0,) * outputs)
    lengths = {ctx.shape(n)[k] for n, k in zip(inputs, in_axes, strict=True)}
    if len(lengths) != 1 or not 1 <= min(lengths) <= MAX_ROUNDS:
        raise ModelError(f"what is scanned must have one length, 1 to {MAX_ROUNDS}, not {sorted(lengths)}")
    (length,) = lengths
    b = Body(ctx, record)
    stacked: list[list[str]] = [[] for _ in range(outputs)]
    for t in range(length):
        each = [
            b.of("Gather", n, np.asarray(length - 1 - t if back else t, np.int64), axis=axis)
            for n, axis, back in zip(inputs, in_axes, back_in, strict=True)
        ]
        results = put_in_place(ctx, record, part, [*states, *each], f"round{t}")
        states = list(results[: len(states)])
        for found, name in zip(stacked, results[len(states) :], strict=True):
            found.append(name)
    for k, name in enumerate(states):
        b.end(name, k)
    for k, (found, axis, back) in enumerate(zip(stacked, out_axes, back_out, strict=True)):
        b.end(stack(b, found[::-1] if back else found, axis), len(states) + k)


def stack(b: Body, names: list[str], axis: int) -> str:
    """The results along a new axis."""
    if not names:
        raise ModelError("a loop that never runs has no results to join")
    axis = normal_axis(axis, len(b.shape(names[0])) + 1)
    raised = [b.of("Unsqueeze", n, [axis]) for n in names]
    return raised[0] if len(raised) == 1 else b.of("Concat", *raised, axis=axis)


def _part(record: Record, name: str) -> Part:
    part = record.attributes.get(name)
    if not isinstance(part, Part):
        raise ModelError(f'it must have the attribute "{name}", a graph')
    return part


CONVERTERS: dict[str, Any] = {"If": branch, "Loop": loop, "Scan": scan}
