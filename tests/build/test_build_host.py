"""Emitted C for this computer, the cache, and the machines' own table."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skosh.base.errors import InputError, ToolError
from skosh.build import compile_host, compile_host_program
from skosh.targets import device, devices, names, target
from skosh.targets.toolchain import run_tool

ADD = {"add.h": "int add(int a, int b);\n", "add.c": '#include "add.h"\nint add(int a, int b) { return a + b; }\n'}


def test_a_shared_library_is_made_once() -> None:
    first = compile_host(ADD)
    assert ctypes.CDLL(str(first)).add(2, 3) == 5
    assert compile_host(ADD) == first
    assert compile_host(ADD, defines=("OTHER=1",)) != first


def test_a_name_that_the_c_library_has_too_is_our_own() -> None:
    """svc_run is a function of glibc's RPC, which a shared library's calls would reach first."""
    header = "int svc_run(int x);\nint twice(int x);\n"
    own = '#include "svc.h"\nint svc_run(int x) { return x; }\n'
    caller = '#include "svc.h"\nint twice(int x) { return 2 * svc_run(x); }\n'
    assert ctypes.CDLL(str(compile_host({"svc.h": header, "svc.c": own, "twice.c": caller}))).twice(21) == 42


def test_the_compilers_complaint_is_quoted() -> None:
    with pytest.raises(ToolError, match=r"compile for this computer: zig failed[^\n]*\n +add\.c:1:\d+: error: "):
        compile_host({"add.c": "int add(int a) { return b; }\n"})


@pytest.mark.skipif(shutil.which("gcc") is None and shutil.which("clang") is None, reason="no system compiler")
def test_sanitizers_stop_a_program_that_reads_past_an_array() -> None:
    main = "int main(int n, char **v) { static int a[4]; int i = n + 3; (void)v; return a[i]; }\n"
    fine = compile_host_program({}, main.replace("n + 3", "n"), sanitize=True)
    assert subprocess.run([fine], check=False).returncode == 0
    broken = subprocess.run(
        [compile_host_program({}, main, sanitize=True)], capture_output=True, text=True, check=False
    )
    assert broken.returncode != 0
    assert "out of bounds" in broken.stderr or "overflow" in broken.stderr


def test_an_unwritable_cache_and_home_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    program = (
        "import ctypes; from skosh.build import compile_host\n"
        "path = compile_host({'one.c': 'int one(void);\\nint one(void) { return 1; }\\n'})\n"
        "assert ctypes.CDLL(str(path)).one() == 1; print(path)\n"
    )
    zig_cache = os.environ.get("ZIG_GLOBAL_CACHE_DIR", os.path.expanduser("~/.cache/zig"))
    here = {"HOME": str(file), "SKOSH_CACHE": str(file / "no"), "ZIG_GLOBAL_CACHE_DIR": zig_cache}
    env = {
        **{k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"},
        **here,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).exists()


def test_a_missing_tool_is_a_tool_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"compile x: can't run .*/nothing: No such file"):
        run_tool([str(tmp_path / "nothing")], "compile x")


def test_targets_are_found_by_name() -> None:
    assert [target(name).name for name in names(siblings=True)] == list(names(siblings=True))
    with pytest.raises(InputError) as caught:
        target("cortex-m5")
    assert caught.value.message == f'target must be one of {", ".join(names(siblings=True))}, or a board, not "cortex-m5"'
    assert caught.value.hint.startswith("did you mean cortex-m85, cortex-m55 or cortex-m7? ")


def test_devices_are_boards_of_known_targets() -> None:
    assert len(devices()) >= 10
    for board in devices():
        assert board.target in names(siblings=True)
        assert board.source.title
        assert 0 < board.ram < board.flash <= 64 << 20
    assert device("pico").ram == 264 << 10
    with pytest.raises(InputError, match=r'^device must be one of .*nucleo-l4r5zi.*, not "pdp-11"'):
        device("pdp-11")
