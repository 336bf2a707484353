"""The outbox in flash: what was said to be kept is kept, whatever the instruction before which the power goes.

The emulator looks at the flash before every instruction of an append or an acknowledgement; a power cut there leaves exactly
that, as RAM is lost. From each such image the firmware starts again, and what it finds must be what was there before, with or
without the one thing that was being done.
"""

from __future__ import annotations

import random

import pytest

from tests.edge.device import FLASH_BYTES, SECTORS, Device

APPEND, ACK = 1, 2
BLANK = b"\xff" * FLASH_BYTES
Waiting = dict[int, bytes]


@pytest.fixture(scope="module", params=[(), ("ERASE_DOWN",)], ids=["erases-up", "erases-down"])
def devices(request: pytest.FixtureRequest) -> tuple[Device, Device]:
    return Device(*request.param), Device(*request.param, watched=True)


def plan(seed: int, length: int) -> list[tuple[int, bytes]]:
    """Appends of 0 to 30 bytes and acknowledgements (of the n-th that waits, n in a byte), about as many of both."""
    rng = random.Random(seed)
    steps = [(APPEND, rng.randbytes(rng.randrange(31))) for _ in range(length)]
    return [step if rng.random() < 0.55 else (ACK, rng.randbytes(1)) for step in steps]


def do(device: Device, flash: bytes, waiting: Waiting, step: tuple[int, bytes]) -> tuple[bytes, Waiting]:
    """The flash after a step, and what must wait then by what the firmware answered."""
    what, content = step
    if what == APPEND:
        flash = device.run(APPEND, flash, data=content)
        return flash, waiting | {device.result: content} if device.result else waiting
    if not waiting:
        return flash, waiting
    seq = sorted(waiting)[content[0] % len(waiting)]
    flash = device.run(ACK, flash, argument=seq)
    assert device.result == 1
    return flash, {kept: text for kept, text in waiting.items() if kept != seq}


def held(device: Device, flash: bytes) -> Waiting:
    found = device.waiting(flash)
    assert [seq for seq, _ in found] == sorted({seq for seq, _ in found}), "in order, none twice"
    return dict(found)


def test_a_power_cut_at_any_instruction_loses_nothing_and_doubles_nothing(devices: tuple[Device, Device]) -> None:
    plain, watched = devices
    flash, waiting, highest, cuts, refused = BLANK, Waiting(), 0, 0, 0
    for step in plan(1, 44):
        before = waiting
        flash, waiting = do(watched, flash, waiting, step)
        refused += step[0] == APPEND and waiting == before
        for image in watched.images:
            found = held(plain, image)
            assert found in (before, waiting), (step, found, before, waiting)
            after = plain.run(APPEND, image, data=b"next")  # whatever was torn, the next message finds its place and number
            if seq := plain.result:
                assert seq > highest
                assert held(plain, after) == found | {seq: b"next"}
        cuts += watched.instructions
        highest = max(highest, *waiting, 0)
        watched.images = {}
    assert refused > 0, "the ring was full at times"
    assert cuts > 20_000
    assert held(plain, flash) == waiting


def test_a_power_cut_after_a_power_cut_changes_nothing(devices: tuple[Device, Device]) -> None:
    """A second cut, at any instruction of the append that follows the first, which fell while a sector was begun."""
    plain, watched = devices
    flash, waiting = BLANK, Waiting()
    for step in [(APPEND, bytes([i]) * 24) for i in range(1, 5)] + [(ACK, b"\0")] * 4:
        flash, waiting = do(plain, flash, waiting, step)
    for _ in range(2):  # on to the last bytes of the last sector: the next append erases the first
        flash, waiting = do(plain, flash, waiting, (APPEND, b"wait" * 6))
    watched.run(APPEND, flash, data=b"first" * 5)
    first = list(watched.images)
    assert len(first) > 40, "an erase word by word is in it"
    for image in first[:: max(1, len(first) // 12)]:
        once = held(plain, image)
        watched.run(APPEND, image, data=b"second" * 4)
        whole = once | {watched.result: b"second" * 4}
        for second in watched.images:
            assert held(plain, second) in (once, whole)


def test_sectors_are_erased_as_often_as_each_other(devices: tuple[Device, Device]) -> None:
    plain, _ = devices
    plain.erases = [0] * SECTORS
    flash = BLANK
    for i in range(1, 91):
        flash = plain.run(APPEND, flash, data=b"a message of 24 bytes...")
        assert plain.result == i
        flash = plain.run(ACK, flash, argument=i)
    assert min(plain.erases) >= 14
    assert max(plain.erases) - min(plain.erases) <= 1


def test_a_full_ring_refuses_and_takes_again_after_an_acknowledgement(devices: tuple[Device, Device]) -> None:
    plain, _ = devices
    flash, waiting = BLANK, Waiting()
    while True:
        before = waiting
        flash, waiting = do(plain, flash, waiting, (APPEND, b"x" * 30))
        if waiting == before:
            break
    assert len(waiting) == 6  # two of 48 bytes in each sector of 112
    for seq in (1, 2):
        assert plain.run(APPEND, flash, data=b"x" * 30) == flash
        assert plain.result == 0
        flash = plain.run(ACK, flash, argument=seq)
    plain.run(APPEND, flash, data=b"x" * 30)
    assert plain.result == 7
    plain.run(ACK, flash, argument=1)
    assert plain.result == 0, "it is gone already"
    plain.run(APPEND, BLANK, data=bytes(97))
    assert plain.result == 0, "no sector has that much room"


def test_flash_full_of_anything_is_an_empty_outbox_or_a_sound_one(devices: tuple[Device, Device]) -> None:
    plain, _ = devices
    rng = random.Random(4)
    for _ in range(100):
        flash = bytearray(rng.randbytes(FLASH_BYTES))
        after = plain.run(APPEND, bytes(flash), data=b"here")
        assert plain.result == 1
        assert held(plain, after) == {1: b"here"}
        for _ in range(4):  # and bits that flip in a sound one give records that were written, or none
            hurt = bytearray(after)
            hurt[rng.randrange(FLASH_BYTES)] ^= 1 << rng.randrange(8)
            assert set(held(plain, bytes(hurt)).items()) <= {(1, b"here")}
