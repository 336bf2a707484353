"""Modules and functions of torch.nn, each in a small model with an example of its input: what the importer is asked to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Make = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """shape: of the input. tokens: it is integers below this, for embeddings. positive: it is above 0.

    terms: how many additions and function calls may round differently from PyTorch's, at most; integers: it has an int8 form.
    """

    make: Make
    shape: tuple[int, ...]
    terms: int = 8
    tokens: int = 0
    positive: bool = False
    integers: bool = True

    def module(self) -> Any:
        torch.manual_seed(3)
        module = self.make()
        for m in module.modules():
            if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
                nn.init.normal_(m.running_mean, 0, 0.2)
                nn.init.uniform_(m.running_var, 0.5, 1.5)
        return module.eval()

    def example(self, count: int = 1, seed: int = 0) -> Any:
        """[count, ...]."""
        generator = torch.Generator().manual_seed(seed)
        shape = (count, *self.shape[1:])
        if self.tokens:
            return torch.randint(0, self.tokens, shape, generator=generator)
        x = torch.randn(shape, generator=generator)
        return x.abs() + 0.1 if self.positive else x


class Of(nn.Module):
    """A function of the input, and of a layer where there is one, as a module."""

    def __init__(self, function: Callable[..., Any], layer: Any = None) -> None:
        super().__init__()
        self.function, self.layer = function, layer

    def forward(self, x: Any) -> Any:
        return self.function(x) if self.layer is None else self.function(self.layer, x)


class Last(nn.Module):
    """The outputs of a recurrent layer at all steps."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0]


class SelfAttention(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x, x, x, need_weights=False)[0]


class Masked(nn.Module):
    """A decoder's attention: no step sees a later one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 24)

    def forward(self, x: Any) -> Any:
        q, k, v = (p.unflatten(-1, (2, 4)).transpose(1, 2) for p in self.layer(x).chunk(3, -1))
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


class Separate(nn.Module):
    """Positions are added to embedded tokens, and the mean of all goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(20, 8), nn.Parameter(torch.randn(5, 8))
        self.out = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out((self.tokens(x) + self.places).mean(1))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Any) -> Any:
        return torch.relu(x + self.two(torch.relu(self.one(x))))


