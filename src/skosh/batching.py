"""Many rows at once on this computer: the model compiled for blocks of them."""

from __future__ import annotations

from skosh.base.aims import Aim
from skosh.build import compile_host
from skosh.build.host import own_machine
from skosh.emit.batch import batch_harness
from skosh.emit.interface import interface
from skosh.emulate.batches import BatchRunner
from skosh.ir.graph import Array, Graph
from skosh.optimize.batching import batched
from skosh.pipeline import compile_to_c
from skosh.targets import target

BATCH_ROWS = 64
"""Rows in a block on this computer: enough for its vectors, few enough for its first cache."""

BATCH_FROM = 2000
"""So many rows are worth the time to compile the model for blocks of them."""


def batch_runner(graph: Graph, name: str, optimize: Aim) -> BatchRunner | None:
    """The model compiled once more for this computer, for blocks of rows; None for those that don't take rows one by one."""
    rows = batched(graph, BATCH_ROWS)
    if rows is None:
        return None
    made = compile_to_c(rows, target=target("host"), optimize=optimize, name=name)
    library = compile_host(made.sources, batch_harness(interface(made.program)), machine=own_machine())
    return BatchRunner(made.program, library)


def fits_batch(graph: Graph, x: Array) -> bool:
    """Is x rows for a model with one input, of its type? Else what is wrong is told elsewhere."""
    t = graph.tensors[graph.inputs[0]]
    return len(graph.inputs) == 1 and t.shape[:1] == (1,) and x.dtype == t.dtype.np and x.shape[1:] == t.shape[1:]
