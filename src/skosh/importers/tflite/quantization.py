"""QUANTIZE, DEQUANTIZE and CAST."""

from __future__ import annotations

from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import dtype
from skosh.importers.tflite.reader import Converter, Record
from skosh.ops.elements.quantization import Cast, Dequantize, Quantize


def quantize(record: Record) -> Quantize:
    return Quantize(record.output().dtype)


def dequantize(record: Record) -> Dequantize:
    return Dequantize()


def cast(record: Record) -> Cast:
    check_cast(record)
    return Cast(record.output().dtype)


def check_cast(record: Record) -> None:
    """A ModelError when the options name other types than the tensors have; FLOAT32 is what they say when absent."""
    from tflite.CastOptions import CastOptions

    options = record.options(CastOptions)
    for number, t in ((options.InDataType(), record.input(0)), (options.OutDataType(), record.output())):
        if number not in (0, UINT8) and dtype(number) != t.dtype:
            raise ModelError(f'CAST says that "{t.name}" is {dtype(number)}, but it is {t.dtype}')


UINT8 = 3
"""A uint8 tensor is held as int8."""


CONVERTERS: dict[str, Converter] = {"QUANTIZE": quantize, "DEQUANTIZE": dequantize, "CAST": cast}
