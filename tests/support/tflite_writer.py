"""Writes TFLite files for tests, from plain descriptions: the writer of ``skosh export --to tflite``."""

from __future__ import annotations

from skosh.importers.tflite.export.writer import OperatorSpec, SubgraphSpec, TensorSpec, model_bytes, options_class

__all__ = ["OperatorSpec", "SubgraphSpec", "TensorSpec", "model_bytes", "options_class"]
