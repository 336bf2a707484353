"""A model in two pieces: a head for the device, a tail for the gateway or the cloud, and the wire between them.

    input -> [ head ] -> tensors on the wire -> [ tail ] -> outputs

The head is all that the layer depends on, the tail the rest. What the tail needs of the head goes over the wire as it is:
integers in the tensor's own type, little-endian, row by row, with the scale and zero point that give them their meaning
(real = scale * (q - zero point)). So head then tail equals the whole, bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph, Node, Tensor

OF_THE_INPUT = ("encode", "limits", "example")
OF_THE_OUTPUT = ("classes", "output", "labels")


@dataclass(frozen=True)
class Wire:
    """One tensor as it is sent: ``nbytes`` bytes. scales, zero_points: empty for floats and plain integers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    nbytes: int

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "shape": list(self.shape), "byte_order": "little", "order": "row-major"}


def wire_of(tensor: Tensor) -> Wire:
    quant = tensor.quant
    scales, zeros = ((), ()) if quant is None else (quant.scales, quant.zero_points)
    return Wire(tensor.name, str(tensor.dtype), tensor.shape, scales, zeros, tensor.nbytes)


def to_bytes(graph: Graph, values: Sequence[Array]) -> bytes:
    """A head's outputs as they are sent, one tensor after the other. graph: the head."""
    tensors = graph.required(graph.outputs)
    for t, v in zip(tensors, values, strict=True):
        if v.dtype != t.dtype.np or v.size != t.size:
            raise InputError(f'"{t.name}" must be {t.dtype.np} of shape {t.shape}, not {v.dtype} of shape {v.shape}')
    return b"".join(v.astype(v.dtype.newbyteorder("<")).tobytes() for v in values)


def from_bytes(graph: Graph, message: bytes) -> tuple[Array, ...]:
    """A tail's inputs from the bytes that came. InputError when they are too few or too many. graph: the tail."""
    tensors = graph.required(graph.inputs)
    total = sum(t.nbytes for t in tensors)
    if len(message) != total:
        raise InputError(f"the message must have {total:,} bytes, not {len(message):,}")
    found, at = [], 0
    for t in tensors:
        flat = np.frombuffer(message, t.dtype.np.newbyteorder("<"), t.size, at)
        found.append(flat.astype(t.dtype.np).reshape(t.shape))
        at += t.nbytes
    return tuple(found)


@dataclass(frozen=True)
class Cut:
    """A place where a model can be cut: ``after`` this node; ``head``: indices of its nodes; ``wire``: tensors that cross."""

    after: str
    node: int
    head: frozenset[int]
    wire: tuple[str, ...]


def cuts(graph: Graph) -> tuple[Cut, ...]:
    """Every legal cut, in the order of the nodes."""
    found = (_cut(graph, i) for i in range(len(graph.nodes)))
    return tuple(c for c in found if not isinstance(c, str))


def split(graph: Graph, *, after: str | int) -> tuple[Graph, Graph]:
    """Head and tail: ``after`` names a node, the tensor it makes, or its index. ``notes["wire"]`` of both says what is sent.

    Raises InputError: there is no such node, or no cut is legal there, and why.
    """
    index = node_index(graph, after)
    cut = _cut(graph, index)
    if isinstance(cut, str):
        legal = [c.after for c in cuts(graph)]
        shown = ", ".join(f'"{name}"' for name in legal[:6]) + (", ..." if len(legal) > 6 else "")
        raise InputError(
            f'the model can\'t be cut after "{node_label(graph, index)}": {cut}', loc=graph.loc,
            hint=f"cut after {shown}" if legal else "",
        )  # fmt: skip
    inside = [n for i, n in enumerate(graph.nodes) if i in cut.head]
    outside = [n for i, n in enumerate(graph.nodes) if i not in cut.head]
    wire = [wire_of(graph.tensors[name]).as_json() for name in cut.wire]
    head = _piece(graph, "head", cut, inside, graph.inputs, cut.wire, OF_THE_INPUT, wire)
    tail = _piece(graph, "tail", cut, outside, cut.wire, graph.outputs, OF_THE_OUTPUT, wire)
    check_graph(head)
    check_graph(tail)
    return head, tail


