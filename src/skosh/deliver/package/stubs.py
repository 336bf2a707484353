"""Build files of systems that aren't installed, tried by plain CMake with stand-ins for the functions that they call."""

from __future__ import annotations

import tempfile
from pathlib import Path

from skosh.deliver.package.kit import Check, missing, steps, unchecked


def with_stubs(folder: Path, entry: str, stubs: str, tool: str) -> Check:
    """Configures and builds ``entry``, a folder with a CMakeLists.txt, after the functions ``stubs`` were defined.

    The compiler is this computer's: whether the files are named rightly and found is seen, the chip's own build is not.
    """
    if why := missing("cmake", "cc"):
        return unchecked(tool, why)
    with tempfile.TemporaryDirectory() as scratch:
        place = (folder / entry).resolve()
        text = f"cmake_minimum_required(VERSION 3.16)\nproject(stub C)\n{stubs}\nadd_subdirectory({place} part)\n"
        (Path(scratch) / "CMakeLists.txt").write_text(text, encoding="utf-8")
        return steps(tool, Path(scratch), [["cmake", "-S", ".", "-B", "build"], ["cmake", "--build", "build"]])


def portable_units(units: list[str]) -> list[str]:
    """The C among the files to compile: assembly is for the chip alone."""
    return [u for u in units if u.endswith(".c")]
