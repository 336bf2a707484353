"""Floor 4: a float graph becomes one of integers, calibrated on samples.

``networks/``, in flow order: ``schemes`` (what each layer becomes), ``rules`` (what each operator asks), ``equalize`` (weights
that are alike), ``masks`` (what is -inf), ``curves`` (chains that become tables), ``boundary`` (where types meet),
``calibrate`` and ``clipping`` (ranges), ``assign`` (scales), ``fit`` and ``layers`` (weights), ``rewrite`` (integers).
``classical/``: linear models, support vectors, neighbours, forests. ``study/``, what it cost: ``compare``, layer by layer,
``sensitivity``, one layer at a time, and ``examine``, which ``findings`` tell why; with PyTorch, ``training`` and ``pruning``.
"""

from skosh.quantizer.quantize import quantize_graph
from skosh.quantizer.study.compare import LayerError, compare_layers
from skosh.quantizer.study.examine import Examination, examine
from skosh.quantizer.study.findings import Finding
from skosh.quantizer.study.sensitivity import Sensitivity, sensitivity

__all__ = [
    "Examination",
    "Finding",
    "LayerError",
    "Sensitivity",
    "compare_layers",
    "examine",
    "quantize_graph",
    "sensitivity",
]
