"""CMSIS-Pack: NAME.pdsc and the .pack that uVision, CMSIS-Toolbox and others install. Read back by cmsis-pack-manager."""

from __future__ import annotations

import io
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from skosh import __version__
from skosh.deliver.package.kit import LICENSE, Check, Files, Kind, Kit, unchecked
from skosh.deliver.package.selftest import golden_h, selftest_h

VENDOR = "Generated"
CORES = {
    "cortex-m0plus": "Cortex-M0+", "cortex-m3": "Cortex-M3", "cortex-m4": "Cortex-M4", "cortex-m7": "Cortex-M7",
    "cortex-m33": "Cortex-M33", "cortex-m55": "Cortex-M55", "cortex-m0": "Cortex-M0", "cortex-m23": "Cortex-M23",
    "cortex-m85": "Cortex-M85",
}  # fmt: skip
INSTANT = (1980, 1, 1, 0, 0, 0)  # the same bytes each time


def _pdsc(kit: Kit) -> str:
    n = kit.name
    package = ElementTree.Element("package", {
        "schemaVersion": "1.7.7", "xmlns:xs": "http://www.w3.org/2001/XMLSchema-instance",
        "xs:noNamespaceSchemaLocation": "https://raw.githubusercontent.com/Open-CMSIS-Pack/Open-CMSIS-Pack-Spec/v1.7.7/schema/PACK.xsd",
    })  # fmt: skip

    def add(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
        made = ElementTree.SubElement(parent, tag, attributes)
        made.text = text
        return made

    add(package, "vendor", VENDOR)
    add(package, "name", n)
    add(package, "description", f"The model {n} as C, with a self-test")
    add(package, "url", f"https://example.com/{n}/")
    add(package, "license", "LICENSE")
    releases = add(package, "releases")
    add(releases, "release", "generated", version=__version__)
    conditions = add(package, "conditions")
    condition = add(conditions, "condition", id="core")
    add(condition, "description", f"made for {CORES[kit.build.target.name]}")
    add(condition, "accept", Dcore=CORES[kit.build.target.name])
    components = add(package, "components")
    kinds = {"Cclass": "Machine Learning", "Cgroup": "Model", "Csub": n, "Cversion": __version__, "condition": "core"}
    component = add(components, "component", **kinds)
    add(component, "description", f"{n}: it needs {kit.needs}")
    listed = add(component, "files")
    add(listed, "file", category="include", name="src/")
    for unit in kit.units:
        add(listed, "file", category="sourceAsm" if unit.endswith(".S") else "sourceC", name=f"src/{unit}")
    add(listed, "file", category="header", name=f"src/{n}.h")
    add(listed, "file", category="doc", name="README.md")
    for name in ("golden.h", "selftest.h"):
        add(listed, "file", category="header", name=f"selftest/{name}", attr="template", select="self-test")
    ElementTree.indent(package)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(package, "unicode")}\n'


def _files(kit: Kit) -> Files:
    n = kit.name
    inside = {
        f"{VENDOR}.{n}.pdsc": _pdsc(kit), "LICENSE": LICENSE, "proof.json": kit.proof_json(), "README.md": _readme(kit),
        **{f"src/{k}": v for k, v in kit.sources.items()}, "selftest/golden.h": golden_h(kit), "selftest/selftest.h": selftest_h(kit),
    }  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in inside.items():
            entry = zipfile.ZipInfo(name, INSTANT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return {**inside, f"{VENDOR}.{n}.{__version__}.pack": buffer.getvalue()}


def _readme(kit: Kit) -> str:
    n = kit.name
    return f"""# {n}: a CMSIS-Pack

    cpackget add {VENDOR}.{n}.{__version__}.pack        # or a double click, with uVision

Then choose Machine Learning > Model > {n} in the project's components, and `#include "{n}.h"`.
Compiled for {kit.build.target.called}; it needs {kit.needs}. The template "self-test" repeats the golden runs: define
`SELFTEST_PUT(c)`, include `selftest.h`, call `{n}_selftest()`; it prints `PASS`. `proof.json` says what was compared.
"""


def _check(kit: Kit, folder: Path) -> Check:
    n = kit.name
    pack = folder / f"{VENDOR}.{n}.{__version__}.pack"
    with zipfile.ZipFile(pack) as archive:
        names = set(archive.namelist())
        description = ElementTree.fromstring(archive.read(f"{VENDOR}.{n}.pdsc"))
    asked = [f.get("name", "") for f in description.iter("file")] + [description.findtext("license") or ""]
    lost = [a for a in asked if not (a in names or (a.endswith("/") and any(x.startswith(a) for x in names)))]
    if lost:
        return Check("zip and pdsc", True, False, told=f"not in the pack: {lost}")
    if find_spec("cmsis_pack_manager") is None:
        return unchecked("cmsis-pack-manager", "it is not installed; every file of the pdsc is in the pack")
    from cmsis_pack_manager import Cache

    with tempfile.TemporaryDirectory() as scratch:
        cache = Cache(True, True, json_path=scratch, data_path=scratch)
        cache.add_pack_from_path(str(folder / f"{VENDOR}.{n}.pdsc"))
    return Check("zip, xml, cmsis-pack-manager", True, True, "cmsis-pack-manager reads devices only: the PACK schema is unchecked")


def _fits(kit: Kit) -> str:
    return "" if kit.build.target.name in CORES else f"a CMSIS-Pack is for Cortex-M, not for {kit.build.target.name}"


KIND = Kind("cmsis-pack", "CMSIS-Pack", _files, _check, _fits)
