"""The one schema of what nodes, gateways and the cloud tell each other.

A message is a CBOR map; an acknowledgement is ``{"ack": seq}``. On a serial line each is a frame: COBS of the CBOR and its
CRC-32 (IEEE 802.3, little endian), then a zero byte. Under MQTT the CBOR is the payload, of the topics ``skosh/<node>/up`` and
``skosh/<node>/down``.

A node counts its messages from 1 in ``seq`` and sends one until it is acknowledged, so (node, seq) tells a copy.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast, get_args

from skosh.base.errors import InputError
from skosh.edge import cbor

Kind: TypeAlias = Literal["values", "scores", "features", "activation"]

KINDS: tuple[str, ...] = get_args(Kind)
MAX_BYTES = 65_536
"""Of one message as CBOR: a layer's tensor goes in, a microphone's minute doesn't."""
MAX_NAME = 64
MAX_COUNT = 2**53 - 1
"""Of seq, t and energy: whole numbers that JSON, SQLite and float64 keep."""
MAX_FRAME = MAX_BYTES + 4 + (MAX_BYTES + 4) // 254 + 1

_NODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = frozenset({"seq", "t", "node", "model", "kind", "data", "conf", "energy"})
_OPTIONAL = frozenset({"conf", "energy"})


@dataclass(frozen=True)
class Message:
    """What a node says.

    ``seq`` counts a node's messages. ``t``: ms, of the node's clock. ``node``: 1 to 64 letters, digits, - or _, as it stands in
    a topic. ``model``: 1 to 64 bytes of text. ``data``: raw bytes of a tensor, or numbers. ``conf``: 0 to 1. ``energy``: uJ.

    Raises InputError when made of anything else.
    """

    seq: int
    t: int
    node: str
    model: str
    kind: Kind
    data: bytes | tuple[int | float, ...]
    conf: float | None = None
    energy: int | None = None

    def __post_init__(self) -> None:
        _count("seq", self.seq)
        _count("t", self.t)
        _check_node(self.node)
        _check_model(self.model)
        if self.kind not in KINDS:
            raise InputError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not isinstance(self.data, bytes):
            if not isinstance(self.data, tuple):
                raise InputError(f"data must be bytes or numbers, not {type(self.data).__name__}")
            for value in self.data:
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise InputError(f"data must be bytes or numbers, not {type(value).__name__}")
                if not math.isfinite(value) or (abs(value) >= 2**63 and isinstance(value, int)):
                    raise InputError(f"numbers must be finite, integers of 64 bits, not {value!r:.40}")
        conf: object = self.conf
        if conf is not None and not (isinstance(conf, float) and 0 <= conf <= 1):
            raise InputError(f"conf must be a float in 0..1, not {self.conf!r}")
        if self.energy is not None:
            _count("energy", self.energy)


@dataclass(frozen=True)
class Ack:
    """The message ``seq`` is stored: the node may forget it."""

    seq: int

    def __post_init__(self) -> None:
        _count("ack", self.seq)


def encode(message: Message | Ack) -> bytes:
    """Its CBOR, the same bytes always. Raises InputError where that is more than ``MAX_BYTES``, or a number isn't finite."""
    if isinstance(message, Ack):
        return cbor.dumps({"ack": message.seq})
    data: cbor.Value = message.data if isinstance(message.data, bytes) else list(message.data)
    fields: dict[str, cbor.Value] = {
        "seq": message.seq, "t": message.t, "node": message.node, "model": message.model, "kind": message.kind, "data": data,
    }  # fmt: skip
    if message.conf is not None:
        fields["conf"] = message.conf
    if message.energy is not None:
        fields["energy"] = message.energy
    content = cbor.dumps(fields)
    _bounded(len(content))
    return content


def decode(content: bytes) -> Message | Ack:
    """The message or acknowledgement that ``content`` is. Raises InputError for whatever isn't exactly one."""
    _bounded(len(content))
    fields = cbor.loads(content)
    if not isinstance(fields, dict):
        raise InputError(f"a message must be a map, not {type(fields).__name__}")
    if fields.keys() == {"ack"}:
        return Ack(cast(int, fields["ack"]))
    missing, unknown = sorted(_KEYS - _OPTIONAL - fields.keys()), sorted(fields.keys() - _KEYS)
    if missing or unknown:
        said = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {name!r:.40}" for name in unknown[:1]]
        raise InputError(f"a message must have the keys of the schema; this one {' and '.join(said)}")
    data = fields.pop("data")
    return Message(data=tuple(data) if isinstance(data, list) else data, **fields)  # type: ignore[arg-type]


