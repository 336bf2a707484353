"""Models larger than those that microcontrollers hold: how long they take from file to C, and how much memory.

python benchmarks/large.py [resnet50 chain wide split bif forest]

Each in a process of its own; seconds of the processor, and the peak of its memory above what the imports take. Growth is linear
where twice the size takes twice the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LIMITS = {"resnet50": (8.0, 400.0), "mcunetv2": (5.0, 400.0), "forest": (5.0, 400.0), "bif": (5.0, 400.0)}
"""Seconds and MB that a model of this kind may take. resnet50 takes more: the text of its weights alone is 370 MB."""


class Net:
    """An ONNX file in the making: float32, NCHW. Weights are drawn; only shapes matter here."""

    def __init__(self, channels: int, size: int) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.shape = (1, channels, size, size)
        self.channels = {"x": channels}

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=f"n{len(self.nodes)}", **attributes))
        self.channels[out] = self.channels.get(inputs[0], 0)
        return out

    def weight(self, *shape: int) -> str:
        from onnx import numpy_helper

        name = f"w{len(self.weights)}"
        data = self.rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(np.prod(shape[1:]) or 1))
        self.weights.append(numpy_helper.from_array(data, name))
        return name

    def conv(self, x: str, out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True) -> str:
        weight, bias = self.weight(out, self.channels[x] // groups, kernel, kernel), self.weight(out)
        y = self.node(
            "Conv", [x, weight, bias], strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups, kernel_shape=[kernel] * 2
        )
        self.channels[y] = out
        return self.node("Relu", [y]) if relu else y

    def bytes(self, y: str, outputs: int) -> bytes:
        from onnx import TensorProto, helper

        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [y])])
        last = self.node("Gemm", [pooled, self.weight(outputs, self.channels[y]), self.weight(outputs)], transB=1)
        ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", self.shape), (last, (1, outputs)))]
        graph = helper.make_graph(self.nodes, "large", [ports[0]], [ports[1]], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        return bytes(model.SerializeToString())


def resnet50(blocks: tuple[int, ...] = (3, 4, 6, 3), size: int = 224) -> bytes:
    """Bottlenecks of 1 x 1, 3 x 3, 1 x 1 convolutions with shortcuts: 25.5 million weights, 102 MB, with (3, 4, 6, 3)."""
    net = Net(3, size)
    x = net.node("MaxPool", [net.conv("x", 64, 7, 2)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage, count in enumerate(blocks):
        width = 64 << stage
        for block in range(count):
            stride = 2 if stage and not block else 1
            y = net.conv(net.conv(net.conv(x, width, 1), width, 3, stride), 4 * width, 1, relu=False)
            short = x if block else net.conv(x, 4 * width, 1, stride, relu=False)
            x = net.node("Relu", [net.node("Add", [y, short])])
    return net.bytes(x, 1000)


def inverted(blocks: int = 16, width: int = 160, size: int = 176) -> bytes:
    """Inverted bottlenecks with depthwise convolutions: as networks made for microcontrollers, and too large for most."""
    net = Net(3, size)
    x = net.conv("x", 32, 3, 2)
    for block in range(blocks):
        out, stride = (24, 40, 80, width)[min(block // 4, 3)], 2 if block in (0, 4, 8, 12) else 1
        y = net.conv(net.conv(x, 6 * net.channels[x], 1), 6 * net.channels[x], 3, stride, groups=6 * net.channels[x])
        y = net.conv(y, out, 1, relu=False)
        x = net.node("Add", [x, y]) if stride == 1 and net.channels[x] == out else y
    return net.bytes(x, 1000)


def chain(count: int) -> bytes:
    """A chain of Relu, Tanh, Sigmoid, Add."""
    net = Net(2, 2)
    x = "x"
    for i in range(count):
        kind = ("Relu", "Tanh", "Sigmoid", "Add")[i % 4]
        x = net.node(kind, [x, "x"] if kind == "Add" else [x])
    return net.bytes(x, 4)


def residual(count: int) -> bytes:
    """Blocks whose shortcut lives beside them."""
    net = Net(2, 2)
    x = "x"
    for _ in range(count):
        x = net.node("Add", [x, net.node("Sigmoid", [net.node("Tanh", [x])])])
    return net.bytes(x, 4)


def split(count: int) -> bytes:
    """One Split with so many outputs, each an output of the model."""
    from onnx import TensorProto, helper, numpy_helper

    names = [f"y{i}" for i in range(count)]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 1)) for n in names]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, count))
    node = helper.make_node("Split", ["x", "s"], names, axis=1)
    graph = helper.make_graph([node], "split", [x], ports, [numpy_helper.from_array(np.ones(count, np.int64), "s")])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())


def network(count: int) -> bytes:
    """A Bayesian network, each variable with the one before it as parent."""
    parts = ["network chain {}"] + [f"variable v{i} {{ type discrete [ 2 ] {{ a, b }}; }}" for i in range(count)]
    parts.append("probability ( v0 ) { table 0.3, 0.7; }")
    parts += [f"probability ( v{i} | v{i - 1} ) {{ (a) 0.9, 0.1; (b) 0.2, 0.8; }}" for i in range(1, count)]
    return "\n".join(parts).encode()


def forest(nodes: int) -> bytes:
    """A pickle of a scikit-learn forest of about so many nodes."""
    import pickle

    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4000, 10)), rng.integers(0, 4, 4000)
    return pickle.dumps(RandomForestClassifier(max(1, nodes // 2430), random_state=0).fit(x, y))


MADE: dict[str, tuple[Callable[..., bytes], tuple[int, ...], str]] = {
    "resnet50": (resnet50, (), "onnx"),
    "mcunetv2": (inverted, (), "onnx"),
    "chain": (chain, (500, 1000, 2000, 4000), "onnx"),
    "residual": (residual, (250, 500, 1000, 2000), "onnx"),
    "split": (split, (1000, 2000, 4000, 20000), "onnx"),
    "bif": (network, (500, 1000, 2000, 4000), "bif"),
    "forest": (forest, (20_000, 60_000, 180_000), "pkl"),
}

CHILD = """
import json, sys, time
import numpy as np, onnx
import skosh, skosh.importers.onnx, skosh.pipeline
from skosh.base.errors import SkoshError
path, options = sys.argv[1], json.loads(sys.argv[2])
def memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
before, start = memory(), time.process_time()
said = ""
try:
    graph = skosh.load(path, **options)
    loaded = time.process_time()
    skosh.compile(graph, target="cortex-m4").sources
except SkoshError as error:
    loaded, said = time.process_time(), str(error)[:150]
print(json.dumps([loaded - start, time.process_time() - loaded, memory() - before, said]))
"""


def main(names: list[str]) -> int:
    late = 0
    for name in names or list(MADE):
        make, sizes, ending = MADE[name]
        for size in sizes or (None,):
            with tempfile.NamedTemporaryFile(suffix=f".{ending}") as file:
                file.write(make() if size is None else make(size))
                file.flush()
                options = {"query": ["v0"], "evidence": [f"v{(size or 0) - 1}"]} if ending == "bif" else {}
                options |= {"trust_pickle": True} if ending == "pkl" else {}
                start = time.monotonic()
                command = [sys.executable, "-W", "ignore", "-c", CHILD, file.name, json.dumps(options)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            load, compiled, memory, said = json.loads(done.stdout.splitlines()[-1])
            seconds, most = LIMITS.get(name, (float("inf"), float("inf")))
            over = load + compiled > seconds or memory > most
            late += over
            told = f"{name} {size or ''}: load {load:.2f} s, to C {compiled:.2f} s, {memory:.0f} MB"
            print(f"{told}, {time.monotonic() - start:.1f} s in all{'; over its limit' if over else ''} {said}", flush=True)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
