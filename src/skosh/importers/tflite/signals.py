"""TFLite Micro's signal library: custom operators whose options are numbers by name in a flexbuffer."""

from __future__ import annotations

import numpy as np
from flatbuffers import flexbuffers

from skosh.base.dtypes import i16
from skosh.base.errors import ModelError
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Op, State, Tensor
from skosh.ops.signal.channels import FilterBank, GainControl, Logarithm, NoiseSubtraction, SquareRoot, noise_of
from skosh.ops.signal.spectrum import AutoScale, Energy, RealFft, Window

INT16 = 7  # TensorType


def window(record: Record) -> Converted:
    (shift,) = numbers(record, "shift")
    return converted(record, Window(shift), 2, 1)


def auto_scale(record: Record) -> Converted:
    numbers(record)
    return converted(record, AutoScale(), 1, 2)


def rfft(record: Record) -> Converted:
    kind, length = numbers(record, "T", "fft_length")
    if kind != INT16 or record.input(0).dtype != i16:
        raise ModelError(
            f"{record.code} must be of int16", hint="make the front end with int16 samples, or end the model behind it"
        )
    return converted(record, RealFft(length), 1, 1)


def energy(record: Record) -> Converted:
    end, start = numbers(record, "end_index", "start_index")
    return converted(record, Energy(start, end), 1, 1)


def filter_bank(record: Record) -> Converted:
    (channels,) = numbers(record, "num_channels")
    return converted(record, FilterBank(channels), 6, 1)


def square_root(record: Record) -> Converted:
    numbers(record)
    return converted(record, SquareRoot(), 2, 1)


def spectral_subtraction(record: Record) -> Converted:
    odd_rest, odd, clamping, least, channels, even_rest, even, extra, bits = numbers(
        record, "alternate_one_minus_smoothing", "alternate_smoothing", "clamping", "min_signal_remaining", "num_channels",
        "one_minus_smoothing", "smoothing", "smoothing_bits", "spectral_subtraction_bits",
    )  # fmt: skip
    x = record.input(0)
    if x.shape != (channels,):
        raise ModelError(f"{record.code} must have {channels} channels, as its options say, not {list(x.shape)}")
    op = NoiseSubtraction((even, even_rest), (odd, odd_rest), least, bits, extra, bool(clamping))
    before = noise_of(channels, f"{record.output().name}_noise")
    after = Tensor(f"{before.name}_next", before.shape, before.dtype)
    state = State(before.name, before.name, after.name, np.zeros(before.shape, before.dtype.np))
    made = converted(record, op, 1, 2)
    return Converted(made.op, made.inputs, more_inputs=(before,), more_outputs=(after,), states=(state,))


def pcan(record: Record) -> Converted:
    (shift,) = numbers(record, "snr_shift")
    return converted(record, GainControl(shift), 3, 1)


def log(record: Record) -> Converted:
    bits, scale = numbers(record, "input_correction_bits", "output_scale")
    return converted(record, Logarithm(scale, bits), 1, 1)


def converted(record: Record, op: Op, inputs: int, outputs: int) -> Converted:
    """The operator on all inputs of the record, which must have so many inputs and outputs."""
    if len(record.inputs) != inputs or len(record.outputs) != outputs:
        raise ModelError(f"{record.code} must have {inputs} inputs and {outputs} outputs")
    return Converted(op, tuple(range(inputs)))


def numbers(record: Record, *names: str) -> tuple[int, ...]:
    """The options, which must be these and no others, each a whole number of 32 bits."""
    record.taken.extras.add("custom_options")
    found: object = {}
    if record.custom_options:
        try:
            found = flexbuffers.Loads(record.custom_options)
        except Exception as error:  # the parser checks nothing
            raise ModelError(f"the options of {record.code} can't be read") from error
    if not isinstance(found, dict) or not all(isinstance(v, int) and abs(v) < 1 << 31 for v in found.values()):
        raise ModelError(f"the options of {record.code} must be whole numbers by name")
    missing, more = [n for n in names if n not in found], sorted(set(found) - set(names))
    if missing or more:
        what = f"must say {missing[0]}" if missing else f"have {more[0]}, which isn't read here"
        raise ModelError(f"the options of {record.code} {what}")
    return tuple(int(found[n]) for n in names)


CONVERTERS: dict[str, Converter] = {
    "CUSTOM:SignalWindow": window, "CUSTOM:SignalFftAutoScale": auto_scale, "CUSTOM:SignalRfft": rfft,
    "CUSTOM:SignalEnergy": energy, "CUSTOM:SignalFilterBank": filter_bank,
    "CUSTOM:SignalFilterBankSquareRoot": square_root,
    "CUSTOM:SignalFilterBankSpectralSubtraction": spectral_subtraction, "CUSTOM:SignalPCAN": pcan,
    "CUSTOM:SignalFilterBankLog": log,
}  # fmt: skip
