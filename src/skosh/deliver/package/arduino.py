"""Arduino: a library with a self-test as its example. Checked by arduino-builder and simavr for boards with an AVR."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from skosh import __version__
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, run, unchecked
from skosh.deliver.package.selftest import golden_h, selftest_h

HARDWARE = Path("/usr/share/arduino/hardware")
BUILDER = Path("/usr/share/arduino-builder")  # says how ctags is called
CHIPS = {"uno": "atmega328p", "mega": "atmega2560"}
"""Boards of the core that Debian has: their chips by simavr's names."""

ARCHITECTURES = {
    "cortex-m0plus": "samd,rp2040,mbed_rp2040,mbed_nano,stm32", "cortex-m3": "sam,stm32", "rv32imc": "esp32,rp2040",
    "cortex-m0": "stm32", "rv32imac": "esp32,rp2040",
    "cortex-m4": "mbed_nano,nrf52,samd,renesas_uno,stm32", "cortex-m7": "mbed_portenta,mbed_giga,teensy,stm32",
    "cortex-m33": "renesas_portenta,rp2040,stm32", "cortex-m55": "stm32",
}  # fmt: skip


def _title(kit: Kit) -> str:
    """Arduino's names of libraries: letters, digits, spaces and underscores, beginning with a letter or digit."""
    return re.sub(r"[^A-Za-z0-9_]", "_", kit.name)


def _files(kit: Kit) -> Files:
    title = _title(kit)
    test = f"examples/{title}_selftest"
    board = kit.board
    own = board.arduino.split(":")[1] if board is not None and board.arduino else ""
    known = ARCHITECTURES.get(kit.build.target.name, "*")
    architectures = ",".join(dict.fromkeys([*([own] if own and known != "*" else []), *known.split(",")]))
    return {
        "library.properties": (
            f"name={title}\nversion={__version__}\nauthor=generated\nmaintainer=generated <none@example.com>\n"
            f"sentence=The model {kit.name} as C, with a self-test.\n"
            f"paragraph=No heap, nothing to port. {kit.needs[0].upper()}{kit.needs[1:]}. Compiled for {kit.build.target.name}.\n"
            f"category=Data Processing\nurl=https://example.com/{title}\narchitectures={architectures}\nincludes={kit.name}.h\n"
        ),
        **{f"src/{n}": text for n, text in kit.sources.items()},
        f"{test}/{title}_selftest.ino": _sketch(kit),
        f"{test}/golden.h": golden_h(kit),
        f"{test}/selftest.h": selftest_h(kit),
        "keywords.txt": f"{kit.name}_run\tKEYWORD2\n{kit.name}_quantize\tKEYWORD2\n{kit.macro}_ARENA\tLITERAL1\n",
        "README.md": _readme(kit, title),
    }


def _sketch(kit: Kit) -> str:
    return f"""// The self-test of {kit.name}: open the serial monitor at 115200 baud.
#include <{kit.name}.h>

#define SELFTEST_PUT(c) Serial.write(c)
#define SELFTEST_CYCLES() (micros() * (F_CPU / 1000000UL))
#ifndef F_CPU
#define F_CPU 1000000UL  // then these are microseconds
#endif
#if defined(__AVR__)
#define SELFTEST_STACK 384
#endif
#include "selftest.h"

void setup() {{
  Serial.begin(115200);
  while (!Serial) {{
  }}
  {kit.name}_selftest();
  Serial.flush();
}}

void loop() {{}}
"""


def _readme(kit: Kit, title: str) -> str:
    return f"""# {title}: an Arduino library

Compiled for {kit.build.target.called}; it needs {kit.needs}.

1. Arduino IDE: Sketch > Include Library > Add .ZIP Library, with this folder zipped; or copy it to `libraries/`.
2. File > Examples > {title} > {title}_selftest, upload, open the serial monitor at 115200 baud.
3. It prints what a run takes, and `PASS`, or the first difference.

In a sketch: `#include <{kit.name}.h>`, `static {kit.macro}_ARENA(arena);`, then `{kit.name}_run(...)`. The header says what goes
in and what comes out; `proof.json` what was compared.
"""


