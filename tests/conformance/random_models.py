"""Random int8 models in TFLite form: layers that branch, meet again, and are looked at on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.ops.layers import ACTIVATIONS
from tests.support.tflite_writer import OperatorSpec, SubgraphSpec, TensorSpec, model_bytes

Array = npt.NDArray[Any]
Generator = np.random.Generator
FIXED = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "SOFTMAX": (1 / 256, -128)}


@dataclass
class Sketch:
    """A model on its way. images: tensors that hold [batch, height, width, channels]."""

    rng: Generator
    tensors: list[TensorSpec] = field(default_factory=list)
    operators: list[OperatorSpec] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    # -------------------------------------------------------------------------------------------------------- pieces

    def add(self, shape: Sequence[int], dtype: str = "int8", like: int | None = None, **more: Any) -> int:
        """A new tensor, with the quantization of tensor ``like`` or a random one."""
        scale, zero = (
            float(self.rng.uniform(0.02, 0.1)),
            int(self.rng.choice([-128, 127, 0, int(self.rng.integers(-128, 128))])),
        )
        if like is not None:
            scale, zero = self.tensors[like].scales, self.tensors[like].zero_points  # type: ignore[assignment]
        if dtype != "int8":
            scale, zero = (), ()  # type: ignore[assignment]
        spec = TensorSpec(f"t{len(self.tensors)}", tuple(int(n) for n in shape), dtype, scale, zero)
        self.tensors.append(replace(spec, **more))
        return len(self.tensors) - 1

    def constant(self, values: Any, dtype: str = "int32", **more: Any) -> int:
        data = np.asarray(values, dtype)
        return self.add(data.shape, dtype, data=data, **more)

    def node(self, code: str, inputs: Sequence[int], output: int, **options: Any) -> int:
        pool = "Pool2DOptions" if "POOL" in code else None
        self.operators.append(OperatorSpec(code, list(inputs), [output], options, options_class=pool))
        return output

    def shape(self, t: int) -> tuple[int, ...]:
        return self.tensors[t].shape

    def pick(self) -> int:
        """An image, the later the likelier."""
        return self.images[-1 - min(int(self.rng.geometric(0.6)) - 1, len(self.images) - 1)]

    def activation(self) -> str:
        return str(self.rng.choice(ACTIVATIONS))

    def requantized(self, x: int, like: int) -> int:
        """x in the scale and zero point of another tensor."""
        a, b = self.tensors[x], self.tensors[like]
        if (a.scales, a.zero_points) == (b.scales, b.zero_points):
            return x
        return self.node("QUANTIZE", [x], self.add(self.shape(x), like=like))

    def filters(self, shape: tuple[int, ...], axis: int) -> int:
        """Weights; some filters are all zeros, so that their channels are constant."""
        data = self.rng.integers(-127, 128, shape)
        dead = self.rng.random(shape[axis]) < self.rng.choice([0, 0, 0.3, 1], p=[0.4, 0.3, 0.25, 0.05])
        index: list[Any] = [slice(None)] * len(shape)
        index[axis] = dead
        data[tuple(index)] = 0
        scales = self.rng.uniform(0.001, 0.01, shape[axis] if self.rng.random() < 0.7 else 1).astype(np.float32)
        return self.constant(data, "int8", scales=scales, zero_points=0, axis=axis)

    def bias(self, count: int) -> int:
        return self.constant(self.rng.integers(-3000, 3000, count), scales=1e-4, zero_points=0)

    # -------------------------------------------------------------------------------------------------------- layers

    def window(self, h: int, w: int, kernel: Array, stride: Array) -> tuple[str, Array]:
        """(padding, output size); SAME where the window doesn't fit."""
        size = np.array([h, w])
        if self.rng.random() < 0.5 or (size < kernel).any():
            return "SAME", -(-size // stride)
        return "VALID", (size - kernel) // stride + 1

    def conv(self, kernel_size: int | None = None) -> int:
        x = self.pick()
        b, h, w, c = self.shape(x)
        kernel = self.rng.integers(1, 4, 2) if kernel_size is None else np.full(2, kernel_size)
        stride = self.rng.integers(1, 3, 2)
        padding, out = self.window(h, w, kernel, stride)
        f = int(self.rng.integers(1, 9))
        y = self.add((b, *out, f))
        return self.node("CONV_2D", [x, self.filters((f, *map(int, kernel), c), 0), self.bias(f)], y,
                         padding=padding, stride_h=int(stride[0]), stride_w=int(stride[1]),
                         fused_activation_function=self.activation())  # fmt: skip

    def pointwise(self) -> int:
        return self.conv(1)

    def depthwise(self) -> int:
        x = self.pick()
        b, h, w, c = self.shape(x)
        kernel, stride, m = (
            self.rng.integers(1, 4, 2),
            self.rng.integers(1, 3, 2),
            int(self.rng.choice([1, 1, 1, 2, 3])),
        )
        padding, out = self.window(h, w, kernel, stride)
        y = self.add((b, *out, c * m))
        return self.node("DEPTHWISE_CONV_2D", [x, self.filters((1, *map(int, kernel), c * m), 3), self.bias(c * m)], y,
                         padding=padding, stride_h=int(stride[0]), stride_w=int(stride[1]), depth_multiplier=m,
                         fused_activation_function=self.activation())  # fmt: skip

    def pool(self) -> int:
        x = self.pick()
        b, h, w, c = self.shape(x)
        kernel, stride = self.rng.integers(1, 4, 2), self.rng.integers(1, 3, 2)
        padding, out = self.window(h, w, kernel, stride)
        code = str(self.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        return self.node(code, [x], self.add((b, *out, c), like=x), padding=padding, stride_h=int(stride[0]),
                         stride_w=int(stride[1]), filter_height=int(kernel[0]), filter_width=int(kernel[1]),
                         fused_activation_function=self.activation())  # fmt: skip

    def residual(self) -> int:
        """The sum or product of two images, or of one and a constant or a channel's numbers."""
        x = self.pick()
        alike = [t for t in self.images if self.shape(t) == self.shape(x)]
        y = int(self.rng.choice(alike))
        if self.rng.random() < 0.3:
            shape = self.shape(x)[-1:] if self.rng.random() < 0.5 else (1,)
            y = self.add(shape, data=self.rng.integers(-128, 128, shape))
        code = str(self.rng.choice(["ADD", "ADD", "MUL", "SUB"]))
        return self.node(code, [x, y], self.add(self.shape(x)), fused_activation_function=self.activation())

    def pad(self) -> int:
        x = self.pick()
        pads = [[0, 0], *self.rng.integers(0, 3, (2, 2)).tolist(), [0, 0]]
        out = [n + sum(p) for n, p in zip(self.shape(x), pads, strict=True)]
        return self.node("PAD", [x, self.constant(pads)], self.add(out, like=x))

    def concat(self) -> int:
        x = self.pick()
        near = [t for t in self.images if self.shape(t)[:3] == self.shape(x)[:3]]
        parts = [x, *(self.requantized(int(t), x) for t in self.rng.choice(near, int(self.rng.integers(1, 3))))]
        y = self.add((*self.shape(x)[:3], sum(self.shape(t)[3] for t in parts)), like=x)
        return self.node("CONCATENATION", parts, y, axis=3)

    def reshape(self) -> int:
        x = self.pick()
        b, h, w, c = self.shape(x)
        out = [(b, w, h, c), (b, 1, h * w, c), (b, h, 1, w * c)][int(self.rng.integers(0, 3))]
        return self.node("RESHAPE", [x, self.constant(out)], self.add(out, like=x), new_shape=list(out))

    def function(self) -> int:
        """An activation of its own; most become tables."""
        x = self.pick()
        code = str(self.rng.choice(["RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "SOFTMAX"]))
        y = self.add(self.shape(x))
        if code in FIXED:
            scale, zero = FIXED[code]
            self.tensors[y] = replace(self.tensors[y], scales=scale, zero_points=zero)
        options = {"LEAKY_RELU": {"alpha": 0.3}, "SOFTMAX": {"beta": 1.0}}.get(code, {})
        return self.node(code, [x], y, **options)

    def dense(self) -> int:
        """Flattened, one matrix, and back to an image of one pixel."""
        x = self.pick()
        b, *rest = self.shape(x)
        depth, units = int(np.prod(rest)), int(self.rng.integers(1, 17))
        flat = self.node("RESHAPE", [x, self.constant((b, depth))], self.add((b, depth), like=x), new_shape=[b, depth])
        y = self.node("FULLY_CONNECTED", [flat, self.filters((units, depth), 0), self.bias(units)], self.add((b, units)),
                      fused_activation_function=self.activation())  # fmt: skip
        shape = [b, 1, 1, units]
        return self.node("RESHAPE", [y, self.constant(shape)], self.add(shape, like=y), new_shape=shape)

    def finish(self) -> bytes:
        return model_bytes(self.tensors, self.operators, self.inputs, self.outputs)


LAYERS: tuple[Callable[[Sketch], int], ...] = (
    Sketch.conv, Sketch.conv, Sketch.pointwise, Sketch.depthwise, Sketch.depthwise, Sketch.pool, Sketch.residual,
    Sketch.residual, Sketch.pad, Sketch.concat, Sketch.reshape, Sketch.function, Sketch.function, Sketch.dense,
)  # fmt: skip


def random_model(seed: int) -> bytes:
    """One or two inputs, up to ten layers, one to three outputs: any tensors, now and then one that is a view of an input."""
    s = Sketch(np.random.default_rng(seed))
    rng = s.rng
    batch, shape = int(rng.choice([1, 1, 2])), [int(n) for n in rng.integers(1, 8, 3)]
    for _ in range(int(rng.choice([1, 1, 2]))):
        s.inputs.append(s.add((batch, *shape)))
    s.images += s.inputs
    for _ in range(int(rng.integers(1, 11))):
        s.images.append(LAYERS[int(rng.integers(0, len(LAYERS)))](s))
    inner = [t for t in s.images if t not in s.inputs]
    s.outputs = list(dict.fromkeys([inner[-1], *map(int, rng.choice(inner, int(rng.integers(0, 3))))]))
    if rng.random() < 0.2:
        flat = (batch, int(np.prod(shape)))
        s.outputs.append(
            s.node("RESHAPE", [s.inputs[0], s.constant(flat)], s.add(flat, like=s.inputs[0]), new_shape=list(flat))
        )
    return s.finish()


def ring_buffer_model(seed: int) -> bytes:
    """A stream: the newest row enters a window of rows, the oldest leaves, and layers look at the whole window.

    window = concat(state[1:], x); state = window; y = dense(relu(window))
    """
    s = Sketch(np.random.default_rng(seed))
    rows, depth, units = (int(n) for n in s.rng.integers(2, 7, 3))
    x = s.add((1, depth))
    handle = s.add((), "resource")
    old = s.add((rows, depth), like=x)
    s.inputs = [x]
    s.operators.append(OperatorSpec("VAR_HANDLE", [], [handle], {"shared_name": "window"}))
    s.node("READ_VARIABLE", [handle], old)
    pieces = [s.constant([1, 0]), s.constant([rows - 1, depth])]
    kept = s.node("SLICE", [old, *pieces], s.add((rows - 1, depth), like=x))
    window = s.node("CONCATENATION", [kept, x], s.add((rows, depth), like=x), axis=0)
    s.operators.append(OperatorSpec("ASSIGN_VARIABLE", [handle, window], []))
    flat = s.node(
        "RESHAPE",
        [window, s.constant([1, rows * depth])],
        s.add((1, rows * depth), like=x),
        new_shape=[1, rows * depth],
    )
    y = s.node("FULLY_CONNECTED", [flat, s.filters((units, rows * depth), 0), s.bias(units)], s.add((1, units)))
    s.outputs = [y, window] if seed % 2 else [y]
    if seed % 3:
        return s.finish()
    start = s.rng.integers(-128, 128, (rows, depth))
    spec = replace(s.tensors[old], name="first", data=start)
    body = SubgraphSpec([TensorSpec("handle", (), "resource"), spec],
                        [OperatorSpec("VAR_HANDLE", [], [0], {"shared_name": "window"}),
                         OperatorSpec("ASSIGN_VARIABLE", [0, 1], [])], [], [], "init")  # fmt: skip
    s.operators.insert(0, OperatorSpec("CALL_ONCE", [], [], {"init_subgraph_index": 1}))
    return model_bytes(s.tensors, s.operators, s.inputs, s.outputs, [body])