def node_index(graph: Graph, after: str | int) -> int:
    """The node of a name, of a tensor it makes, or of an index. InputError with the names that there are."""
    if isinstance(after, int) and not isinstance(after, bool):
        if not 0 <= after < len(graph.nodes):
            raise InputError(f"after must be from 0 to {len(graph.nodes) - 1}, not {after}", loc=graph.loc)
        return after
    by_name = [i for i, n in enumerate(graph.nodes) if n.name == after and n.name]
    found = by_name or [i for i, n in enumerate(graph.nodes) if after in n.outputs]
    if not found:
        names = ", ".join(f'"{node_label(graph, i)}"' for i in range(min(8, len(graph.nodes))))
        more = ", ..." if len(graph.nodes) > 8 else ""
        raise InputError(
            f'after must name a layer or a tensor of the model ({names}{more}), not "{after}"', loc=graph.loc
        )
    return found[-1]


def node_label(graph: Graph, index: int) -> str:
    """A name that ``split`` finds this node by: its own where no other has it, else its first output's."""
    node = graph.nodes[index]
    alone = bool(node.name) and [n.name for n in graph.nodes].count(node.name) == 1
    return node.name if alone else node.outputs[0]


def _cut(graph: Graph, index: int) -> Cut | str:
    """The cut after a node, or the reason why there is none."""
    head = _ancestors(graph, index)
    inside = [n for i, n in enumerate(graph.nodes) if i in head]
    outside = [n for i, n in enumerate(graph.nodes) if i not in head]
    if not outside:
        return "nothing comes after it"
    made = {name for n in inside for name in n.outputs}
    early = [name for name in graph.outputs if name in made or name in graph.inputs]
    if early:
        return f'the model\'s output "{early[0]}" is made before'
    needed = {name for n in outside for name in n.inputs if name}
    afters = {s.after for s in graph.states}
    for s in graph.states:
        readers = [s.before in n.inputs for n in inside], [s.before in n.inputs for n in outside]
        if (s.after in made) != any(readers[0]) or (any(readers[0]) and any(readers[1])):
            return f'the state "{s.name}" would lie on both sides'
    stray = [name for name in graph.inputs if name in needed]
    crossing = [name for n in inside for name in n.outputs if name in needed]
    if stray:
        return f'the model\'s input "{stray[0]}" is read after it too'
    if not crossing:
        return "nothing of it is used after"
    if any(name in afters for name in crossing):
        return "the tensor that would be sent is a state"
    if any(graph.tensors[name].is_constant for name in crossing):
        return "what would be sent is constant"
    return Cut(node_label(graph, index), index, head, tuple(dict.fromkeys(crossing)))


def _ancestors(graph: Graph, index: int) -> frozenset[int]:
    """The node and all that it depends on."""
    makers = {name: i for i, n in enumerate(graph.nodes) for name in n.outputs}
    found, open_ = {index}, [index]
    while open_:
        for name in graph.nodes[open_.pop()].inputs:
            maker = makers.get(name)
            if maker is not None and maker not in found:
                found.add(maker)
                open_.append(maker)
    return frozenset(found)


def _piece(
    graph: Graph, part: str, cut: Cut, nodes: Sequence[Node], inputs: tuple[str, ...], outputs: tuple[str, ...],
    kept: tuple[str, ...], wire: list[dict[str, Any]],
) -> Graph:  # fmt: skip
    made = {name for n in nodes for name in n.outputs}
    notes = graph.notes.only(*kept).with_(wire=wire, part=part)
    digest = hashlib.sha256(f"{graph.digest} {cut.after} {part}".encode()).hexdigest() if graph.digest else ""
    return graph.with_(
        name=f"{graph.name}_{part}", nodes=tuple(nodes), inputs=inputs, outputs=outputs,
        states=tuple(s for s in graph.states if s.after in made),
        status=graph.status if graph.status is not None and graph.status.output in outputs else None,
        digest=digest, notes=notes,
    )  # fmt: skip
