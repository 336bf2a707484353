"""A Python wheel: the model as a library for this computer, called by ctypes. Installed and run in a fresh environment."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from skosh import __version__
from skosh.build.host import compile_host
from skosh.deliver.package.kit import Check, Files, Kind, Kit, run
from skosh.emit.interface import Port

CODES = {
    "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q", "f32": "f", "f64": "d",
    "bool": "B", "i4": "b", "u4": "B",
}  # fmt: skip
"""Element types by the letters of Python's module ``array``."""


def _port(p: Port) -> dict[str, object]:
    q = p.tensor.quant
    one = q is not None and not q.per_channel
    return {
        "name": p.parameter, "code": CODES[p.dtype.name], "length": p.tensor.size, "shape": list(p.tensor.shape),
        "scale": q.scale if one and q is not None else None, "zero_point": q.zero_point if one and q is not None else None,
    }  # fmt: skip


def _module(kit: Kit) -> str:
    n, plan = kit.name, kit.build.program.plan
    about = {"inputs": [_port(p) for p in kit.face.inputs], "outputs": [_port(p) for p in kit.face.outputs]}
    return f'''"""The model {n}, compiled for this computer. ``run(input)`` takes buffers (array, bytes, numpy) of the model's own type."""

from __future__ import annotations

import ctypes
from array import array
from pathlib import Path

ABOUT = {json.dumps(about, indent=4).replace("null", "None")}
ARENA_BYTES = {plan.arena_bytes}
_library = ctypes.CDLL(str(Path(__file__).with_name("lib{n}.so")))
_STATES = {bool(kit.build.program.graph.states)}


class Model:
    """The model with a memory of its own."""

    def __init__(self) -> None:
        self._memory = ctypes.create_string_buffer(ARENA_BYTES + 64)
        start = ctypes.addressof(self._memory)
        self._arena = ctypes.c_void_p((start + 63) // 64 * 64)
        self.reset()

    def reset(self) -> None:
        """Forgets what came before, where the model has a state."""
        if _STATES:
            _library.{n}_reset(self._arena)

    def run(self, *inputs):
        """Outputs, one array or a tuple of several. ValueError: an input has another length; RuntimeError: no answer."""
        given = []
        for value, port in zip(inputs, ABOUT["inputs"], strict=True):
            flat = array(port["code"])
            view = memoryview(value) if not isinstance(value, (list, tuple)) else memoryview(array(port["code"], value))
            flat.frombytes(view.tobytes())
            if len(flat) != port["length"]:
                raise ValueError(f"{{port['name']}} must have {{port['length']}} elements, not {{len(flat)}}")
            given.append(flat)
        answers = [array(p["code"], bytes(p["length"] * array(p["code"]).itemsize)) for p in ABOUT["outputs"]]
        places = [ctypes.c_void_p(a.buffer_info()[0]) for a in (*given, *answers)]
        status = _library.{n}_run(*places, self._arena)
        if status != 0:
            raise RuntimeError(f"the model has no answer: status {{status}}")
        return answers[0] if len(answers) == 1 else tuple(answers)


def quantize(numbers, port=0):
    """Real numbers as elements of an input: rounded to the nearest, ties away from zero, saturated."""
    p = ABOUT["inputs"][port]
    if p["scale"] is None:
        return array(p["code"], numbers)
    bits = 8 * array(p["code"]).itemsize
    low, high = (0, 2**bits - 1) if p["code"].isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    q = [ctypes.c_float(ctypes.c_float(x).value / p["scale"]).value for x in numbers]
    rounded = [int(v + 0.5) if v >= 0 else -int(0.5 - v) for v in q]
    return array(p["code"], [min(high, max(low, r + p["zero_point"])) for r in rounded])


def dequantize(elements, port=0):
    """The real numbers that elements of an output stand for."""
    p = ABOUT["outputs"][port]
    return [float(q) if p["scale"] is None else (q - p["zero_point"]) * p["scale"] for q in elements]


def run(*inputs):
    """One run of a model of its own: see Model.run."""
    return Model().run(*inputs)
'''


