"""CMake: a library target, and a program that tests itself on a bare Cortex-M or RV32, through semihosting."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

from skosh import __version__
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, run, steps, unchecked
from skosh.deliver.package.selftest import golden_h, selftest_h


@dataclass(frozen=True)
class Core:
    """GCC's flags for a target, and the machine of QEMU whose memory begins at flash and ram."""

    prefix: str
    flags: str
    emulator: tuple[str, ...]
    flash: int
    ram: int


def _arm(flags: str, machine: str, flash: int = 0, ram: int = 0x20000000) -> Core:
    command = ("qemu-system-arm", "-M", machine, "-nographic", "-semihosting-config", "enable=on,target=native", "-kernel")
    return Core("arm-none-eabi-", flags, command, flash, ram)


CORES = {
    # mps2-an385 has a Cortex-M3, which has every instruction of ARMv6-M; QEMU's Cortex-M33 those of the M23, its M55 the M85's
    "cortex-m0": _arm("-mcpu=cortex-m0 -mthumb", "mps2-an385"),
    "cortex-m0plus": _arm("-mcpu=cortex-m0plus -mthumb", "mps2-an385"),
    "cortex-m23": _arm("-mcpu=cortex-m23 -mthumb", "mps2-an505", 0x10000000, 0x38000000),
    "cortex-m3": _arm("-mcpu=cortex-m3 -mthumb", "mps2-an385"),
    "cortex-m4": _arm("-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16", "mps2-an386"),
    "cortex-m7": _arm("-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16", "mps2-an500"),
    "cortex-m33": _arm("-mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16", "mps2-an505", 0x10000000, 0x38000000),
    "cortex-m55": _arm("-mcpu=cortex-m55 -mthumb -mfloat-abi=hard", "mps3-an547", 0, 0x21000000),
    # GCC knows the M85 from version 13 on; the M55's code is its own
    "cortex-m85": _arm("-mcpu=cortex-m55 -mthumb -mfloat-abi=hard", "mps3-an547", 0, 0x21000000),
    "rv32imc": Core(
        "riscv64-unknown-elf-", "-march=rv32imc -mabi=ilp32",
        ("qemu-system-riscv32", "-M", "virt", "-bios", "none", "-nographic", "-semihosting-config", "enable=on,target=native",
         "-kernel"), 0x80000000, 0x80400000,
    ),
    "rv32imac": Core(
        "riscv64-unknown-elf-", "-march=rv32imac -mabi=ilp32",
        ("qemu-system-riscv32", "-M", "virt", "-bios", "none", "-nographic", "-semihosting-config", "enable=on,target=native",
         "-kernel"), 0x80000000, 0x80400000,
    ),
}  # fmt: skip


def template(name: str) -> str:
    return (resources("skosh.deliver.package") / "templates" / name).read_text(encoding="utf-8")


def _files(kit: Kit) -> Files:
    core = CORES.get(kit.build.target.name)
    files: Files = {f"src/{n}": text for n, text in kit.sources.items()}
    files |= {"example/golden.h": golden_h(kit), "example/selftest.h": selftest_h(kit)}
    files |= {"CMakeLists.txt": _lists(kit, core), f"cmake/{kit.name}Config.cmake": _config(kit), "README.md": _readme(kit, core)}
    if core is None:
        return files | {"example/main.c": template("main_host.c").replace("MODEL", kit.name)}
    device = kit.board
    flash, ram = kit.build.target.flash, kit.build.target.ram
    sizes = (device.flash, device.ram) if device is not None else (flash.size, ram.size)
    arm = core.prefix.startswith("arm")
    return files | {
        "cmake/toolchain.cmake": _toolchain(core),
        "example/main.c": template("main_arm.c" if arm else "main_riscv.c").replace("MODEL", kit.name),
        "example/startup.c": template("startup_arm.c" if arm else "startup_riscv.c"),
        "example/link.ld.in": template("link.ld.in"),
        "example/memory.cmake": (
            "# where the example lies; -DFLASH_ORIGIN=... and so on for another chip\n"
            f'set(FLASH_ORIGIN {flash.origin:#x} CACHE STRING "start of flash")\n'
            f'set(FLASH_LENGTH {sizes[0]} CACHE STRING "bytes of flash")\n'
            f'set(RAM_ORIGIN {ram.origin:#x} CACHE STRING "start of RAM")\n'
            f'set(RAM_LENGTH {sizes[1]} CACHE STRING "bytes of RAM")\n'
        ),
    }


