"""The schema: what is encoded is decoded, cbor2 agrees, and whatever else comes over a wire is an InputError."""

from __future__ import annotations

import re
from itertools import pairwise

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import InputError
from skosh.edge.wire import (
    MAX_BYTES,
    MAX_FRAME,
    Ack,
    Message,
    Reader,
    decode,
    encode,
    frame,
    node_of,
    topic_down,
    topic_up,
    unframe,
)
from tests.edge.messages import ANY, messages

FIRST = Message(1, 2000, "door-1", "kws", "scores", (3, -4, 0.5), 0.75, 12)


@given(ANY)
def test_what_is_encoded_is_decoded(message: Message | Ack) -> None:
    assert decode(encode(message)) == message


@given(messages)
def test_cbor2_reads_the_same_and_writes_the_same(message: Message) -> None:
    content = encode(message)
    fields = cbor2.loads(content)
    assert fields["seq"] == message.seq
    assert fields["data"] == (message.data if isinstance(message.data, bytes) else list(message.data))
    assert fields.get("conf") == message.conf
    assert fields.get("energy") == message.energy
    assert cbor2.dumps(fields, canonical=True) == content


def test_the_bytes_of_a_message() -> None:
    assert encode(Ack(7)).hex() == "a163" + b"ack".hex() + "07"
    assert encode(FIRST).hex() == (
        "a8" "6174" "1907d0" "63736571" "01" "64636f6e66" "f93a00" "6464617461" "830323f93800"
        "646b696e64" "6673636f726573" "646e6f6465" "66646f6f722d31" "656d6f64656c" "636b7773" "66656e65726779" "0c"
    )  # fmt: skip


@given(st.binary(max_size=80))
@settings(max_examples=400)
def test_any_bytes_are_a_message_or_an_input_error(content: bytes) -> None:
    try:
        message = decode(content)
    except InputError:
        return
    assert encode(message) == content


@given(ANY, st.data())
@settings(max_examples=300)
def test_a_message_with_a_byte_changed_is_another_or_an_input_error(message: Message | Ack, data: st.DataObject) -> None:
    content = bytearray(encode(message))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        other = decode(bytes(content))
    except InputError:
        return
    assert encode(other) == bytes(content)


@given(st.binary(min_size=1, max_size=1200) | st.integers(1, 900).map(lambda n: b"x" * n))
def test_frames_hold_any_bytes_and_one_zero(content: bytes) -> None:
    framed = frame(content)
    assert framed.index(0) == len(framed) - 1
    assert unframe(framed[:-1]) == content


@given(st.lists(ANY, max_size=4), st.binary(max_size=40), st.lists(st.integers(0, 400), max_size=6))
def test_a_reader_survives_garbage_and_any_cuts(sent: list[Message | Ack], garbage: bytes, cuts: list[int]) -> None:
    line = garbage + b"\0" + b"".join(frame(encode(message)) for message in sent)
    edges = sorted({0, len(line), *(cut for cut in cuts if cut < len(line))})
    reader = Reader()
    found = [m for low, high in pairwise(edges) for m in reader.feed(line[low:high])]
    assert found == sent
    assert reader.bad == len([piece for piece in garbage.split(b"\0") if piece])


