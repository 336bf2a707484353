"""Emitted C as a shared library, or a program, for this computer."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from skosh.build.flags import MEANING, WARNINGS
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

_BASELINE = ("-mcpu=baseline",)  # not this computer's own extensions: the same bytes on each x86-64, or each AArch64


@cache
def own_machine() -> tuple[str, ...]:
    """The flags for this computer's vectors: x86-64-v3 where the system says that it has all of it, else the baseline."""
    try:
        said = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return _BASELINE
    return ("-mcpu=x86_64_v3",) if {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"} <= said else _BASELINE


def compile_host(
    sources: Mapping[str, str], harness: str = "", *, defines: Sequence[str] = (), machine: Sequence[str] = _BASELINE
) -> Path:
    """A shared library of ``sources`` (C files and headers by name) and ``harness``; the file stays in the cache.

    machine: flags that say which of this computer's instructions may be used.

    Raises ToolError when the compiler is missing or refuses the C.
    """
    # its calls of its own functions stay inside: the C library has functions of other names too, svc_run for one
    bound = ("-Wl,-Bsymbolic",) if sys.platform.startswith("linux") else ()
    flags = ("-O2", *machine, *MEANING, "-g0", "-shared", "-fPIC", *bound, *(f"-D{define}" for define in defines))
    return _compile(sources, harness, (str(zig()), "cc"), flags, "model.so", zig_version())


def compile_host_program(
    sources: Mapping[str, str], harness: str, *, sanitize: bool = False, defines: Sequence[str] = ()
) -> Path:
    """An executable of ``sources`` and ``harness``, which defines ``int main(void)``.

    ``sanitize``: with the address and undefined-behaviour sanitizers of the system's gcc or clang, any finding ends the
    program with a message and a status other than 0; without such a compiler, zig's undefined-behaviour traps only.
    """
    compiler: tuple[str, ...] = (str(zig()), "cc", *_BASELINE)
    flags: tuple[str, ...] = ("-O2", *MEANING)
    if sanitize:
        system = shutil.which("gcc") or shutil.which("clang")
        if system is not None:
            compiler = (system,)
            flags = ("-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
        else:
            flags = ("-O1", "-ffp-contract=off", "-fsanitize=undefined", "-fsanitize-trap=undefined")
    flags = (*flags, *(f"-D{define}" for define in defines))
    return _compile(sources, harness, compiler, flags, "model", zig_version())


def _compile(
    sources: Mapping[str, str], harness: str, compiler: Sequence[str], flags: Sequence[str], made: str, version: str
) -> Path:
    texts = {**sources, **({"skosh_harness.c": harness} if harness else {})}
    names = [name for name in texts if name.endswith(".c")]

    def make(folder: Path) -> None:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        command = [*compiler, *flags, *WARNINGS, "-I.", *names, "-o", made, "-lm"]
        run_tool(command, "compile for this computer", folder)

    return cached(("host", version, tuple(compiler), tuple(flags), sorted(texts.items())), make) / made
