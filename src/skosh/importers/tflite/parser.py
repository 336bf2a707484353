"""From the bytes of a TFLite file to records. Nothing here knows what an operator means; nothing here trusts the file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i8
from skosh.base.errors import Loc, ModelError
from skosh.importers.tflite.attributes import FIELDS, FLOAT16, RESOURCE, TYPES
from skosh.importers.tflite.elements import quantization, why_not
from skosh.importers.tflite.flatbuffer import Budget, guarded
from skosh.importers.tflite.reader import Model, Record, Subgraph
from skosh.ir.graph import Array, Tensor

MAX_TENSOR_BYTES = 256 << 20
MAX_TABLES = 100_000


def read(data: bytes, file: str) -> Model:
    """Parse the bytes of a TFLite file. file: its name in messages. Raises ModelError, whatever the bytes are."""
    loc = Loc(file)
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ModelError('it is not a TFLite file: bytes 4 to 7 must be "TFL3"', loc=loc)
    try:
        with guarded(loc):
            return _Reader(data, file).model()
    except ModelError as error:
        raise error if error.loc is not None else ModelError(error.message, loc=loc, hint=error.hint) from error


class _Reader:
    """The parser's state: the file, what may still be read, the names taken."""

    def __init__(self, data: bytes, file: str) -> None:
        from tflite.Model import Model as ModelTable

        self.data = data
        self.file = file
        self.budget = Budget(len(data))
        self.table = ModelTable.GetRootAs(data, 0)
        self.names: set[str] = set()
        self.resources: set[str] = set()
        self.problems: dict[str, tuple[str, str]] = {}
        self.open: dict[str, tuple[int, ...]] = {}

    def model(self) -> Model:
        if self.table.Version() != 3:
            raise ModelError(f"its schema version must be 3, not {self.table.Version()}")
        codes = [self.code(self.table.OperatorCodes(i)) for i in range(self.tables(self.table.OperatorCodesLength()))]
        count = self.tables(self.table.SubgraphsLength())
        if count == 0:
            raise ModelError("it has no subgraph")
        self.buffers = self.tables(self.table.BuffersLength())
        subgraphs = tuple(self.subgraph(self.table.Subgraphs(i), codes) for i in range(count))
        return Model(
            self.file,
            hashlib.sha256(self.data).hexdigest(),
            subgraphs,
            self.budget.text(self.table.Description()),
            frozenset(self.resources),
            self.problems,
            self.open,
        )

    def tables(self, length: int) -> int:
        """The length of a vector of tables, when plausible."""
        self.budget.count(length)
        if length > MAX_TABLES:
            raise ModelError(f"it has {length} tables of one kind, more than {MAX_TABLES}")
        return length

    def code(self, table: Any) -> tuple[str, int]:
        """(name, version) of an operator code."""
        self.budget.spend(4)
        number = max(table.BuiltinCode(), table.DeprecatedBuiltinCode())
        name = _names("BuiltinOperator").get(number, f"BUILTIN_{number}")
        if name == "CUSTOM":
            name = f"CUSTOM:{self.budget.text(table.CustomCode())}"
        return name, int(table.Version())

    def subgraph(self, table: Any, codes: Sequence[tuple[str, int]]) -> Subgraph:
        tensors = tuple(self.tensor(table.Tensors(i), i) for i in range(self.tables(table.TensorsLength())))
        variables = frozenset(
            tensors[i].name for i in range(len(tensors)) if table.Tensors(i).IsVariable() and not tensors[i].is_constant
        )
        records = tuple(
            self.record(table.Operators(i), i, tensors, codes, variables)
            for i in range(self.tables(table.OperatorsLength()))
        )
        loc = Loc(self.file)
        inputs = self.pick(tensors, self.budget.numbers(table.InputsAsNumpy()), loc)
        outputs = self.pick(tensors, self.budget.numbers(table.OutputsAsNumpy()), loc)
        return Subgraph(self.budget.text(table.Name()), tensors, inputs, outputs, records)

    def pick(self, tensors: Sequence[Tensor], indices: Any, loc: Loc) -> tuple[Tensor, ...]:
        """Tensors by number, none absent."""
        for i in indices:
            if not 0 <= i < len(tensors):
                raise ModelError(f"tensor number {i} doesn't exist, there are {len(tensors)}", loc=loc)
        return tuple(tensors[i] for i in indices)

    # ------------------------------------------------------------------------------------------------------- operators

    def record(
        self,
        table: Any,
        index: int,
        tensors: Sequence[Tensor],
        codes: Sequence[tuple[str, int]],
        variables: frozenset[str],
    ) -> Record:
        self.budget.spend(Budget.TABLE)
        loc = Loc(self.file, index=index)
        opcode = table.OpcodeIndex()
        if not 0 <= opcode < len(codes):
            raise ModelError(f"operator code number {opcode} doesn't exist, there are {len(codes)}", loc=loc)
        code, version = codes[opcode]
        outputs = self.pick(tensors, self.budget.numbers(table.OutputsAsNumpy()), loc)
        loc = Loc(self.file, short_name(outputs[0].name) if outputs else code.lower(), index)
        indices = self.budget.numbers(table.InputsAsNumpy())
        present = iter(self.pick(tensors, [i for i in indices if i != -1], loc))
        inputs = tuple(None if i == -1 else next(present) for i in indices)
        intermediates = [i for i in self.budget.numbers(table.IntermediatesAsNumpy()) if i != -1]
        custom = self.budget.numbers(table.CustomOptionsAsNumpy())
        options_table = table.BuiltinOptions()
        number = table.BuiltinOptionsType()
        return Record(
            code=code,
            version=version,
            inputs=inputs,
            outputs=outputs,
            loc=loc,
            variables=frozenset(t.name for t in inputs if t is not None and t.name in variables),
            intermediates=self.pick(tensors, intermediates, loc),
            custom_options=custom.astype(np.uint8).tobytes(),
            options_name=_names("BuiltinOptions").get(number, f"options of kind {number}"),
            options_position=None if options_table is None or number == 0 else options_table.Pos,
            file=self.data,
        )

    # --------------------------------------------------------------------------------------------------------- tensors

    def tensor(self, table: Any, index: int) -> Tensor:
        self.budget.spend(Budget.TABLE)
        name = self.unique(self.budget.text(table.Name()) or f"tensor_{index}")
        shape = tuple(int(n) for n in self.budget.numbers(table.ShapeAsNumpy()))
        loc = Loc(self.file, name)
        number = table.Type()
        if number == RESOURCE:
            self.resources.add(name)
        signature = tuple(int(n) for n in self.budget.numbers(table.ShapeSignatureAsNumpy()))
        stated = signature if len(signature) == len(shape) else shape
        if any(n < -1 for n in shape):
            raise ModelError(f"its shape {shape} must not have a negative size", loc=loc)
        problem = why_not(table, number)
        few = FIELDS.get(number) if problem is not None else None
        dtype = i8 if few else f32 if number == FLOAT16 else TYPES.get(number)
        if dtype is None or (table.Sparsity() is not None) or (problem is not None and self.bare(table.Buffer())):
            if number != RESOURCE:
                self.problems[name] = problem or (f"element type number {number} doesn't exist", "")
            return Tensor(name, (1,), i8)
        if math.prod(max(n, 1) for n in shape) * dtype.bytes > MAX_TENSOR_BYTES:
            raise ModelError(f"its shape {shape} must not take more than {MAX_TENSOR_BYTES >> 20} MiB", loc=loc)
        raw = self.content(table.Buffer(), loc)
        unsettled = any(n < 1 for n in (*shape, *stated)) or not (shape or table.HasRank())
        if raw is None and unsettled and shape != (0,):  # that is an empty list
            self.open[name] = tuple(a if a < 1 else b for a, b in zip(stated, shape, strict=True))
            shape = tuple(max(n, 1) for n in shape)
        if any(n < 0 for n in shape):
            raise ModelError(f"its shape {shape} must not have a negative size", loc=loc)
        data = self.constant(raw, number, shape, loc) if raw is not None or shape == (0,) else None
        quant = quantization(table.Quantization(), shape, dtype, loc, self.budget, data)
        return Tensor(name, shape, dtype, quant, data)

    def unique(self, name: str) -> str:
        """The name, or one made from it when it is taken."""
        candidate, count = name, 1
        while candidate in self.names:
            candidate, count = (
                f"{name}_{len(self.names)}" if count == 1 else f"{name}_{len(self.names)}_{count}",
                count + 1,
            )
        self.names.add(candidate)
        return candidate

    def bare(self, index: int) -> bool:
        """Whether a tensor with this buffer has no data in the file."""
        return index == 0 or self.content(index, Loc(self.file)) is None

    def content(self, index: int, loc: Loc) -> Array | None:
        """A buffer's bytes as a view of the file; None when it is empty."""
        if index >= max(self.buffers, 1):
            raise ModelError(f"buffer number {index} doesn't exist, there are {self.buffers}", loc=loc)
        if index == 0:
            return None
        table = self.table.Buffers(index)
        raw = table.DataAsNumpy()
        if table.Offset() > 1:
            start, size = table.Offset(), table.Size()
            if start + size > len(self.data):
                raise ModelError(f"its data at byte {start} must end inside the file", loc=loc)
            raw = np.frombuffer(self.data, dtype=np.uint8, count=size, offset=start)
        return None if isinstance(raw, int) or raw.size == 0 else np.asarray(raw)

    def constant(self, raw: Array | None, number: int, shape: tuple[int, ...], loc: Loc) -> Array:
        """A tensor's values from a buffer; float16 as the float32 that are equal, 4 and 2 bits as int8."""
        bits = FIELDS.get(number, 16 if number == FLOAT16 else 8 * (TYPES[number].bytes if number in TYPES else 1))
        size = math.prod(shape)
        found = 0 if raw is None else raw.nbytes
        if found != (size * bits + 7) // 8:
            raise ModelError(f"its data must be {(size * bits + 7) // 8} bytes for {shape}, not {found}", loc=loc)
        if raw is None:
            return np.zeros(shape, np.float32 if number == FLOAT16 else TYPES.get(number, i8).np)
        if number in FIELDS:
            fields = (raw.astype(np.int16)[:, None] >> (np.arange(8 // bits) * bits)) & ((1 << bits) - 1)
            signed = np.where(fields >= 1 << (bits - 1), fields - (1 << bits), fields)
            return signed.reshape(-1)[:size].astype(np.int8).reshape(shape)
        if number == FLOAT16:
            return np.frombuffer(raw, dtype="<f2").astype(np.float32).reshape(shape)
        dtype = TYPES[number]
        if dtype.kind == "bool":
            return np.asarray(raw != 0).reshape(shape)
        return np.frombuffer(raw, dtype=dtype.np.newbyteorder("<")).reshape(shape).astype(dtype.np, copy=False)


def short_name(name: str) -> str:
    """The first of the names that a converter joined by ";" when it fused operators."""
    return name.split(";")[0] or name


@cache
def _names(enumeration: str) -> Mapping[int, str]:
    """Number -> name of a schema enumeration."""
    from importlib import import_module

    members = vars(getattr(import_module(f"tflite.{enumeration}"), enumeration))
    return {number: name for name, number in members.items() if isinstance(number, int)}
