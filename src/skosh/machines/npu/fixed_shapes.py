"""The TFLite file of a graph, with the sizes that it leaves open, such as the batch, as the file's own example of them.

A tensor of such a file has two shapes: ``shape``, [1, 49, 10, 1], what an interpreter begins with, and ``shape_signature``,
[-1, 49, 10, 1]. Converters take the second where it is there, and can't lay out what has no size.
"""

from __future__ import annotations

import tflite

from skosh.base.errors import InputError
from skosh.importers.tflite.parser import read
from skosh.ir.graph import Graph


def fixed_file(graph: Graph) -> bytes:
    """The file's bytes, each ``shape_signature`` made equal to its ``shape``.

    InputError when the graph came from no TFLite file, or has inputs other than the file's: other shapes, or int8 in place of
    uint8.
    """
    content = graph.notes.tflite
    if content is None:
        raise InputError(
            "only a model loaded from a .tflite file has a way to TOSA and Ethos-U", loc=graph.loc,
            hint="convert the model to an int8 .tflite file",
        )  # fmt: skip
    _same_inputs(graph, content)
    data = bytearray(content)
    model = tflite.Model.GetRootAs(data)  # read before, so every offset leads into the file
    for s in range(model.SubgraphsLength()):
        subgraph = model.Subgraphs(s)
        for i in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(i)
            if tensor.ShapeSignatureLength() and tensor.ShapeSignatureLength() == tensor.ShapeLength():
                tensor.ShapeSignatureAsNumpy()[:] = tensor.ShapeAsNumpy()
    return bytes(data)


def _same_inputs(graph: Graph, content: bytes) -> None:
    file = read(content, graph.loc.file).subgraphs[0].inputs
    have = [(graph.tensors[n].shape, graph.tensors[n].dtype) for n in graph.inputs]
    want = [(t.shape, t.dtype) for t in file]
    if have != want:
        told = ", ".join(f"{dtype}{list(shape)}" for shape, dtype in want)
        given = ", ".join(f"{dtype}{list(shape)}" for shape, dtype in have)
        raise InputError(
            f"the model must have the inputs of its file, {told}, not {given}", loc=graph.loc,
            hint='load it without shapes, and a uint8 model with interface="file"',
        )  # fmt: skip
