"""Messages that the node's C writes on a Cortex-M4 are those of ``edge.wire``, byte for byte."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import InputError
from skosh.edge.wire import Ack, Message, decode, encode, frame, unframe
from tests.edge.device import Device, firmware
from tests.edge.messages import names, printable

words = st.integers(0, 2**32 - 1)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
lists = {
    "int8": st.lists(st.integers(-128, 127), max_size=60),
    "int32": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=60),
    "float": st.lists(floats | st.floats(width=16, allow_nan=False, allow_infinity=False), max_size=60),
}


@pytest.fixture(scope="module")
def device() -> Device:
    return Device()


@st.composite
def told(draw: st.DrawFn) -> tuple[Message, str]:
    kind = draw(st.sampled_from(["bytes", *lists]))
    data = draw(st.binary(max_size=900)) if kind == "bytes" else tuple(draw(lists[kind]))
    return Message(
        draw(words), draw(st.integers(0, 2**53 - 1)), draw(names), draw(printable),
        draw(st.sampled_from(["values", "scores", "features", "activation"])), data,
        draw(st.none() | st.floats(0, 1, width=32)), draw(st.none() | words),
    ), kind  # fmt: skip


@given(told(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_c_writes_what_python_writes(device: Device, case: tuple[Message, str], framed: bool) -> None:
    message, kind = case
    sent = device.encode(message, kind, framed=framed)
    assert sent == (frame(encode(message)) if framed else encode(message))
    assert decode(unframe(sent[:-1]) if framed else sent) == message


@pytest.mark.parametrize("size", [*range(160, 200), *range(420, 460)])
def test_blocks_of_254_bytes_are_cut_where_python_cuts_them(device: Device, size: int) -> None:
    message = Message(1, 1, "n", "m", "activation", b"\1" * size)
    assert device.encode(message, "bytes", framed=True) == frame(encode(message))


def test_every_half_float_takes_three_bytes(device: Device) -> None:
    halves = struct.unpack("<31744e", b"".join(i.to_bytes(2, "little") for i in range(0x7C00)))
    for low in range(0, 0x7C00, 400):
        message = Message(1, 1, "n", "m", "values", halves[low : low + 400])
        assert device.encode(message, "float") == encode(message)


def test_a_message_that_does_not_fit_is_not_begun(device: Device) -> None:
    message = Message(9, 9, "n", "m", "scores", (1, 2, 3), 0.5, 7)
    size = len(encode(message))
    assert len(device.encode(message, "int8", room=size)) == size
    assert [len(device.encode(message, "int8", room=room)) for room in range(size)] == [0] * size


@given(st.lists(st.one_of(words.map(lambda n: frame(encode(Ack(n)))), st.binary(max_size=60)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_acknowledgements_are_found_among_garbage(device: Device, pieces: list[bytes]) -> None:
    line = b"\0".join([b"", *pieces, b""])
    wanted, bad = [], 0
    for piece in filter(None, line.split(b"\0")):
        try:
            message = decode(unframe(piece))
        except InputError:
            bad += 1
            continue
        if isinstance(message, Ack) and message.seq < 2**32:
            wanted.append(message.seq)
        else:
            bad += 1
    found, dropped = device.acks(line)
    assert (list(found), dropped) == (wanted, bad)


def test_the_runtime_is_small() -> None:
    """Without a model: code and tables below 8 KB, no static RAM at all."""
    objects = firmware().objects
    flash = sum(objects[f"{name}.o"][0] for name in ("crc", "wire", "outbox", "node"))
    assert 0 < flash < 8192
    assert sum(objects[f"{name}.o"][1] for name in ("crc", "wire", "outbox", "node")) == 0
