"""One number in all files of a build, so that a header of one and code of another don't compile together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

UNKNOWN = "0x00000000u"
"""What stands in the header before all files are known; no build has it."""


PART = 1 << 20
"""Characters that are hashed at a time."""


def with_build_id(sources: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The files with the first 32 bits of the hash of them all; each ``.c`` compares it with the header's."""
    h = hashlib.sha256()
    for name, text in sorted(sources.items()):
        h.update(f"{name}\0".encode())
        for at in range(0, len(text), PART):  # weights can be hundreds of megabytes
            h.update(text[at : at + PART].encode())
        h.update(b"\0")
    number = f"0x{h.hexdigest()[:8]}u"
    number = "0x00000001u" if number == UNKNOWN else number
    macro = f"{prefix.upper()}_BUILD_ID"
    include = f'#include "{prefix}.h"\n'
    made = {}
    for name, text in sources.items():
        if name == f"{prefix}.h":
            assert text.count(UNKNOWN) == 1, "the header defines the build's number once"
            text = text.replace(UNKNOWN, number)
        elif name.endswith(".c"):
            assert text.count(include) == 1, f"{name} includes the header"
            check = f'#if {macro} != {number}\n#error "{name} and {prefix}.h are of different builds"\n#endif\n'
            text = text.replace(include, include + check, 1)
        made[name] = text
    return made
