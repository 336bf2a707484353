"""ESP-IDF: a component and an example project. ``compote component pack`` validates the manifest; CMake builds it by a stub."""

from __future__ import annotations

import tempfile
from pathlib import Path

from skosh import __version__
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, steps
from skosh.deliver.package.selftest import golden_h, selftest_h
from skosh.deliver.package.stubs import portable_units, with_stubs

WITH_ATOMICS = ("esp32c5", "esp32c6", "esp32c61", "esp32h2", "esp32p4")
CHIPS = {"rv32imc": ("esp32c2", "esp32c3", *WITH_ATOMICS), "rv32imac": WITH_ATOMICS}
STUB = """function(idf_component_register)
    cmake_parse_arguments(P "" "" "SRCS;INCLUDE_DIRS;REQUIRES;PRIV_REQUIRES" ${ARGN})
    set(COMPONENT_LIB component PARENT_SCOPE)
    add_library(component STATIC ${P_SRCS})
    target_include_directories(component PUBLIC ${P_INCLUDE_DIRS})
endfunction()"""


def _files(kit: Kit) -> Files:
    n = kit.name
    units = " ".join(f'"src/{u}"' for u in portable_units(kit.units))
    chips = CHIPS.get(kit.build.target.name, ())
    targets = "".join(f"  - {c}\n" for c in chips)
    return {
        "CMakeLists.txt": f"""idf_component_register(SRCS {units}
                       INCLUDE_DIRS "src")
target_compile_options(${{COMPONENT_LIB}} PRIVATE -O2 -ffp-contract=off -fno-math-errno)
""",
        "idf_component.yml": f'version: "{__version__}"\ndescription: "The model {n} as C, with a self-test"\nlicense: "0BSD"\n'
        f'url: "https://example.com/{n}"\n'
        + (f"targets:\n{targets}" if targets else "")
        + 'dependencies:\n  idf: ">=5.0"\n',
        **{f"src/{k}": v for k, v in kit.sources.items() if not k.endswith(".S")},
        "examples/selftest/CMakeLists.txt": "cmake_minimum_required(VERSION 3.16)\n"
        "include($ENV{IDF_PATH}/tools/cmake/project.cmake)\nproject(selftest)\n",
        "examples/selftest/main/CMakeLists.txt": f'idf_component_register(SRCS "main.c" INCLUDE_DIRS "." REQUIRES {n} esp_hw_support)\n',
        "examples/selftest/main/idf_component.yml": f'dependencies:\n  {n}:\n    version: "*"\n    override_path: "../../../"\n',
        "examples/selftest/main/main.c": f"""#include <stdio.h>

#include "esp_cpu.h"

#define SELFTEST_PUT(c) putchar(c)
#define SELFTEST_CYCLES() ((uint32_t)esp_cpu_get_cycle_count())
#include "selftest.h"

void app_main(void)
{{
    {n}_selftest();
}}
""",
        "examples/selftest/main/golden.h": golden_h(kit),
        "examples/selftest/main/selftest.h": selftest_h(kit),
        "README.md": f"""# {n}: an ESP-IDF component

Compiled for {kit.build.target.called}; it needs {kit.needs}. Copy the folder to `components/{n}`, or name it in
`idf_component.yml` by `override_path`; then `REQUIRES {n}` and `#include "{n}.h"`.

    cd examples/selftest && idf.py set-target {chips[1] if chips else "esp32"} && idf.py flash monitor

repeats the golden runs and prints `PASS`. `proof.json` says what was compared.
""",
    }


def _check(kit: Kit, folder: Path) -> Check:
    tool = "cmake with a stub of idf_component_register"
    built = with_stubs(folder, ".", STUB, tool)
    if missing("compote"):
        return Check(tool, built.ran, built.passed, built.why_not or "compote (pip install idf-component-manager) isn't installed", built.told)
    with tempfile.TemporaryDirectory() as scratch:
        packed = steps("compote component pack", folder, [
            ["compote", "component", "pack", "--project-dir", ".", "--name", kit.name, "--dest-dir", scratch],
        ])  # fmt: skip
    both = f"compote component pack, {tool}"
    failed = packed if not packed.passed else built
    return Check(both, True, packed.passed and (built.passed or not built.ran), built.why_not, failed.told)


def _fits(kit: Kit) -> str:
    name = kit.build.target.name
    return "" if name in {*CHIPS, "generic", "host"} else f"no ESP32 has a {name}; a RISC-V one takes rv32imc, others generic"


KIND = Kind("esp-idf", "ESP-IDF component", _files, _check, _fits)
