"""MicroPython: a native module, made by its own dynruntime and mpy_ld.py, and a self-test in Python."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from skosh.base.files import write_file
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, steps, unchecked
from skosh.deliver.package.stubs import portable_units

ARCHES = {
    "cortex-m0plus": "armv6m", "cortex-m3": "armv7m", "cortex-m4": "armv7emsp", "cortex-m7": "armv7emsp",
    "cortex-m33": "armv7emsp", "cortex-m0": "armv6m", "cortex-m23": "armv6m", "cortex-m85": "armv7emsp",
    "rv32imc": "rv32imc", "rv32imac": "rv32imc", "host": "x64", "generic": "x64",
}  # fmt: skip


def _files(kit: Kit) -> Files:
    n = kit.name
    arch = ARCHES[kit.build.target.name]
    units = " ".join(f"src/{u}" for u in portable_units(kit.units))
    return {
        "Makefile": f"""# make MPY_DIR=path/to/micropython: {n}.mpy, to be copied to the board
MPY_DIR ?= ../micropython
MOD = {n}
SRC = module.c {units}
ARCH ?= {arch}
LINK_RUNTIME = 1
CFLAGS_EXTRA = -Isrc -O2 -ffp-contract=off -fno-math-errno
include $(MPY_DIR)/py/dynruntime.mk
""",
        "module.c": _module(kit), **{f"src/{k}": v for k, v in kit.sources.items()}, "selftest.py": _selftest(kit),
        "README.md": f"""# {n}: a native module for MicroPython ({arch})

    make MPY_DIR=path/to/micropython        # of the firmware's own version
    mpremote cp {n}.mpy selftest.py : + exec "import selftest"

`selftest` repeats the golden runs and prints `PASS`. In a program: `{n}.predict(input, output)`, both buffers
(bytearray, array) of the model's own types; the header in `src/` says scales and lengths. It needs {kit.needs}, from the heap
while it runs. Compiled for {kit.build.target.called}; `proof.json` says what was compared.
""",
    }  # fmt: skip


def _module(kit: Kit) -> str:
    n, m = kit.name, kit.macro
    ports = kit.face.ports
    takes = ", ".join(f"mp_obj_t {p.parameter}_obj" for p in ports) if len(ports) <= 3 else "size_t n, const mp_obj_t *args"
    count = f"MP_DEFINE_CONST_FUN_OBJ_{len(ports)}(predict_obj, predict);" if len(ports) <= 3 else (
        f"MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(predict_obj, {len(ports)}, {len(ports)}, predict);"
    )  # fmt: skip
    buffers = []
    for i, p in enumerate(ports):
        given = f"{p.parameter}_obj" if len(ports) <= 3 else f"args[{i}]"
        write = "MP_BUFFER_READ" if p in kit.face.inputs else "MP_BUFFER_WRITE"
        buffers.append(f"    mp_buffer_info_t {p.parameter};\n    mp_get_buffer_raise({given}, &{p.parameter}, {write});\n"
                       f"    if ({p.parameter}.len != {p.length_macro} * sizeof({p.dtype.c})) {{\n"
                       f'        mp_raise_ValueError(MP_ERROR_TEXT("{p.parameter} has another length"));\n    }}\n')  # fmt: skip
    arguments = ", ".join(f"({'const ' if p in kit.face.inputs else ''}{p.dtype.c} *){p.parameter}.buf" for p in ports)
    unused = "" if len(ports) <= 3 else "    (void)n;\n"
    reset = f"    {n}_reset(arena);\n" if kit.build.program.graph.states else ""
    return f"""/* {n}.predict(input, output): buffers of the model's own types. */
#include "py/dynruntime.h"

#include "{n}.h"

static mp_obj_t predict({takes})
{{
{unused}{"".join(buffers)}    uint8_t *memory = m_malloc({m}_ARENA_BYTES + {m}_ARENA_ALIGN);
    uint8_t *arena = (uint8_t *)(((uintptr_t)memory + {m}_ARENA_ALIGN - 1) / {m}_ARENA_ALIGN * {m}_ARENA_ALIGN);
{reset}    int status = (int){n}_run({arguments}, arena);
    m_free(memory);
    return mp_obj_new_int(status);
}}
static {count}

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{{
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_predict, MP_OBJ_FROM_PTR(&predict_obj));
    MP_DYNRUNTIME_INIT_EXIT
}}
"""


def _selftest(kit: Kit) -> str:
    runs = []
    for g in kit.golden:
        given = [np.ascontiguousarray(v, p.dtype.np).tobytes() for p, v in zip(kit.face.inputs, g.inputs, strict=True)]
        want = [np.ascontiguousarray(v, p.dtype.np).tobytes() for p, v in zip(kit.face.outputs, g.outputs, strict=True)]
        runs.append(f"    ({g.status}, {given!r}, {want!r}),")
    return f"""import {kit.name}
import time

RUNS = [
{chr(10).join(runs)}
]


def selftest():
    for n, (status, inputs, outputs) in enumerate(RUNS):
        got = [bytearray(len(want)) for want in outputs]
        start = time.ticks_us()
        found = {kit.name}.predict(*inputs, *got)
        print("run %d: %d us" % (n, time.ticks_diff(time.ticks_us(), start)))
        if found != status:
            print("FAIL: run %d: status %d, not %d" % (n, found, status))
            return False
        for k, (y, want) in enumerate(zip(got, outputs)):
            if status == 0 and bytes(y) != want:
                at = [i for i in range(len(want)) if y[i] != want[i]][0]
                print("FAIL: run %d: output %d: byte %d is %d, not %d" % (n, k, at, y[at], want[at]))
                return False
    print("PASS")
    return True


selftest()
"""


def _check(kit: Kit, folder: Path) -> Check:
    tree = os.environ.get("MICROPYTHON_DIR", "")
    arch = ARCHES[kit.build.target.name]
    tool = "MicroPython's dynruntime.mk and mpy_ld.py"
    if not (Path(tree) / "py" / "dynruntime.mk").is_file() or not tree:
        why = "MICROPYTHON_DIR names no tree of MicroPython, and no package has its linker"
        if missing("mpy-cross"):
            return unchecked(tool, why)
        with tempfile.TemporaryDirectory() as scratch:
            done = steps("mpy-cross", folder, [["mpy-cross", "selftest.py", "-o", f"{scratch}/selftest.mpy"]])
        return Check("mpy-cross, of selftest.py alone", done.ran, done.passed, why, done.told)
    if why := missing("make"):
        return unchecked(tool, why)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "module"
        shutil.copytree(folder, copy)
        done = steps(tool, copy, [["make", f"MPY_DIR={Path(tree).resolve()}", f"ARCH={arch}"]])
        if done.passed:
            write_file(folder / f"{kit.name}.mpy", (copy / f"{kit.name}.mpy").read_bytes())
    return done


def _fits(kit: Kit) -> str:
    return "" if kit.build.target.name in ARCHES else f"MicroPython has no native modules for {kit.build.target.name}"


KIND = Kind("micropython", "MicroPython native module", _files, _check, _fits)
