"""Messages for tests: any that the schema allows."""

from __future__ import annotations

from hypothesis import strategies as st

from skosh.edge.wire import KINDS, MAX_COUNT, Ack, Message

counts = st.integers(0, MAX_COUNT)
numbers = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
names = st.text("abcXYZ019_-", min_size=1, max_size=64)
printable = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=16)
messages = st.builds(
    Message,
    seq=counts,
    t=counts,
    node=names,
    model=printable,
    kind=st.sampled_from(KINDS),
    data=st.one_of(st.binary(max_size=600), st.lists(numbers, max_size=40).map(tuple)),
    conf=st.none() | st.floats(0, 1),
    energy=st.none() | counts,
)
acks = st.builds(Ack, counts)
ANY = st.one_of(messages, acks)
