"""Batch normalization, and whatever else scales and moves channels by constants, folded into the layer before it.

All of a chain is folded in float64 and rounded to float32 once: y = s * (W x + b) + t becomes (s W) x + (s b + t).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Array


@dataclass(frozen=True)
class Affine:
    """y = scale * x + shift, [channels] each, float64."""

    scale: Array
    shift: Array


def normalization(ctx: Context, record: Record) -> Affine | None:
    """What a BatchNormalization does to each channel; None when its numbers are not constant."""
    if record.attributes.get("training_mode", 0) or len([n for n in record.outputs if n]) > 1:
        raise ModelError("it must not be in training mode", hint="export the model after model.eval()")
    if any(n not in ctx.constants for n in record.inputs[1:5]):
        return None
    gain, bias, mean, variance = (ctx.constants[n].astype(np.float64).reshape(-1) for n in record.inputs[1:5])
    under = variance + record.attributes.get("epsilon", 1e-5)
    if not (under > 0).all():
        raise ModelError("variance + epsilon must be > 0")
    scale = gain / np.sqrt(under)
    return Affine(scale, bias - mean * scale)


def following(ctx: Context, name: str, channels: int, axis: int, rank: int) -> tuple[Affine, str]:
    """(all that follows and can be folded, the name of its result). axis: where the channels are, of ``rank`` axes.

    The nodes that are folded count as done.
    """
    total, taken = Affine(np.ones(channels), np.zeros(channels)), list[Record]()
    while (node := ctx.sole_reader(name)) is not None:
        step = _step(ctx, node, name, channels, axis, rank)
        if step is None or not (np.isfinite(step.scale).all() and np.isfinite(step.shift).all()):
            break
        total = Affine(total.scale * step.scale, total.shift * step.scale + step.shift)
        taken.append(node)
        name = node.outputs[0]
    ctx.take(taken)
    return total, name


def _step(ctx: Context, node: Record, name: str, channels: int, axis: int, rank: int) -> Affine | None:
    if node.kind == "BatchNormalization" and axis == 1 and node.inputs[0] == name:
        found = normalization(ctx, node)
        return found if found is not None and found.scale.size == channels else None
    if node.kind not in ("Add", "Sub", "Mul", "Div") or node.inputs[0] == node.inputs[1]:
        return None
    first = node.inputs[0] == name
    other = ctx.constants.get(node.inputs[1] if first else node.inputs[0])
    if other is None or other.dtype.kind != "f" or other.ndim > rank:
        return None
    shape = (1,) * (rank - other.ndim) + other.shape
    if other.size not in (1, channels) or shape[axis] != other.size:
        return None
    number = np.broadcast_to(other.astype(np.float64).reshape(-1), channels)
    one, zero = np.ones(channels), np.zeros(channels)
    steps: dict[tuple[str, bool], Any] = {
        ("Add", True): (one, number), ("Add", False): (one, number),
        ("Sub", True): (one, -number), ("Sub", False): (-one, number),
        ("Mul", True): (number, zero), ("Mul", False): (number, zero),
    }  # fmt: skip
    if (node.kind, first) == ("Div", True) and (number != 0).all():
        return Affine(1 / number, zero)
    found_step = steps.get((node.kind, first))
    return None if found_step is None else Affine(*found_step)
