"""A node that loses its power every second, on a line that loses and doubles: each message arrives, and is stored once."""

from __future__ import annotations

import random

from skosh.edge.wire import Ack, Message, Reader, encode, frame
from tests.edge.device import FLASH_BYTES, Device


def lossy(rng: random.Random, frames: list[bytes]) -> bytes:
    """30 % of the frames are lost, half of these to a flipped bit; 10 % come twice."""
    line = b""
    for framed in frames:
        chance = rng.random()
        if 0.15 <= chance < 0.3:
            at = rng.randrange(len(framed) - 1)
            line += framed[:at] + bytes([framed[at] ^ 1 << rng.randrange(8)]) + framed[at + 1 :] + b"\0"
        elif chance >= 0.3:
            line += framed * (2 if chance > 0.9 else 1)
    return line


def test_every_message_kept_arrives_and_is_stored_once() -> None:
    rng, device, flash, down = random.Random(3), Device(), b"\xff" * FLASH_BYTES, b""
    kept, stored, sent = [], dict[int, Message](), 0
    for second in range(400):
        value = 1 + second % 255 if second < 300 and second % 3 else 0
        flash = device.run(7, flash, argument=value, data=down)
        kept += [bytes([value])] * device.argument
        frames = [piece + b"\0" for piece in device.data[: device.result].split(b"\0")[:-1]]
        sent += len(frames)
        reader, answers = Reader(), []
        for message in reader.feed(lossy(rng, frames)):
            assert isinstance(message, Message)
            assert stored.setdefault(message.seq, message) == message, "a number names one message for ever"
            answers.append(frame(encode(Ack(message.seq))))
        down = lossy(rng, answers)
    assert len(kept) > 100
    assert sent > len(kept) * 1.3, "some were sent again"
    assert [stored[seq].data for seq in sorted(stored)] == kept
    assert sorted(stored) == list(range(1, len(kept) + 1))
    assert device.waiting(flash) == []


def test_what_is_not_acknowledged_goes_again_ever_later() -> None:
    device = Device()
    flash = device.run(7, b"\xff" * FLASH_BYTES, argument=5)
    assert (device.argument, device.result) == (1, 0), "kept; it goes when the node talks next"
    device.run(7, flash)
    frames = device.data[: device.result].split(b"\0")
    assert len(frames) == 4, "at 0, 204 and 608 ms; then 1,412"
    assert frames[0] == frames[1] == frames[2] != frames[3] == b""
