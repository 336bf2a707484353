"""Building a front end: operators applied one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from skosh.base.dtypes import from_numpy
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph, Node, Op, Quant, State, Tensor


@dataclass
class Builder:
    """What is built so far."""

    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def add(self, tensor: Tensor) -> Tensor:
        self.tensors[tensor.name] = tensor
        return tensor

    def constant(self, name: str, data: Array) -> Tensor:
        """A constant; ``data`` decides its type and shape."""
        return self.add(Tensor(name, data.shape, from_numpy(data.dtype), data=data))

    def apply(self, name: str, op: Op, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs of an operator: ``name``, ``name_1``, ..."""
        types = op.infer(inputs)
        names = [name if i == 0 else f"{name}_{i}" for i in range(len(types))]
        made = tuple(self.add(Tensor(n, t.shape, t.dtype)) for n, t in zip(names, types, strict=True))
        self.nodes.append(Node(op, tuple(t.name for t in inputs), tuple(names), name))
        return made

    def quantized(self, name: str, op: Op, x: Tensor, quant: Quant) -> Tensor:
        """The output of an operator that quantizes, with its scale and zero point."""
        (made,) = op.infer([x])
        y = self.add(Tensor(name, made.shape, made.dtype, quant))
        self.nodes.append(Node(op, (x.name,), (name,), name))
        return y

    def memory(self, name: str, initial: Array) -> Tensor:
        """What a state holds when a run begins; ``remember`` says what it holds at the end."""
        return self.add(Tensor(name, initial.shape, from_numpy(initial.dtype)))

    def remember(self, before: Tensor, after: Tensor) -> None:
        """A state that begins with zeros."""
        zeros = np.zeros(before.shape, before.dtype.np)
        self.states.append(State(before.name, before.name, after.name, zeros))

    def graph(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Graph:
        made = Graph(
            name=self.name,
            tensors=MappingProxyType(dict(self.tensors)),
            nodes=tuple(self.nodes),
            inputs=tuple(t.name for t in inputs),
            outputs=tuple(t.name for t in outputs),
            states=tuple(self.states),
        )
        check_graph(made)
        return made
