"""Floor 4: a float graph becomes an int8 one, calibrated on samples.

In flow order: ``rules`` (what each operator asks), ``scalers`` (what stays in floats), ``calibrate`` (ranges), ``assign``
(scales), ``rewrite`` (integers), and ``compare`` (what it cost, layer by layer).
"""

import sys
from types import ModuleType
from typing import Any

from skosh.ir.graph import Graph
from skosh.quantize.compare import LayerError, compare_layers
from skosh.quantize.post_training import quantize_graph

__all__ = ["LayerError", "compare_layers", "quantize_graph"]


class _Callable(ModuleType):
    """Importing this package puts it where the function ``skosh.quantize`` was, so it must be that function too."""

    def __call__(self, graph: Graph, samples: Any, *, scheme: str = "int8") -> Graph:
        return quantize_graph(graph, samples, scheme=scheme)


sys.modules[__name__].__class__ = _Callable
