"""Records become a Graph, one after the other, with all that is known of their tensors so far.

    x: f32[?, 4, 3]    SHAPE x -> s    STRIDED_SLICE s[0:1] -> n    PACK n, 12 -> t    RESHAPE x, t -> y
    ->  s = [1, 4, 3], n = 1, t = [1, 12] are constants, and y is reshape x to [1, 12]

An open batch is 1. A tensor's shape is what its operator infers; where the file states another one, and left nothing open on
the way there, that is an obstacle. What reads constants alone is computed here, so that converters see constants.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from skosh.base.budget import spend
from skosh.base.dtypes import DType, f32, i8
from skosh.base.errors import InputError, Loc, ModelError, Obstacle, UnsupportedError
from skosh.importers.tflite import lists
from skosh.importers.tflite.advice import advice_for
from skosh.importers.tflite.families import converter_for, expansions_for
from skosh.importers.tflite.folding import BY_SHAPE, FOLDS, LARGEST, counts, dequantized, folded
from skosh.importers.tflite.lists import Rows
from skosh.importers.tflite.parser import MAX_TENSOR_BYTES
from skosh.importers.tflite.reader import Converted, Model, Record, Taken, untaken
from skosh.importers.tflite.versions import check_version
from skosh.ir.check_graph import check_operands, check_order
from skosh.ir.face import Face
from skosh.ir.graph import Array, Graph, Node, Op, Quant, State, Tensor, Type
from skosh.ops.moves.reshape import Copy

WORTH = 64 << 10
"""Bytes of constants that are stored rather than computed in each run ..."""
GROWTH = 4
"""... and how many times larger than its inputs a larger one may be."""


HYBRID: dict[str, Sequence[int]] = {
    "FULLY_CONNECTED": (1,), "CONV_2D": (1,), "DEPTHWISE_CONV_2D": (1,), "TRANSPOSE_CONV": (1,), "BATCH_MATMUL": (0, 1),
    "CONV_3D": (1,), "SVDF": (1, 2), "UNIDIRECTIONAL_SEQUENCE_LSTM": range(1, 9),
}  # fmt: skip
"""Inputs that may be int8 weights where the other inputs are floats: what TFLite calls a dynamic range."""

MAX_DEPTH = 8
MAX_NODES = 10_000


class Told(Exception):
    """A record can't be converted for reasons that are obstacles already."""