class Joined(nn.Module):
    """As in DenseNet: what a layer makes is put beside what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x: Any) -> Any:
        return self.two(torch.cat([x, torch.relu(self.one(x))], 1))


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Any) -> Any:
        return x * functional.hardsigmoid(self.up(torch.relu(self.down(functional.adaptive_avg_pool2d(x, 1)))))


class Shuffled(nn.Module):
    """As in ShuffleNet."""

    def forward(self, x: Any) -> Any:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Patches(nn.Module):
    """As in vision transformers: pieces of an image become a row each."""

    def __init__(self) -> None:
        super().__init__()
        self.cut, self.norm, self.out = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.norm(self.cut(x).flatten(2).transpose(1, 2)).mean(1))


def image(layer: Callable[[], Any], channels: int = 4, size: tuple[int, int] = (8, 6), **more: Any) -> Case:
    return Case(layer, (1, channels, *size), **more)


def signal(layer: Callable[[], Any], channels: int = 4, size: int = 12, **more: Any) -> Case:
    return Case(layer, (1, channels, size), **more)


def row(layer: Callable[[], Any], **more: Any) -> Case:
    return Case(layer, (1, 12), **more)


def steps(layer: Callable[[], Any], **more: Any) -> Case:
    return Case(layer, (1, 6, 8), **more)


def of(function: Callable[..., Any]) -> Make:
    return lambda: Of(function)


CASES: dict[str, Case] = {
    # layers
    "Linear": row(lambda: nn.Linear(12, 5), terms=12),
    "Linear without bias": row(lambda: nn.Linear(12, 5, bias=False), terms=12),
    "Linear of sequences": steps(lambda: nn.Linear(8, 5), terms=12),
    "Bilinear": row(lambda: Of(lambda m, x: m(x, x), nn.Bilinear(12, 12, 3)), terms=200),
    "Conv1d": signal(lambda: nn.Conv1d(4, 6, 3, 2, 1), terms=12),
    "Conv1d, dilated": signal(lambda: nn.Conv1d(4, 6, 3, dilation=2), terms=12),
    "Conv1d, depthwise": signal(lambda: nn.Conv1d(4, 4, 3, padding="same", groups=4)),
    "Conv2d": image(lambda: nn.Conv2d(4, 6, 3, 2, 1), terms=36),
    "Conv2d, dilated": image(lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2), terms=36),
    "Conv2d, grouped": image(lambda: nn.Conv2d(4, 6, 3, groups=2), terms=20),
    "Conv2d, depthwise": image(lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), terms=12),
    "Conv2d, same": image(lambda: nn.Conv2d(4, 6, (3, 4), padding="same"), terms=60),
    "Conv2d, reflected": image(lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), terms=36),
    "Conv2d, circular": image(lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), terms=36),
    "Conv2d, replicated": image(lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"), terms=36),
    "Conv3d": Case(lambda: nn.Conv3d(2, 3, 2), (1, 2, 3, 4, 5), 40),
    "ConvTranspose1d": signal(lambda: nn.ConvTranspose1d(4, 6, 3, 2), terms=20),
    "ConvTranspose2d": image(lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), terms=36),
    "ConvTranspose2d, grouped": image(lambda: nn.ConvTranspose2d(4, 6, 3, 2, groups=2), terms=36),
    "ConvTranspose2d, dilated": image(lambda: nn.ConvTranspose2d(4, 6, 3, dilation=2), terms=36),
    "Embedding": Case(lambda: nn.Embedding(20, 8), (1, 5), tokens=20),
    "EmbeddingBag": Case(lambda: nn.EmbeddingBag(20, 8, mode="mean"), (1, 5), tokens=20),
    "Embedding and positions": Case(Separate, (1, 5), 20, tokens=20),
    # recurrent
    "RNN": steps(lambda: Last(nn.RNN(8, 5, batch_first=True)), terms=80, integers=False),
    "LSTM": steps(lambda: Last(nn.LSTM(8, 5, batch_first=True)), terms=80),
    "LSTM, both directions": steps(lambda: Last(nn.LSTM(8, 5, batch_first=True, bidirectional=True)), terms=80),
    "LSTM, two layers": steps(lambda: Last(nn.LSTM(8, 5, 2, batch_first=True)), terms=80),
    "GRU": steps(lambda: Last(nn.GRU(8, 5, batch_first=True)), terms=80),
    "LSTMCell": row(lambda: Of(lambda m, x: m(x)[0], nn.LSTMCell(12, 5)), terms=40),
    "GRUCell": row(lambda: nn.GRUCell(12, 5), terms=40),
    # attention
    "MultiheadAttention": steps(lambda: SelfAttention(nn.MultiheadAttention(8, 2, batch_first=True)), terms=80),
    "scaled_dot_product_attention": steps(of(lambda x: functional.scaled_dot_product_attention(x, x, x)), terms=60),
    "scaled_dot_product_attention, causal": steps(Masked, terms=60),
    "TransformerEncoderLayer": steps(lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), terms=200),
    "TransformerEncoderLayer, norm first": steps(
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation="gelu"), terms=200
    ),
    "TransformerDecoderLayer": steps(
        lambda: Of(lambda m, x: m(x, x), nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)), terms=300
    ),
    # normalization
    "BatchNorm1d": row(lambda: nn.BatchNorm1d(12)),
    "BatchNorm2d": image(lambda: nn.BatchNorm2d(4)),
    "LayerNorm": steps(lambda: nn.LayerNorm(8), terms=40),
    "LayerNorm of images": image(lambda: nn.LayerNorm([4, 8, 6]), terms=200),
    "GroupNorm": image(lambda: nn.GroupNorm(2, 4), terms=200),
    "InstanceNorm1d": signal(lambda: nn.InstanceNorm1d(4, affine=True), terms=60),
    "InstanceNorm2d": image(lambda: nn.InstanceNorm2d(4), terms=100),
    "RMSNorm": steps(lambda: nn.RMSNorm(8), terms=40),
    "LocalResponseNorm": image(lambda: nn.LocalResponseNorm(3), terms=40),
    "normalize": steps(of(lambda x: functional.normalize(x, dim=-1)), terms=20),
    # activations
    "ReLU": image(nn.ReLU),
    "ReLU6": image(nn.ReLU6),
    "LeakyReLU": image(lambda: nn.LeakyReLU(0.1)),
    "PReLU": image(lambda: nn.PReLU(4)),
    "PReLU, one": image(nn.PReLU),
    "RReLU": image(nn.RReLU),
    "ELU": image(nn.ELU),
    "ELU, alpha 0.5": image(lambda: nn.ELU(0.5)),
    "SELU": image(nn.SELU),
    "CELU": image(lambda: nn.CELU(0.7)),
    "GELU": image(nn.GELU, terms=16),
    "GELU, tanh": image(lambda: nn.GELU("tanh"), terms=16),
    "SiLU": image(nn.SiLU),
    "Mish": image(nn.Mish, terms=16),
    "Softplus": image(nn.Softplus),
    "Softsign": image(nn.Softsign),
    "Hardswish": image(nn.Hardswish),
    "Hardsigmoid": image(nn.Hardsigmoid),
    "Hardtanh": image(nn.Hardtanh),
    "Hardtanh, odd": image(lambda: nn.Hardtanh(-0.3, 0.8)),
    "Hardshrink": image(nn.Hardshrink),
    "Softshrink": image(nn.Softshrink),
    "Tanhshrink": image(nn.Tanhshrink),
    "Threshold": image(lambda: nn.Threshold(0.1, -0.5)),
    "Sigmoid": image(nn.Sigmoid),
    "LogSigmoid": image(nn.LogSigmoid),
    "Tanh": image(nn.Tanh),
    "GLU": image(lambda: nn.GLU(1)),
    "Softmax": row(lambda: nn.Softmax(1), terms=20),
    "Softmax of channels": image(lambda: nn.Softmax(1), terms=20),
    "Softmin": row(lambda: nn.Softmin(1), terms=20),
    "LogSoftmax": row(lambda: nn.LogSoftmax(1), terms=20),
    # pooling
    "MaxPool1d": signal(lambda: nn.MaxPool1d(3, 2)),
    "MaxPool2d": image(lambda: nn.MaxPool2d(3, 2, 1)),
    "MaxPool2d, ceil": image(lambda: nn.MaxPool2d(3, 2, ceil_mode=True)),
    "MaxPool2d, dilated": image(lambda: nn.MaxPool2d(2, 1, dilation=2)),
    "AvgPool1d": signal(lambda: nn.AvgPool1d(3)),
    "AvgPool2d": image(lambda: nn.AvgPool2d(2)),
    "AvgPool2d, padded": image(lambda: nn.AvgPool2d(3, 2, 1)),
    "AvgPool2d, padding not counted": image(lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "AvgPool2d, ceil": image(lambda: nn.AvgPool2d(3, 2, ceil_mode=True)),
    "LPPool2d": image(lambda: nn.LPPool2d(2, 2), terms=16),
    "AdaptiveAvgPool2d to 1": image(lambda: nn.AdaptiveAvgPool2d(1), terms=48),
    "AdaptiveAvgPool2d, even": image(lambda: nn.AdaptiveAvgPool2d((4, 2)), terms=12),
    "AdaptiveAvgPool2d, uneven": image(lambda: nn.AdaptiveAvgPool2d((3, 4)), terms=12),
    "AdaptiveMaxPool2d to 1": image(lambda: nn.AdaptiveMaxPool2d(1)),
    "AdaptiveMaxPool2d, even": image(lambda: nn.AdaptiveMaxPool2d((4, 2))),
    # sizes
    "Upsample, nearest": image(lambda: nn.Upsample(scale_factor=2)),
    "Upsample, bilinear": image(lambda: nn.Upsample(scale_factor=2, mode="bilinear"), terms=12),
    "Upsample, aligned": image(lambda: nn.Upsample((15, 11), mode="bilinear", align_corners=True), terms=12),
    "Upsample, bicubic": image(lambda: nn.Upsample(scale_factor=2, mode="bicubic"), terms=40),
    "interpolate, smaller": image(of(lambda x: functional.interpolate(x, (4, 3)))),
    "interpolate, linear": signal(of(lambda x: functional.interpolate(x, scale_factor=2.0, mode="linear")), terms=12),
    "PixelShuffle": image(lambda: nn.PixelShuffle(2)),
    "PixelUnshuffle": image(lambda: nn.PixelUnshuffle(2)),
    "ChannelShuffle": image(lambda: nn.ChannelShuffle(2)),
    "ZeroPad2d": image(lambda: nn.ZeroPad2d((1, 2, 0, 1))),
    "ConstantPad1d": signal(lambda: nn.ConstantPad1d((1, 2), 0.5)),
    "ReflectionPad2d": image(lambda: nn.ReflectionPad2d(2)),
    "ReplicationPad2d": image(lambda: nn.ReplicationPad2d((1, 2, 1, 0))),
    "CircularPad2d": image(lambda: nn.CircularPad2d(1)),
    "Flatten": image(nn.Flatten),
    "Unflatten": row(lambda: nn.Unflatten(1, (3, 4))),
    "Unfold": image(lambda: nn.Unfold(2, stride=2)),
    # what models do between layers
    "residual": image(Residual, terms=80),
    "concat": image(Joined, terms=80),
    "squeeze and excite": image(SqueezeExcite, terms=60),
    "channel shuffle by hand": image(Shuffled),
    "patches": Case(Patches, (1, 3, 8, 8), 200),
    "permute, flatten, Linear": image(
        lambda: nn.Sequential(Of(lambda x: x.permute(0, 2, 3, 1)), nn.Flatten(), nn.Linear(192, 3)), terms=200
    ),
    "flatten, Linear": image(lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(144, 3)), terms=200),
    "mean over space": image(of(lambda x: x.mean((2, 3))), terms=48),
    "mean over channels": image(of(lambda x: x.mean(1))),
    "max over time": steps(of(lambda x: x.amax(1))),
    "sum": steps(of(lambda x: x.sum(-1)), terms=12),
    "std": steps(of(lambda x: x.std(-1)), terms=40),
    "var": steps(of(lambda x: x.var(1, unbiased=False)), terms=40),
    "norm": steps(of(lambda x: x.norm(dim=-1)), terms=20),
    "argmax": row(of(lambda x: x.argmax(1)), integers=False),
    "cumsum": row(of(lambda x: x.cumsum(1)), terms=12),
    "einsum": steps(of(lambda x: torch.einsum("bij,bkj->bik", x, x)), terms=12),
    "where": row(of(lambda x: torch.where(x > 0, x, 2 * x))),
    "clamp": row(of(lambda x: x.clamp(-0.5, 1.5))),
    "pow 2": row(of(lambda x: x**2)),
    "pow 1.5": row(of(lambda x: x**1.5), positive=True),
    "sqrt": row(of(torch.sqrt), positive=True),
    "rsqrt": row(of(torch.rsqrt), positive=True),
    "exp": row(of(torch.exp)),
    "log": row(of(torch.log), positive=True),
    "log1p": row(of(torch.log1p), positive=True),
    "abs": row(of(torch.abs)),
    "sign": row(of(torch.sign)),
    "neg": row(of(torch.neg)),
    "reciprocal": row(of(torch.reciprocal), positive=True),
    "minimum": row(of(lambda x: torch.minimum(x, x.flip(1)))),
    "roll": row(of(lambda x: x.roll(2, 1))),
    "stack": row(of(lambda x: torch.stack([x, x * 2], 1))),
    "split": row(of(lambda x: x.split(5, 1)[1])),
    "slice": image(of(lambda x: x[:, 1:3, ::2, -3:])),
    "index of constants": row(of(lambda x: x[:, [3, 1, 1]])),
    "repeat": row(of(lambda x: x.repeat(1, 2))),
    "expand": row(of(lambda x: x.unsqueeze(1).expand(1, 3, 12))),
    "topk": row(of(lambda x: x.topk(3).values)),
    "sort": row(of(lambda x: x.sort(1).values)),
    "sin, cos": row(of(lambda x: torch.sin(x) + torch.cos(x))),
    "atan": row(of(torch.atan)),
    "floor": row(of(torch.floor)),
    "round": row(of(torch.round)),
    "erf": row(of(torch.erf)),
    "cosine_similarity": steps(of(lambda x: functional.cosine_similarity(x[:, :3], x[:, 3:], dim=-1)), terms=40),
    "cdist": steps(of(lambda x: torch.cdist(x, x)), terms=60),
    "tril mask": steps(of(lambda x: torch.tril(x @ x.transpose(1, 2))), terms=12),
}  # fmt: skip
