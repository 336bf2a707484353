"""A Graph as a ``.tflite`` file: opens where such files open, and means the same bits in TensorFlow Lite Micro."""

from __future__ import annotations

from skosh.base.errors import ModelError, Obstacle, UnsupportedError
from skosh.importers.tflite.export.operators import CONVERTERS, states_read, states_written
from skosh.importers.tflite.export.sheet import Sheet
from skosh.importers.tflite.export.writer import model_bytes
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph

ADVICE = "keep the model in a .skosh file (--to skosh), or leave the layer to code of your own"


def tflite_bytes(graph: Graph) -> bytes:
    """The file. UnsupportedError with every node that TFLite can't say, ModelError where the graph is no sound one."""
    check_graph(graph)
    sheet, found = Sheet(graph), list[Obstacle]()
    if graph.status is not None:
        found.append(Obstacle(graph.loc, "a run that may have no answer", ADVICE))
    states_read(sheet)
    for node in graph.nodes:
        convert = CONVERTERS.get(node.op.kind)
        try:
            if convert is None or node.op.update:
                raise ModelError(f"{node.op.kind} can't be written as one of TFLite's operators", hint=ADVICE)
            convert(sheet, node)
        except ModelError as error:
            found.append(Obstacle(node.loc, error.message.rstrip("."), error.hint or ADVICE))
    if found:
        raise UnsupportedError(tuple(found), loc=graph.loc.file)
    more = states_written(sheet)
    inputs, outputs = ([sheet.index(n) for n in names] for names in (graph.inputs, graph.outputs))
    return model_bytes(sheet.tensors, sheet.operators, inputs, outputs, more, description=f"{graph.name}, written by skosh")
