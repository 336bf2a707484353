"""Emitted C, a harness and our startup code, compiled and linked for a bare machine, or for Linux without a C library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from skosh.base.aims import Aim
from skosh.base.children import in_threads
from skosh.base.errors import FitError, ToolError
from skosh.build.flags import BARE, MEANING, SMALLER, WARNINGS, optimize_flags
from skosh.build.link_map import model_sizes, object_sizes
from skosh.targets.image import Firmware, allocated_bytes, read_elf
from skosh.targets.machine import Target
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

_HARNESS = "skosh_harness.c"
_STARTUP = "skosh_startup.c"
_RUNTIME = {"skosh_memory.c": "memory.c"}
_SUPPORT = frozenset({"skosh_startup.o", "skosh_harness.o"})
PAGE = 4096  # bytes: what Linux maps; the marker has one of its own after RAM
_STACK_BYTES = 2048  # the least that a program must leave

_LINKER_SCRIPT = """\
MEMORY
{{
    FLASH (rx) : ORIGIN = {flash.origin:#x}, LENGTH = {flash.size}
    RAM (rwx) : ORIGIN = {ram.origin:#x}, LENGTH = {ram.size}
}}
ENTRY(skosh_reset)
SECTIONS
{{
    .vectors : {{ KEEP(*(.vectors)) }} > FLASH
    .text : {{ *(.text .text.*) }} > FLASH
    .rodata : {{ *(.rodata .rodata.* .srodata .srodata.*) }} > FLASH
    .data : ALIGN(8) {{ skosh_data_start = .; *(.data .data.* .sdata .sdata.*) . = ALIGN(4); skosh_data_end = .; }} > RAM{load}
    skosh_data_load = LOADADDR(.data);
    .bss (NOLOAD) : ALIGN(8) {{
        skosh_bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(8); skosh_bss_end = .;
    }} > RAM
    skosh_stack_top = ORIGIN(RAM) + LENGTH(RAM);
    skosh_map_start = ORIGIN(RAM);
    skosh_map_bytes = LENGTH(RAM) + {page};
    ASSERT(skosh_bss_end + {stack} <= skosh_stack_top, "no RAM left for the stack")
    /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .note* .eh_frame*) }}
}}
"""


def linker_script(target: Target) -> str:
    """Where everything lies. Under Linux, RAM begins as the emulator's parent fills it; else startup copies .data there."""
    load = "" if target.startup == "startup_user" else " AT> FLASH"
    return _LINKER_SCRIPT.format(flash=target.flash, ram=target.ram, stack=_STACK_BYTES, load=load, page=PAGE)


def compile_firmware(
    target: Target,
    sources: Mapping[str, str],
    *,
    prefix: str,
    harness: str,
    optimize: Aim = "balanced",
    defines: Sequence[str] = (),
) -> Firmware:
    """Links ``sources`` (C files, assembly and headers by name) with ``harness``, C that defines ``int skosh_main(void)``.

    The program's memory is that of ``target``; ``dataclasses.replace(target, ram=...)`` links for a board. ``defines``
    ("NAME=VALUE", also of macros with parameters) hold for every file. The result comes from the cache when all of this
    was compiled before.

    Raises
    ------
    ToolError: the compiler is missing, or refuses the C. FitError: the program is larger than flash or RAM.
    """
    assert not target.is_host, "the host has no firmware: use compile_host"
    runtime = {name: _runtime_text(path) for name, path in {_STARTUP: f"{target.startup}.c", **_RUNTIME}.items()}
    units = {**runtime, _HARNESS: harness, **sources}
    assert len(units) == len(runtime) + 1 + len(sources), "a source has the name of a runtime file"
    headers = {f"include/{name}": _runtime_text(f"include/{name}") for name in ("string.h", "math.h")}
    aim = (*target.c_flags, *optimize_flags(optimize))
    flags = (*target.flags, *aim, *MEANING, *BARE, *(f"-D{define}" for define in defines))
    smaller = SMALLER.get(optimize, ())
    script = linker_script(target)

    def make(folder: Path) -> None:
        _write(folder, {**units, **headers, "link.ld": script})
        names = [name for name in units if name.endswith((".c", ".S"))]
        objects = in_threads(lambda name: _compile(folder, name, flags, smaller, target, prefix), names, 2)
        _link(folder, objects, target, optimize)
        for path in [p for p in folder.rglob("*") if p.is_file() and p.name not in ("out.elf", "out.map")]:
            path.unlink()

    texts = sorted({**units, **headers, "math.zig": _runtime_text("math.zig")}.items())
    made = cached(("firmware", zig_version(), flags, smaller, target.has_fpu, script, texts), make)
    elf, map_text = (made / "out.elf").read_bytes(), (made / "out.map").read_text(encoding="utf-8")
    objects = object_sizes(map_text)
    image = read_elf(elf)
    return Firmware(
        target=target.name,
        elf=elf,
        sizes=model_sizes(objects, _SUPPORT),
        objects=MappingProxyType(objects),
        map_text=map_text,
        symbols=image.symbols,
        sections=image.sections,
    )


