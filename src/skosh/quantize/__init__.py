"""Floor 4: a float graph becomes one of integers, calibrated on samples.

In flow order: ``schemes`` (what each layer becomes), ``rules`` (what each operator asks), ``equalize`` (weights that are
alike), ``masks`` (what is -inf), ``scalers`` (what stays in floats), ``curves`` (chains that become tables), ``boundary``
(where types meet), ``calibrate`` and ``clipping`` (ranges), ``assign`` (scales), ``fit`` and ``layers`` (weights),
``rewrite`` (integers). What it cost: ``compare``, layer by layer, and ``sensitivity``, one layer at a time. With PyTorch:
``training`` and ``pruning``.
"""

import sys
from types import ModuleType
from typing import Any

from skosh.ir.graph import Graph
from skosh.quantize.networks.post_training import quantize_graph
from skosh.quantize.study.compare import LayerError, compare_layers
from skosh.quantize.study.sensitivity import Sensitivity, sensitivity

__all__ = ["LayerError", "Sensitivity", "compare_layers", "quantize_graph", "sensitivity"]


class _Callable(ModuleType):
    """Importing this package puts it where the function ``skosh.quantize`` was, so it must be that function too."""

    def __call__(self, graph: Graph, samples: Any = None, **options: Any) -> Graph:
        return quantize_graph(graph, samples, **options)


sys.modules[__name__].__class__ = _Callable
