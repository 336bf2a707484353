"""QUANTIZE, DEQUANTIZE and CAST."""

from __future__ import annotations

from skosh.importers.tflite.reader import Converter, Record
from skosh.ops.elements.quantization import Cast, Dequantize, Quantize


def quantize(record: Record) -> Quantize:
    return Quantize(record.output().dtype)


def dequantize(record: Record) -> Dequantize:
    return Dequantize()


def cast(record: Record) -> Cast:
    return Cast(record.output().dtype)


CONVERTERS: dict[str, Converter] = {"QUANTIZE": quantize, "DEQUANTIZE": dequantize, "CAST": cast}
