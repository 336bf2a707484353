"""Zephyr: a module and a sample. Built by Zephyr where ZEPHYR_BASE names a checkout, else by plain CMake with stand-ins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, steps, unchecked
from skosh.deliver.package.selftest import golden_h, selftest_h
from skosh.deliver.package.stubs import with_stubs


def _files(kit: Kit) -> Files:
    n, m = kit.name, kit.macro
    units = "\n    ".join(f"../src/{u}" for u in kit.units)
    board = kit.board.zephyr if kit.board is not None else ""
    allow = f"\n    platform_allow:\n      - {board}" if board else ""
    return {
        "zephyr/module.yml": f"name: {n}\nbuild:\n  cmake: zephyr\n  kconfig: zephyr/Kconfig\nsamples:\n  - samples\n",
        "zephyr/Kconfig": f'config {m}\n\tbool "The model {n}"\n\thelp\n\t  C without heap; it needs {kit.needs}.\n',
        "zephyr/CMakeLists.txt": f"""if(CONFIG_{m})
  zephyr_include_directories(../src)
  zephyr_library()
  zephyr_library_sources(
    {units})
  zephyr_library_compile_options(-O2 -ffp-contract=off -fno-math-errno)
endif()
""",
        **{f"src/{k}": v for k, v in kit.sources.items()},
        "samples/selftest/CMakeLists.txt": f"""cmake_minimum_required(VERSION 3.20.0)
list(APPEND ZEPHYR_EXTRA_MODULES ${{CMAKE_CURRENT_SOURCE_DIR}}/../..)
find_package(Zephyr REQUIRED HINTS $ENV{{ZEPHYR_BASE}})
project({n}_selftest)
target_sources(app PRIVATE src/main.c)
""",
        "samples/selftest/prj.conf": f"CONFIG_{m}=y\nCONFIG_FPU=y\nCONFIG_MAIN_STACK_SIZE={_stack(kit)}\n"
        if kit.build.target.has_fpu
        else f"CONFIG_{m}=y\nCONFIG_MAIN_STACK_SIZE={_stack(kit)}\n",
        "samples/selftest/sample.yaml": f"""sample:
  name: {n} self-test
  description: repeats golden runs of the model and prints PASS
tests:
  {n}.selftest:
    tags: {n}
    harness: console
    harness_config:
      type: one_line
      regex:
        - "PASS"{allow}
""",
        "samples/selftest/src/main.c": f"""#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

#define SELFTEST_PUT(c) printk("%c", c)
#define SELFTEST_CYCLES() k_cycle_get_32()
#include "selftest.h"

int main(void)
{{
\treturn {n}_selftest();
}}
""",
        "samples/selftest/src/golden.h": golden_h(kit),
        "samples/selftest/src/selftest.h": selftest_h(kit),
        "README.md": f"""# {n}: a Zephyr module

Compiled for {kit.build.target.called}; it needs {kit.needs}. Name the folder in `ZEPHYR_EXTRA_MODULES`, or as a project of
your `west.yml`; then `CONFIG_{m}=y` and `#include "{n}.h"`.

    west build -b {board or "BOARD"} samples/selftest && west flash

repeats the golden runs and prints cycles, stack and `PASS`; `twister -T samples` looks for it. `proof.json` says what was compared.
""",
    }


def _stack(kit: Kit) -> int:
    """Main's stack: what a run takes, what is painted, and some for the console."""
    return 4 * (kit.stack or 1024) + 2048


def _check(kit: Kit, folder: Path) -> Check:
    base, board = os.environ.get("ZEPHYR_BASE", ""), kit.board.zephyr if kit.board is not None else ""
    if base and board:
        if why := missing("cmake", "ninja"):
            return unchecked("Zephyr's CMake", why)
        with tempfile.TemporaryDirectory() as build:
            return steps("Zephyr's CMake", folder / "samples" / "selftest", [
                ["cmake", "-GNinja", "-S", ".", "-B", build, f"-DBOARD={board}"], ["cmake", "--build", build],
            ], seconds=600)  # fmt: skip
    stubs = f"""set(CONFIG_{kit.macro} y)
macro(zephyr_include_directories)
    set(DIRECTORIES ${{ARGN}})
endmacro()
macro(zephyr_library)
    add_library(module STATIC)
    target_include_directories(module PUBLIC ${{DIRECTORIES}})
endmacro()
function(zephyr_library_sources)
    list(FILTER ARGN EXCLUDE REGEX "[.]S$")
    target_sources(module PRIVATE ${{ARGN}})
endfunction()
function(zephyr_library_compile_options)
    target_compile_options(module PRIVATE ${{ARGN}})
endfunction()"""
    built = with_stubs(folder, "zephyr", stubs, "cmake with stubs of Zephyr's functions")
    why = "ZEPHYR_BASE names no checkout" if not base else "the board has no name in Zephyr"
    return Check(built.tool, built.ran, built.passed, built.why_not or f"Zephyr itself did not build it: {why}", built.told)


KIND = Kind("zephyr", "Zephyr module with a sample", _files, _check)
