"""What a layer becomes: the integers of its weights, and the type of what flows through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skosh.base.dtypes import DType, i8, i16
from skosh.base.errors import InputError
from skosh.ir.graph import Graph, Node
from skosh.ops.layers.convolution import DepthwiseConv2D, TransposeConv
from skosh.quantizer.networks.rules import rule_of

Codes = tuple[int, ...]

INT8_CODES: Codes = tuple(range(-127, 128))
INT4_CODES: Codes = tuple(range(-7, 8))
INT2_CODES: Codes = (-3, -1, 1, 3)
TERNARY_CODES: Codes = (-1, 0, 1)


@dataclass(frozen=True)
class Scheme:
    """weights: the integers that one may be, times its channel's scale. activations: int8 or int16.

    The four values of two bits stand in odd steps around 0: equally spaced values that include 0 would leave three of use,
    or a lopsided fourth (a uniform quantizer's mid-rise and mid-tread forms).
    """

    name: str
    weights: Codes
    activations: DType

    @property
    def is_narrow(self) -> bool:
        """Whether its weights are packed, several to a byte."""
        return len(self.weights) <= 16


SCHEMES: dict[str, Scheme] = {
    s.name: s
    for s in (
        Scheme("int8", INT8_CODES, i8),
        Scheme("int16x8", INT8_CODES, i16),
        Scheme("int4", INT4_CODES, i8),
        Scheme("int2", INT2_CODES, i8),
        Scheme("ternary", TERNARY_CODES, i8),
    )
}
NAMES = (*SCHEMES, "float16", "mixed")

KEPT = (DepthwiseConv2D, TransposeConv)
"""Layers whose weights stay int8: they are few, each matters, and no packed kernel reads them."""


def scheme_of(name: str) -> Scheme:
    """The scheme of that name; InputError when there is none."""
    if name not in SCHEMES:
        raise InputError(f'scheme must be one of {", ".join(NAMES)}, not "{name}"')
    return SCHEMES[name]


def schemes_of(graph: Graph, nodes: Sequence[Node], default: str, layers: Mapping[str, str]) -> dict[str, Scheme]:
    """A node's first output -> the node's scheme. nodes: a part of the graph in its order.

    layers: by node name, those that differ from the default. Raises InputError for a layer that isn't there.

    Narrow weights are for dense layers and convolutions; depthwise and transposed ones keep int8. Operators without weights
    go on in the type in which a layer leaves its output; one that has no int16 form is computed in int8.
    """
    known = {n.name for n in nodes}
    for name in layers:
        if name not in known:
            weighted = [n.name for n in nodes if rule_of(n).channels is not None]
            raise InputError(
                f'there must be a layer "{name}"', loc=graph.loc, hint=f"layers with weights: {', '.join(weighted)}"
            )
    found: dict[str, Scheme] = {}
    for node in nodes:
        wanted = scheme_of(layers.get(node.name, default))
        before = [found[graph.producer[n].outputs[0]] for n in node.inputs if _is_made(graph, n, found)]
        if rule_of(node).channels is None and node.name not in layers and before:
            wide = any(s.activations == i16 for s in before)
            wanted = SCHEMES["int16x8"] if wide else SCHEMES["int8"]
        found[node.outputs[0]] = _possible(node, wanted)
    return found


def _is_made(graph: Graph, name: str, found: Mapping[str, Scheme]) -> bool:
    """Whether a node that has its scheme makes this tensor of real numbers."""
    made = name in graph.producer and graph.producer[name].outputs[0] in found
    return made and graph.tensors[name].dtype.is_float


def _possible(node: Node, wanted: Scheme) -> Scheme:
    if wanted.is_narrow and isinstance(node.op, KEPT):
        return SCHEMES["int8"]
    if wanted.activations == i16 and not node.op.traits.int16:
        return SCHEMES["int8"]
    return wanted
