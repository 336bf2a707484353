"""STM32CubeIDE: the CMake project, which CubeIDE imports from 1.16 on, with presets and Eclipse's .project."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from skosh.deliver.package.cmake import CORES
from skosh.deliver.package.cmake import KIND as CMAKE
from skosh.deliver.package.kit import Check, Files, Kind, Kit


def _files(kit: Kit) -> Files:
    n = kit.name
    presets = {
        "version": 3,
        "configurePresets": [{
            "name": name, "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}",
            "toolchainFile": "${sourceDir}/cmake/toolchain.cmake", "cacheVariables": {"CMAKE_BUILD_TYPE": name},
        } for name in ("Debug", "Release")],
        "buildPresets": [{"name": name, "configurePreset": name} for name in ("Debug", "Release")],
    }  # fmt: skip
    project = f"""<?xml version="1.0" encoding="UTF-8"?>
<projectDescription>
  <name>{n}</name>
  <comment>A CMake project: Import > STM32 CMake > Import Project</comment>
  <projects></projects>
  <buildSpec>
    <buildCommand><name>org.eclipse.cdt.core.cBuilder</name><triggers>clean,full,incremental,</triggers><arguments></arguments></buildCommand>
  </buildSpec>
  <natures>
    <nature>org.eclipse.cdt.core.cnature</nature>
    <nature>org.eclipse.cdt.cmake.core.cmakeNature</nature>
  </natures>
</projectDescription>
"""
    readme = f"""# {n}: for STM32CubeIDE (1.16 or newer)

File > Import > STM32 CMake > Import Project, choose this folder and its preset Debug. Compiled for {kit.build.target.called};
it needs {kit.needs}.

The project builds `{n}_selftest`: debug it with semihosting (Startup: `monitor arm semihosting enable`); it repeats the
golden runs and prints cycles, stack and `PASS`. For a project of your own: copy `src/` there, add it to the include paths.
`example/memory.cmake` says where flash and RAM lie, `proof.json` what was compared.
"""
    return {**CMAKE.files(kit), "CMakePresets.json": json.dumps(presets, indent=2) + "\n", ".project": project, "README.md": readme}


def _check(kit: Kit, folder: Path) -> Check:
    done = CMAKE.check(kit, folder)
    return replace(done, why_not=done.why_not or "STM32CubeIDE itself is on no package index: its CMake project was built and run")


def _fits(kit: Kit) -> str:
    name = kit.build.target.name
    return "" if name in CORES and name.startswith("cortex") else f"STM32 chips have a Cortex-M, not {name}"


KIND = Kind("cubeide", "STM32CubeIDE project", _files, _check, _fits)
