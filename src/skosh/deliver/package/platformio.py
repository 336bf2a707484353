"""PlatformIO: a library with library.json, and a project that runs the self-test on the board. ``pio pkg pack`` validates it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from skosh import __version__
from skosh.deliver.package.arduino import _sketch as sketch
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, steps, unchecked
from skosh.deliver.package.selftest import golden_h, selftest_h


def _files(kit: Kit) -> Files:
    n, board = kit.name, kit.board
    platform, _, name = (board.platformio if board is not None else "").partition("/")
    manifest = {
        "name": n, "version": __version__, "description": f"The model {n} as C, with a self-test",
        "keywords": "machine learning, tinyml", "frameworks": "*", "platforms": platform or "*", "headers": f"{n}.h",
        "export": {"include": ["src", "examples", "library.json", "LICENSE", "README.md", "proof.json", "platformio.ini"]},
        "examples": [{"name": "selftest", "base": "examples/selftest", "files": ["main.cpp", "golden.h", "selftest.h"]}],
    }  # fmt: skip
    env = name or "native"
    settings = f"platform = {platform or 'native'}\n" + (f"board = {name}\nframework = arduino\nmonitor_speed = 115200\n" if name else "")
    main = "#include <Arduino.h>\n" + sketch(kit) if name else _native(kit)
    return {
        "library.json": json.dumps(manifest, indent=2) + "\n",
        "platformio.ini": f"[platformio]\nsrc_dir = examples/selftest\n\n[env:{env}]\n{settings}lib_extra_dirs = ..\nbuild_flags = -Isrc\n"
        f"lib_deps = symlink://.\n",
        **{f"src/{k}": v for k, v in kit.sources.items()},
        "examples/selftest/main.cpp": main,
        "examples/selftest/golden.h": golden_h(kit),
        "examples/selftest/selftest.h": selftest_h(kit),
        "README.md": f"""# {n}: a PlatformIO library

Compiled for {kit.build.target.called}; it needs {kit.needs}. Add the folder to `lib/`, or `lib_deps = symlink://path/to/{n}`.

    pio run -t upload && pio device monitor        # here: the self-test on the board, which prints PASS

`src/{n}.h` says scales, meanings and what must hold; `proof.json` what was compared.
""",
    }


def _native(kit: Kit) -> str:
    return f'#include <cstdio>\n#define SELFTEST_PUT(c) std::putchar(c)\n#include "selftest.h"\n\nint main()\n{{\n    return {kit.name}_selftest();\n}}\n'


def _check(kit: Kit, folder: Path) -> Check:
    tool = "pio pkg pack"
    if why := missing("pio"):
        return unchecked(tool, f"{why}: pip install platformio")
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "library.tar.gz"
        done = steps(tool, folder, [["pio", "pkg", "pack", ".", "-o", str(archive)]])
        if done.passed:
            shutil.unpack_archive(archive, f"{scratch}/unpacked", "gztar", filter="data")
            lost = [u for u in kit.sources if not (Path(scratch) / "unpacked" / "src" / u).is_file()]
            return Check(tool, True, not lost, told=f"not in the archive: {lost}" if lost else done.told)
    return done


KIND = Kind("platformio", "PlatformIO library and project", _files, _check)
