"""A graph under construction, and what converters ask while they build it.

Real numbers come in two kinds: float32, and int8 with a scale. The pair QuantizeLinear, DequantizeLinear around an operator
makes no node: the operator is built on integers at once, with the scale that the file gives its output.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, from_numpy, i8, i16, i32, i64, u32
from skosh.base.errors import ModelError
from skosh.importers.onnx.reader import Model, Record, names_read
from skosh.importers.onnx.values import Groups, Value, groups_of, laid_like, plain, regrouped
from skosh.ir.graph import Array, Graph, Node, Op, Quant, Tensor
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.functions import Neg
from skosh.ops.elements.quantization import Cast, Dequantize, Quantize
from skosh.ops.elements.whole import Whole
from skosh.ops.moves.movement import Transpose
from skosh.ops.moves.reshape import Copy, Reshape

SAME = frozenset({
    "max_pool2d", "average_pool2d", "reduce_max", "reduce_min", "maximum", "minimum", "concat", "slice", "split", "pad",
    "mirror_pad", "transpose", "reshape", "depth_to_space", "space_to_depth", "resize_nearest", "resize_bilinear", "gather",
    "relu", "tile", "broadcast_to",
})  # fmt: skip
"""Kinds whose output keeps the scale of the input. A relu's may differ, but then the layer before it takes the relu's."""

FIXED: dict[str, Quant] = {
    "softmax": Quant((1 / 256,), (-128,)),
    "logistic": Quant((1 / 256,), (-128,)),
    "log_softmax": Quant((1 / 16,), (127,)),
    "tanh": Quant((1 / 128,), (0,)),
}
"""Kinds whose output has one scale only; the file's own is reached by one more requantization."""

INTEGER = SAME | set(FIXED) | {
    "conv2d", "depthwise_conv2d", "transpose_conv", "dense", "batch_matmul", "add", "sub", "mul", "div", "mean", "sum", "abs",
    "exp", "log", "sqrt", "leaky_relu", "prelu", "elu", "gelu", "hard_swish", "arg_max", "arg_min",
}  # fmt: skip

WHOLE = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "compare", "abs", "neg", "whole"})
"""Kinds that integers without a scale have too."""

CLAMPS = ("Relu", "Clip", "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")
"""What may stand between an operator and the QuantizeLinear that gives its scale."""