def _lists(kit: Kit, core: Core | None) -> str:
    n = kit.name
    units = "\n    ".join(f"src/{u}" for u in kit.units)
    asm = " ASM" if any(u.endswith(".S") for u in kit.units) else ""
    example = f"add_executable({n}_selftest example/main.c)"
    if core is not None:
        example = f"""include(example/memory.cmake)
    configure_file(example/link.ld.in ${{CMAKE_CURRENT_BINARY_DIR}}/link.ld @ONLY)
    add_executable({n}_selftest example/main.c example/startup.c)
    target_link_options({n}_selftest PRIVATE -nostartfiles -T ${{CMAKE_CURRENT_BINARY_DIR}}/link.ld -Wl,--gc-sections)"""
    return f"""# {n}: use it by add_subdirectory, or install it and use find_package({n}); link {n}::{n}
cmake_minimum_required(VERSION 3.16)
project({n} VERSION {__version__} LANGUAGES C{asm})

add_library({n} STATIC
    {units})
add_library({n}::{n} ALIAS {n})
set_target_properties({n} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
target_compile_options({n} PRIVATE -O2 -ffp-contract=off -fno-math-errno -ffunction-sections -fdata-sections)
target_include_directories({n} PUBLIC
    $<BUILD_INTERFACE:${{CMAKE_CURRENT_SOURCE_DIR}}/src> $<INSTALL_INTERFACE:include>)
if(UNIX OR CMAKE_SYSTEM_NAME STREQUAL "Generic")
    target_link_libraries({n} PUBLIC m)
endif()

include(GNUInstallDirs)
install(TARGETS {n} EXPORT {n}Targets ARCHIVE DESTINATION lib)
install(FILES src/{n}.h DESTINATION include)
install(EXPORT {n}Targets NAMESPACE {n}:: DESTINATION lib/cmake/{n})
install(FILES cmake/{n}Config.cmake DESTINATION lib/cmake/{n})

option({kit.macro}_SELFTEST "build the self-test" ${{PROJECT_IS_TOP_LEVEL}})
if({kit.macro}_SELFTEST)
    {example}
    target_compile_options({n}_selftest PRIVATE -O2)
    target_link_libraries({n}_selftest PRIVATE {n})
endif()
""".replace("${PROJECT_IS_TOP_LEVEL}", "ON")


def _config(kit: Kit) -> str:
    return f'include("${{CMAKE_CURRENT_LIST_DIR}}/{kit.name}Targets.cmake")\n'


def _toolchain(core: Core) -> str:
    return f"""# {core.prefix}gcc; the flags are those of the model's code, and of all that links with it
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR {"arm" if core.prefix.startswith("arm") else "riscv"})
set(CMAKE_C_COMPILER {core.prefix}gcc)
set(CMAKE_ASM_COMPILER {core.prefix}gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "{core.flags}{'' if core.prefix.startswith('arm') else ' --specs=picolibc.specs'}")
set(CMAKE_ASM_FLAGS_INIT "{core.flags}")
"""


