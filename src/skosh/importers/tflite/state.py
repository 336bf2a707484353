"""Resource variables become States: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE go before conversion.

    CALL_ONCE(init: v = 0); h = READ(v); y = ADD(x, h); ASSIGN(v, y)
    ->  State(before=v, after=v_next, initial=0); h = RESHAPE(v); y = ADD(x, h); v_next = RESHAPE(y)

The reshapes are views: they cost nothing, and let memory planning copy where a value must outlive the change. A
variable that is initialised but never assigned is a constant, and takes part in the graph as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.base.errors import Loc, ModelError
from skosh.importers.tflite.reader import Converter, Model, Record, untaken
from skosh.ir.graph import Array, State, Tensor

CODES = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")

CONVERTERS: dict[str, Converter] = {}  # none of these operators is left when records are converted


@dataclass
class Variable:
    """What is known of a variable so far. ``now``: the tensor with its value, at this point of the graph."""

    before: Tensor
    now: Tensor


@dataclass
class Work:
    """The state of one pass over the main subgraph."""

    model: Model
    names: set[str]
    handles: dict[str, tuple[str, str]] = field(default_factory=dict)  # handle tensor -> (container, name)
    initial: dict[tuple[str, str], Array] = field(default_factory=dict)
    variables: dict[tuple[str, str], Variable] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)
    initializers: set[int] = field(default_factory=set)
    constants: dict[str, Tensor] = field(default_factory=dict)  # what reads of unassigned variables give


def resolve_variables(model: Model) -> Model:
    """The model without resource operators in its main subgraph, with ``states`` filled.

    Raises ModelError for a variable that is used before it has a type or a value, or whose first value is computed.
    """
    main = model.subgraphs[0]
    if not any(r.code in CODES for r in main.records):
        return model
    names = {t.name for s in model.subgraphs for t in s.tensors}
    work = Work(model, names)
    assigned = {key for r, key in handles_of(main.records) if r.code == "ASSIGN_VARIABLE"}
    for record in main.records:
        step(work, record, assigned)
    states = [finish(work, key, v) for key, v in work.variables.items()]
    records = tuple(with_constants(r, work.constants) for r in work.records)
    tensors = tuple(work.constants.get(t.name, t) for t in main.tensors)
    outputs = tuple(work.constants.get(t.name, t) for t in main.outputs)
    changed = replace(main, records=records, tensors=(*tensors, *work.made), outputs=outputs)
    return replace(
        model, subgraphs=(changed, *model.subgraphs[1:]), states=tuple(states), called=frozenset(work.initializers)
    )


def handles_of(records: Sequence[Record]) -> list[tuple[Record, tuple[str, str]]]:
    """Each read and assignment with the (container, name) of its variable."""
    known: dict[str, tuple[str, str]] = {}
    found = []
    for r in records:
        if r.code == "VAR_HANDLE":
            known[r.output().name] = key_of(r)
        elif r.code in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
            handle = r.input(0).name
            if handle not in known:
                raise ModelError(f"{r.code} must get its variable from a VAR_HANDLE", loc=r.loc)
            found.append((r, known[handle]))
    return found


def key_of(record: Record) -> tuple[str, str]:
    """(container, name) of the variable that a VAR_HANDLE stands for."""
    from tflite.VarHandleOptions import VarHandleOptions

    options = record.options(VarHandleOptions)
    container, name = options.Container() or b"", options.SharedName() or b""
    return container.decode("utf-8", "replace"), name.decode("utf-8", "replace")


# --------------------------------------------------------------------------------------------------- record by record


def step(work: Work, record: Record, assigned: set[tuple[str, str]]) -> None:
    """One record of the main subgraph: kept, or replaced by views."""
    match record.code:
        case "VAR_HANDLE":
            work.handles[record.output().name] = key_of(record)
            check_taken(record)
        case "CALL_ONCE":
            initialise(work, record)
        case "READ_VARIABLE":
            read(work, record, assigned)
        case "ASSIGN_VARIABLE":
            value = record.input(1)
            variable = variable_of(work, record, value)
            variable.now = value
        case _:
            work.records.append(record)


def check_taken(record: Record) -> None:
    """A ModelError for what of a record is not read here."""
    left = untaken(record, None)
    if left is not None:
        raise ModelError(left, loc=record.loc)


def initialise(work: Work, record: Record) -> None:
    """Take over the constants that the subgraph of a CALL_ONCE assigns."""
    from tflite.CallOnceOptions import CallOnceOptions

    index = int(record.options(CallOnceOptions).InitSubgraphIndex())
    if not 0 < index < len(work.model.subgraphs):
        raise ModelError(f"CALL_ONCE must name another subgraph, not {index}", loc=record.loc)
    work.initializers.add(index)
    for r, key in handles_of(work.model.subgraphs[index].records):
        if r.code != "ASSIGN_VARIABLE" or r.input(1).data is None:
            raise ModelError(
                f'the first value of variable "{key[1]}" must be constant',
                loc=r.loc,
                hint="initialise it with a constant when converting the model",
            )
        if key in work.variables:
            raise ModelError(f'variable "{key[1]}" is used before CALL_ONCE initialises it', loc=record.loc)
        work.initial[key] = r.constant(1)


def read(work: Work, record: Record, assigned: set[tuple[str, str]]) -> None:
    """A view of what the variable holds now; of one that is never assigned, a constant."""
    key, y = work.handles[record.input(0).name], record.output()
    if key not in assigned:
        if key not in work.initial:
            raise ModelError(f'variable "{key[1]}" is read but never assigned', loc=record.loc)
        value = work.initial[key]
        if y.name not in work.model.open:
            value = fitted(value, y, record.loc)
        work.constants[y.name] = Tensor(y.name, value.shape, y.dtype, y.quant, value)
        return
    work.records.append(view(work, variable_of(work, record, y).now, y, record.loc))


def variable_of(work: Work, record: Record, like: Tensor) -> Variable:
    """The variable of a read or an assignment; ``like`` tells its shape and type when it is new."""
    key = work.handles[record.input(0).name]
    if key not in work.variables:
        before = Tensor(unique(work, key[1] or "variable"), like.shape, like.dtype, like.quant)
        work.made.append(before)
        work.variables[key] = Variable(before, before)
    variable = work.variables[key]
    if (like.size, like.dtype) != (variable.before.size, variable.before.dtype):
        raise ModelError(
            f'variable "{key[1]}" must stay {variable.before.dtype}{list(variable.before.shape)}, '
            f"but {record.code} has {like.dtype}{list(like.shape)}",
            loc=record.loc,
        )
    return variable


def finish(work: Work, key: tuple[str, str], variable: Variable) -> State:
    """The variable as a State, whose next value is a view of the last one assigned."""
    before, loc = variable.before, Loc(work.model.file, variable.before.name)
    after = Tensor(unique(work, f"{before.name}_next"), before.shape, before.dtype, before.quant)
    work.made.append(after)
    work.records.append(view(work, variable.now, after, loc))
    if key in work.initial:
        return State(before.name, before.name, after.name, fitted(work.initial[key], before, loc))
    zero = variable.now.quant.zero_point if before.dtype == i8 and variable.now.quant is not None else 0
    return State(before.name, before.name, after.name, np.full(before.shape, zero, before.dtype.np))


# -------------------------------------------------------------------------------------------------------------- tensors


def view(work: Work, x: Tensor, y: Tensor, loc: Loc) -> Record:
    """y = x under y's shape."""
    shape = np.array(y.shape, dtype=np.int32)
    wanted = Tensor(unique(work, f"{y.name}_shape"), shape.shape, i32, data=shape)
    return Record("RESHAPE", 1, (x, wanted), (y,), loc)


def fitted(value: Array, like: Tensor, loc: Loc) -> Array:
    """An initial value under the shape of its variable."""
    if value.size != like.size or value.dtype != like.dtype.np:
        raise ModelError(f'the first value of "{like.name}" must be {like.dtype}{list(like.shape)}', loc=loc)
    return value.reshape(like.shape)


def unique(work: Work, name: str) -> str:
    """A name that no tensor has."""
    candidate, count = name, 1
    while candidate in work.names:
        count += 1
        candidate = f"{name}_{count}"
    work.names.add(candidate)
    return candidate


def with_constants(record: Record, constants: dict[str, Tensor]) -> Record:
    inputs = tuple(None if t is None else constants.get(t.name, t) for t in record.inputs)
    return record if inputs == record.inputs else replace(record, inputs=inputs)
