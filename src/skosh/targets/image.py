"""A linked program: the ELF file read into what a debugger would show, and the Firmware that a build gives."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from skosh.base.errors import ToolError


@dataclass(frozen=True)
class Symbol:
    """A name in the program; address without the Thumb bit, size in bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class Section:
    """An output section. ``load_address``: where its bytes lie in flash; equal to address but for .data."""

    address: int
    size: int
    load_address: int


@dataclass(frozen=True)
class Image:
    """What an ELF file holds. ``segments``: (load address, bytes) to put in memory before a start."""

    entry: int
    segments: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, Symbol]
    sections: Mapping[str, Section]

    def address(self, name: str) -> int:
        """Where ``name`` is; a ToolError when the program has no such symbol."""
        if name not in self.symbols:
            raise ToolError(f'firmware has no symbol "{name}"', hint="is it declared without static, and used?")
        return self.symbols[name].address

    def name_at(self, address: int) -> str:
        """The symbol that ``address`` lies in, as ``name+0x12``; the plain address when none."""
        best = None
        for name, symbol in self.symbols.items():
            if symbol.address <= address < symbol.address + max(symbol.size, 1):
                best = (name, symbol) if best is None or symbol.address > best[1].address else best
        if best is None:
            return f"{address:#010x}"
        offset = address - best[1].address
        return best[0] + (f"+{offset:#x}" if offset else "")


@dataclass(frozen=True)
class Sizes:
    """Bytes in flash and in static RAM (without stack), from the linker map. ``support`` is what isn't the model:
    vectors, startup code, the harness, alignment."""

    flash_code: int
    flash_weights: int
    flash_support: int
    ram_static: int
    ram_support: int


@dataclass(frozen=True)
class Firmware:
    """A program that a target can run, and what the linker said about it.

    ``flash_code``: the model's code, its constants outside ``*_weights.c``, and the library functions it calls;
    ``objects``: (bytes in flash, bytes in RAM) of each object file that was linked.
    """

    target: str
    elf: bytes
    sizes: Sizes
    objects: Mapping[str, tuple[int, int]]
    map_text: str
    symbols: Mapping[str, Symbol]
    sections: Mapping[str, Section]

    @property
    def flash_code(self) -> int:
        return self.sizes.flash_code

    @property
    def flash_weights(self) -> int:
        return self.sizes.flash_weights

    @property
    def ram_static(self) -> int:
        return self.sizes.ram_static


@dataclass(frozen=True)
class _Layout:
    """The records of an ELF file of 32 or 64 bits, and where the fields stand that come in another order."""

    header: struct.Struct
    segment: struct.Struct  # type, offset, virtual, physical address, size in file, in memory: at ``segment_order``
    section: struct.Struct
    symbol: struct.Struct  # name, value, size, info, other, section: at ``symbol_order``
    segment_order: tuple[int, ...]
    symbol_order: tuple[int, ...]


_LAYOUTS = {
    1: _Layout(
        struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<8I"), struct.Struct("<10I"), struct.Struct("<IIIBBH"),
        (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5),
    ),
    2: _Layout(
        struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ"), struct.Struct("<IIQQQQIIQQ"),
        struct.Struct("<IBBHQQ"), (0, 2, 3, 4, 5, 6), (0, 4, 5, 1, 2, 3),
    ),
}  # fmt: skip
_ALLOCATED, _NO_BITS, _SYMBOL_TABLE, _LOAD = 0x2, 8, 2, 1


def read_elf(elf: bytes) -> Image:
    """Reads a little-endian ELF executable of 32 or 64 bits (System V ABI, chapter 4); a ToolError when it's something else."""
    layout = _LAYOUTS.get(elf[4]) if len(elf) > 5 and elf[:4] == b"\x7fELF" and elf[5] == 1 else None
    if layout is None or len(elf) < layout.header.size:
        raise ToolError("firmware must be a little-endian ELF file of 32 or 64 bits")
    head = layout.header.unpack_from(elf)
    entry, program_offset, section_offset = head[4:7]
    segment_count, section_count, names_index = head[10], head[12], head[13]

    loads = []
    segments = []
    for i in range(segment_count):
        fields = layout.segment.unpack_from(elf, program_offset + i * layout.segment.size)
        kind, offset, virtual, physical, file_size, memory_size = (fields[k] for k in layout.segment_order)
        if kind == _LOAD:
            loads.append((virtual, physical, memory_size))
            if file_size:
                segments.append((physical, elf[offset : offset + file_size]))

    headers = [layout.section.unpack_from(elf, section_offset + i * layout.section.size) for i in range(section_count)]
    sections: dict[str, Section] = {}
    symbols: dict[str, Symbol] = {}
    for name, kind, flags, address, offset, size, link, _, _, _ in headers:
        if flags & _ALLOCATED and size:
            load = next((p + address - v for v, p, n in loads if v <= address < v + n), address)
            sections[_text(elf, headers[names_index][4] + name)] = Section(
                address, size, address if kind == _NO_BITS else load
            )
        if kind == _SYMBOL_TABLE:
            for at in range(offset, offset + size, layout.symbol.size):
                fields = layout.symbol.unpack_from(elf, at)
                symbol_name, value, symbol_size, info, _, section = (fields[k] for k in layout.symbol_order)
                label = _text(elf, headers[link][4] + symbol_name)
                if label and section and not label.startswith("$") and info & 15 in (0, 1, 2):
                    is_code = info & 15 == 2
                    symbols[label] = Symbol(value & ~1 if is_code else value, symbol_size)
    return Image(entry & ~1, tuple(segments), MappingProxyType(symbols), MappingProxyType(sections))


def allocated_bytes(elf: bytes) -> int:
    """What an object file takes of a machine's memory: the sum of its sections that are loaded."""
    layout = _LAYOUTS[elf[4]]
    head = layout.header.unpack_from(elf)
    headers = [layout.section.unpack_from(elf, head[6] + i * layout.section.size) for i in range(head[12])]
    return sum(h[5] for h in headers if h[2] & _ALLOCATED)


def _text(elf: bytes, at: int) -> str:
    return elf[at : elf.index(b"\0", at)].decode("utf-8", "replace")