def test_a_flipped_bit_costs_its_frame_alone() -> None:
    framed = frame(encode(FIRST))
    for bit in range(8 * (len(framed) - 1)):
        hurt = bytearray(framed)
        hurt[bit // 8] ^= 1 << bit % 8
        reader = Reader()
        assert list(reader.feed(bytes(hurt) + framed)) == [FIRST], bit
        assert 1 <= reader.bad <= 2, bit  # a byte that became zero makes two of one


def test_a_frame_without_an_end_takes_bounded_memory() -> None:
    reader = Reader()
    for _ in range(4):
        assert not list(reader.feed(b"\1" * MAX_FRAME))
        assert len(reader._part) <= MAX_FRAME
    assert list(reader.feed(b"\0" + frame(encode(Ack(1))))) == [Ack(1)]
    assert (reader.bad, reader.why) == (1, f"a frame must have at most {MAX_FRAME} bytes.")


def test_the_largest_message_passes_and_one_more_byte_does_not() -> None:
    room = MAX_BYTES - len(encode(Message(1, 1, "n", "m", "activation", bytes(60_000)))) + 60_000
    largest = Message(1, 1, "n", "m", "activation", bytes(room))
    assert len(encode(largest)) == MAX_BYTES
    assert list(Reader().feed(frame(encode(largest)))) == [largest]
    with pytest.raises(InputError, match=f"a message must have 1 to {MAX_BYTES} bytes, not {MAX_BYTES + 1}"):
        encode(Message(1, 1, "n", "m", "activation", bytes(room + 1)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"a message must have 1 to {MAX_BYTES} bytes, not 0."),
        (b"\x01", "a message must be a map, not int."),
        (b"\xa1", "the message is cut short: 1 elements in 0 bytes."),
        (b"\x9b" + b"\xff" * 8, f"the message is cut short: {2**64 - 1} elements in 0 bytes."),
        (b"\x5a\xff\xff\xff\xff", "the message is cut short: 4294967295 bytes must follow byte 5, not 0."),
        (b"\x81" * 9, "lists and maps must be at most 4 deep."),
        (cbor2.dumps({"ack": 1}) + b"\0", "the message must end with its CBOR; 1 bytes are left over."),
        (cbor2.dumps({"ack": -1}), "ack must be a whole number in 0..2**53-1, not -1."),
        (cbor2.dumps({"ack": True}), "byte 5 must begin an integer, bytes, text, a list, a map or a float, not 0xf5."),
        (cbor2.dumps({1: 1}), "keys must be text, not int."),
        (b"\xa2\x61a\x01\x61a\x01", 'each key must be there once; "a" is there twice.'),
        (b"\xa1\x63ack\x18\x01", "the CBOR must be deterministic. Hint: shortest lengths and floats, keys in order:"
         " RFC 8949, section 4.2"),
        (b"\xf9\x7e\x00", "a number must be finite, not nan."),
        (b"\x61\xff", "text must be UTF-8."),
        (cbor2.dumps({"seq": 1}), "a message must have the keys of the schema; this one lacks data, kind, model, node, t."),
    ],
)  # fmt: skip
def test_what_is_no_message_says_why(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        decode(content)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seq": -1}, "seq must be a whole number in 0..2**53-1, not -1."),
        ({"t": 2**53}, "t must be a whole number in 0..2**53-1, not 9007199254740992."),
        ({"node": "a/b"}, "node must be 1 to 64 letters, digits, - or _, not 'a/b'."),
        ({"model": "a\nb"}, r"model must be 1 to 64 bytes of printable text, not 'a\nb'."),
        ({"model": "ü" * 33}, f"model must be 1 to 64 bytes of printable text, not {'ü' * 33!r}."),
        ({"kind": "guess"}, "kind must be one of values, scores, features, activation, not 'guess'."),
        ({"data": "text"}, "data must be bytes or numbers, not str."),
        ({"data": (1, float("inf"))}, "numbers must be finite, integers of 64 bits, not inf."),
        ({"conf": 1.5}, "conf must be a float in 0..1, not 1.5."),
        ({"energy": 0.5}, "energy must be a whole number in 0..2**53-1, not 0.5."),
    ],
)
def test_a_message_is_checked_when_it_is_made(fields: dict[str, object], message: str) -> None:
    plain = {"seq": 1, "t": 1, "node": "n", "model": "m", "kind": "values", "data": (1,)}
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Message(**plain | fields)  # type: ignore[arg-type]


def test_topics_name_their_node() -> None:
    assert (topic_up("door-1"), topic_down("door-1")) == ("skosh/door-1/up", "skosh/door-1/down")
    assert node_of("skosh/door-1/up") == node_of("skosh/door-1/down") == "door-1"
    for topic in ("skosh/+/up", "skosh/#", "skosh/a/b/up", "other/a/up", "skosh//up"):
        with pytest.raises(InputError, match="a topic must be"):
            node_of(topic)
