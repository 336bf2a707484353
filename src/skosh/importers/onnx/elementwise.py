"""What is computed at each place alone: arithmetic and activations. Constants are re-laid to how the activations are stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, from_numpy
from skosh.base.errors import ModelError
from skosh.importers.onnx.affine import normalization
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ir.graph import Op
from skosh.ops.elements.activations import LeakyRelu, Logistic, Prelu, Relu, Tanh
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul, Sub
from skosh.ops.elements.functions import Abs, Ceil, Cos, Erf, Exp, Floor, Log, Neg, Round, Sin, Sqrt
from skosh.ops.elements.quantization import Cast
from skosh.ops.elements.smooth import Gelu, HardSwish

Converter = Callable[[Context, Record], None]


def unary(op: Op) -> Converter:
    def convert(ctx: Context, record: Record) -> None:
        _put(ctx, record, op, ctx.value(record.inputs[0]))

    return convert


def _put(ctx: Context, record: Record, op: Op, x: Value) -> None:
    (tensor,) = ctx.real(op, (x.tensor,), record.outputs[0])
    ctx.values[record.outputs[0]] = ctx.kept(x, tensor)


def binary(op: Op) -> Converter:
    def convert(ctx: Context, record: Record) -> None:
        a, b = record.inputs
        made = combined(ctx, op, a, b, record.outputs[0])
        if record.outputs[0] not in ctx.constants:
            ctx.values[record.outputs[0]] = made

    return convert


def variadic(op: Op) -> Converter:
    """Min, Max, Sum: of any number of inputs, two at a time."""

    def convert(ctx: Context, record: Record) -> None:
        value = ctx.value(record.inputs[0])
        name = record.inputs[0]
        for k, other in enumerate(record.inputs[1:]):
            last = k == len(record.inputs) - 2
            out = record.outputs[0] if last else f"{record.outputs[0]}_{k}"
            value = combined(ctx, op, name, other, out)
            name = out
            ctx.values[out] = value
        ctx.values[record.outputs[0]] = value

    return convert


def combined(ctx: Context, op: Op, a: str, b: str, output: str) -> Value:
    """op(a, b) of the file's names. One of them gives the layout: the larger; the other follows it."""
    known = without_effect(ctx, op, a, b, output)
    if known is not None:
        return known
    main, other = (a, b) if b in ctx.constants else (b, a)
    if main not in ctx.constants and other not in ctx.constants:
        main, other = (a, b) if _spans(ctx.shape(a), ctx.shape(b)) else (b, a)
    value = ctx.value(main)
    tensor = None
    if len(ctx.shape(other)) <= len(value.axes) and _spans(value.shape, ctx.shape(other)):
        if other in ctx.constants:
            tensor = ctx.constant_like(other, value)
        else:
            tensor = ctx.like(ctx.value(other), value)
    if tensor is not None:
        inputs = (value.tensor, tensor) if main == a else (tensor, value.tensor)
        (made,) = ctx.real(op, inputs, output)
        return ctx.kept(value, made)
    (made,) = ctx.real(op, (ctx.laid(ctx.value(a)), ctx.laid(ctx.value(b))), output)
    return plain(made, ctx.tensors[made].shape)


def without_effect(ctx: Context, op: Op, a: str, b: str, output: str) -> Value | None:
    """x + 0, x - 0, x * 1 and x / 1 are x; 0 times what lies between bounds is 0, a constant."""
    if b not in ctx.constants and type(op) in (Add, Mul):
        a, b = b, a
    if b not in ctx.constants or a in ctx.constants or not _spans(ctx.shape(a), ctx.shape(b)):
        return None
    number, value = ctx.constants[b], ctx.values[a]
    if ctx.tensors[value.tensor].dtype != f32 or number.dtype.kind != "f":
        return None
    if (type(op) in (Add, Sub) and not number.any()) or (type(op) in (Mul, Div) and (number == 1).all()):
        return value
    maker = next((n for n in ctx.nodes if value.tensor in n.outputs), None)
    if type(op) is Mul and not number.any() and maker is not None and maker.op.kind in BOUNDED:
        ctx.constants[output] = np.zeros(ctx.shape(a), np.float32)
        return plain(ctx.constant(output, ctx.constants[output]), ctx.shape(a))
    return None


BOUNDED = ("logistic", "tanh", "softmax")


