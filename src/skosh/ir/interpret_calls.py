"""Run an operator's kernel calls in the kernel interpreter: the bridge between its meaning and its code."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from skosh.ir.call import Call, Const, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Kernel


def run_calls(
    op: Op,
    inputs: Operands,
    outputs: Operands,
    values: Sequence[Array | None],
    *,
    shuffle: random.Random | None = None,
    calls: Sequence[Call] | None = None,
    run: Callable[[Kernel, Mapping[str, Array], Mapping[str, int | float]], None] | None = None,
) -> tuple[Array, ...]:
    """Output values, computed by ``op.calls`` instead of ``op.reference``. Outputs start filled with junk, so that an

    element that no kernel writes shows. ``op.update`` pairs share memory, as they will on the device. run: another way to run
    a kernel than the interpreter's.
    """
    junk = np.random.default_rng(7)
    flat_in = [None if v is None else np.array(v).reshape(-1) for v in values]
    flat_out = []
    for o in outputs:
        assert o is not None, "an output is never absent"
        raw = junk.integers(0, 2 if o.dtype.kind == "bool" else 256, o.nbytes).astype(np.uint8)
        flat_out.append(raw.view(o.dtype.np))
    for source_index, target_index in op.update:
        taken = flat_in[source_index]
        assert taken is not None, "state is never absent"
        flat_out[target_index] = taken
    scratch: dict[str, Array] = {}
    for call in op.calls(inputs, outputs) if calls is None else calls:
        buffers = {}
        for name, b in call.buffers.items():
            match b:
                case In(index, offset):
                    source = flat_in[index]
                    assert source is not None, f"{op.kind} reads input {index}, which is absent"
                    buffers[name] = source[offset:]
                case Out(index, offset):
                    buffers[name] = flat_out[index][offset:]
                case Const(data):
                    buffers[name] = data.reshape(-1)
                case Scratch(elements, dtype, label):  # calls of one node that name the same scratch share it
                    if label not in scratch or scratch[label].dtype != dtype.np or scratch[label].size < elements:
                        scratch[label] = junk.integers(0, 2, elements * dtype.bytes).astype(np.uint8).view(dtype.np)
                    buffers[name] = scratch[label]
        if run is not None:
            run(call.kernel, buffers, call.numbers)
        else:
            run_kernel(call.kernel, buffers, call.numbers, shuffle=shuffle)
    return tuple(v.reshape(o.shape) for v, o in zip(flat_out, outputs, strict=True) if o is not None)
