"""What models take in a linked firmware: the symbols of its ELF file that are a model's, by pyelftools."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skosh.base.errors import InputError, ToolError
from skosh.base.files import read_bytes

RUN = "_run"
"""Every model has a function NAME_run, and beside it a constant NAME_build_... or a function NAME_input."""

KINDS = ("code", "constants", "ram")


@dataclass(frozen=True)
class Symbol:
    """kind: code, constants or ram. size: bytes."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True)
class ModelSize:
    name: str
    symbols: tuple[Symbol, ...]

    def of(self, kind: str) -> int:
        return sum(s.size for s in self.symbols if s.kind == kind)

    @property
    def code(self) -> int:
        return self.of("code")

    @property
    def constants(self) -> int:
        return self.of("constants")

    @property
    def ram(self) -> int:
        return self.of("ram")


@dataclass(frozen=True)
class FirmwareSize:
    """code, constants, ram: of the whole firmware, by its sections; what starts in flash and is copied counts in both."""

    file: str
    code: int
    constants: int
    ram: int
    models: tuple[ModelSize, ...]

    def as_json(self, *, symbols: bool = False) -> dict[str, Any]:
        def told(m: ModelSize) -> dict[str, Any]:
            sizes = {"name": m.name, "code": m.code, "constants": m.constants, "ram": m.ram}
            return sizes | ({"symbols": [vars(s) for s in m.symbols]} if symbols else {})

        whole = {"code": self.code, "constants": self.constants, "ram": self.ram}
        return {"file": self.file, "models": [told(m) for m in self.models], "firmware": whole}


def sizes_in(path: Path, names: Sequence[str] = ()) -> FirmwareSize:
    """Of a firmware, by its symbols. names: the models to look for; all that have a function NAME_run and others of that name.

    InputError where the file is no ELF file, ToolError where pyelftools is missing.
    """
    try:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile
    except ImportError as error:
        raise ToolError("reading ELF files needs pyelftools", hint="pip install pyelftools") from error
    data = read_bytes(path)
    try:
        elf = ELFFile(io.BytesIO(data))
        parts = list(elf.iter_sections())
        sections = [kind_of(s) for s in parts]
        found = list(_symbols(elf, sections))
        whole = {k: sum(s.data_size for s, kind in zip(parts, sections, strict=True) if kind == k) for k in KINDS}
        copied = (s for s in parts if kind_of(s) == "ram" and s["sh_type"] == "SHT_PROGBITS")
        whole["constants"] += sum(s.data_size for s in copied)
    except (
        ELFError,
        AssertionError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        OverflowError,
    ) as error:
        raise InputError("must be a linked program in the ELF format", loc=str(path)) from error
    known = names or sorted(_models(found))
    models = (ModelSize(n, tuple(s for s in found if s.name.startswith(f"{n}_"))) for n in known)
    return FirmwareSize(
        str(path), whole["code"], whole["constants"], whole["ram"], tuple(m for m in models if m.symbols)
    )


def kind_of(section: Any) -> str:
    """What a section is in the memory of the device; "" for what is in the file only."""
    flags = section["sh_flags"]
    if not flags & 2:  # SHF_ALLOC
        return ""
    return "code" if flags & 4 else "ram" if flags & 1 else "constants"  # SHF_EXECINSTR, SHF_WRITE


def _symbols(elf: Any, sections: Sequence[str]) -> Iterator[Symbol]:
    """Functions and objects that have a size and a place, each place once: aliases count once."""
    table = elf.get_section_by_name(".symtab")
    seen = set()
    for s in table.iter_symbols() if table is not None else ():
        where, size = s["st_shndx"], int(s["st_size"])
        if s["st_info"]["type"] not in ("STT_FUNC", "STT_OBJECT") or not size or not isinstance(where, int):
            continue
        kind, place = sections[where] if where < len(sections) else "", (s["st_value"], size)
        if kind and place not in seen:
            seen.add(place)
            yield Symbol(s.name, kind, size)


def _models(symbols: Sequence[Symbol]) -> set[str]:
    """Names that have a run function with others of their name beside it."""
    runs = {s.name.removesuffix(RUN) for s in symbols if s.kind == "code" and s.name.endswith(RUN)}
    return {n for n in runs if n and sum(s.name.startswith(f"{n}_") for s in symbols) > 1}
