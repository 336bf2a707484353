"""``skosh doctor``: what is installed, what each tool is for, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import typer

from skosh import __version__
from skosh.base.errors import SkoshError
from skosh.cli.options import Json
from skosh.cli.terminal import busy, number, out, print_json, row, table

EXAMPLE = "skosh doctor"


@dataclass(frozen=True)
class Tool:
    """Something that skosh uses. ``find`` gives its version, None when it isn't there."""

    name: str
    purpose: str
    remedy: str
    find: Callable[[], str | None]
    required: bool = False


@dataclass(frozen=True)
class Finding:
    """What was found of a tool; ``version`` is None when it is missing."""

    name: str
    version: str | None
    required: bool
    purpose: str
    remedy: str


def _package(module: str, distribution: str | None = None) -> Callable[[], str | None]:
    def find() -> str | None:
        if find_spec(module) is None:
            return None
        try:
            return version(distribution or module)
        except PackageNotFoundError:
            return "version unknown"

    return find


def _program(*command: str) -> Callable[[], str | None]:
    def find() -> str | None:
        if shutil.which(command[0]) is None:
            return None
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return "doesn't run"
        lines = (done.stdout or done.stderr).strip().splitlines()
        return lines[0] if lines else "version unknown"

    return find


def _zig() -> str | None:
    from skosh.targets.toolchain import zig_version

    try:
        return zig_version()
    except SkoshError:
        return None


def _npu() -> str | None:
    from skosh.machines.npu.tools import python

    try:
        return f"in {python('tosa_reference_model')}"
    except SkoshError:
        return None


TOOLS = (
    Tool("zig", "compiles the C for every target: run, verify, profile", "pip install 'skosh[device]', or set SKOSH_ZIG", _zig),
    Tool("numpy", "arrays, the reference meaning", "pip install numpy", _package("numpy"), required=True),
    Tool(
        "unicorn", "emulates Cortex-M (GPL-2, never linked)", "pip install 'skosh[device]'", _package("unicorn")
    ),
    Tool("capstone", "disassembler of the cycle model", "pip install 'skosh[device]'", _package("capstone")),
    Tool("ortools", "exact memory plans", "pip install 'skosh[device]'", _package("ortools")),
    Tool("tflite", "the schema of .tflite files", "pip install tflite flatbuffers", _package("tflite"), required=True),
    Tool("scikit-learn", "skosh demo, its models", "pip install 'skosh[sklearn]'", _package("sklearn", "scikit-learn")),
    Tool(
        "tflite_micro", "verify --against tflm", "pip install 'skosh[tflm]'", _package("tflite_micro", "tflite-micro")
    ),
    Tool("npu tools", "export, verify --against tosa", "pip install 'skosh[npu]', see docs/npu.md", _npu),
    Tool("pyopencl", "target opencl: GPUs, and processors by PoCL", "pip install 'skosh[gpu]'", _package("pyopencl")),
    Tool("gcc", "tests under address sanitizer", "apt install gcc libc6-dev", _program("gcc", "--version")),
    Tool(
        "qemu-system-arm",
        "emulates Cortex-M55 (Helium), counts with a plugin",
        "apt install qemu-system-arm",
        _program("qemu-system-arm", "--version"),
    ),
    Tool("qemu-riscv64", "emulates rv64gcv (RVV)", "apt install qemu-user", _program("qemu-riscv64", "--version")),
    Tool("qemu-aarch64", "emulates aarch64 (NEON, SVE)", "apt install qemu-user", _program("qemu-aarch64", "--version")),
    Tool(
        "arm-none-eabi-gcc",
        "to come: a second compiler to compare with",
        "apt install gcc-arm-none-eabi",
        _program("arm-none-eabi-gcc", "--version"),
    ),
    Tool(
        "verilator",
        "to come: custom instructions, simulated",
        "apt install verilator",
        _program("verilator", "--version"),
    ),
    Tool(
        "javac",
        "the Java rung of skosh ladder",
        "apt install default-jdk-headless",
        _program("javac", "-version"),
    ),
)


def command(json: Json = False) -> None:
    """What is installed, what each tool is for, and how to get what is missing.

    Exit status 1 when something is missing that skosh can't do without.
    """
    with busy("looking around", quiet=json):
        findings = [Finding(t.name, t.find(), t.required, t.purpose, t.remedy) for t in TOOLS]
        cache = cache_folder()
    missing = [f.name for f in findings if f.required and f.version is None]
    if json:
        print_json(
            {
                "skosh": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "cache": asdict(cache),
                "tools": [asdict(f) for f in findings],
                "ready": not missing,
            }
        )
    else:
        _print(findings, cache, missing)
    raise typer.Exit(1 if missing else 0)


def _print(findings: list[Finding], cache: Cache, missing: list[str]) -> None:
    shown = table("", "tool", "version", "what for", "how to get it")
    for f in findings:
        there = f.version is not None
        mark = "ok" if there else "missing" if f.required else "-"
        style = None if there else "red" if f.required else "dim"
        row(shown, mark, f.name, f.version or "", f.purpose, "" if there else f.remedy, style=style)
    console = out()
    console.print(
        f"skosh {__version__}, Python {platform.python_version()} at {sys.executable}", markup=False, soft_wrap=True
    )
    console.print(shown)
    kept = "" if cache.permanent else ", for this process only: no folder can be written; set SKOSH_CACHE"
    console.print(f"cache: {cache.folder}, {number(cache.bytes)} bytes{kept}", markup=False, soft_wrap=True)
    if missing:
        console.print(f"skosh can't work without {', '.join(missing)}.", style="red", markup=False)
    else:
        console.print("Everything that skosh needs is here.", style="green")


@dataclass(frozen=True)
class Cache:
    """Where compiled programs are kept. ``permanent``: another process will find them."""

    folder: str
    bytes: int
    permanent: bool


def _size(path: Path) -> int:
    """Bytes of a file; 0 for what another process has removed meanwhile."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def cache_folder() -> Cache:
    """The folder, what it holds, and whether it stays."""
    from skosh.targets.toolchain import cache_root

    root = cache_root()
    # os.walk passes over folders that another process removes meanwhile; Path.rglob doesn't
    size = sum(_size(Path(folder) / name) for folder, _, names in os.walk(root) for name in names)
    temporary = Path(os.path.realpath(root)).name.startswith("skosh-")
    return Cache(str(root), size, not temporary)
