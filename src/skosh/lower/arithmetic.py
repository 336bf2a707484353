"""Is the arithmetic of a model's kernels proved? Each call is looked at with its numbers, its constants and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skosh.base.dtypes import DType
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Scratch
from skosh.ir.checks.overflow import Arithmetic, arithmetic_of, said
from skosh.ir.checks.values import Value
from skosh.ir.graph import Array, Graph, Operands

Calls = Mapping[int, Sequence[Call]]


def node_arithmetic(calls: Sequence[Call], inputs: Operands) -> tuple[Arithmetic, ...]:
    """What is known of each of a node's calls. Scratch memory holds nothing at first, then what the calls before left."""
    out = []
    scratch: dict[tuple[str, DType], Value | None] = {}
    seen: set[str] = set()
    for c in calls:
        constants: dict[str, Array] = {}
        for name, b in c.buffers.items():
            if isinstance(b, Const):
                constants[name] = b.data
            elif isinstance(b, In) and (tensor := inputs[b.index]) is not None and tensor.data is not None:
                constants[name] = tensor.data.reshape(-1)[b.offset :]
        mine = {n: (b.label, c.kernel.param(n).dtype) for n, b in c.buffers.items() if isinstance(b, Scratch)}
        held = {n: scratch.get(key) for n, key in mine.items() if key in scratch or key[0] not in seen}
        out.append(arithmetic_of(c.kernel, c.numbers, constants, held))
        scratch |= {key: out[-1].left[n] for n, key in mine.items() if n in out[-1].left}
        seen |= {label for label, _ in mine.values()}
    return tuple(out)


def check_arithmetic(graph: Graph, calls: Calls) -> dict[int, tuple[Arithmetic, ...]]:
    """The same for all nodes. ModelError: a layer's sums do overflow, for inputs that can be named."""
    out = {}
    for n, made in calls.items():
        node = graph.nodes[n]
        out[n] = node_arithmetic(made, graph.operands(node.inputs))
        for a in out[n]:
            if a.refused is not None:
                where = f", where {a.when}" if a.when else ""
                raise ModelError(f"{node.op.kind} can overflow: {said(a.refused)}{where}", loc=node.loc)
    return out