def _spans(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether ``other`` broadcasts to ``shape``."""
    return len(other) <= len(shape) and all(n in (1, m) for n, m in zip(other[::-1], shape[::-1], strict=False))


# ------------------------------------------------------------------------------------------------------- activations


def clip(ctx: Context, record: Record) -> None:
    """A clamp by one of the ranges that layers can fuse, or by a maximum and a minimum."""
    a = record.attributes
    low = ctx.known(record, 1, "the lower bound") if len(record.inputs) > 1 else None
    high = ctx.known(record, 2, "the upper bound") if len(record.inputs) > 2 else None
    lo = float(low.reshape(())) if low is not None else float(a.get("min", -math.inf))
    hi = float(high.reshape(())) if high is not None else float(a.get("max", math.inf))
    if math.isnan(lo) or math.isnan(hi):
        raise ModelError("the bounds must not be NaN")
    clamped(ctx, ctx.value(record.inputs[0]), lo, hi, record.outputs[0])


def clamped(ctx: Context, x: Value, lo: float, hi: float, output: str) -> None:
    largest = float(np.finfo(np.float32).max)
    name = {(0.0, 6.0): "relu6", (-1.0, 1.0): "relu_n1_to_1"}.get(
        (lo, hi), "relu" if lo == 0.0 and hi >= largest else ""
    )
    if ctx.tensors[x.tensor].dtype.is_integer and ctx.tensors[x.tensor].quant is None:
        name = ""
    if name:
        (tensor,) = ctx.real(Relu(name), (x.tensor,), output)
    else:
        tensor = x.tensor
        for op, bound, free in ((Maximum(), lo, lo <= -largest), (Minimum(), hi, hi >= largest)):
            if not free:
                (tensor,) = ctx.real(op, (tensor, _number(ctx, tensor, bound, output)), output)
    ctx.values[output] = ctx.kept(x, tensor)


def _number(ctx: Context, tensor: str, value: float, output: str) -> str:
    """A constant that meets a tensor in an operator: of its type, and of its scale where it has one."""
    t = ctx.tensors[tensor]
    shape = (1,) * len(t.shape)
    if t.quant is not None:
        q = np.clip(np.rint(value / t.quant.scale) + t.quant.zero_point, t.dtype.min, t.dtype.max)
        return ctx.quantized_constant(f"{output}_bound", np.full(shape, q).astype(t.dtype.np), t.quant)
    held = np.clip(value, t.dtype.min, t.dtype.max) if t.dtype.is_integer else value
    return ctx.constant(f"{output}_bound", np.full(shape, held).astype(t.dtype.np))


def hard_sigmoid(ctx: Context, record: Record) -> None:
    """max(0, min(1, alpha * x + beta)); times x, with alpha 1/6 and beta 1/2, it is a hard swish."""
    x = ctx.value(record.inputs[0])
    alpha, beta = record.attributes.get("alpha", 0.2), record.attributes.get("beta", 0.5)
    out = record.outputs[0]
    reader = ctx.sole_reader(out)
    if (
        reader is not None
        and reader.kind == "Mul"
        and set(reader.inputs) == {record.inputs[0], out}
        and abs(alpha - 1 / 6) < 1e-6
        and beta == 0.5
    ):
        (tensor,) = ctx.real(HardSwish(), (x.tensor,), reader.outputs[0])
        ctx.take([reader])
        ctx.values[reader.outputs[0]] = ctx.kept(x, tensor)
        return
    tensor = ctx.floats(x.tensor)
    one = (1,) * len(x.stored)
    for op, number in ((Mul(), alpha), (Add(), beta), (Maximum(), 0.0), (Minimum(), 1.0)):
        (tensor,) = ctx.apply(op, (tensor, ctx.constant(f"{out}_{op.kind}", np.full(one, number, np.float32))), out)
    ctx.values[out] = ctx.kept(x, tensor)


def gelu(ctx: Context, record: Record) -> None:
    unary(Gelu(record.attributes.get("approximate", "none") == "tanh"))(ctx, record)


def erf(ctx: Context, record: Record) -> None:
    """Also as a part of the GELU that exporters spell out: x / sqrt 2 -> Erf -> + 1 -> times x -> times 1/2, the factors in
    any order."""
    inside = next((n for n in ctx.model.nodes if record.inputs[0] in n.outputs), None)
    found = _gelu_around(ctx, record, inside)
    if found is None:
        unary(Erf())(ctx, record)
        return
    x, done, output = found
    value = ctx.value(x)
    (tensor,) = ctx.real(Gelu(False), (value.tensor,), output)
    ctx.take(done)
    ctx.values[output] = ctx.kept(value, tensor)


def _gelu_around(ctx: Context, record: Record, inside: Record | None) -> tuple[str, list[Record], str] | None:
    """(x, the nodes after Erf that belong to it, the name of the result)."""
    if inside is None or inside.kind not in ("Div", "Mul"):
        return None
    x = next((n for n in inside.inputs if n not in ctx.constants), "")
    root = math.sqrt(2) if inside.kind == "Div" else math.sqrt(0.5)
    if (
        not x
        or inside.inputs[0 if inside.kind == "Div" else inside.inputs.index(x)] != x
        or not _is(ctx, inside, x, root)
    ):
        return None
    name, done, half, times_x = record.outputs[0], [], False, False
    node = ctx.sole_reader(name)
    if node is None or node.kind != "Add" or not _is(ctx, node, name, 1.0):
        return None
    done.append(node)
    name = node.outputs[0]
    while not (half and times_x):
        node = ctx.sole_reader(name)
        if node is None or node.kind != "Mul":
            return None
        other = next((n for n in node.inputs if n != name), name)
        before = next((n for n in ctx.model.nodes if other in n.outputs), None)
        if other == x and not times_x:
            times_x = True
        elif _is(ctx, node, name, 0.5) and not half:
            half = True
        elif (
            before is not None
            and before.kind == "Mul"
            and x in before.inputs
            and _is(ctx, before, x, 0.5)
            and not half
            and not times_x
        ):
            half = times_x = True
        else:
            return None
        done.append(node)
        name = node.outputs[0]
    return x, done, name


def _is(ctx: Context, node: Record, name: str, number: float) -> bool:
    """Whether the node's other input is this number."""
    other = ctx.constants.get(next((n for n in node.inputs if n != name), ""))
    return other is not None and other.size == 1 and bool(abs(float(other.reshape(())) - number) < 1e-5)


def prelu(ctx: Context, record: Record) -> None:
    slope = ctx.known(record, 1, "the slope")
    x = ctx.value(record.inputs[0])
    if slope is not None and slope.size == 1:
        _put(ctx, record, LeakyRelu(float(slope.reshape(()))), x)
        return
    laid = ctx.constant_like(record.inputs[1], x)
    if laid is None:
        raise ModelError("the slope must broadcast to the input")
    (tensor,) = ctx.real(Prelu(), (x.tensor, laid), record.outputs[0])
    ctx.values[record.outputs[0]] = ctx.kept(x, tensor)


MAX_POWER = 16


def power(ctx: Context, record: Record) -> None:
    """Whole powers as products, roots as roots; others as e^(exponent * ln x), of positive x."""
    exponent = ctx.constants.get(record.inputs[1])
    shape = ctx.shape(record.inputs[0])
    number = float(exponent.reshape(())) if exponent is not None and exponent.size == 1 else math.nan
    size = abs(number)
    wide = exponent is not None and exponent.ndim > len(shape)
    if not size <= MAX_POWER or wide or record.inputs[0] in ctx.constants:
        b = Body(ctx, record)
        b.end(general_power(b, record))
        return
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    if size == 0.5:
        (tensor,) = ctx.real(Sqrt(), (x.tensor,), out)
    elif size == int(size) and size > 0:
        tensor = x.tensor
        for bit in f"{int(size):b}"[1:]:
            (tensor,) = ctx.real(Mul(), (tensor, tensor), out)
            if bit == "1":
                (tensor,) = ctx.real(Mul(), (tensor, x.tensor), out)
    else:
        (tensor,) = ctx.apply(Log(), (ctx.floats(x.tensor),), out)
        exponents = ctx.constant(f"{out}_exponent", np.full((1,) * len(x.stored), size, np.float32))
        (tensor,) = ctx.apply(Mul(), (tensor, exponents), out)
        (tensor,) = ctx.apply(Exp(), (tensor,), out)
    if number < 0:
        one = ctx.constant("one", np.ones((1,) * len(x.stored), np.float32))
        (tensor,) = ctx.real(Div(), (one, tensor), out)
    ctx.values[out] = ctx.kept(x, tensor)


def general_power(b: Body, record: Record) -> str:
    """e^(y ln |x|), of y's sign rules for negative x: negative for odd whole y, NaN where y is not whole; 1 where y is 0."""
    names = [b.ctx.value(n).tensor for n in record.inputs]
    if any(b.ctx.is_whole(n) for n in names[:1]):
        raise ModelError("a power of whole numbers must have a small constant exponent")
    x, y = record.inputs[0], b.of("Cast", record.inputs[1], to=1)
    size = b.of("Exp", b.of("Mul", y, b.of("Log", b.of("Abs", x))))
    whole = b.of("Equal", b.of("Floor", y), y)
    half = b.of("Mul", y, 0.5)
    odd = b.of("And", whole, b.of("Not", b.of("Equal", b.of("Floor", half), half)))
    signed = b.of("Where", odd, b.of("Neg", size), size)
    nothing = b.of("Log", b.of("Where", b.of("Less", x, 0.0), x, 1.0))  # NaN where x is below 0
    below = b.of("Where", whole, signed, b.of("Add", size, nothing))
    y_is_zero = b.of("Equal", y, 0.0)
    return b.of("Where", y_is_zero, 1.0, b.of("Where", b.of("Less", x, 0.0), below, size))


def reciprocal(ctx: Context, record: Record) -> None:
    x = ctx.value(record.inputs[0])
    one = ctx.constant("one", np.ones((1,) * len(x.stored), np.float32))
    (tensor,) = ctx.real(Div(), (one, x.tensor), record.outputs[0])
    ctx.values[record.outputs[0]] = ctx.kept(x, tensor)


def batch_normalization(ctx: Context, record: Record) -> None:
    """One that no layer could take: a multiplication and an addition a channel."""
    found = normalization(ctx, record)
    if found is None:
        raise ModelError("the numbers of a batch normalization must be constant")
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    along = (1, -1, *(1,) * (len(x.shape) - 2))
    for op, numbers in ((Mul(), found.scale), (Add(), found.shift)):
        name = f"{out}_{op.kind}"
        ctx.constants[name] = numbers.reshape(along).astype(np.float32)
        laid = ctx.constant_like(name, x)
        if laid is None:
            raise ModelError(f"there must be a number for each of {x.shape[1]} channels, not {numbers.size}")
        (tensor,) = ctx.apply(op, (ctx.floats(x.tensor), laid), out)
        x = ctx.kept(x, tensor)
    ctx.values[out] = x


def cast(ctx: Context, record: Record) -> None:
    """Between number types; to a wider or narrower float it is nothing."""
    to = {
        1: "float32",
        2: "uint8",
        3: "int8",
        5: "int16",
        6: "int32",
        7: "int64",
        9: "bool",
        10: "float32",
        11: "float32",
    }.get(record.attributes["to"])
    x = ctx.value(record.inputs[0])
    if to is None:
        raise ModelError(f"a cast to ONNX's type {record.attributes['to']} can't be compiled")
    dtype = from_numpy(np.dtype(to))
    if dtype == f32 and ctx.is_real(x.tensor):
        ctx.values[record.outputs[0]] = x
        return
    (tensor,) = ctx.apply(Cast(dtype), (ctx.floats(x.tensor),), record.outputs[0])
    ctx.values[record.outputs[0]] = ctx.kept(x, tensor)


def nothing(ctx: Context, record: Record) -> None:
    ctx.values[record.outputs[0]] = ctx.value(record.inputs[0])


def dropout(ctx: Context, record: Record) -> None:
    """Nothing, once a model is trained: all elements are kept, as the mask says."""
    record.input(1)  # how many are dropped in training
    training = ctx.known(record, 2, "the training mode")
    if training is not None and training.any():
        raise ModelError("it must not be in training mode", hint="export the model after model.eval()")
    nothing(ctx, record)
    if len(record.outputs) > 1 and record.outputs[1]:
        ctx.constants[record.outputs[1]] = np.ones(ctx.shape(record.inputs[0]), bool)


def leaky_relu(ctx: Context, record: Record) -> None:
    unary(LeakyRelu(float(record.attributes.get("alpha", 0.01))))(ctx, record)


CONVERTERS: dict[str, Any] = {
    "Add": binary(Add(open=True)), "Sub": binary(Sub(open=True)), "Mul": binary(Mul(open=True)), "Div": binary(Div(open=True)),
    "Min": variadic(Minimum()), "Max": variadic(Maximum()), "Sum": variadic(Add(open=True)),
    "Relu": unary(Relu("relu")), "Sigmoid": unary(Logistic()), "Tanh": unary(Tanh()), "HardSwish": unary(HardSwish()),
    "Sqrt": unary(Sqrt()), "Exp": unary(Exp()), "Log": unary(Log()), "Abs": unary(Abs()), "Neg": unary(Neg()),
    "Floor": unary(Floor()), "Ceil": unary(Ceil()), "Round": unary(Round()), "Sin": unary(Sin()), "Cos": unary(Cos()),
    "LeakyRelu": leaky_relu, "PRelu": prelu, "Clip": clip, "HardSigmoid": hard_sigmoid, "Gelu": gelu, "Erf": erf,
    "Pow": power, "Reciprocal": reciprocal, "BatchNormalization": batch_normalization, "Cast": cast,
    "Identity": nothing, "Dropout": dropout,
}  # fmt: skip
