"""The signal library's operators against TFLM, one by one, and their kernels against their meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from skosh.base.errors import ModelError, UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.graph import Tensor
from tests.ops.one_operator import check, check_kernels, model
from tests.support.agree import check_against_tflm
from tests.support.tflite_writer import TensorSpec

NOISE = {
    "alternate_one_minus_smoothing": 15401, "alternate_smoothing": 983, "clamping": False, "min_signal_remaining": 819,
    "num_channels": 40, "one_minus_smoothing": 15975, "smoothing": 409, "smoothing_bits": 10,
    "spectral_subtraction_bits": 14,
}  # fmt: skip
"""Options of the spectral subtraction, as the audio preprocessor has them."""


def signal(
    code: str, inputs: list[TensorSpec], outputs: list[TensorSpec], options: dict[str, Any] | None = None
) -> bytes:
    """A file with one operator of the signal library."""
    custom = bytes(flexbuffers.Dumps(options or {}))
    return model("CUSTOM", inputs, outputs, custom_code=f"Signal{code}", custom_options=custom)


def plain(shape: tuple[int, ...], dtype: Any, data: Any = None) -> TensorSpec:
    return TensorSpec("", shape, dtype, data=data)


def numbers(values: Any, dtype: Any = np.int16) -> TensorSpec:
    data = np.asarray(values, dtype)
    return plain(data.shape, dtype, data)


def of_all_sizes(t: Tensor, rng: np.random.Generator) -> Any:
    """Integers with as many small as large ones, and the extremes."""
    bits = rng.integers(0, t.dtype.bits + 1, t.shape)
    value = rng.integers(0, 1 << 63, t.shape, np.uint64) >> np.maximum(63 - bits, 0).astype(np.uint64)
    value = value.astype(t.dtype.np) * (rng.choice([-1, 1], t.shape).astype(t.dtype.np) if t.dtype.kind == "int" else 1)
    value = np.where(rng.random(t.shape) < 0.1, np.array(t.dtype.max, t.dtype.np), value)
    return np.where(rng.random(t.shape) < 0.02, np.array(t.dtype.min, t.dtype.np), value).astype(t.dtype.np)


def loud(t: Tensor, rng: np.random.Generator) -> Any:
    """Samples at the extremes of int16, so that sums wrap."""
    return rng.choice(np.array([-32768, 32767, 0], np.int16), t.shape)


@pytest.mark.parametrize("shape", [(7,), (2, 33)])
@pytest.mark.parametrize("shift", [0, 12, 15])
def test_window(shape: tuple[int, ...], shift: int) -> None:
    window = np.random.default_rng(1).integers(-32768, 32768, shape[-1:])
    x, y = plain(shape, np.int16), plain(shape, np.int16)
    check(signal("Window", [x, numbers(window)], [y], {"shift": shift}), 3, make_input=of_all_sizes)


@pytest.mark.parametrize("size", [1, 40, 480])
def test_auto_scale(size: int) -> None:
    data = signal("FftAutoScale", [plain((size,), np.int16)], [plain((size,), np.int16), plain((), np.int32)])
    check(data, 6, make_input=of_all_sizes)
    check(data, 2, make_input=lambda t, rng: rng.integers(-9, 9, t.shape).astype(np.int16))
    check(data, 1, make_input=lambda t, rng: np.zeros(t.shape, np.int16))


@pytest.mark.parametrize("length", [32, 64, 128, 256, 512, 1024, 2048, 4096])
def test_real_fft(length: int) -> None:
    y = plain((length + 2,), np.int16)
    options = {"T": 7, "fft_length": length}
    data = signal("Rfft", [plain((length,), np.int16)], [y], options)
    check_against_tflm(data, 2, make_input=loud)
    data = signal("Rfft", [plain((length - 5,), np.int16)], [y], options)
    graph = check_against_tflm(data, 2, make_input=of_all_sizes)
    if length <= 512:  # beyond, the stages are the same ones, more often
        check_kernels(graph, make_input=of_all_sizes)


def test_real_fft_of_rows() -> None:
    data = signal("Rfft", [plain((3, 50), np.int16)], [plain((3, 66), np.int16)], {"T": 7, "fft_length": 64})
    check(data, 3, make_input=of_all_sizes)


def test_real_fft_is_a_spectrum() -> None:
    from skosh.ir.interpret_graph import run_graph

    options = {"T": 7, "fft_length": 512}
    graph = load(signal("Rfft", [plain((512,), np.int16)], [plain((514,), np.int16)], options), name="fft")
    x = (12000 * np.sin(np.arange(512) * 0.3)).astype(np.int16)
    y = run_graph(graph, [x]).values[graph.outputs[0]].reshape(-1, 2)
    assert np.abs(y[:, 0] + 1j * y[:, 1] - np.fft.rfft(x) / 512).max() < 8


def test_energy() -> None:
    data = signal("Energy", [plain((22,), np.int16)], [plain((11,), np.uint32)], {"end_index": 11, "start_index": 0})
    check(data, 4, make_input=loud)


def test_filter_bank() -> None:
    rng = np.random.default_rng(2)
    weights, unweights = rng.integers(0, 4097, 12), rng.integers(0, 4097, 12)
    inputs = [plain((20,), np.uint32), *map(numbers, (weights, unweights, [3, 5, 9, 12], [0, 2, 6, 9], [2, 4, 3, 3]))]
    check(signal("FilterBank", inputs, [plain((3,), np.uint64)], {"num_channels": 3}), 4, make_input=of_all_sizes)


@pytest.mark.parametrize("bits", [0, 7, 15])
def test_square_root(bits: int) -> None:
    inputs = [plain((64,), np.uint64), numbers(bits, np.int32)]
    check(signal("FilterBankSquareRoot", inputs, [plain((64,), np.uint32)]), 3, make_input=of_all_sizes)


@pytest.mark.parametrize("clamping", [False, True])
def test_spectral_subtraction(clamping: bool) -> None:
    options = NOISE | {"clamping": clamping, "num_channels": 9}
    both = [plain((9,), np.uint32), plain((9,), np.uint32)]
    data = signal("FilterBankSpectralSubtraction", [plain((9,), np.uint32)], both, options)
    check(data, 6, make_input=of_all_sizes)
    check(data, 6, make_input=lambda t, rng: rng.integers(0, 5000, t.shape).astype(np.uint32))


@pytest.mark.parametrize("shift", [0, 6, 21])
def test_pcan(shift: int) -> None:
    table = np.random.default_rng(3).integers(-3000, 32768, 125)
    inputs = [plain((50,), np.uint32), plain((50,), np.uint32), numbers(table)]
    check(signal("PCAN", inputs, [plain((50,), np.uint32)], {"snr_shift": shift}), 4, make_input=of_all_sizes)


@pytest.mark.parametrize(("bits", "scale"), [(3, 64), (0, 1), (5, 65536)])
def test_log(bits: int, scale: int) -> None:
    options = {"input_correction_bits": bits, "output_scale": scale}
    data = signal("FilterBankLog", [plain((200,), np.uint32)], [plain((200,), np.int16)], options)
    check(data, 3, make_input=of_all_sizes)
    check(data, 1, make_input=lambda t, rng: np.arange(t.size).astype(np.uint32))


# --------------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("code", "options", "why"),
    [
        ("Rfft", {"T": 0, "fft_length": 64}, "must be of int16"),
        ("Rfft", {"T": 7, "fft_length": 60}, "power of two"),
        ("Rfft", {"T": 7, "fft_length": 32}, "from 1 to 32 samples"),
        ("Rfft", {"T": 7}, "must say fft_length"),
        ("Rfft", {"T": 7, "fft_length": 64, "more": 1}, "have more, which isn't read here"),
        ("Rfft", {"T": 7, "fft_length": "64"}, "whole numbers by name"),
    ],
)
def test_wrong_options(code: str, options: dict[str, Any], why: str) -> None:
    data = signal(code, [plain((50,), np.int16)], [plain((66,), np.int16)], options)
    with pytest.raises(UnsupportedError, match=why):
        load(data, name="wrong")


def test_bands_stay_inside() -> None:
    inputs = [plain((9,), np.uint32), numbers([1, 2]), numbers([1, 2]), *map(numbers, ([0, 8], [0, 1], [1, 2]))]
    with pytest.raises((UnsupportedError, ModelError), match="within its 9 energies"):
        load(signal("FilterBank", inputs, [plain((1,), np.uint64)], {"num_channels": 1}), name="wrong")


def test_damaged_options() -> None:
    more = {"custom_code": "SignalRfft", "custom_options": b"\x01"}
    data = model("CUSTOM", [plain((64,), np.int16)], [plain((66,), np.int16)], **more)
    with pytest.raises(UnsupportedError, match=r"can't be read|whole numbers"):
        load(data, name="wrong")
