"""What the importers and the quantizer make of MLPerf Tiny's shapes: instructions on a Cortex-M4, beside their TFLite files.

    .venv/bin/python benchmarks/torch_models.py                      # the table of docs/onnx.md, on stdout
    .venv/bin/python benchmarks/torch_models.py --models kws --ways torch
    .venv/bin/python benchmarks/torch_models.py --write              # put it into the page
    .venv/bin/python benchmarks/torch_models.py --models kws --ways torch --layers   # beside the TFLite file, layer by layer

DS-CNN (kws), ResNet-8 (ic) and MobileNetV1 0.25 (vww) in PyTorch, trained for a few steps on made data, so that batch norms
and weights are lively and no channel dies. Each comes in by three ways: ``torch`` (skosh.load of the module), ``onnx`` (of
the float file that torch.onnx writes), both quantized to int8 by skosh.quantize; and ``qdq`` (the file quantized by
onnxruntime). optimize="speed". The TFLite files are those of ../shared/models; some of theirs have channels that are constant
and vanish (vww above all), so instructions for each multiplication are the figure to compare; the MACs are the models' own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from folder import add_folder, model_file
from torch import nn

import skosh
from skosh.built import Build
from skosh.ir.graph import Graph, macs
from skosh.optimize import optimize_graph

Array = np.ndarray[Any, Any]
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "onnx.md"
START, END = "<!-- made by benchmarks/torch_models.py -->\n", "<!-- end -->\n"
WAYS = ("torch", "onnx", "qdq")


def block(inputs: int, outputs: int, kernel: Any = 3, stride: Any = 1, groups: int = 1, padding: Any = 1) -> list[Any]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


def separable(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
    return [*block(inputs, inputs, 3, stride, inputs), *block(inputs, outputs, 1, 1, 1, 0)]


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *block(inputs, outputs, 3, stride), nn.Conv2d(outputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.shortcut(x))


def ds_cnn() -> nn.Module:
    layers = block(1, 64, (10, 4), 2, 1, (5, 1))
    for _ in range(4):
        layers += separable(64, 64)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12), nn.Softmax(1))


def res_net() -> nn.Module:
    layers = [*block(3, 16), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    return nn.Sequential(*layers, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1))


def mobile_net() -> nn.Module:
    layers = block(3, 8, 3, 2)
    widths = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)]
    for inputs, outputs, stride in (*widths, *[(128, 128, 1)] * 5, (128, 256, 2), (256, 256, 1)):
        layers += separable(inputs, outputs, stride)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 2), nn.Softmax(1))


@dataclass(frozen=True)
class Shape:
    """shape: of one input; classes: of the made data."""

    make: Callable[[], Any]
    shape: tuple[int, int, int]
    classes: int


SHAPES = {
    "kws": Shape(ds_cnn, (1, 49, 10), 12),
    "ic": Shape(res_net, (3, 32, 32), 10),
    "vww": Shape(mobile_net, (3, 96, 96), 2),
}


def made_data(shape: Shape, count: int, seed: int) -> tuple[Any, Any]:
    """Smooth random images, each with the pattern of its class in it."""
    rng = torch.Generator().manual_seed(seed)
    patterns = torch.randn(shape.classes, *shape.shape, generator=torch.Generator().manual_seed(1))
    y = torch.randint(0, shape.classes, (count,), generator=rng)
    noise = torch.randn(count, *shape.shape, generator=rng)
    return nn.functional.avg_pool2d(noise + patterns[y], 3, 1, 1) * 2, y


def trained(shape: Shape, steps: int) -> Any:
    torch.manual_seed(0)
    module = shape.make()
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    for step in range(steps):
        x, y = made_data(shape, 16, 100 + step)
        optimizer.zero_grad()
        nn.functional.nll_loss(torch.log(module(x) + 1e-6), y).backward()
        optimizer.step()
    return module.eval()


def graph_by(way: str, module: Any, shape: Shape, folder: Path) -> Graph:
    """The int8 graph of the module, by one of the ways."""
    x, _ = made_data(shape, 48, 7)
    if way == "torch":
        return skosh.quantize(skosh.load(module, example=x[:1]), x.numpy())
    path = folder / "float.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, (x[:1],), dynamo=True, opset_version=20, verbose=False)
    program.save(str(path))
    if way == "onnx":
        return skosh.quantize(skosh.load(path), x.numpy())
    return skosh.load(quantized_file(path, folder, x.numpy()))


def quantized_file(path: Path, folder: Path, x: Array) -> Path:
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            import onnx

            name = onnx.load(path).graph.input[0].name
            self.left = [{name: row[None]} for row in x]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    made = folder / "qdq.onnx"
    int8 = {"activation_type": q.QuantType.QInt8, "weight_type": q.QuantType.QInt8}
    q.quantize_static(str(path), str(made), Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True, **int8)
    return made


@dataclass(frozen=True)
class Row:
    macs: int
    instructions: int
    agreement: float | None
    build: Build


def measured(graph: Graph, module: Any | None, shape: Shape) -> Row:
    build = skosh.compile(graph, target="cortex-m4", optimize="speed")
    agreement = None
    if module is not None:
        x, _ = made_data(shape, 12, 9)
        with torch.no_grad():
            want = module(x).numpy()
        got = np.asarray(build.predict(x.numpy())).reshape(want.shape)
        agreement = float((got.argmax(1) == want.argmax(1)).mean())
    return Row(macs(optimize_graph(graph)), build.profile().instructions, agreement, build)


def lines(name: str, rows: dict[str, Row]) -> list[str]:
    found = []
    for way, row in rows.items():
        share = "" if row.agreement is None else f"{100 * row.agreement:.0f} %"
        found.append(f"| {name} | {way} | {row.macs:,} | {row.instructions:,} | {row.instructions / row.macs:.3f} | {share} |")
    return found


def by_layer(rows: dict[str, Row]) -> None:
    """Layers side by side, to find the one that costs more than it should."""
    for way, row in rows.items():
        print(way)
        for layer in row.build.profile().layers:
            per = layer.instructions / layer.macs if layer.macs else float("nan")
            print(f"    {layer.instructions:>10,} {layer.macs:>10,} {per:8.3f}  {layer.name}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", choices=tuple(SHAPES), default=list(SHAPES))
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--steps", type=int, default=20, help="of training")
    parser.add_argument("--layers", action="store_true", help="instructions of each layer")
    parser.add_argument("--write", action="store_true", help="put the table into docs/onnx.md")
    add_folder(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    head = "| model | by way of | MACs | instructions | for each MAC | labels as PyTorch's |"
    table = [head, "|---|---|---:|---:|---:|---:|"]
    for name in options.models:
        shape, rows = SHAPES[name], dict[str, Row]()
        rows["TFLite file"] = measured(skosh.load(model_file(f"{name}.tflite")), None, shape)
        module = trained(shape, options.steps)
        for way in options.ways:
            with tempfile.TemporaryDirectory() as folder:
                rows[way] = measured(graph_by(way, module, shape, Path(folder)), module, shape)
        if options.layers:
            by_layer(rows)
        table += lines(name, rows)
        print("\n".join(lines(name, rows)), file=sys.stderr, flush=True)
    text = "\n".join(table) + "\n"
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(START)
        PAGE.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