def frame(content: bytes) -> bytes:
    """``content`` for a serial line: COBS of it and its CRC-32, and the zero that ends a frame."""
    _bounded(len(content))
    return _stuff(content + binascii.crc32(content).to_bytes(4, "little")) + b"\0"


def unframe(framed: bytes) -> bytes:
    """What ``frame`` was given, from a frame without its zero. Raises InputError where COBS or CRC don't hold."""
    content = _unstuff(framed)
    if len(content) < 5 or binascii.crc32(content[:-4]).to_bytes(4, "little") != content[-4:]:
        raise InputError("a frame must end with the CRC-32 of what it holds")
    _bounded(len(content) - 4)
    return content[:-4]


@dataclass
class Reader:
    """Bytes of a serial line in, whatever their pieces; messages out. What is no frame is dropped and counted.

    ``bad``: frames dropped. ``why``: what was wrong with the last of them. Memory is bounded by ``MAX_FRAME``.
    """

    bad: int = 0
    why: str = ""
    _part: bytearray = field(default_factory=bytearray, repr=False)
    _overrun: bool = field(default=False, repr=False)

    def feed(self, received: bytes) -> Iterator[Message | Ack]:
        """Takes all of ``received`` and gives the messages that became whole."""
        *ended, rest = received.split(b"\0")
        found: list[Message | Ack] = []
        for piece in ended:
            self._append(piece)
            found += self._end()
        self._append(rest)
        return iter(found)

    def _append(self, piece: bytes) -> None:
        if len(self._part) + len(piece) > MAX_FRAME:
            self._overrun = True
            self._part.clear()
        elif not self._overrun:
            self._part += piece

    def _end(self) -> list[Message | Ack]:
        framed, overrun = bytes(self._part), self._overrun
        self._part.clear()
        self._overrun = False
        if not framed and not overrun:
            return []  # zeros between frames: a sender that wants to be understood begins with one
        try:
            if overrun:
                raise InputError(f"a frame must have at most {MAX_FRAME} bytes")
            return [decode(unframe(framed))]
        except InputError as error:
            self.bad += 1
            self.why = str(error)
            return []


def topic_up(node: str) -> str:
    """The MQTT topic of a node's messages."""
    _check_node(node)
    return f"skosh/{node}/up"


def topic_down(node: str) -> str:
    """The MQTT topic of what is said to a node: acknowledgements, updates."""
    _check_node(node)
    return f"skosh/{node}/down"


def node_of(topic: str) -> str:
    """The node of a topic. Raises InputError for one that isn't of the two."""
    match = re.fullmatch(r"skosh/([A-Za-z0-9_-]{1,64})/(?:up|down)", topic)
    if match is None:
        raise InputError(f"a topic must be skosh/<node>/up or skosh/<node>/down, not {topic!r:.100}")
    return match.group(1)


def _stuff(content: bytes) -> bytes:
    """COBS (Cheshire and Baker 1999): blocks of up to 254 bytes that aren't zero, each behind its length + 1."""
    out = bytearray()
    for part in content.split(b"\0"):
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]
        out += bytes([len(part) + 1]) + part
    return bytes(out)


def _unstuff(framed: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(framed):
        code = framed[at]
        block = framed[at + 1 : at + code]
        if code == 0 or len(block) != code - 1 or 0 in block:
            raise InputError(f"byte {at} of a frame must be the length of a block")
        out += block
        at += code
        if code != 255:
            out.append(0)
    if not framed:
        raise InputError("a frame must hold something")
    return bytes(out[:-1]) if code != 255 else bytes(out)


def _count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise InputError(f"{name} must be a whole number in 0..2**53-1, not {value!r:.40}")


def _check_node(node: object) -> None:
    if not isinstance(node, str) or not _NODE.fullmatch(node):
        raise InputError(f"node must be 1 to {MAX_NAME} letters, digits, - or _, not {node!r:.100}")


def _check_model(model: object) -> None:
    if not isinstance(model, str) or not model.isprintable() or not 1 <= len(model.encode(errors="replace")) <= MAX_NAME:
        raise InputError(f"model must be 1 to {MAX_NAME} bytes of printable text, not {model!r:.100}")


def _bounded(size: int) -> None:
    if not 1 <= size <= MAX_BYTES:
        raise InputError(f"a message must have 1 to {MAX_BYTES} bytes, not {size}")
