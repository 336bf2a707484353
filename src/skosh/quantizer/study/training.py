"""Training a PyTorch module with the rounding that it will meet, and without the channels that it won't keep.

    from skosh.quantizer.study.training import train

    graph = train(module, x, y, scheme="ternary", prune=0.5)    # integers, ready for skosh.compile

Rounding: learned step sizes, Esser et al., "Learned Step Size Quantization" (ICLR 2020). Pruning: the filters with the least
sum of |w|, Li et al., "Pruning Filters for Efficient ConvNets" (ICLR 2017); the compiler drops channels that are constant.
Needs PyTorch: ``pip install "skosh[torch]"``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from skosh.base import registry
from skosh.base.errors import InputError, ToolError
from skosh.ir.graph import Array, Graph
from skosh.ops.layers.convolution import DepthwiseConv2D
from skosh.quantizer.networks.post_training import with_scheme
from skosh.quantizer.networks.schemes import INT8_CODES, KEPT, SCHEMES, Codes, scheme_of

try:
    import torch
    from torch import nn
    from torch.nn.utils import parametrize
except ImportError as missing:
    raise ToolError("training needs PyTorch", hint='pip install "skosh[torch]"') from missing

Loss = Callable[[Any, Any], Any]

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
ACTIVATIONS = (-128.0, 127.0)
IMPORTERS: registry.Table = {"torch": "skosh.importers.torch:load"}
"""By name, as importers stand on this floor too."""


def train(
    module: Any,
    x: Any,
    y: Any,
    *,
    scheme: str = "int8",
    prune: float = 0.0,
    epochs: int = 10,
    rate: float = 1e-3,
    batch: int = 32,
    loss: Loss | None = None,
    seed: int = 0,
    calibration: str = "minmax",
    layout: str = "nchw",
) -> Graph:
    """A Graph of integers from a trained module, trained on with its layers' weights and inputs rounded.

    module: stays as it is; layers are ``nn.Linear``, ``nn.Conv1d`` and ``nn.Conv2d``. x: [samples, ...]; y: [samples] class
    numbers, or real targets. scheme: "int8", "int4", "int2" or "ternary". prune: the share of each layer's filters that is
    set to 0 before, from 0 to below 1; the last layer keeps all. loss: of (outputs, y); cross entropy for class numbers, else
    mean squares. rate: Adam's, falling to 0 along half a cosine. The same seed gives the same graph on the same machine.

    Raises InputError for what can't be, and what ``skosh.load`` and ``skosh.quantize`` raise.
    """
    inputs, targets = _tensors(x, y)
    chosen = scheme_of(scheme)
    if chosen not in (SCHEMES["int8"], *(s for s in SCHEMES.values() if s.is_narrow)):
        raise InputError(f'training rounds to int8, int4, int2 or ternary, not "{scheme}"')
    if not 0 <= prune < 1:
        raise InputError(f"prune must be a share from 0 to below 1, not {prune}")
    learner = copy.deepcopy(module)
    layers = [m for m in learner.modules() if isinstance(m, LAYERS)]
    if not layers:
        raise InputError("the module must have layers: nn.Linear, nn.Conv1d or nn.Conv2d")
    hooks = []
    for layer in layers:
        kept = _kept(layer, 0.0 if layer is layers[-1] else prune)
        parametrize.register_parametrization(layer, "weight", Steps(layer.weight, _codes(layer, chosen.weights), kept))
        if layer.bias is not None:
            parametrize.register_parametrization(layer, "bias", Mask(kept))
        hooks.append(layer.register_forward_pre_hook(Inputs()))
    _fit(learner, inputs, targets, epochs, rate, batch, loss or _usual_loss(targets), seed)
    for hook, layer in zip(hooks, layers, strict=True):
        hook.remove()
        for name in ("weight", "bias"):
            if parametrize.is_parametrized(layer, name):
                parametrize.remove_parametrizations(layer, name, leave_parametrized=True)
    load = registry.load(IMPORTERS, "torch", "an importer")
    graph: Graph = load(learner.eval(), example=inputs[:1], layout=layout)
    return with_scheme(  # the weights lie on their steps already
        graph, inputs.numpy(), scheme=scheme, calibration=calibration, compensate=False, bias_correction=False
    )


# ------------------------------------------------------------------------------------------------- what layers go through


class Steps(nn.Module):  # type: ignore[misc, unused-ignore]
    """Weights in learned steps, one for each filter, of the codes of a scheme; pruned filters are 0."""

    def __init__(self, weight: Any, codes: Codes, kept: Any) -> None:
        super().__init__()
        rows = weight.detach().reshape(len(weight), -1)
        first = 2 * rows.abs().mean(dim=1) / math.sqrt(max(codes)) + 1e-8  # the paper's, section 2.1
        self.step = nn.Parameter(first.reshape(-1, *[1] * (weight.dim() - 1)))
        self.codes = codes
        self.pull = 1 / math.sqrt(rows.shape[1] * max(codes))  # the gradient's factor, section 2.2
        self.register_buffer("kept", kept.reshape(-1, *[1] * (weight.dim() - 1)))

    def forward(self, weight: Any) -> Any:
        return (
            rounded(weight, self.step, self.codes[0], self.codes[-1], self.codes[1] - self.codes[0], self.pull)
            * self.kept
        )


class Mask(nn.Module):  # type: ignore[misc, unused-ignore]
    """The bias of filters that stay."""

    def __init__(self, kept: Any) -> None:
        super().__init__()
        self.register_buffer("kept", kept)

    def forward(self, bias: Any) -> Any:
        return bias * self.kept


class Inputs:
    """A layer's input in 256 steps over what it held at most so far, as the compiled model will have it."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0

    def __call__(self, layer: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        (x,) = args
        if layer.training:
            self.low = min(self.low, float(x.detach().min()))
            self.high = max(self.high, float(x.detach().max()))
        step = max((self.high - self.low) / 255, 1e-12)
        zero = round(-128 - self.low / step)
        q = torch.clamp(torch.round(x / step) + zero, *ACTIVATIONS)
        return (x + ((q - zero) * step - x).detach(),)


def rounded(x: Any, step: Any, low: int, high: int, spacing: int, pull: float) -> Any:
    """step * the nearest code to x / step: gradients as equations 3 and 5 of the paper.

    They pass through the rounding, stop at the ends for x, and reach the step multiplied by ``pull``.
    """
    learned = step.abs().clamp(min=1e-12)
    learned = learned * pull + (learned * (1 - pull)).detach()
    v = torch.clamp(x / learned, low, high)
    half = 0.5 if high % spacing else 0.0
    places = torch.floor(v.abs() / spacing + half + 0.5) - half
    q = torch.where(v < 0, -1.0, 1.0) * torch.clamp(places * spacing, max=float(high))
    return (v + (q - v).detach()) * learned


def _kept(layer: Any, share: float) -> Any:
    """[filters] 1 for those that stay, 0 for the ``share`` of them with the smallest sum of |w|."""
    sizes = layer.weight.detach().abs().reshape(len(layer.weight), -1).sum(dim=1)
    kept = torch.ones(len(sizes))
    kept[torch.argsort(sizes, stable=True)[: int(share * len(sizes))]] = 0.0
    return kept


def _codes(layer: Any, codes: Codes) -> Codes:
    """Depthwise layers keep int8, as ``schemes.KEPT`` says."""
    depthwise = DepthwiseConv2D in KEPT and getattr(layer, "groups", 1) > 1
    return INT8_CODES if depthwise else codes


# ---------------------------------------------------------------------------------------------------------------- training


def _fit(learner: Any, x: Any, y: Any, epochs: int, rate: float, batch: int, loss: Loss, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    learner.train()
    optimizer = torch.optim.Adam(learner.parameters(), lr=rate)
    rounds = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (1 + math.cos(math.pi * k / max(rounds, 1))) / 2)
    for rows in _batches(len(x), epochs, batch, generator):
        optimizer.zero_grad()
        loss(learner(x[rows]), y[rows]).backward()
        optimizer.step()
        schedule.step()


def _batches(count: int, epochs: int, batch: int, generator: Any) -> Iterator[Any]:
    for _ in range(epochs):
        order = torch.randperm(count, generator=generator)
        yield from torch.split(order, batch)


def _usual_loss(targets: Any) -> Loss:
    return nn.functional.mse_loss if targets.is_floating_point() else nn.functional.cross_entropy


def _tensors(x: Any, y: Any) -> tuple[Any, Any]:
    inputs: Array = np.asarray(x, np.float32)
    targets: Array = np.asarray(y)
    if len(inputs) == 0 or len(inputs) != len(targets):
        raise InputError(f"x and y must have as many samples, and some, not {len(inputs)} and {len(targets)}")
    if not np.isfinite(inputs).all():
        raise InputError("x must be finite numbers")
    kind = np.float32 if targets.dtype.kind == "f" else np.int64
    return torch.from_numpy(inputs), torch.from_numpy(targets.astype(kind))