def _main(kit: Kit) -> str:
    runs = [
        {
            "status": g.status,
            "inputs": [_hex(v, p) for p, v in zip(kit.face.inputs, g.inputs, strict=True)],
            "outputs": [_hex(v, p) for p, v in zip(kit.face.outputs, g.outputs, strict=True)],
        }
        for g in kit.golden
    ]
    return f'''"""The self-test: python -m {kit.name}"""

import sys
import time
from array import array

from {kit.name} import ABOUT, Model

RUNS = {json.dumps(runs, indent=4)}


def main() -> int:
    model = Model()
    for n, run in enumerate(RUNS):
        start = time.perf_counter()
        try:
            got = model.run(*(bytes.fromhex(x) for x in run["inputs"]))
        except RuntimeError as error:
            if run["status"] == 0:
                print(f"FAIL: run {{n}}: {{error}}")
                return 1
            continue
        print(f"run {{n}}: {{1e6 * (time.perf_counter() - start):.0f}} us")
        for port, y, want in zip(ABOUT["outputs"], got if isinstance(got, tuple) else (got,), run["outputs"], strict=True):
            expected = array(port["code"], bytes.fromhex(want))
            for i, (a, b) in enumerate(zip(y, expected, strict=True)):
                if array(port["code"], [a]).tobytes() != array(port["code"], [b]).tobytes():
                    print(f"FAIL: run {{n}}: {{port['name']}}[{{i}}] is {{a}}, not {{b}}")
                    return 1
    print("PASS")
    return 0


sys.exit(main())
'''


def _hex(values: np.ndarray, p: Port) -> str:
    return np.ascontiguousarray(values, p.dtype.np).tobytes().hex()


def _files(kit: Kit) -> Files:
    n = kit.name
    sources = {k: v for k, v in kit.build.sources.items() if not k.endswith(".S")}
    library = compile_host(sources).read_bytes()
    inside: Files = {f"{n}/__init__.py": _module(kit), f"{n}/__main__.py": _main(kit), f"{n}/lib{n}.so": library}
    tag = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    info = f"{n}-{__version__}.dist-info"
    described = f"Metadata-Version: 2.1\nName: {n}\nVersion: {__version__}\nSummary: The model {n}\nLicense: 0BSD\n"
    inside[f"{info}/METADATA"] = f"{described}Requires-Python: >=3.10\n"
    inside[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: skosh {__version__}\nRoot-Is-Purelib: false\nTag: {tag}\n"
    packed = {k: v if isinstance(v, bytes) else v.encode() for k, v in inside.items()}
    record = [f"{k},sha256={_digest(v)},{len(v)}" for k, v in packed.items()]
    packed[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in packed.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same bytes each time
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    wheel = f"{n}-{__version__}-{tag}.whl"
    return {wheel: buffer.getvalue(), **{f"c/{k}": v for k, v in kit.sources.items()}, "README.md": _readme(kit, wheel)}


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _readme(kit: Kit, wheel: str) -> str:
    n = kit.name
    return f"""# {n} as a Python wheel

    pip install ./{wheel}
    python -m {n}                     # the golden runs again: PASS

    import {n}
    {n}.dequantize({n}.run({n}.quantize(numbers)))

It needs nothing but Python. The library is for this kind of computer; `c/` has its C, and `proof.json` what was compared.
"""


def _check(kit: Kit, folder: Path) -> Check:
    (wheel,) = folder.glob("*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        status, said = run([sys.executable, "-m", "venv", f"{scratch}/fresh"], folder, seconds=120)
        python = Path(scratch) / "fresh" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        if status == 0:
            install = ["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", str(wheel.resolve())]
            status, said = run([str(python), *install], Path(scratch), seconds=120)
        if status == 0:
            status, said = run([str(python), "-I", "-m", kit.name], Path(scratch), seconds=120)
    return Check("venv, pip", True, status == 0 and "PASS" in said, told=said[-3000:])


def _fits(kit: Kit) -> str:
    t = kit.build.target
    return "" if t.is_host and not t.needs else f"a wheel takes C of target host or generic, not of {t.name}"


KIND = Kind("wheel", "Python wheel for this computer", _files, _check, _fits)
