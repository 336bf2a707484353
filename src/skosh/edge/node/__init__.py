"""The firmware of a node, in C99: no heap, and all that it asks of a board is the ten functions of ``port.h``.

``wire.c`` writes messages as ``edge.wire`` reads them, and reads acknowledgements; ``outbox.c`` keeps messages in flash;
``node.c`` sends them until they are acknowledged.
"""

from __future__ import annotations

from importlib.resources import files

FILES = ("port.h", "crc.h", "crc.c", "wire.h", "wire.c", "outbox.h", "outbox.c", "node.h", "node.c")


def sources() -> dict[str, str]:
    """The C by file name, to compile beside a model."""
    return {name: (files("skosh.edge.node") / name).read_text(encoding="utf-8") for name in FILES}
