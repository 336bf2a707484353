"""Build a Graph one node at a time: each output's shape and type come from the operator's own rule."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, from_numpy, i32, u8
from skosh.base.errors import Loc, ModelError, ModelWarning
from skosh.base.text import plain
from skosh.importers.frames import Column, Frame
from skosh.importers.originals import EDGES
from skosh.ir.face import Face
from skosh.ir.graph import Array, Graph, Node, Op, Tensor

Convert = Callable[[Any, "Builder", str], str]


class Builder:
    """A graph under construction. ``prefix``: put before the names of tensors and nodes, a pipeline's step for example.

    output: what a classifier is asked for, see ``outputs``; last: is this the step that gives the graph's output?
    convert: (estimator, input, step name) -> output, for estimators made of others.
    """

    def __init__(self, file: str, output: str | None = None, convert: Convert | None = None) -> None:
        self.file = file
        self.prefix = ""
        self.output = output
        self.last = True
        self._convert = convert
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []
        self.notes: dict[str, Any] = {}
        self.options: dict[str, Any] = {}  # what else ``load`` was asked for, by name
        self.taken: set[str] = set()  # the options that some converter knew
        self.frame: Frame | None = None  # names and categories of the input's columns, where the model knows them
        self.original: Callable[[Graph], Any] | None = None  # graph -> its ``Original``, where the usual one doesn't do
        self.fills: dict[str, list[Any]] = {}  # tensor -> texts that a step puts where one of its columns has none
        self.unlike: set[str] = set()  # kinds of inputs (``originals.EDGES``) that the C reads otherwise than the library
        self.sparse: set[str] = set()  # tensors that are mostly zeros: counts of words

    def columns_of(self, name: str) -> list[int] | None:
        """Which columns of the model's input a tensor [1, K] is, where it is a choice of them; else None."""
        if name in self.inputs:
            return list(range(self.tensors[name].shape[-1]))
        node = next((n for n in self.nodes if name in n.outputs), None)
        if node is None or node.op.kind != "gather" or (inner := self.columns_of(node.inputs[0])) is None:
            return None
        chosen = self.tensors[node.inputs[1]].data
        return None if chosen is None else [inner[int(k)] for k in chosen.reshape(-1)]

    def told_categories(self, x: str, f: int, categories: Sequence[Any], unseen: float | None, missing: float) -> None:
        """Column f of a tensor holds codes of these categories in the model's input. ModelError where it is no column of it, or
        one that another step reads otherwise."""
        columns = self.columns_of(x)
        if columns is None:
            raise ModelError("text must be read by the first step of its column", hint="put the encoder first")
        place = columns[f]
        if self.frame is None:
            self.frame = Frame(tuple(Column("") for _ in range(self.tensors[self.inputs[0]].shape[-1])), self.file)
        old = self.frame.columns[place]
        new = Column(old.name, tuple(categories), unseen, missing)
        if old.categories is not None and (old.categories != new.categories or repr(old) != repr(new)):
            raise ModelError(f'column "{old.name or place}" must be read by one encoder', hint="fit one for each column")
        self.frame = replace(self.frame, columns=(*self.frame.columns[:place], new, *self.frame.columns[place + 1 :]))

    def warn(self, text: str) -> None:
        """Tell the person who loads the model, and keep it in ``notes["warnings"]``."""
        text = plain(text)
        self.notes["warnings"] = (*self.notes.get("warnings", ()), text)
        warnings.warn(text, ModelWarning, stacklevel=2)

    def take(self, option: str, default: Any) -> Any:
        """The value of an option, or what stands for it when it was left out."""
        self.taken.add(option)
        return self.options.get(option, default)

    def input(self, name: str, shape: tuple[int, ...]) -> str:
        """A float32 model input."""
        self.inputs.append(name)
        return self._add(Tensor(name, shape, f32))

    def byte_input(self, name: str, shape: tuple[int, ...]) -> str:
        """A model input of bytes."""
        self.inputs.append(name)
        return self._add(Tensor(name, shape, u8))

    def constant(self, name: str, values: Any) -> str:
        """A float32 constant. ModelError when a value is not finite in float32."""
        with np.errstate(over="ignore"):
            data: Array = np.asarray(values).astype(np.float32)
        if not np.isfinite(data).all():
            raise ModelError(f"{name} must hold finite float32 numbers only", hint="fit the model on finite samples")
        return self._add(Tensor(self._unused(name), data.shape, f32, data=data))

    def floats(self, name: str, data: Array) -> str:
        """A float32 constant as it is, infinities too."""
        return self._add(Tensor(self._unused(name), data.shape, f32, data=data))

    def raw(self, name: str, values: Array) -> str:
        """A constant of the array's own type."""
        return self._add(Tensor(self._unused(name), values.shape, from_numpy(values.dtype), data=values))

    def integers(self, name: str, values: Any, dtype: DType = i32) -> str:
        """A constant of integers that fit ``dtype``."""
        data: Array = np.asarray(values).astype(dtype.np)
        assert np.array_equal(data, values), f"{name} doesn't fit {dtype.name}"
        return self._add(Tensor(self._unused(name), data.shape, dtype, data=data))

    def apply(self, op: Op, *inputs: str, name: str) -> str:
        """A node for ``op``; its output has the node's name."""
        (out,) = self.apply_all(op, *inputs, names=(name,))
        return out

    def apply_all(self, op: Op, *inputs: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """A node with several outputs, called as the first one is."""
        types = op.infer([self.tensors[n] for n in inputs])
        outs = tuple(self._add(Tensor(self._unused(n), t.shape, t.dtype)) for n, t in zip(names, types, strict=True))
        self.nodes.append(Node(op, inputs, outs, outs[0], Loc(self.file, outs[0], len(self.nodes))))
        return outs

    def part(self, estimator: Any, x: str, name: str, *, output: str | None = None) -> str:
        """Convert an estimator inside another; its names begin with ``name``. output: what it is asked for."""
        assert self._convert is not None, "a builder without a converter builds one estimator"
        kept = self.prefix, self.output, self.last, dict(self.notes)
        self.prefix, self.output, self.last = (
            f"{self.prefix}_{name}" if self.prefix else name,
            output,
            output is not None,
        )
        out = self._convert(estimator, self, x)
        self.prefix, self.output, self.last, self.notes = kept
        return out

    def graph(self, name: str, output: str) -> Graph:
        if self.fills:
            raise ModelError("a step fills in text, so one that makes numbers of it must follow", loc=self.file,
                             hint="add an encoder behind it")  # fmt: skip
        if self.frame is not None:
            self._tell(self.frame)
        if self.unlike:
            self.notes["edges"] = tuple(kind for kind in EDGES if kind not in self.unlike)
            self.notes["unlike"] = tuple(sorted(self.unlike))
        return Graph(
            name,
            MappingProxyType(dict(self.tensors)),
            tuple(self.nodes),
            tuple(self.inputs),
            (output,),
            loc=Loc(self.file),
            digest=self._digest(),
            notes=Face(**self.notes),
        )

    def _tell(self, frame: Frame) -> None:
        """Notes about the columns of the input."""
        self.notes["encode"] = frame.encode
        if any(frame.names):
            self.notes["features"] = frame.names
        if frame.has_categories:
            self.notes |= {"example": frame.example, "decode": frame.decode, "tells": frame.tells, "categories": frame.known}

    def _add(self, tensor: Tensor) -> str:
        assert tensor.name not in self.tensors, f"two tensors are called {tensor.name}"
        self.tensors[tensor.name] = tensor
        return tensor.name

    def _unused(self, name: str) -> str:
        full = f"{self.prefix}_{name}" if self.prefix else name
        tries = (full if k == 1 else f"{full}_{k}" for k in range(1, len(self.tensors) + 2))
        return next(n for n in tries if n not in self.tensors)

    def _digest(self) -> str:
        """sha256 of what was built: operators, their wiring, and constants."""
        digest = hashlib.sha256()
        for node in self.nodes:
            digest.update(repr((node.op, node.inputs, node.outputs)).encode())
        for tensor in self.tensors.values():
            digest.update(repr((tensor.name, tensor.shape)).encode())
            if tensor.data is not None:
                digest.update(np.ascontiguousarray(tensor.data).tobytes())
        return digest.hexdigest()
