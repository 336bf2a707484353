"""Floor 4: a float graph becomes an int8 one, calibrated on samples.

In flow order: ``rules`` (what each operator asks), ``scalers`` (what stays in floats), ``calibrate`` (ranges), ``assign``
(scales), ``rewrite`` (integers), and ``compare`` (what it cost, layer by layer).
"""

from skosh.quantize.compare import LayerError, compare_layers
from skosh.quantize.post_training import quantize_graph

__all__ = ["LayerError", "compare_layers", "quantize_graph"]
