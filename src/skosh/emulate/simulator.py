"""The simulated system as a library: VexRiscv, a unit and the bench, by Verilator or CXXRTL and a C++ compiler.

Made once and kept in the cache. The first one takes minutes: Yosys and the C++ library get ready.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from skosh.base.errors import InputError
from skosh.rtl.unit import unit as unit_at
from skosh.rtl.verilog import verilog
from skosh.targets.hardware_tools import cxx, cxxrtl_headers, need, run_yosys, verilator, vexriscv, yosys_version
from skosh.targets.toolchain import cache_root, cached, run_tool

BACK_ENDS = ("cxxrtl", "verilator")
"""What simulates: CXXRTL needs what synthesis needs; Verilator is twice as fast and takes longer to make. Same cycles."""

LIBRARY = "soc.so"

Told = Callable[[str], None]


def back_end() -> str:
    """``SKOSH_SIMULATOR``, or CXXRTL."""
    name = os.environ.get("SKOSH_SIMULATOR", BACK_ENDS[0])
    if name not in BACK_ENDS:
        raise InputError(f'SKOSH_SIMULATOR must be one of {", ".join(BACK_ENDS)}, not "{name}"')
    return name


def simulator(unit: str, name: str | None = None, told: Told = lambda what: None) -> Path:
    """The library of the system with the unit at "module:NAME", or with none. ``told``: what takes long, as it begins."""
    need("amaranth", "pythondata_cpu_vexriscv")
    name = back_end() if name is None else name
    device = _native("soc_no_unit.v") if not unit else verilog(unit_at(unit), "cfu")
    texts = {"cpu.v": vexriscv(), "cfu.v": device, "top.v": _native("soc_top.v"), "bench.cc": _native("soc_bench.cc")}
    texts["core.h"] = _native(f"soc_{name}.h")
    level = os.environ.get("SKOSH_SIMULATOR_FLAGS", "-O3")

    def make(folder: Path) -> None:
        told("making the simulator, which is kept")
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        (_by_verilator if name == "verilator" else _by_cxxrtl)(folder, level)
        for path in [p for p in folder.rglob("*") if p.is_file() and p.name != LIBRARY]:
            path.unlink()

    key = ("soc", name, level, cxx(), yosys_version() if name == "cxxrtl" else "", sorted(texts.items()))
    with _one_at_a_time():
        return cached(key, make) / LIBRARY


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two processes that want the same simulator shan't both make it."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with (cache_root() / "simulator.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _native(name: str) -> str:
    return (files("skosh.emulate") / "native" / name).read_text(encoding="utf-8")


_COMMON = ("-shared", "-fPIC", '-DCORE_HEADER="core.h"', "-I.", "-w", "-o", LIBRARY)


def _by_cxxrtl(folder: Path, level: str) -> None:
    script = "read_verilog cpu.v cfu.v top.v; hierarchy -top top; write_cxxrtl -g0 core.cc"
    run_yosys(script, "make the simulated core", folder)
    include = [f"-I{path}" for path in cxxrtl_headers()]
    run_tool([*cxx(), level, "-std=c++14", *include, *_COMMON, "bench.cc"], "compile the simulated core", folder)


def _by_verilator(folder: Path, level: str) -> None:
    root = verilator()
    program = root / "bin" / "verilator_bin"
    how = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal", "-Wno-lint"]
    parts = ("cpu.v", "cfu.v", "top.v")
    command = ["env", f"VERILATOR_ROOT={root}", str(program), *how, "--top-module", "top", "--Mdir", "made", *parts]
    run_tool(command, "make the simulated core", folder)
    made = sorted(str(p.relative_to(folder)) for p in (folder / "made").glob("*.cpp"))
    include = root / "include"
    flags = [f"-I{include}", f"-I{include / 'vltstd'}", "-Imade", "-DVL_IGNORE_UNKNOWN_ARCH", "-std=c++20"]
    own = [str(path) for path in _verilated(include, flags)]
    run_tool([*cxx(), level, *flags, *_COMMON, "bench.cc", *made, *own, "-lpthread"], "compile the simulated core", folder)


def _verilated(include: Path, flags: Sequence[str]) -> list[Path]:
    """What all of Verilator's simulators share, compiled once; it doesn't count for speed."""
    names = ("verilated.cpp", "verilated_threads.cpp")

    def make(folder: Path) -> None:
        for name in names:
            command = [*cxx(), "-O0", "-fPIC", "-w", *flags, "-c", str(include / name), "-o", f"{name}.o"]
            run_tool(command, "compile what Verilator's simulators share", folder)

    made = cached(("verilated", cxx(), tuple(flags)), make)
    return [made / f"{name}.o" for name in names]
