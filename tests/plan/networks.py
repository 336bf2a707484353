"""Graphs of the shapes that real networks have, with sizes only."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from skosh.ir.graph import Graph, Node, Op
from tests.plan.fakes import Make, Same, graph, node


class _Net:
    """Nodes one after another; ``add`` gives the name of the new tensor."""

    def __init__(self, elements: int) -> None:
        self.nodes: list[Node] = []
        self.sizes = {"x": elements}

    def add(self, op: Op, inputs: Sequence[str], elements: int) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(op, " ".join(inputs), name))
        self.sizes[name] = elements
        return name

    def graph(self, output: str) -> Graph:
        return graph(self.sizes, self.nodes, "x", output)


def resnet(blocks: int) -> Graph:
    net, x = _Net(4096), "x"
    for _ in range(blocks):
        a = net.add(Make(), [x], 4096)
        b = net.add(Make(), [net.add(Same(), [a], 4096)], 4096)
        x = net.add(Same(), [x, b], 4096)
    return net.graph(x)


def inception(blocks: int, branches: int, depth: int) -> Graph:
    rng = random.Random(0)
    net, x = _Net(4096), "x"
    for _ in range(blocks):
        ends = []
        for _ in range(branches):
            t = x
            for _ in range(rng.randint(1, depth)):
                t = net.add(rng.choice([Make(), Same()]), [t], rng.choice([512, 1024, 2048, net.sizes[t]]))
            ends.append(t)
        x = net.add(Make(), ends, 4096)
    return net.graph(x)


def densenet(blocks: int, layers: int) -> Graph:
    net, x = _Net(1024), "x"
    for _ in range(blocks):
        features = [x]
        for _ in range(layers):
            features.append(net.add(Make(), features, 256))
        x = net.add(Make(), features, 600)
    return net.graph(x)


def attention(layers: int, heads: int) -> Graph:
    net, x = _Net(2048), "x"
    for _ in range(layers):
        ends = []
        for _ in range(heads):
            q, k, v = (net.add(Make(), [x], 256) for _ in range(3))
            weights = net.add(Same(), [net.add(Make(), [q, k], 1024)], 1024)
            ends.append(net.add(Make(), [weights, v], 256))
        x = net.add(Same(), [x, net.add(Make(), ends, 2048)], 2048)
    return net.graph(x)


def unet(depth: int) -> Graph:
    net, x, skips = _Net(16384), "x", []
    for level in range(depth):
        skips.append(net.add(Make(), [x], 16384 >> level))
        x = net.add(Make(), [skips[-1]], 16384 >> level + 1)
    for skip in reversed(skips):
        up = net.add(Make(), [x], net.sizes[skip])
        x = net.add(Make(), [up, skip], net.sizes[skip])
    return net.graph(x)


def tangle(count: int, seed: int, reach: int = 6) -> Graph:
    """Each node reads one or two of the last few tensors; many are never read. No network is like this."""
    rng = random.Random(seed)
    net, names = _Net(1000), ["x"]
    for _ in range(count):
        ins = rng.sample(names[-reach:], min(len(names), rng.choice([1, 1, 1, 2])))
        op = rng.choice([Make(), Make(), Same()])
        names.append(net.add(op, ins, rng.choice([net.sizes[ins[0]], rng.randrange(1, 4000)])))
    return net.graph(names[-1])


REAL: Mapping[str, Callable[[], Graph]] = {
    "resnet, 300 nodes": lambda: resnet(75),
    "inception, 20 blocks of 4": lambda: inception(20, 4, 4),
    "inception, 6 blocks of 8": lambda: inception(6, 8, 3),
    "densenet": lambda: densenet(4, 12),
    "attention, 6 layers of 8 heads": lambda: attention(6, 8),
    "unet": lambda: unet(8),
}