def library_faults(folder: Path) -> list[str]:
    """What arduino-lint's documented rules on structure and library.properties would say, of those that can be seen here."""
    text = (folder / "library.properties").read_text(encoding="utf-8")
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    keys = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures")
    faults = [f"LP: {key} must be given" for key in keys if not told.get(key, "").strip()]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,62}", told.get("name", "")):
        faults.append("LP010: the name must begin with a letter or digit, and have at most 63 letters, digits, - _ . or spaces")
    if told.get("name", "").lower().startswith("arduino"):
        faults.append("LP012: names that begin with Arduino are taken")
    if not re.fullmatch(r"\d+\.\d+\.\d+", told.get("version", "")):
        faults.append("LP017: the version must be semantic")
    if told.get("category") not in (
        "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
        "Data Processing", "Other",
    ):  # fmt: skip
        faults.append("LP029: the category must be one of Arduino's")
    if not list((folder / "src").glob("*.h")):
        faults.append("SD: src must have a header")
    if told.get("includes") and not (folder / "src" / told["includes"]).is_file():
        faults.append("LP: includes must name a header of src")
    sketches = (folder / "examples").iterdir()
    faults += [f"SS: {s.name} must have a sketch of its name" for s in sketches if not (s / f"{s.name}.ino").is_file()]
    if not (folder / "LICENSE").is_file():
        faults.append("LD: a licence must be there")
    return faults


def _check(kit: Kit, folder: Path) -> Check:
    if faults := library_faults(folder):
        return Check("arduino-lint's rules", True, False, told="\n".join(faults))
    board = kit.board
    core = board.arduino if board is not None else ""
    chip = CHIPS.get(core.rpartition(":")[2]) if core.startswith("arduino:avr:") else None
    tool = "arduino-builder, simavr"
    if chip is None or board is None:
        return unchecked(tool, f"Arduino's core for {core or 'this machine'} is in no package index; the structure was checked")
    if why := missing("arduino-builder", "simavr", "avr-gcc"):
        return unchecked(tool, why)
    title = _title(kit)
    with tempfile.TemporaryDirectory() as scratch:
        libraries = Path(scratch) / "libraries"
        libraries.mkdir()
        (libraries / title).symlink_to(folder.resolve(), target_is_directory=True)
        build, tools = Path(scratch) / "build", Path(scratch) / "tools"
        build.mkdir()
        tools.mkdir()  # empty: Debian's are in /usr, as told below
        sketch = folder / "examples" / f"{title}_selftest" / f"{title}_selftest.ino"
        # DECIMAL_DIG: Debian's core doesn't compile without it
        command = [
            "arduino-builder", "-compile", "-hardware", BUILDER, "-hardware", HARDWARE, "-tools", tools, "-libraries", libraries,
            "-fqbn", core + (":cpu=atmega2560" if chip == "atmega2560" else ""), "-build-path", build,
            "-prefs=runtime.tools.avr-gcc.path=/usr",
            "-prefs=runtime.tools.ctags.path=/usr", "-prefs=compiler.cpp.extra_flags=-DDECIMAL_DIG=17", sketch.resolve(),
        ]  # fmt: skip
        status, said = run([str(c) for c in command], folder, seconds=180)
        if status != 0:
            return Check(tool, True, False, told=said[-3000:])
        firmware = build / f"{title}_selftest.ino.elf"
        _, said = run(["timeout", "25", "simavr", "-m", chip, "-f", f"{board.clock_mhz * 1e6:.0f}", str(firmware)], folder)
    return Check(tool, True, "PASS" in said, told=said[-3000:])


def _fits(kit: Kit) -> str:
    return "" if kit.build.target.name in {*ARCHITECTURES, "generic", "host"} else f"no Arduino has a {kit.build.target.name}"


KIND = Kind("arduino", "Arduino library with a self-test", _files, _check, _fits)
