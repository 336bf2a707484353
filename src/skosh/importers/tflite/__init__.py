"""TensorFlow Lite files: read safely, then each operator is converted by its family's module.

A family is ``skosh.importers.tflite.<name>`` with ``CONVERTERS``: TFLite's operator name -> converter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from skosh.base.budget import spend
from skosh.base.errors import Loc, ModelError, Obstacle, UnsupportedError
from skosh.base.files import read_bytes
from skosh.importers.tflite.advice import advice_for
from skosh.importers.tflite.parser import read
from skosh.importers.tflite.reader import Converted, Converter, Model, Record, Subgraph
from skosh.ir.check_graph import check_node, check_order
from skosh.ir.graph import Graph, Node, State, Tensor

FAMILIES = (
    "convolution", "dense", "pooling", "softmax", "reshape", "elementwise", "activations", "reductions", "movement",
    "resize", "recurrent", "state", "quantization",
)  # fmt: skip


def load(source: str | Path | bytes, name: str | None = None) -> Graph:
    """A Graph from a ``.tflite`` file or its bytes.

    Raises InputError when there is no such file, ModelError when it is damaged, and one UnsupportedError with every
    operator that skosh doesn't have.
    """
    data, file = _bytes_of(source)
    model = replace(read(data, file), content=data)
    state = _module("state") if model.resources or len(model.subgraphs) > 1 else None
    if state is not None and hasattr(state, "resolve_variables"):
        model = state.resolve_variables(model)
    return to_graph(model, name or (Path(file).stem if isinstance(source, (str, Path)) else "model"))


def _bytes_of(source: str | Path | bytes) -> tuple[bytes, str]:
    """(content, name for messages)."""
    if not isinstance(source, (str, Path)):
        spend("bytes", len(source), "the file")
        return bytes(source), "<bytes>"
    path = Path(source)
    return read_bytes(path), path.name


def converter_for(code: str) -> Converter | None:
    """The converter of an operator by TFLite's name; families are imported in order, until one has it."""
    for family in FAMILIES:
        converter = _converters(family).get(code)
        if converter is not None:
            return converter
    return None


@cache
def _converters(family: str) -> Mapping[str, Converter]:
    module = _module(family)
    table: Mapping[str, Converter] = getattr(module, "CONVERTERS", {})
    return table


def _module(family: str) -> object | None:
    name = f"{__name__}.{family}"
    return import_module(name) if find_spec(name) is not None else None


# -------------------------------------------------------------------------------------------------- records to a graph


def to_graph(model: Model, name: str) -> Graph:
    """Convert every record, or raise one UnsupportedError with all that stands in the way."""
    main = model.subgraphs[0]
    loc = Loc(model.file)
    obstacles = _model_obstacles(model)
    converted: list[Converted] = []
    known = frozenset(t.name for t in main.inputs)
    for record in main.records:
        found = _convert(record, model, known)
        if isinstance(found, Obstacle):
            obstacles.append(found)
        else:
            converted.append(found)
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=loc)
    graph = _assemble(model, main, converted, name)
    check_order(graph)
    _check_nodes(graph)
    return graph


def _model_obstacles(model: Model) -> list[Obstacle]:
    main = model.subgraphs[0]
    found = [
        Obstacle(Loc(model.file, t.name), f"the input {model.problems[t.name][0]}", model.problems[t.name][1])
        for t in main.inputs
        if t.name in model.problems
    ]
    if len(model.subgraphs) > 1:
        advice = "convert the model without control flow (IF, WHILE), with fixed shapes and loops unrolled"
        place = Loc(model.file, main.name or "main")
        found.append(Obstacle(place, f"the model has {len(model.subgraphs)} subgraphs", advice))
    return found


def _convert(record: Record, model: Model, known: frozenset[str]) -> Converted | Obstacle:
    """known: tensors whose problems are told elsewhere."""
    converter = converter_for(record.code)
    if converter is None:
        return Obstacle(record.loc, f"operator {record.code} is not supported", advice_for(record.code))
    for tensor in (*record.inputs, *record.outputs):
        if tensor is not None and tensor.name in model.problems and tensor.name not in known:
            problem, advice = model.problems[tensor.name]
            return Obstacle(record.loc, f'tensor "{tensor.name}" of {record.code} {problem}', advice)
    try:
        found = converter(record)
    except ModelError as error:
        return Obstacle(record.loc, error.message, error.hint or advice_for(record.code))
    return found if isinstance(found, Converted) else Converted(found)


def _assemble(model: Model, main: Subgraph, converted: Sequence[Converted], name: str) -> Graph:
    tensors = {t.name: t for t in (*main.inputs, *main.outputs)}
    states: list[State] = list(model.states)
    nodes = []
    for record, c in zip(main.records, converted, strict=True):
        kept = range(len(record.inputs)) if c.inputs is None else c.inputs
        inputs = (*(record.inputs[i] if i < len(record.inputs) else None for i in kept), *c.more_inputs)
        outputs = (*record.outputs, *c.more_outputs)
        for t in (*inputs, *outputs):
            if t is not None and tensors.setdefault(t.name, t) is not t:
                raise ModelError(f'two tensors are called "{t.name}"', loc=record.loc)
        names = tuple("" if t is None else t.name for t in inputs)
        while names and not names[-1]:
            names = names[:-1]
        nodes.append(Node(c.op, names, tuple(t.name for t in outputs), record.loc.node, record.loc))
        states.extend(c.states)
    for state in states:
        for end in (state.before, state.after):
            if end not in tensors:
                tensors[end] = _state_tensor(main, end)
    return Graph(
        name=name,
        tensors=MappingProxyType(tensors),
        nodes=tuple(nodes),
        inputs=tuple(t.name for t in main.inputs),
        outputs=tuple(t.name for t in main.outputs),
        states=tuple(states),
        loc=Loc(model.file),
        digest=model.digest,
        notes=MappingProxyType({"format": "tflite", "description": model.description, "tflite": model.content}),
    )


def _state_tensor(main: Subgraph, name: str) -> Tensor:
    """A tensor that only a state names: a variable that nobody reads, or that keeps its value."""
    return next(t for t in main.tensors if t.name == name)


def _check_nodes(graph: Graph) -> None:
    """Each operator's shape rule accepts its inputs and gives what the file declares; all that don't, at once."""
    obstacles = []
    for node in graph.nodes:
        try:
            check_node(graph, node)
        except ModelError as error:
            obstacles.append(Obstacle(node.loc, error.message, error.hint or "check how the model was converted"))
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=graph.loc)