class Context:
    """values: of the file's names, where they are not constant; constants: the others, as the file sees them."""

    def __init__(self, model: Model, convert: Callable[[Context, Record], None]) -> None:
        self.model = model
        self.values: dict[str, Value] = {}
        self.constants: dict[str, Array] = dict(model.constants)
        self.quants: dict[
            str, tuple[Array, Quant]
        ] = {}  # constants that DequantizeLinear made: the integers and their scales
        self.readers: dict[str, list[Record]] = {}
        for node in model.nodes:
            for name in dict.fromkeys((*node.inputs.plain, *sorted(names_read(node)))):
                self.readers.setdefault(name, []).append(node)
        self.ends = {p.name for p in model.outputs}
        self.done: set[int] = set()  # indices of nodes that another took over
        self.bad: set[int] = set()  # indices of nodes that are not whole
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.made: set[str] = set()  # what they make
        self.record: Record | None = None
        self.opset = model.opset  # of the nodes that are converted now
        self.notes: dict[str, Any] = {}  # what goes into the graph's
        self.depth = 0  # functions within functions
        self.inside = 0  # nodes in bodies so far
        self.convert: Callable[[Context, Record], None] = convert
        self._fresh = len(model.nodes)
        self._made: dict[Any, str] = {}

    def fresh(self, name: str) -> str:
        """A name that no other value has."""
        self._fresh += 1
        return f"{name}/{self._fresh}"

    def fresh_index(self) -> int:
        """An index for a node that isn't the file's own."""
        self._fresh += 1
        return self._fresh

    # ------------------------------------------------------------------------------------------------- the file

    def shape(self, name: str) -> tuple[int, ...]:
        return self.constants[name].shape if name in self.constants else self.values[name].shape

    def value(self, name: str) -> Value:
        """The value of a name; a constant becomes a tensor."""
        if name in self.values:
            return self.values[name]
        if name not in self.quants:
            return plain(self.constant(name, self.constants[name]), self.constants[name].shape)
        data, quant = self.quants[name]
        return plain(self.quantized_constant(name, data, quant), data.shape)

    def known(self, record: Record, index: int, what: str) -> Array | None:
        """Input ``index``, which must be constant; None when it is absent."""
        name = record.inputs[index] if index < len(record.inputs) else ""
        if not name:
            return None
        if name not in self.constants:
            raise ModelError(f"{what} must be constant", hint="simplify the file, with onnxsim for example")
        return self.constants[name]

    def sole_reader(self, name: str) -> Record | None:
        """The only node that reads a name, unless it is an output too."""
        readers = self.readers.get(name, [])
        alone = len(readers) == 1 and name not in self.ends and readers[0].loc.index not in self.bad
        return readers[0] if alone else None

    def output_quant(self, name: str) -> Quant | None:
        """The scale that a QuantizeLinear gives a name at last; None when there is none that int8 can have."""
        node = self.sole_reader(name)
        while node is not None and node.kind in CLAMPS and node.inputs[0] == name:
            name = node.outputs[0]
            node = self.sole_reader(name)
        readers = self.readers.get(name, [])
        if (
            name in self.ends
            or not readers
            or any(r.kind != "QuantizeLinear" or r.loc.index in self.bad for r in readers)
        ):
            return None
        found = {self.scale_of(r) for r in readers}
        quant = found.pop()
        return None if found else quant

    def scale_of(self, record: Record) -> Quant | None:
        """What a QuantizeLinear or DequantizeLinear of activations says, for int8; unsigned ones are moved by 128.

        None for others: 16 bits, several scales, scales of run time.
        """
        a, name = record.attributes, record.input(2)
        said = {0: np.uint8, 2: np.uint8, 3: np.int8}.get(a.get("output_dtype", 0))
        if said is None or name in self.model.fours:
            return None
        scale = self.constants.get(record.inputs[1])
        zero = self.constants.get(name) if name else np.zeros((), said)
        if scale is not None and scale.size == 1:
            a.get("axis", 1)  # of one scale it says nothing
        if scale is None or zero is None or scale.size != 1 or zero.size != 1 or zero.dtype not in (np.int8, np.uint8):
            return None
        return Quant((float(np.float32(scale.reshape(()))),), (int(zero.reshape(())) - 128 * (zero.dtype == np.uint8),))

    def is_done(self, output: str) -> bool:
        """Whether the output's node, or a reader of it, was taken over: then another node made what follows."""
        return any(n.loc.index in self.done for n in self.readers.get(output, ()))

    def take(self, nodes: Sequence[Record]) -> None:
        """These nodes are done: another stands for them."""
        self.done.update(n.loc.index for n in nodes if n.loc.index is not None)

    # ------------------------------------------------------------------------------------------------- building

    def add(self, tensor: Tensor) -> str:
        name = self.unused(tensor.name)
        self.tensors[name] = replace(tensor, name=name)
        return name

    def unused(self, name: str) -> str:
        tries = (name if k == 1 else f"{name}_{k}" for k in range(1, len(self.tensors) + 2))
        return next(n for n in tries if n not in self.tensors)

    def constant(self, name: str, data: Array, dtype: DType | None = None) -> str:
        """A constant as floats (float64 and float16 too) or integers."""
        with np.errstate(over="ignore"):
            data = data.astype(np.float32) if data.dtype.kind == "f" else data
        if data.dtype.kind == "f" and np.isnan(data).any():
            raise ModelError(f'"{name}" must not hold NaN')
        if data.size == 0:
            raise ModelError(f'"{name}" must not be empty')
        return self._constant(
            Tensor(
                name, data.shape, dtype or from_numpy(data.dtype), data=np.ascontiguousarray(data).reshape(data.shape)
            )
        )

    def quantized_constant(self, name: str, data: Array, quant: Quant) -> str:
        return self._constant(
            Tensor(name, data.shape, from_numpy(data.dtype), quant, np.ascontiguousarray(data).reshape(data.shape))
        )

    def _constant(self, tensor: Tensor) -> str:
        assert tensor.data is not None
        key = (tensor.name, tensor.shape, tensor.dtype, tensor.quant, tensor.data.tobytes())
        if key not in self._made:
            self._made[key] = self.add(tensor)
        return self._made[key]

    def apply(self, op: Op, inputs: Sequence[str], name: str, quant: Quant | None = None) -> tuple[str, ...]:
        """A node as it is; quant: of all outputs."""
        assert self.record is not None
        types = op.infer([self.tensors[n] if n else None for n in inputs])
        outs = tuple(
            self.add(
                Tensor(name if k == 0 else f"{name}_{k}", t.shape, t.dtype, quant if t.dtype in (i8, i16) else None)
            )
            for k, t in enumerate(types)
        )
        self.made.update(outs)
        self.nodes.append(Node(op, tuple(inputs), outs, self.record.name, self.record.loc))
        return outs

    def real(self, op: Op, inputs: Sequence[str], output: str, quant: Quant | None = None) -> tuple[str, ...]:
        """A node on real numbers: on integers where all inputs are and the file gives the output a scale, else on floats.

        output: the file's name of the (first) output; quant: its scale where that is not told by what follows.
        """
        numbers = [self.tensors[n] for n in inputs if n and self.is_real(n)]
        if numbers and all(t.quant is not None for t in numbers) and op.kind in INTEGER:
            found = self._output_quant(op, numbers, output) if quant is None else quant
            if found is not None:
                fitted = [
                    self.requantized(n, found) if op.kind in SAME and n and self.is_real(n) else n for n in inputs
                ]
                return self.apply(op, fitted, output, found)
        if op.kind in WHOLE and all(self.is_whole(n) for n in inputs if n):
            return (self.on_integers(op, inputs, output),)
        return self.apply(op, [self.floats(n) if n else n for n in inputs], output)

    def is_whole(self, tensor: str) -> bool:
        """Whether it holds integers without a scale."""
        t = self.tensors[tensor]
        return t.dtype.is_integer and t.quant is None

    def as_type(self, tensor: str, dtype: DType) -> str:
        """A tensor without a scale in another type."""
        t = self.tensors[tensor]
        if t.dtype == dtype:
            return tensor
        if t.data is not None:
            return self.constant(f"{tensor}_{dtype.name}", t.data.astype(dtype.np))
        return self.once(Cast(dtype), tensor, f"{tensor}_{dtype.name}")

    def on_integers(self, op: Op, inputs: Sequence[str], output: str) -> str:
        """An operator on integers without a scale, modulo the width of the widest: computed in 32 or 64 bits."""
        types = [self.tensors[n].dtype for n in inputs]
        result = max(types, key=lambda t: (t.bits, t.kind == "int"))
        wide = i64 if any(t.bits > 32 or t == u32 for t in types) else i32
        if any(t.name in ("u16", "u64") for t in types):
            raise ModelError(f"integers must be of 8, 16 signed, or 32 bits or int64, not {result}")
        operands = [self.as_type(n, wide) for n in inputs]
        arithmetic = {"add": "add", "sub": "sub", "mul": "mul", "div": "div"}.get(op.kind)
        if arithmetic is not None and (wide == i64 or arithmetic == "div"):
            op = Whole(arithmetic)
        if op.kind == "abs" and wide == i64:
            zero = self.constant(f"{output}_zero", np.zeros((1,) * len(self.tensors[operands[0]].shape), np.int64))
            (less,) = self.apply(Compare("<"), (operands[0], zero), output)
            (turned,) = self.apply(Neg(), operands, output)
            (made,) = self.apply(Select(), (less, turned, operands[0]), output)
        else:
            (made,) = self.apply(op, operands, output)
        return made if op.kind == "compare" or result == wide else self.once(Cast(result), made, output)

    def _output_quant(self, op: Op, inputs: Sequence[Tensor], output: str) -> Quant | None:
        if op.kind in FIXED:
            return FIXED[op.kind]
        wanted = self.output_quant(output)
        if op.kind not in SAME:
            return wanted
        several = len(inputs) > 1 and len({t.quant for t in inputs}) > 1
        return wanted if several else inputs[0].quant

    def is_real(self, tensor: str) -> bool:
        t = self.tensors[tensor]
        return t.dtype == f32 or (t.dtype in (i8, i32) and t.quant is not None)

    def floats(self, tensor: str) -> str:
        """A tensor of real numbers as float32."""
        t = self.tensors[tensor]
        if t.quant is None or t.dtype not in (i8, i32):
            return tensor
        if t.data is not None:
            return self.constant(f"{tensor}_float", dequantized(t.data, t.quant))
        return self.once(Dequantize(), tensor, f"{tensor}_float")

    def requantized(self, tensor: str, quant: Quant) -> str:
        """A tensor of real numbers as int8 of this scale."""
        t = self.tensors[tensor]
        return tensor if t.quant == quant else self.once(Quantize(i8), tensor, f"{tensor}_int8", quant)

    def once(self, op: Op, tensor: str, name: str, quant: Quant | None = None) -> str:
        """A node of one input, made once."""
        key = (op, tensor, quant)
        if key not in self._made:
            (self._made[key],) = self.apply(op, (tensor,), name, quant)
        return self._made[key]

    # --------------------------------------------------------------------------------------------------- layout

    def laid(self, value: Value, groups: Groups | None = None) -> str:
        """The tensor with one axis for each group of the file's axes; moved only if its memory is in another order."""
        groups = groups_of(len(value.axes)) if groups is None else groups
        order, shape = (
            value.order(groups),
            tuple(int(np.prod([value.shape[a] for a in g], dtype=np.int64)) for g in groups),
        )
        tensor = value.tensor
        quant = self.tensors[tensor].quant
        if order != tuple(sorted(order)):
            rest = tuple(p for p in range(len(value.stored)) if p not in order)
            tensor = self.once(Transpose((*rest, *order)), tensor, f"{tensor}_turned", quant)
        if self.tensors[tensor].shape != shape:
            tensor = self.once(Reshape(shape), tensor, f"{tensor}_shaped", quant)
        return tensor

    def like(self, value: Value, other: Value) -> str | None:
        """``value`` moved so that it broadcasts to how ``other`` is stored; None when that can't be said by axes."""
        rank = len(other.axes)
        axes = ((),) * (rank - len(value.axes)) + value.axes
        order: dict[int, int] = {}
        for mine, theirs, n in zip(axes, other.axes, (1,) * (rank - len(value.axes)) + value.shape, strict=True):
            if n == 1:
                continue
            if [value.stored[p] for p in mine] != [other.stored[p] for p in theirs]:
                return None
            order.update(zip(theirs, mine, strict=True))
        perm = tuple(order[p] for p in sorted(order))
        shape = tuple(value.stored[order[p]] if p in order else 1 for p in range(len(other.stored)))
        tensor, quant = value.tensor, self.tensors[value.tensor].quant
        if perm != tuple(sorted(perm)):
            rest = tuple(p for p in range(len(value.stored)) if p not in perm)
            tensor = self.once(Transpose((*rest, *perm)), tensor, f"{tensor}_turned", quant)
        return (
            tensor
            if self.tensors[tensor].shape == shape
            else self.once(Reshape(shape), tensor, f"{tensor}_shaped", quant)
        )

    def constant_like(self, name: str, value: Value) -> str | None:
        """A constant of the file, as it broadcasts to how ``value`` is stored."""
        data, quant = self.quants.get(name, (self.constants[name], None))
        laid = laid_like(data, value)
        if laid is None or (quant is not None and quant.per_channel):
            return None
        return self.constant(name, laid) if quant is None else self.quantized_constant(name, laid, quant)

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The value under another shape, by its axes alone where that can be."""
        found = regrouped(value, shape)
        quant = self.tensors[value.tensor].quant
        if found is None:
            tensor = self.once(Reshape(shape), self.laid(value), f"{value.tensor}_shaped", quant)
            return plain(tensor, shape)
        stored, axes = found
        tensor = value.tensor
        if stored != value.stored:
            tensor = self.once(Reshape(stored), tensor, f"{tensor}_shaped", quant)
        return Value(tensor, stored, axes)

    def kept(self, value: Value, tensor: str) -> Value:
        """What an operator made of each element at its place."""
        return Value(tensor, value.stored, value.axes)

    # --------------------------------------------------------------------------------------------------- the end

    def graph(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        nodes: list[Node] = []
        used = set(outputs)
        for node in reversed(self.nodes):  # what a later node made unneeded goes
            if used & set(node.outputs):
                nodes.append(node)
                used.update(node.inputs)
        kept = used | set(inputs) | {n for node in nodes for n in node.outputs}
        return Graph(
            name,
            MappingProxyType({n: t for n, t in self.tensors.items() if n in kept}),
            tuple(reversed(nodes)),
            tuple(inputs),
            tuple(outputs),
            loc=self.model.loc,
            digest=self.model.digest,
        )

    def output(self, tensor: str, taken: Collection[str]) -> str:
        """A tensor that can be an output: no constant, no input, none that is one already."""
        t = self.tensors[tensor]
        if t.data is None and tensor in self.made and tensor not in taken:
            return tensor
        return self.apply(Copy(), (tensor,), f"{tensor}_out", t.quant)[0]


def dequantized(q: Array, quant: Quant) -> Array:
    """float32: scale * (q - zero point), one product in float32 as ONNX defines it."""
    shape = [1] * q.ndim
    if quant.per_channel:
        assert quant.axis is not None, "per channel means along some axis"
        shape[quant.axis] = -1
    scale = np.asarray(quant.scales, np.float32).reshape(shape)
    zero = np.asarray(quant.zero_points, np.int64).reshape(shape)
    return np.asarray((q.astype(np.int64) - zero).astype(np.float32) * scale)
