"""One graph behind another: the outputs of the first are the inputs of the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from skosh.base.errors import ModelError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph


def joined(first: Graph, second: Graph) -> Graph:
    """``first``, then ``second`` on its outputs, in order. Inputs are the first's, outputs the second's, states those of both.

    Raises ModelError unless the outputs have the shapes and types of the inputs, and the same scales where both have some.
    """
    if first.status is not None:
        raise ModelError(
            f'"{first.name}" may end without an answer, so that nothing can follow it', loc=first.loc,
            hint="put the other graph first",
        )  # fmt: skip
    if len(first.outputs) != len(second.inputs):
        raise ModelError(
            f'"{second.name}" must be given {len(second.inputs)} tensors, but "{first.name}" makes {len(first.outputs)}',
            loc=second.loc,
        )
    names = {n: n if n not in first.tensors else fresh(n, first.tensors, second.tensors) for n in second.tensors}
    for made, wanted in zip(first.required(first.outputs), second.required(second.inputs), strict=True):
        if (made.shape, made.dtype) != (wanted.shape, wanted.dtype):
            raise ModelError(
                f'"{wanted.name}" of "{second.name}" must be given {wanted.dtype}{list(wanted.shape)}, not '
                f'{made.dtype}{list(made.shape)}, which "{made.name}" of "{first.name}" is',
                loc=second.loc,
            )
        if made.quant is not None and wanted.quant is not None and made.quant != wanted.quant:
            raise ModelError(f'"{wanted.name}" must have the scale and zero point of "{made.name}"', loc=second.loc)
        names[wanted.name] = made.name
    tensors = dict(first.tensors)
    for old, t in second.tensors.items():
        before = tensors.get(names[old])
        tensors[names[old]] = replace(t if before is None or before.quant is None else before, name=names[old])
    nodes = tuple(
        replace(
            node,
            inputs=tuple(names[n] if n else "" for n in node.inputs),
            outputs=tuple(names[n] for n in node.outputs),
        )
        for node in second.nodes
    )
    states = tuple(
        replace(s, name=names.get(s.name, s.name), before=names[s.before], after=names[s.after]) for s in second.states
    )
    status = None if second.status is None else replace(second.status, output=names[second.status.output])
    graph = Graph(
        name=f"{first.name}_{second.name}",
        tensors=MappingProxyType(tensors),
        nodes=first.nodes + nodes,
        inputs=first.inputs,
        outputs=tuple(names[n] for n in second.outputs),
        states=first.states + states,
        status=status,
        loc=second.loc,
        notes=second.notes.only(*KEPT),
    )
    check_graph(graph)
    return graph


KEPT = ("classes", "output", "decide", "labels", "several")
"""Notes on what the outputs mean; those on the file or on the inputs don't hold for the joined graph."""


def fresh(name: str, *taken: Mapping[str, object]) -> str:
    """``name`` with the smallest number behind it that makes it new."""
    count = 2
    while any(f"{name}_{count}" in names for names in taken):
        count += 1
    return f"{name}_{count}"