def to_graph(model: Model, name: str, shapes: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Convert every record, or raise one UnsupportedError with all that stands in the way.

    shapes: of inputs, by name; a size that the file leaves open is 1 in the first place and must be given in others.
    """
    walk = Walk(model)
    walk.begin(dict(shapes or {}))
    for record in model.subgraphs[0].records:
        walk.step(record)
    return walk.graph(name)


class Walk:
    """What is known at this point of the main subgraph.

    tensors: by name, with the shape that holds and the data that is known. loose: names whose shape in the file binds nobody,
    since something before them is open. unknown: made by a record that can't be converted, and of no known shape.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.tensors: dict[str, Tensor] = {}
        self.loose: set[str] = set(model.open)
        self.unknown: set[str] = set()
        self.nodes: list[Node] = []
        self.states: list[State] = list(model.states)
        self.obstacles: list[Obstacle] = []
        self.told: set[str] = set()  # inputs whose problems are told already
        self.record: Record | None = None  # the one that is being converted
        self.files = {t.name for s in model.subgraphs for t in s.tensors}
        self.rows: dict[str, Rows] = {}  # lists that are told by their rows: see ``lists``
        self.depth = 0
        self.called = {0, *model.called}  # subgraphs that have a part
        self.copies = 0  # of subgraphs that were put in the place of a loop or a branch

    # -------------------------------------------------------------------------------------------------------- inputs

    def begin(self, shapes: dict[str, Sequence[int]]) -> None:
        main = self.model.subgraphs[0]
        if "" in shapes and len(main.inputs) == 1:
            shapes[main.inputs[0].name] = shapes.pop("")
        unknown = [n for n in shapes if n not in {t.name for t in main.inputs}]
        if unknown:
            names = ", ".join(t.name for t in main.inputs)
            raise InputError(
                f'shapes must name inputs of the model ({names}), not "{unknown[0]}"', loc=Loc(self.model.file)
            )
        for t in main.inputs:
            place = Loc(self.model.file, t.name)
            if t.name in self.model.problems:
                self.told.add(t.name)
                problem, advice = self.model.problems[t.name]
                self.obstacles.append(Obstacle(place, f"the input {problem}", advice))
            stated = self.model.open.get(t.name, t.shape)
            if t.name in shapes:
                shape = given_shape(t, stated, shapes[t.name], place)
                self.loose.add(t.name)
            elif any(n < 1 for n in stated[1:]):
                self.unknown.add(t.name)
                shape = t.shape
                if 0 in stated:
                    hint = "give the model a fixed input shape when converting"
                    raise ModelError(f"its shape {stated} has a size of 0", loc=place, hint=hint)
                example = ", ".join("..." if n < 0 else str(n) for n in (max(stated[0], 1), *stated[1:]))
                advice = f'load(..., shapes={{"{t.name}": ({example})}}), or give the model a fixed input shape'
                self.obstacles.append(Obstacle(place, f"the input has a dynamic shape {stated}", advice))
            else:
                shape = t.shape
            self.tensors[t.name] = replace(t, shape=shape)
        for state in self.model.states:
            self.tensors[state.before] = next(t for t in main.tensors if t.name == state.before)

    # ------------------------------------------------------------------------------------------------------- records

    def step(self, record: Record) -> None:
        """Convert one record with what is known; an obstacle where that isn't possible."""
        record = self.seen(record)
        self.record = record
        names = [t.name for t in (*record.inputs, *record.outputs) if t is not None]
        try:
            if self.unknown.isdisjoint(names):
                self.convert(record)
                return
            if not converted_somehow(record.code):
                self.obstacle(record, ModelError(f"operator {record.code} is not supported"))
        except Told:
            pass
        except ModelError as error:
            self.obstacle(record, error)
        self.unknown.update(t.name for t in record.outputs if t.name in self.loose)

    def seen(self, record: Record) -> Record:
        """The record with its inputs as they are known now."""
        return replace(record, inputs=tuple(None if t is None else self.current(t) for t in record.inputs))

    def current(self, t: Tensor) -> Tensor:
        stated = self.model.open.get(t.name, ())
        if t.name not in self.tensors and 0 in stated and all(n >= 0 for n in stated):
            return replace(t, shape=stated, data=np.zeros(stated, t.dtype.np))  # a constant without elements
        return self.tensors.get(t.name, t)

    def obstacle(self, record: Record, error: ModelError) -> None:
        self.obstacles.append(Obstacle(record.loc, error.message, error.hint or advice_for(record.code)))

    def convert(self, record: Record) -> None:
        """A node, or constants in place of one. ModelError when neither is possible."""
        check_version(record)
        converter, expansions = converter_for(record.code), expansions_for(record.code)
        values = None
        if not self.problem(record):
            values = folded(record)
        if values is None and converter is None and not expansions:
            raise ModelError(f"operator {record.code} is not supported")
        for tensor in (*record.inputs, *record.outputs):
            if tensor is not None and tensor.name in self.model.problems and tensor.name not in self.told:
                problem, advice = self.model.problems[tensor.name]
                raise ModelError(f'tensor "{tensor.name}" of {record.code} {problem}', hint=advice)
        if values is not None:
            self.check_taken(record, None)
            self.store(record, values)
            return
        record = self.with_float_weights(record)
        self.record = record
        if any(expansion(record, self) for expansion in expansions):
            self.check_taken(record, ())
            return
        if converter is None:
            raise ModelError(f"{record.code} of such inputs is not supported")
        found = converter(record)
        found = found if isinstance(found, Converted) else Converted(found)
        self.check_taken(record, found.inputs)
        self.add(record, found)

    def with_float_weights(self, record: Record) -> Record:
        """The record with 8-bit weights that meet floats read as floats: y = x * (scale * (w - zero point))."""
        places = [i for i in HYBRID.get(record.code, ()) if i < len(record.inputs)]
        x = next((t for i, t in enumerate(record.inputs) if t is not None and i not in places), None)
        if record.code == "BATCH_MATMUL":
            x = next((t for t in record.inputs if t is not None and t.dtype == f32), None)
        if x is None or x.dtype != f32 or not record.outputs or record.output().dtype != f32:
            return record
        inputs = list(record.inputs)
        for i in places:
            w = inputs[i]
            if w is not None and w.dtype == i8 and w.data is not None and w.quant is not None:
                name = f"{w.name}_read"
                if name not in self.tensors:
                    self.tensors[name] = replace(w, name=name, dtype=f32, quant=None, data=dequantized(w))
                inputs[i] = self.tensors[name]
        return replace(record, inputs=tuple(inputs))

    def problem(self, record: Record) -> bool:
        return any(t is not None and t.name in self.model.problems for t in (*record.inputs, *record.outputs))

    def check_taken(self, record: Record, kept: tuple[int, ...] | None) -> None:
        left = untaken(record, kept)
        if left is not None:
            raise ModelError(left, hint="convert the model again without it, or end the model before this operator")

    def store(self, record: Record, values: Sequence[Array]) -> None:
        """The outputs as constants."""
        if len(values) != len(record.outputs):
            raise ModelError(f"{record.code} must have {len(values)} outputs, not {len(record.outputs)}")
        for t, value in zip(record.outputs, values, strict=True):
            if value.dtype != t.dtype.np:
                raise ModelError(f'its output "{t.name}" must be {value.dtype} by the inputs of {record.code}')
            spend("elements", value.size, str(record.loc))
            spend("work", value.size, str(record.loc))
            if value.nbytes > LARGEST:
                raise ModelError(f"a computed constant must be at most {LARGEST:,} bytes, not {value.nbytes:,}")
            self.fits(record, t, value.shape)
            self.tensors[t.name] = replace(t, shape=value.shape, data=np.array(value, order="C"))

    def fits(self, record: Record, t: Tensor, shape: tuple[int, ...]) -> None:
        """A ModelError when the file states another shape for an output, and nothing on the way there is open."""
        if any(i is not None and i.name in self.loose for i in record.inputs):
            self.loose.add(t.name)
        if t.name not in self.loose and shape != t.shape:
            stated, found = f"{t.dtype}{list(t.shape)}", f"{t.dtype}{list(shape)}"
            raise ModelError(f'its output "{t.name}" must be {found} by the inputs of {record.code}, not {stated}')

    def add(self, record: Record, c: Converted) -> None:
        """The node of a converted record."""
        spend("nodes", 1, str(record.loc))
        kept = range(len(record.inputs)) if c.inputs is None else c.inputs
        inputs = [*(record.inputs[i] if i < len(record.inputs) else None for i in kept), *c.more_inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        inputs = [None if t is None else self.whole(t) for t in inputs]
        types = c.op.infer(tuple(inputs))
        outputs = [self.shaped(record, t, types[i]) for i, t in enumerate(record.outputs) if i < len(types)]
        outputs += record.outputs[len(types) :]
        outputs += c.more_outputs
        check_operands(c.op, tuple(inputs), outputs, record.loc)
        if (
            not isinstance(c.op, Copy)
            and not c.states
            and inputs
            and all(t is None or t.data is not None for t in inputs)
        ):
            data = [None if t is None else t.data for t in inputs]
            before = sum(t.nbytes for t in inputs if t is not None)
            after = sum(t.nbytes for t in outputs)
            if after <= max(WORTH, GROWTH * before) or (all(map(counts, outputs)) and after <= LARGEST):
                self.store(record, c.op.reference(tuple(inputs), tuple(outputs), data))
                return
        for t in (*inputs, *outputs):
            if t is not None and self.tensors.setdefault(t.name, t) is not t:
                raise ModelError(f'two tensors are called "{t.name}"', loc=record.loc)
        names = tuple("" if t is None else t.name for t in inputs)
        self.nodes.append(Node(c.op, names, tuple(t.name for t in outputs), record.loc.node, record.loc))
        self.states.extend(c.states)

    # ------------------------------------------------------------------------------- several nodes in place of a record

    def make(self, op: Op, *inputs: Tensor, out: Tensor | None = None, quant: Quant | None = None) -> Tensor:
        """Apply an operator; its output, which is ``out`` or a new tensor."""
        record = self.record
        assert record is not None, "expansions are made while a record is converted"
        (wanted,) = op.infer(inputs)
        record.take(*(i for i, t in enumerate(record.inputs) if any(t is x for x in inputs)))
        y = out
        if y is None:
            y = Tensor(self.unused(f"{record.output().name}_{op.kind}"), wanted.shape, wanted.dtype, quant)
            self.loose.add(y.name)
        step = Record(record.code, record.version, inputs, (y,), record.loc)
        self.add(step, Converted(op))
        return self.current(y)

    def constant(self, name: str, data: Array, dtype: DType) -> Tensor:
        """A constant of our own."""
        t = Tensor(self.unused(name), data.shape, dtype, data=np.ascontiguousarray(data))
        self.tensors[t.name] = t
        return t

    def alias(self, y: Tensor, x: Tensor) -> None:
        """y is another name of x."""
        if y.dtype != x.dtype:
            raise ModelError(f'"{y.name}" must be {x.dtype}, not {y.dtype}')
        self.tensors[y.name] = x
        if x.name in self.loose:
            self.loose.add(y.name)

    def tell(self, y: Tensor, rows: Rows) -> None:
        """y is told by its rows; it is put together where it is read as a whole."""
        spend("work", len(rows), y.name)
        self.tensors[y.name], self.rows[y.name] = y, rows
        self.loose.add(y.name)

    def whole(self, t: Tensor) -> Tensor:
        """The tensor; a list that was told by its rows so far is put together."""
        rows = self.rows.pop(t.name, None)
        if rows is None:
            return t
        del self.tensors[t.name]
        return lists.whole(t, rows, self)

    def unused(self, name: str) -> str:
        return next(n for n in names_like(name) if n not in self.tensors and n not in self.files)

    def inline(self, number: int, arguments: Sequence[Tensor]) -> list[Tensor]:
        """Put a subgraph here: its records become ours, constants stay one tensor. What its outputs are now."""
        subgraphs = self.model.subgraphs
        if not 0 < number < len(subgraphs):
            raise ModelError(f"a loop or a branch must name another subgraph, not {number}")
        sub = subgraphs[number]
        if len(sub.inputs) != len(arguments):
            raise ModelError(f'subgraph "{sub.name}" must be given {len(sub.inputs)} tensors, not {len(arguments)}')
        self.copies += 1
        self.called.add(number)
        mine: dict[str, Tensor] = {t.name: a for t, a in zip(sub.inputs, arguments, strict=True)}
        for t, a in zip(sub.inputs, arguments, strict=True):
            if t.dtype != a.dtype:
                raise ModelError(f'"{t.name}" of subgraph "{sub.name}" must be {a.dtype}, not {t.dtype}')

        def ours(t: Tensor) -> Tensor:
            if t.data is not None or t.name in self.model.problems or t.name in self.model.resources:
                return t
            if t.name not in mine:
                made = replace(t, name=self.unused(f"{t.name}_{self.copies}"))
                self.loose.add(made.name)
                mine[t.name] = made
            return mine[t.name]

        depth, before = self.depth, len(self.obstacles)
        if depth >= MAX_DEPTH:
            raise ModelError(f"loops and branches must be at most {MAX_DEPTH} deep")
        self.depth = depth + 1
        outer = self.record
        for r in sub.records:
            inputs = tuple(None if t is None else self.current(ours(t)) for t in r.inputs)
            self.step(replace(r, inputs=inputs, outputs=tuple(ours(t) for t in r.outputs), taken=Taken()))
            if len(self.nodes) > MAX_NODES:
                raise ModelError(f"its loops make more than {MAX_NODES:,} nodes", hint="shorten the sequence")
        self.depth, self.record = depth, outer
        if len(self.obstacles) > before:
            raise Told
        return [self.current(ours(t)) for t in sub.outputs]

    def shaped(self, record: Record, t: Tensor, wanted: Type) -> Tensor:
        """An output with the shape that its operator infers, where the file leaves it open."""
        if any(i is not None and i.name in self.loose for i in record.inputs):
            self.loose.add(t.name)
        if t.name not in self.loose or wanted.shape == t.shape:
            return t
        if math.prod(wanted.shape) * wanted.dtype.bytes > MAX_TENSOR_BYTES:
            raise ModelError(f'"{t.name}" of shape {wanted.shape} must not take more than {MAX_TENSOR_BYTES >> 20} MiB')
        return replace(t, shape=wanted.shape)

    # ------------------------------------------------------------------------------------------------------- the end

    def graph(self, name: str) -> Graph:
        main, loc = self.model.subgraphs[0], Loc(self.model.file)
        if not any(r.code in ("WHILE", "IF", "CALL") for r in main.records):
            self.idle_subgraphs()
        if self.obstacles:
            raise UnsupportedError(tuple(self.obstacles), loc=loc)
        outputs = [self.end(t) for t in main.outputs]
        tensors: dict[str, Tensor] = {}
        named = (n for node in self.nodes for n in (*node.inputs, *node.outputs) if n)
        states = (n for s in self.states for n in (s.before, s.after))
        for n in (*(t.name for t in main.inputs), *named, *states):
            tensors[n] = self.tensors[n] if n in self.tensors else next(t for t in main.tensors if t.name == n)
        for t in outputs:
            tensors.setdefault(t.name, t)
        graph = Graph(
            name=name,
            tensors=MappingProxyType(tensors),
            nodes=tuple(self.nodes),
            inputs=tuple(t.name for t in main.inputs),
            outputs=tuple(t.name for t in main.outputs),
            states=tuple(self.states),
            loc=loc,
            digest=self.model.digest,
            notes=Face(format="tflite", description=self.model.description, tflite=self.model.content),
        )
        check_order(graph)
        return graph

    def idle_subgraphs(self) -> None:
        for i, s in enumerate(self.model.subgraphs):
            if i not in self.called:
                advice = "convert the model with one signature, or name the one that is meant when it is converted"
                self.obstacles.append(
                    Obstacle(Loc(self.model.file, s.name or f"{i}"), "nothing calls this subgraph", advice)
                )

    def end(self, t: Tensor) -> Tensor:
        """An output under its own name: a constant or another tensor is copied there."""
        x = self.whole(self.current(t))
        if x.name == t.name and (x.data is None or any(t.name in n.outputs for n in self.nodes)):
            return x
        if x.name == t.name:
            x = replace(x, name=self.unused(f"{t.name}_value"))
            self.tensors[x.name] = x
        y = Tensor(t.name, x.shape, x.dtype, x.quant)
        self.tensors[t.name] = y
        self.nodes.append(Node(Copy(), (x.name,), (t.name,), t.name, Loc(self.model.file, t.name)))
        return y


def converted_somehow(code: str) -> bool:
    return code in FOLDS or code in BY_SHAPE or converter_for(code) is not None or bool(expansions_for(code))


def names_like(name: str) -> Iterator[str]:
    yield name
    count = 1
    while True:
        count += 1
        yield f"{name}_{count}"


def given_shape(t: Tensor, stated: Sequence[int], given: Sequence[int], place: Loc) -> tuple[int, ...]:
    """The caller's sizes, which must fit the ones that the file fixes."""
    sizes = tuple(int(n) for n in given)
    fits = len(sizes) == len(stated) and all(s < 1 or s == n for n, s in zip(sizes, stated, strict=True))
    if not fits or any(n < 1 for n in sizes):
        raise InputError(f"its shape must fit {_open(stated)}, not {list(sizes)}", loc=place)
    if math.prod(sizes) * t.dtype.bytes > MAX_TENSOR_BYTES:
        raise InputError(f"its shape {list(sizes)} must not take more than {MAX_TENSOR_BYTES >> 20} MiB", loc=place)
    return sizes


def _open(sizes: Sequence[int]) -> str:
    return "[" + ", ".join("?" if n < 1 else str(n) for n in sizes) + "]"