def _readme(kit: Kit, core: Core | None) -> str:
    where = f"for {kit.build.target.called}"
    if core is None:
        build = "cmake -S . -B build && cmake --build build && build/" + f"{kit.name}_selftest"
    else:
        build = "cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE=cmake/toolchain.cmake && cmake --build build"
    told = "It runs the golden inputs, prints cycles (on a board; an emulator's counter says nothing) and stack, and `PASS`."
    if core is not None:
        told += " It prints through semihosting, so a debugger must be attached (OpenOCD: `arm semihosting enable`); "
        told += "example/memory.cmake says where flash and RAM lie."
    return f"""# {kit.name}, {where}

C99 in `src/`, to be linked by CMake: `add_subdirectory({kit.name})` or `find_package({kit.name})`, then
`target_link_libraries(app PRIVATE {kit.name}::{kit.name})`. It needs {kit.needs}.

    {build}

makes `{kit.name}_selftest`. {told}
`src/{kit.name}.h` says scales, meanings and what must hold; `proof.json` what was compared.
"""


def _check(kit: Kit, folder: Path) -> Check:
    core = CORES.get(kit.build.target.name)
    if core is None:
        if why := missing("cmake", "cc"):
            return unchecked("cmake", why)
        with tempfile.TemporaryDirectory() as build:
            return steps("cmake, native", folder, [
                ["cmake", "-S", ".", "-B", build], ["cmake", "--build", build], [f"{build}/{kit.name}_selftest"],
            ], wanted="PASS")  # fmt: skip
    gcc = f"{core.prefix}gcc"
    emulator = core.emulator[0]
    tool = f"cmake, {gcc}, {emulator} {core.emulator[2]}"
    if why := missing("cmake", gcc, emulator):
        return unchecked(tool, why)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        chain = f"-DCMAKE_TOOLCHAIN_FILE={folder.resolve()}/cmake/toolchain.cmake"
        memory = (f"-DFLASH_ORIGIN={core.flash:#x}", f"-DRAM_ORIGIN={core.ram:#x}", "-DFLASH_LENGTH=4M", "-DRAM_LENGTH=2M")
        commands = [
            ["cmake", "-S", ".", "-B", f"{made}/build", chain, *memory, f"-DCMAKE_INSTALL_PREFIX={made}/installed"],
            ["cmake", "--build", f"{made}/build"], ["cmake", "--install", f"{made}/build"],
            [*core.emulator, f"{made}/build/{kit.name}_selftest"],
        ]  # fmt: skip
        first = steps(tool, folder, commands, wanted="PASS", seconds=120)
        return first if not first.passed else _used(kit, folder, made, chain, first)


def _used(kit: Kit, folder: Path, made: Path, chain: str, first: Check) -> Check:
    """A project of a user's finds the package, both ways."""
    for way in ("find_package", "add_subdirectory"):
        user = made / way
        user.mkdir()
        line = f"find_package({kit.name} REQUIRED)" if way == "find_package" else f"add_subdirectory({kit.name})"
        if way == "add_subdirectory":
            shutil.copytree(folder, user / kit.name)
        (user / "app.c").write_text(f'#include "{kit.name}.h"\nint app(void);\nint app(void)\n{{\n    return {kit.macro}_OK;\n}}\n')
        text = f"cmake_minimum_required(VERSION 3.16)\nproject(app C ASM)\n{line}\nadd_library(app STATIC app.c)\n"
        (user / "CMakeLists.txt").write_text(f"{text}target_link_libraries(app PRIVATE {kit.name}::{kit.name})\n")
        found = steps(first.tool, user, [
            ["cmake", "-S", ".", "-B", "build", chain, f"-D{kit.name}_DIR={made}/installed/lib/cmake/{kit.name}",
             f"-D{kit.macro}_SELFTEST=OFF"],
            ["cmake", "--build", "build"],
        ])  # fmt: skip
        if not found.passed:
            return Check(first.tool, True, False, told=f"{way}: {found.told}")
    return first


KIND = Kind("cmake", "CMake project with a self-test for a bare machine", _files, _check)

__all__ = ["CORES", "KIND", "run"]
