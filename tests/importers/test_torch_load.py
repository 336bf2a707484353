"""PyTorch modules as graphs: the same numbers, no transposes, or one clear letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch
from torch import nn

import skosh
from skosh.base.errors import InputError, ModelError, UnsupportedError
from skosh.optimize import optimize_graph
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.study.compare import noise_db, real_outputs
from tests.importers.onnx_models import kinds, reference
from tests.importers.torch_modules import CASES

EPS = float(np.finfo(np.float32).eps)


def block(
    inputs: int, outputs: int, kernel: Any = 3, stride: Any = 1, groups: int = 1, padding: Any = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class Residual(nn.Module):
    """As in ResNet-8: two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *block(inputs, outputs, 3, stride), nn.Conv2d(outputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.shortcut(x))


class Attention(nn.Module):
    """Transformer encoder layer of two heads, and a mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.out = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.layer(x).mean(1))


class Gate(nn.Module):
    def forward(self, x: Any) -> Any:
        a, b = x.chunk(2, 1)
        return torch.cat(
            [a * torch.sigmoid(b), nn.functional.interpolate(a, scale_factor=2.0)[:, :, ::2, ::2]], 1
        ).flatten(1)


def ds_cnn() -> nn.Module:
    layers = block(1, 16, (10, 4), 2, 1, (5, 1))
    for _ in range(2):
        layers += [*block(16, 16, 3, 1, 16), *block(16, 16, 1, 1, 1, 0)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 12), nn.Softmax(1))


def mobile_net() -> nn.Module:
    layers = block(3, 8, 3, 2)
    for inputs, outputs, stride in ((8, 16, 1), (16, 32, 2), (32, 32, 1)):
        layers += [*block(inputs, inputs, 3, stride, inputs), *block(inputs, outputs, 1, 1, 1, 0)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))


def res_net() -> nn.Module:
    return nn.Sequential(
        *block(3, 8), Residual(8, 8, 1), Residual(8, 16, 2), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16, 10)
    )


MODULES: dict[str, tuple[Any, tuple[int, ...], int]] = {
    "ds_cnn": (ds_cnn, (1, 1, 49, 10), 200),
    "mobile_net": (mobile_net, (1, 3, 32, 32), 200),
    "res_net": (res_net, (1, 3, 16, 16), 300),
    "mlp": (
        lambda: nn.Sequential(nn.Linear(10, 16), nn.LeakyReLU(), nn.Dropout(), nn.Linear(16, 3), nn.LogSoftmax(1)),
        (1, 10),
        40,
    ),
    "conv_1d": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 8, 5, 2), nn.BatchNorm1d(8), nn.Hardswish(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(40, 2)
        ),
        (1, 3, 24),
        80,
    ),
    "attention": (Attention, (1, 6, 8), 200),
    "gate": (Gate, (1, 4, 6, 6), 8),
    "decoder": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), nn.SiLU(), nn.PixelShuffle(1), nn.Conv2d(6, 2, 1)),
        (1, 4, 5, 5),
        60,
    ),
}


def made(name: str) -> tuple[Any, Any]:
    """(module with lively batch norms, an example)."""
    torch.manual_seed(3)
    build, shape, _ = MODULES[name]
    module = build()
    for m in module.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(m.running_mean, 0, 0.2)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
            nn.init.uniform_(m.weight, 0.7, 1.3)
            nn.init.normal_(m.bias, 0.2, 0.2)
    return module.eval(), torch.randn(shape)


@pytest.mark.parametrize("name", [n if n == "gate" else pytest.param(n, marks=pytest.mark.slow) for n in MODULES])
def test_a_module_computes_what_torch_does(name: str) -> None:
    """To as many units in the last place as there are additions on the longest path, which PyTorch takes in its own order."""
    module, x = made(name)
    graph = skosh.load(module, example=x)
    (got,) = reference(graph, [x.numpy()])
    with torch.no_grad():
        want = module(x).numpy()
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= EPS * MODULES[name][2] * max(1.0, np.abs(want).max())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kept"), [("ds_cnn", "nchw"), ("mobile_net", "nhwc"), ("res_net", "nhwc")])
def test_no_transpose_and_no_batch_norm_is_left(name: str, kept: str) -> None:
    module, x = made(name)
    graph = optimize_graph(skosh.load(module, example=x, layout=kept))
    assert set(kinds(graph)) <= {
        "reshape",
        "conv2d",
        "depthwise_conv2d",
        "add",
        "mean",
        "average_pool2d",
        "dense",
        "softmax",
        "relu",
    }
    assert kinds(graph).count("relu") == 2 * (name == "res_net")  # a float sum may be -0.0: its relu is not fused
    assert all(n.op.activation == "relu" for n in graph.nodes if n.op.kind == "depthwise_conv2d")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ds_cnn", "mobile_net", "res_net"])
def test_the_whole_way_to_a_device(name: str) -> None:
    """Load, quantize, compile, prove on a Cortex-M4; the integers agree with the floats on most random images."""
    module, _ = made(name)
    x = torch.randn(16, *MODULES[name][1][1:])
    graph = skosh.load(module, example=x[:1])
    build = skosh.compile(skosh.quantize(graph, x.numpy()), target="cortex-m4")
    assert build.verify(samples=2, against=("reference", "host")).bit_exact
    with torch.no_grad():
        want = module(x).numpy()
    got = build.predict(x.numpy())
    assert np.abs(got - want).max() <= 0.1 * max(1.0, np.abs(want).max())
    assert (got.argmax(1) == want.argmax(1)).mean() >= 0.75


@pytest.mark.slow
def test_the_training_mode_is_left_as_it_was() -> None:
    module, x = made("mlp")
    module.train()
    graph = skosh.load(module, example=x)
    assert module.training
    assert "dropout" not in kinds(graph)
    assert graph.name == "sequential"


@pytest.mark.slow
def test_several_inputs_come_as_a_tuple() -> None:
    class Sum(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a + 2 * b

    graph = skosh.load(Sum(), example=(np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32)))
    (got,) = reference(graph, [np.full((1, 3), 5, np.float32), np.full((1, 3), 4, np.float32)])
    assert got.tolist() == [[13.0, 13.0, 13.0]]


def test_an_example_is_needed() -> None:
    with pytest.raises(InputError) as caught:
        skosh.load(nn.Linear(2, 2))
    assert str(caught.value) == "<torch>: a PyTorch model must come with an example. Hint: load(module, example=x[:1])"


def test_an_example_must_be_numbers() -> None:
    with pytest.raises(InputError, match=r"^<torch>: an example must be an array or a tensor, or a tuple of them: "):
        skosh.load(nn.Linear(2, 2), example="abc")


def test_an_example_of_the_wrong_shape_costs_one_letter(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"a and b must have same reduction dim, but got \[1, 5\] X \[3, 2\]"):
        skosh.load(nn.Linear(3, 2), example=torch.ones(1, 5))
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err


def test_what_cannot_be_traced_is_said() -> None:
    class Branch(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.raises(ModelError, match=r"torch\.export must be able to trace the module: \S") as caught:
        skosh.load(Branch(), example=torch.ones(1, 2))
    assert "This is step" not in str(caught.value)  # the reason, not the exporter's frame around it


FEW = ("Mish", "AdaptiveAvgPool2d, uneven", "InstanceNorm2d", "scaled_dot_product_attention, causal", "concat")
"""Of the list of docs/onnx.md; the others are slow together."""


@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_the_modules_of_torch(name: str) -> None:
    """Read as torch computes it, and quantized with little loss; or refused in letters."""
    case = CASES[name]
    module, x = case.module(), case.example()
    if name in REFUSED:
        with pytest.raises((ModelError, UnsupportedError)):
            skosh.load(module, example=x)
        return
    graph = skosh.load(module, example=x)
    kind = graph.tensors[graph.inputs[0]].dtype.np
    (got,) = reference(graph, [x.numpy().astype(kind)])
    with torch.no_grad():
        want = module(x).numpy()
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= EPS * case.terms * max(1.0, np.abs(want).max())
    if name in IN_FLOATS:
        return
    samples = case.example(16, 1).numpy()
    small, found = skosh.quantize(graph, samples), as_samples(graph, samples)
    assert noise_db(real_outputs(graph, found), real_outputs(small, found)) > (15 if name in JUMPS else 28)


REFUSED = (
    "Conv3d", "EmbeddingBag", "RReLU", "cdist",
)  # fmt: skip
IN_FLOATS = ("topk", "sort", "scaled_dot_product_attention", "Upsample, bicubic")
"""What has no int8 form."""
JUMPS = ("sign", "Threshold", "Hardshrink", "floor", "round")
"""Functions with steps: an input beside one may fall on the other side."""


@pytest.mark.slow
def test_no_operator_moves_images_in_between() -> None:
    """Residuals and joined channels stay channels last: one transpose where the image comes in, one where it goes out, and none
    where no layer over space stands in between."""
    for name, left in (("residual", 2), ("concat", 2), ("squeeze and excite", 0), ("flatten, Linear", 1)):
        case = CASES[name]
        graph = optimize_graph(skosh.load(case.module(), example=case.example()))
        assert kinds(graph).count("transpose") == left, name
        turned = optimize_graph(skosh.load(case.module(), example=case.example(), layout="nhwc"))
        assert "transpose" not in kinds(turned), name
    case = CASES["permute, flatten, Linear"]
    assert kinds(optimize_graph(skosh.load(case.module(), example=case.example()))) == ["dense"]


@pytest.mark.slow
def test_what_cannot_be_compiled_is_listed() -> None:
    class Odd(nn.Module):
        def forward(self, x: Any) -> Any:
            filters = torch.ones(1, 1, 1, 1, 1)
            return nn.functional.conv3d(x, filters) + nn.functional.conv3d(2 * x, filters)

    with pytest.raises(UnsupportedError) as caught:
        skosh.load(Odd(), example=torch.ones(1, 1, 4, 5, 5))
    assert str(caught.value).count("Conv: a convolution must have 1 or 2 axes of space, not 3") == 2


def test_a_program_of_torch_export_keeps_its_example() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU()).eval()
    x = torch.randn(1, 6)
    graph = skosh.load(torch.export.export(module, (x,)))
    got = reference(graph, [x.numpy()])[0]
    assert np.allclose(got, module(x).detach().numpy(), atol=1e-6)


def test_a_file_of_pytorch_is_one_clear_letter(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"reading a \.pt2 file may run whatever code its author put into it"):
        skosh.load(path)
    with pytest.raises(ModelError, match="PyTorch can't read this program"):
        skosh.load(path, trust_pickle=True)
    with pytest.raises(InputError, match="holds weights without the module they belong to"):
        skosh.load(tmp_path / "net.pth", trust_pickle=True)


def test_a_trusted_program_is_read(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU()).eval()
    x = torch.randn(1, 6)
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "small.pt2")
    graph = skosh.load(tmp_path / "small.pt2", trust_pickle=True)
    assert graph.name == "small"
    assert np.allclose(reference(graph, [x.numpy()])[0], module(x).detach().numpy(), atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # the quantizer that torchao ships for tests says that it is old
@pytest.mark.parametrize("per_channel", [False, True])
def test_what_pt2e_makes_is_integers(per_channel: bool) -> None:
    pytest.importorskip("torchao")
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

    module = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)).eval()
    example = (torch.randn(1, 1, 8, 8),)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=per_channel))
    prepared = prepare_pt2e(torch.export.export(module, example).module(), quantizer)
    prepared(*example)
    converted = convert_pt2e(prepared)
    graph = skosh.load(converted, example=example)
    assert [n.op.kind for n in graph.nodes if n.op.kind in ("conv2d", "dense")] == ["conv2d", "dense"]
    assert all(str(graph.tensors[n.outputs[0]].dtype) == "i8" for n in graph.nodes if n.op.kind in ("conv2d", "dense"))
    got = reference(graph, [example[0].numpy()])[0]
    want = converted(*example).detach().numpy()
    assert np.abs(got - want).max() <= 2.5 / 127 * max(0.1, float(np.abs(want).max()))
