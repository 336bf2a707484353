"""Operators on integers (QLinearConv and its kin, also of com.microsoft) in QDQ form, so that they are read once.

    y = QLinearConv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias)
    ->  y = QuantizeLinear(Conv(DequantizeLinear(x), DequantizeLinear(w), DequantizeLinear(bias, x_scale * w_scale)))

Such an operator means just that, but for the rounding in between; the integers of the result are skosh's (see docs/onnx.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skosh.importers.onnx.reader import Model, Record
from skosh.importers.onnx.taken import Attributes, Taken
from skosh.ir.graph import Array


@dataclass
class Rewriting:
    """New nodes and constants while they are made."""

    record: Record
    constants: dict[str, Array]
    nodes: list[Record] = field(default_factory=list)

    def node(self, kind: str, inputs: tuple[str, ...], output: str, **attributes: Any) -> str:
        r = self.record
        self.nodes.append(Record(kind, Taken(inputs), (output,), Attributes(attributes), r.loc, r.name))
        return output

    def real(self, k: int, **attributes: Any) -> str:
        """Inputs k, k + 1, k + 2 (integers, scale, zero point) as a real number."""
        return self.node("DequantizeLinear", self.part(k), f"{self.record.outputs[0]}/{k}", **attributes)

    def part(self, k: int) -> tuple[str, ...]:
        names = (*self.record.inputs, *[""] * 3)[k : k + 3]
        return names if names[2] else names[:2]

    def end(self, tensor: str, k: int) -> None:
        """The real number as integers of scale k and zero point k + 1, the record's output."""
        names = (*self.record.inputs, "", "")[k : k + 2]
        self.node("QuantizeLinear", (tensor, *(n for n in names if n)), self.record.outputs[0])

    def constant(self, name: str, data: Array) -> str:
        self.constants[name] = data
        return name

    def between(self) -> str:
        """A name for the real result."""
        return f"{self.record.outputs[0]}/real"

    def bias(self, name: str, x_scale: str, w_scale: str) -> str:
        """int32 in units of x_scale * w_scale."""
        scales = [self.constants.get(n) for n in (x_scale, w_scale)]
        if scales[0] is None or scales[1] is None:
            return name  # refused by who reads it: scales must be constant
        unit = np.asarray(scales[0] * scales[1], np.float32).reshape(-1)
        out = self.record.outputs[0]
        made = self.constant(f"{out}/bias_scale", unit if unit.size > 1 else unit.reshape(()))
        return self.node("DequantizeLinear", (name, made), f"{out}/bias", axis=0)


def convolution(r: Rewriting) -> None:
    n = r.record.inputs
    inputs = [r.real(0), r.real(3, axis=0)]
    if len(n) > 8 and n[8]:
        inputs.append(r.bias(n[8], n[1], n[4]))
    r.end(r.node("Conv", tuple(inputs), r.between(), **r.record.attributes), 6)


def matrix_product(r: Rewriting) -> None:
    r.end(r.node("MatMul", (r.real(0), r.real(3, axis=-1)), r.between()), 6)


def general_product(r: Rewriting) -> None:
    """A and B with scales, bias C, the output's scale; without one the result stays real."""
    n, a = (*r.record.inputs, "", "", ""), r.record.attributes
    inputs = [r.real(0), r.real(3, axis=0 if a.get("transB", 0) else 1)]
    if n[6]:
        inputs.append(r.bias(n[6], n[1], n[4]))
    if n[7]:
        r.end(r.node("Gemm", tuple(inputs), r.between(), **a), 7)
    else:
        r.node("Gemm", tuple(inputs), r.record.outputs[0], **a)


def pairwise(kind: str) -> Callable[[Rewriting], None]:
    """A, B, C: each with scale and zero point."""
    return lambda r: r.end(r.node(kind, (r.real(0), r.real(3)), r.between()), 6)


def single(kind: str) -> Callable[[Rewriting], None]:
    """x, y: each with scale and zero point."""

    def write(r: Rewriting) -> None:
        own = {k: v for k, v in r.record.attributes.items() if k not in ("channels_last", "opset")}
        r.end(r.node(kind, (r.real(0),), r.between(), **own), 3)

    return write


def joined(r: Rewriting) -> None:
    """The output's scale and zero point first, then three for each input."""
    inputs = tuple(r.real(k) for k in range(2, len(r.record.inputs), 3))
    r.end(r.node("Concat", inputs, r.between(), **r.record.attributes), 0)


WRITERS: Mapping[str, Callable[[Rewriting], None]] = {
    "QLinearConv": convolution, "QLinearMatMul": matrix_product, "com.microsoft.QGemm": general_product,
    "com.microsoft.QLinearAdd": pairwise("Add"), "com.microsoft.QLinearMul": pairwise("Mul"),
    "com.microsoft.QLinearConcat": joined, "com.microsoft.QLinearSigmoid": single("Sigmoid"),
    "com.microsoft.QLinearLeakyRelu": single("LeakyRelu"), "com.microsoft.QLinearSoftmax": single("Softmax"),
    "com.microsoft.QLinearAveragePool": single("AveragePool"),
    "com.microsoft.QLinearGlobalAveragePool": single("GlobalAveragePool"),
}  # fmt: skip
LEAST = {"QLinearConv": 8, "QLinearMatMul": 8, "com.microsoft.QGemm": 6, "com.microsoft.QLinearConcat": 5}
NAMES_OF_ONNX = {f"com.microsoft.{name}": name for name in ("QuantizeLinear", "DequantizeLinear", "Gelu")}
"""Operators that com.microsoft has too, with the same meaning."""


def in_qdq_form(model: Model) -> Model:
    """The model with such nodes taken apart; the same model where it has none. Nodes that aren't whole stay as they are."""
    if not any(n.kind in WRITERS or n.kind in NAMES_OF_ONNX for n in model.nodes):
        return model
    constants = dict(model.constants)
    nodes = tuple(
        replace(new, loc=replace(new.loc, index=i)) for i, new in enumerate(_rewritten(model.nodes, constants))
    )
    return replace(model, nodes=nodes, constants=constants)


def _rewritten(nodes: tuple[Record, ...], constants: dict[str, Array]) -> Iterator[Record]:
    for node in nodes:
        if node.kind in NAMES_OF_ONNX:
            yield replace(node, kind=NAMES_OF_ONNX[node.kind])
        elif node.kind not in WRITERS or not is_whole(node):
            yield node
        else:
            work = Rewriting(node, constants)
            WRITERS[node.kind](work)
            yield from work.nodes


def is_whole(node: Record) -> bool:
    """Whether it has its inputs, and is channels first."""
    return (
        len(node.inputs) >= LEAST.get(node.kind, 4)
        and bool(node.outputs)
        and not node.attributes.get("channels_last", 0)
    )
