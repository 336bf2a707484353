"""What every stage may assume of a Graph: checked after import and after each pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from skosh.base.errors import Loc, ModelError
from skosh.ir.graph import Graph, Node, Op, Operands, State, Tensor


def check_graph(graph: Graph) -> None:
    """A ModelError at the first thing that is not as it must be.

    Holds afterwards: every name is a tensor; each tensor is made once, before it is used; shapes and types are those
    that the operators infer; constants and states have the shape and type of their tensors; quantizations are whole.
    """
    for key, tensor in graph.tensors.items():
        _require(key == tensor.name, graph.loc, f'the tensor called "{tensor.name}" is kept under "{key}"')
        check_tensor(tensor, graph.loc)
    for node in graph.nodes:
        for name in (*node.inputs, *node.outputs):
            _require(not name or name in graph.tensors, node.loc, f'there must be a tensor "{name}"')
    for name in (*graph.inputs, *graph.outputs, *(n for s in graph.states for n in (s.before, s.after))):
        _require(name in graph.tensors, graph.loc, f'there must be a tensor "{name}"')
    for state in graph.states:
        check_state(graph, state)
    check_status(graph)
    check_order(graph)
    for node in graph.nodes:
        check_node(graph, node)


def check_tensor(tensor: Tensor, loc: Loc) -> None:
    """Its sizes are positive (a constant may be empty), its data and its scales fit its shape."""
    place = Loc(loc.file, tensor.name)
    low = 0 if tensor.is_constant else 1
    _require(all(n >= low for n in tensor.shape), place, f"its sizes must be positive, not {tensor.shape}")
    if tensor.data is not None:
        found = f"{tensor.data.dtype}{list(tensor.data.shape)}"
        fits = tensor.data.shape == tensor.shape and tensor.data.dtype == tensor.dtype.np
        _require(fits, place, f"its data must be {tensor.dtype.np}{list(tensor.shape)}, not {found}")
    quant = tensor.quant
    if quant is None:
        return
    _require(
        len(quant.scales) == len(quant.zero_points) > 0,
        place,
        f"it must have as many zero points as scales, not {len(quant.zero_points)} and {len(quant.scales)}",
    )
    _require(all(0 < s < float("inf") for s in quant.scales), place, "its scales must be > 0 and finite")
    if len(quant.scales) > 1:
        axis = quant.axis
        fits = axis is not None and 0 <= axis < len(tensor.shape) and tensor.shape[axis] == len(quant.scales)
        _require(fits, place, f"it must have a scale for each index of axis {axis}, not {len(quant.scales)}")
    if tensor.dtype.is_integer and len(quant.scales) == 1:  # a grid of one feature needn't hold 0
        inside = all(tensor.dtype.min <= z <= tensor.dtype.max for z in quant.zero_points)
        _require(inside, place, f"its zero points must be {tensor.dtype} values")


def check_state(graph: Graph, state: State) -> None:
    """The tensors before and after are alike, and the initial value fits them."""
    before, after = graph.tensors[state.before], graph.tensors[state.after]
    place = Loc(graph.loc.file, state.name)
    same = (before.shape, before.dtype) == (after.shape, after.dtype)
    _require(same, place, f'"{before.name}" and "{after.name}" must be alike')
    fits = state.initial.shape == before.shape and state.initial.dtype == before.dtype.np
    _require(fits, place, f"its initial value must be {before.dtype.np}{list(before.shape)}")


def check_status(graph: Graph) -> None:
    """The status is the last output, and int32[1]."""
    if graph.status is not None:
        name = graph.status.output
        _require(graph.outputs[-1:] == (name,), graph.loc, f'its status "{name}" must be its last output')
        t = graph.tensors[name]
        found = f"{t.dtype}{list(t.shape)}"
        _require(found == "i32[1]", graph.loc, f'its status "{name}" must be i32[1], not {found}')


def check_order(graph: Graph) -> None:
    """Each tensor is an input, a constant, a state or the output of one node, and that node comes before its readers."""
    for name, count in Counter(graph.inputs).items():
        alone = count == 1 and not graph.tensors[name].is_constant
        _require(alone, graph.loc, f'"{name}" must be one input, and not constant')
    known = {t.name for t in graph.constants} | {*graph.inputs} | {s.before for s in graph.states}
    for node in graph.nodes:
        for name in node.inputs:
            _require(not name or name in known, node.loc, f'its input "{name}" must be made before it is used')
        for name in node.outputs:
            _require(name not in known, node.loc, f'its output "{name}" must be made only once')
            known.add(name)
    for name in (*graph.outputs, *(s.after for s in graph.states)):
        _require(name in known, graph.loc, f'"{name}" must be made by some node')


def check_node(graph: Graph, node: Node) -> None:
    """The operator accepts its inputs and outputs, and infers the outputs' shapes and types."""
    check_operands(node.op, graph.operands(node.inputs), graph.required(node.outputs), node.loc)


def check_operands(op: Op, inputs: Operands, outputs: Sequence[Tensor], loc: Loc) -> None:
    """The same of an operator that stands in no graph yet."""
    try:
        inferred = op.infer(inputs)
    except ModelError as error:
        raise _placed(error, loc) from error
    _require(len(inferred) == len(outputs), loc, f"{op.kind} must have {len(inferred)} outputs, not {len(outputs)}")
    for want, tensor in zip(inferred, outputs, strict=True):
        _require(
            (want.shape, want.dtype) == (tensor.shape, tensor.dtype),
            loc,
            f'its output "{tensor.name}" must be {want.dtype}{list(want.shape)} by the inputs of {op.kind}, '
            f"not {tensor.dtype}{list(tensor.shape)}",
        )
    check_outputs = getattr(op, "check_outputs", None)  # for what inputs can't tell: the outputs' quantization
    if check_outputs is not None:
        try:
            check_outputs(inputs, outputs)
        except ModelError as error:
            raise _placed(error, loc) from error


def _placed(error: ModelError, loc: Loc) -> ModelError:
    return ModelError(error.message, loc=loc, hint=error.hint)


def _require(holds: bool, loc: Loc, message: str) -> None:
    if not holds:
        raise ModelError(message, loc=loc)