def _runtime_text(name: str) -> str:
    return (files("skosh.build") / "runtime" / name).read_text(encoding="utf-8")


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _compile(
    folder: Path, name: str, flags: Sequence[str], smaller: Sequence[str], target: Target, prefix: str
) -> str:
    """The object of one file; of the two, with the flags and with ``smaller`` added, the one that takes less memory."""
    own: tuple[str, ...] = ()
    if name in (_STARTUP, *_RUNTIME):  # it defines memcpy itself: its loops must not become calls of memcpy
        own = ("-Os", "-ffreestanding", "-fno-builtin", *(("-DSKOSH_FPU",) if target.has_fpu else ()))
    made = name[:-2] + ".o"

    def compiled(more: Sequence[str], into: str) -> Path:
        command = [str(zig()), "cc", *flags, *own, *more, *WARNINGS, "-I.", "-Iinclude", "-c", name, "-o", into]
        run_tool(command, f'"{prefix}" for {target.name}: compile {name}', folder)
        return folder / into

    first = compiled((), made)
    if smaller and not name.endswith(("_weights.c", ".S")):  # there, no code is compiled
        second = compiled(smaller, f"{made}.smaller")
        if allocated_bytes(second.read_bytes()) < allocated_bytes(first.read_bytes()):
            second.replace(first)
    return made


def _link(folder: Path, objects: Sequence[str], target: Target, optimize: Aim) -> None:
    """Links; when functions are missing, once more with each library of Zig's, which take up to seconds to make."""
    command = [str(zig()), "ld.lld", "-T", "link.ld", "--gc-sections", "-Map=out.map", "-o", "out.elf", *objects]
    if target.startup == "startup_user":  # Linux maps pages: code and constants share theirs
        command[2:2] = ["--no-rosegment", "-z", f"max-page-size={PAGE}"]
    failure = _try(command, folder, target)
    for library in ("math", "runtime"):
        if failure is not None and "undefined symbol" in failure.message:
            command.append(str(_library(library, target, optimize)))
            failure = _try(command, folder, target)
    if failure is None:
        return
    overflow = re.search(r"will not fit in region '(\w+)': overflowed by (\d+) bytes", failure.message)
    raise _misfit(overflow, target) if overflow or "no RAM left" in failure.message else failure


def _try(command: Sequence[str], folder: Path, target: Target) -> ToolError | None:
    try:
        run_tool(command, f"link for {target.name}", folder)
    except ToolError as error:
        return error
    return None


def _misfit(overflow: re.Match[str] | None, target: Target) -> FitError:
    region = overflow.group(1) if overflow else "RAM"
    size = (target.flash if region == "FLASH" else target.ram).size
    excess = (
        f"it is {overflow.group(2)} bytes too large" if overflow else f"less than {_STACK_BYTES} are left for the stack"
    )
    where, aim = ("flash", "flash") if region == "FLASH" else ("RAM", "ram")
    message = f"the program must fit {size} bytes of {where} on {target.name}; {excess}"
    return FitError(message, hint=f'try optimize="{aim}"')


def _library(name: str, target: Target, optimize: Aim) -> Path:
    """An archive: "runtime", Zig's compiler-rt (soft float, 64-bit division, part of libm); "math", more of libm."""
    # compiler-rt made for speed is up to five times as large, in 64-bit division for one
    mode = "-OReleaseFast" if optimize in ("speed", "energy") else "-OReleaseSmall"
    math_zig = _runtime_text("math.zig")
    flags = (*target.flags, mode, "-fstrip", "-ffunction-sections", "-fdata-sections", "-fno-unwind-tables")

    def make(folder: Path) -> None:
        root = _zig_library() / "compiler_rt.zig"
        if name == "math":
            root = folder / "math.zig"
            root.write_text(math_zig, encoding="utf-8")
        command = [str(zig()), "build-lib", *flags, "--name", name, str(root), f"-femit-bin=lib{name}.a"]
        run_tool(command, f"compile the {name} library for {target.name}", folder)

    return cached(("library", name, zig_version(), flags, math_zig), make) / f"lib{name}.a"


def _zig_library() -> Path:
    folder = zig().parent  # zig env may answer with a path relative to where it runs
    match = re.search(r'lib_dir"?\s*[:=]\s*"([^"]+)"', run_tool([str(zig()), "env"], "zig env", folder))
    if match is None:
        raise ToolError("zig env doesn't say where zig's library is", hint="is SKOSH_ZIG a zig executable?")
    return folder / match.group(1)
