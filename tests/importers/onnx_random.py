"""Random ONNX graphs of a few operators, and whether skosh and onnxruntime agree about one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

import skosh
from skosh.base.errors import SkoshError
from skosh.ir.graph import Array
from tests.importers.onnx_models import model, node, reference, runtime

RIGHT, WRONG, REFUSED, BROKEN, VOID = "right", "wrong", "refused", "broken", "not for onnxruntime"


class Maker:
    """Grows a graph node by node; ``shapes``: of float values so far, that more can be made of."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        rank = int(self.rng.integers(2, 5))
        self.inputs = {"x": tuple(int(n) for n in self.rng.integers(1, 6, rank))}
        self.shapes: dict[str, tuple[int, ...]] = dict(self.inputs)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def name(self) -> str:
        return f"v{len(self.nodes)}"

    def constant(self, data: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = data
        return name

    def numbers(self, *shape: int) -> str:
        return self.constant(self.rng.normal(size=shape).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def put(self, kind: str, inputs: str, **attributes: Any) -> str:
        out = self.name()
        self.nodes.append(node(kind, inputs, out, **attributes))
        return out


Step = Callable[[Maker, str, tuple[int, ...]], None]


UNARY = [
    "Relu",
    "Sigmoid",
    "Tanh",
    "Abs",
    "Neg",
    "Softplus",
    "Softsign",
    "Elu",
    "Selu",
    "Erf",
    "Floor",
    "Ceil",
    "Round",
    "Sin",
    "Cos",
    "Atan",
    "Sign",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Celu",
    "Mish",
    "Gelu",
    "Asinh",
]
SPATIAL = [
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "InstanceNormalization",
    "BatchNormalization",
    "Resize",
    "LRN",
    "depthwise",
]


def unary(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    m.put(m.pick(*UNARY), x)


def binary(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    kind = m.pick("Add", "Sub", "Mul", "Max", "Min")
    alike = [n for n, s in m.shapes.items() if s == shape]
    kept = tuple(n if m.rng.random() < 0.6 else 1 for n in shape)
    other = m.pick(*alike) if m.rng.random() < 0.5 else m.numbers(*kept[int(m.rng.integers(len(kept))) :])
    m.put(kind, f"{x} {other}" if m.rng.random() < 0.5 else f"{other} {x}")


def turn(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    m.put("Transpose", x, perm=[int(p) for p in m.rng.permutation(len(shape))])


def reshape(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    total = int(np.prod(shape))
    first = m.pick(*[n for n in range(1, total + 1) if total % n == 0])
    m.put("Reshape", f"{x} {m.ints(first, -1)}")


def reduce(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    kind = m.pick("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd",
                  "ReduceLogSumExp")  # fmt: skip
    axes = sorted({int(a) for a in m.rng.integers(0, len(shape), 2)})
    m.put(kind, f"{x} {m.ints(*axes)}", keepdims=1)


def slicing(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    axis = int(m.rng.integers(len(shape)))
    step = m.pick(1, 1, 2, -1)
    ends = (0, 1 << 40) if step > 0 else (-1, -(1 << 40))
    m.put("Slice", f"{x} {m.ints(ends[0])} {m.ints(ends[1])} {m.ints(axis)} {m.ints(step)}")


def gather(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    axis = int(m.rng.integers(len(shape)))
    places = m.rng.integers(-shape[axis], shape[axis], int(m.rng.integers(1, 5)))
    m.put("Gather", f"{x} {m.constant(places)}", axis=axis)


def concat(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    alike = [n for n, s in m.shapes.items() if s == shape]
    m.put("Concat", f"{x} {m.pick(*alike)}", axis=int(m.rng.integers(-len(shape), len(shape))))


def softmax(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    m.put(m.pick("Softmax", "LogSoftmax", "Hardmax"), x, axis=int(m.rng.integers(-len(shape), len(shape))))


def dense(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    m.put("MatMul", f"{x} {m.numbers(shape[-1], int(m.rng.integers(1, 6)))}")


def square(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    """A product with itself turned."""
    back = list(range(len(shape)))
    back[-1], back[-2] = back[-2], back[-1]
    m.put("MatMul", f"{x} {m.put('Transpose', x, perm=back)}")


def image(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    """Something over axes of space."""
    if len(shape) not in (3, 4):
        unary(m, x, shape)
        return
    space = len(shape) - 2
    kind = m.pick(*SPATIAL)
    window = [int(min(n, m.pick(1, 2, 3))) for n in shape[2:]]
    pads = [int(m.rng.integers(0, k)) for k in window] * 2
    c = shape[1]
    if kind == "Conv":
        m.put(kind, f"{x} {m.numbers(m.pick(1, 3), c, *window)} ", pads=pads, strides=[m.pick(1, 2)] * space)
    elif kind == "depthwise":
        m.put("Conv", f"{x} {m.numbers(c, 1, *window)} {m.numbers(c)}", group=c, pads=pads)
    elif kind == "ConvTranspose":
        m.put(kind, f"{x} {m.numbers(c, m.pick(1, 3), *window)}", strides=[m.pick(1, 2)] * space)
    elif kind in ("MaxPool", "AveragePool"):
        more = {"count_include_pad": m.pick(0, 1)} if kind == "AveragePool" else {}
        m.put(kind, x, kernel_shape=window, pads=pads, **more)
    elif kind == "InstanceNormalization":
        m.put(kind, f"{x} {m.numbers(c)} {m.numbers(c)}")
    elif kind == "BatchNormalization":
        variance = m.constant(np.abs(m.rng.normal(size=c)).astype(np.float32) + 0.5)
        m.put(kind, f"{x} {m.numbers(c)} {m.numbers(c)} {m.numbers(c)} {variance}")
    elif kind == "Resize":
        scales = m.constant(np.array([1, 1, *[m.pick(0.5, 2.0, 1.5)] * space], np.float32))
        mode = m.pick("nearest", "linear", "cubic") if space == 2 else m.pick("nearest", "linear")
        if all(n * 0.5 >= 1 for n in shape[2:]):
            m.put(kind, f"{x} _ {scales}", mode=mode, coordinate_transformation_mode=m.pick("half_pixel", "asymmetric"))
        else:
            m.put("Relu", x)
    elif kind == "LRN":
        m.put(kind, x, size=m.pick(1, 3))
    else:
        m.put(kind, x)


def choose(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    alike = [n for n, s in m.shapes.items() if s == shape]
    condition = m.put(m.pick("Less", "GreaterOrEqual", "Equal"), f"{x} {m.numbers(1)}")
    m.put("Where", f"{condition} {x} {m.pick(*alike)}")


def ordering(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    axis = int(m.rng.integers(len(shape)))
    kind = m.pick("TopK", "CumSum", "ArgMax", "OneHot")
    if kind == "TopK":
        out = m.name()
        m.nodes.append(node("TopK", f"{x} {m.ints(int(m.rng.integers(1, shape[axis] + 1)))}", f"{out} {out}i", axis=axis,
                            largest=m.pick(0, 1)))  # fmt: skip
    elif kind == "CumSum":
        m.put(kind, f"{x} {m.constant(np.int64(axis))}", exclusive=m.pick(0, 1), reverse=m.pick(0, 1))
    else:
        index = m.put("ArgMax", x, axis=axis, keepdims=m.pick(0, 1), select_last_index=m.pick(0, 1))
        m.put("Cast", index, to=1)


def pad(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    before, after = (m.rng.integers(0, 2, len(shape)) for _ in range(2))
    mode = m.pick("constant", "edge", "reflect") if min(shape) > 1 else "constant"
    m.put("Pad", f"{x} {m.ints(*before, *after)} {m.constant(np.float32(m.pick(0.0, 1.5)))}", mode=mode)


def scatter(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    axis = int(m.rng.integers(len(shape)))
    places = m.rng.integers(-shape[axis], shape[axis], shape)
    if m.rng.random() < 0.5:
        m.put("GatherElements", f"{x} {m.constant(places)}", axis=axis)
    else:
        m.put(
            "ScatterElements",
            f"{x} {m.constant(places)} {m.numbers(*shape)}",
            axis=axis,
            reduction=m.pick("add", "max"),
        )


def layer(m: Maker, x: str, shape: tuple[int, ...]) -> None:
    m.put("LayerNormalization", f"{x} {m.numbers(shape[-1])} {m.numbers(shape[-1])}", axis=-1)


STEPS: tuple[Step, ...] = (unary, unary, binary, binary, turn, reshape, reduce, slicing, gather, concat, softmax, dense, square,
                           image, image, image, choose, ordering, pad, scatter, layer)  # fmt: skip


def graph(seed: int) -> tuple[Any, Array]:
    """(a model of 2 to 7 operators, its input)."""
    m = Maker(seed)
    for _ in range(int(m.rng.integers(2, 8))):
        name = m.pick(*m.shapes)
        m.pick(*STEPS)(m, name, m.shapes[name])
        try:
            inferred = onnx.shape_inference.infer_shapes(
                proto(m, [m.nodes[-1].output[0]]), strict_mode=True, data_prop=True
            )
        except onnx.shape_inference.InferenceError:
            m.nodes.pop()
            continue
        for value in (*inferred.graph.value_info, *inferred.graph.output):
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            if value.type.tensor_type.elem_type == 1 and len(dims) >= 2 and all(dims) and np.prod(dims) <= 2000:
                m.shapes[value.name] = tuple(dims)
    last = m.nodes[-1].output[0] if m.nodes else "x"
    return proto(m, [last]), m.rng.normal(size=m.inputs["x"]).astype(np.float32)


def proto(m: Maker, outputs: list[str]) -> Any:
    made = model(m.nodes, m.inputs, m.constants, outputs, opset=21)
    for port in made.graph.output:
        kind = next((n.op_type for n in m.nodes if port.name in n.output), "")
        port.type.tensor_type.elem_type = (
            7 if kind == "ArgMax" else 9 if kind in ("Less", "GreaterOrEqual", "Equal") else 1
        )
    return made


def tried(seed: int) -> tuple[str, str]:
    """(verdict, why)."""
    made, x = graph(seed)
    try:
        (want,) = runtime(made, [x])
    except Exception as error:  # whatever onnxruntime makes of it
        return VOID, str(error).splitlines()[0][:200]
    kinds = [n.op_type for n in made.graph.node]
    try:
        loaded = skosh.load(made)
        (got,) = reference(loaded, [x])
    except SkoshError as error:
        return REFUSED, str(error)[:300]
    except Exception as error:  # ours, whatever it is
        return BROKEN, f"{type(error).__name__}: {error} in {kinds}"
    if got.shape != want.shape:
        return WRONG, f"shape {got.shape}, not {want.shape} in {kinds}"
    a, b = got.astype(np.float64), want.astype(np.float64)
    size = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
    if np.allclose(a, b, rtol=2e-4, atol=2e-5 * size, equal_nan=True):
        return RIGHT, ""
    return WRONG, f"{np.nanmax(np.abs(a - b))} apart of {size} in {kinds}"
