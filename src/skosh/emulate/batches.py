"""Many rows through a model on this computer, with one call of C for all of them."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from skosh.base.errors import ToolError
from skosh.emit.interface import interface
from skosh.emulate.host import Array, HostModel
from skosh.lower.program import Program


class BatchRunner:
    """A library with ``skosh_batch`` (see ``emit.batch``) over a model of blocks of rows."""

    def __init__(self, program: Program, library: Path) -> None:
        face = interface(program)
        self.input, self.output = face.inputs[0].tensor, face.outputs[0].tensor
        plan = program.plan
        self.model = HostModel(
            library, program.name, arena_bytes=plan.arena_bytes, arena_align=max(64, plan.base_align)
        )
        self._batch = self.model.function("skosh_batch")

    @property
    def rows(self) -> int:
        """In a block."""
        return self.input.shape[0]

    def run(self, x: Array) -> Array:
        """[n, ...] for [n, ...], of the model's types. What the last block lacks is filled up with its last row."""
        count = len(x)
        blocks = -(-count // self.rows)
        whole = np.ascontiguousarray(x)
        if blocks * self.rows > count:
            whole = np.concatenate([whole, np.repeat(whole[-1:], blocks * self.rows - count, axis=0)])
        out = np.empty((blocks * self.rows, *self.output.shape[1:]), self.output.dtype.np)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (whole, out, self.model.arena)]
        status = int(self._batch(ctypes.c_size_t(blocks), *pointers))
        if status != 0:
            raise ToolError(f"skosh_batch gave status {status}")
        return out[:count]
