"""Reads the map that lld writes: which object file put how many bytes where.

Before: lines of "address, load address, size, alignment", then an output section, or indented by 8 an input section
(``kws.o:(.text.kws_run)``), or by 16 a symbol. After: bytes in flash and in RAM of each object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from skosh.targets.image import Sizes

_LINE = re.compile(r"^ *[0-9a-f]+ +[0-9a-f]+ +([0-9a-f]+) +\d+ (.*)$")
_IN_FLASH = (".vectors", ".text", ".rodata", ".data")
_IN_RAM = (".data", ".bss")
PADDING = "<alignment>"


def object_sizes(map_text: str) -> dict[str, tuple[int, int]]:
    """(bytes in flash, bytes in RAM) by object file or archive; PADDING for what no object owns."""
    sizes: dict[str, tuple[int, int]] = {}

    def add(name: str, section: str, count: int) -> None:
        flash, ram = sizes.get(name, (0, 0))
        sizes[name] = flash + count * (section in _IN_FLASH), ram + count * (section in _IN_RAM)

    section = ""
    for line in map_text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        size, rest = int(match.group(1), 16), match.group(2)
        if not rest.startswith(" "):
            section = rest.strip()
            add(PADDING, section, size)
        elif not rest.startswith(" " * 16) and ":(" in rest:
            name = PurePath(rest.strip().rpartition(":(")[0].partition("(")[0]).name
            add(name, section, size)
            add(PADDING, section, -size)
    return sizes


def model_sizes(objects: Mapping[str, tuple[int, int]], support: frozenset[str]) -> Sizes:
    """The sum by purpose: ``*_weights.o``, the objects in ``support`` with PADDING, and everything else, the code."""
    weights = code = extra = ram = extra_ram = 0
    for name, (flash_bytes, ram_bytes) in objects.items():
        if name in support or name == PADDING:
            extra += flash_bytes
            extra_ram += ram_bytes
            continue
        ram += ram_bytes
        if name.endswith("_weights.o"):
            weights += flash_bytes
        else:
            code += flash_bytes
    return Sizes(code, weights, extra, ram, extra_ram)
