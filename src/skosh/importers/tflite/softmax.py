"""SOFTMAX and LOG_SOFTMAX."""

from __future__ import annotations

from skosh.base.dtypes import i8, i16
from skosh.importers.tflite.reader import Converter, Record
from skosh.ops.reductions.softmax import LogSoftmax, Softmax


def softmax(record: Record) -> Softmax:
    from tflite.SoftmaxOptions import SoftmaxOptions

    wide = record.input(0).dtype == i8 and record.output().dtype == i16
    return Softmax(float(record.options(SoftmaxOptions).Beta()), wide)


def log_softmax(record: Record) -> LogSoftmax:
    return LogSoftmax()


CONVERTERS: dict[str, Converter] = {"SOFTMAX": softmax, "LOG_SOFTMAX": log_softmax}
