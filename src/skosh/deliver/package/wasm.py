"""WebAssembly: the module, an ES module around it, a page. As npm, with package.json and types. zig makes it, node tests it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from skosh import __version__
from skosh.build.flags import MEANING
from skosh.deliver.package.cmake import template
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, steps, unchecked
from skosh.emit.interface import Port
from skosh.targets.toolchain import cached, run_tool, zig, zig_version

ARRAYS = {
    "i8": "Int8Array", "u8": "Uint8Array", "i16": "Int16Array", "u16": "Uint16Array", "i32": "Int32Array", "u32": "Uint32Array",
    "i64": "BigInt64Array", "u64": "BigUint64Array", "f32": "Float32Array", "f64": "Float64Array", "bool": "Uint8Array",
    "i4": "Int8Array", "u4": "Uint8Array",
}  # fmt: skip


def _glue(kit: Kit) -> str:
    """What JavaScript calls: places of inputs and outputs, run, reset."""
    p = kit.name
    places = "\n".join(
        f'__attribute__((export_name("place_{port.parameter}"))) void *place_{port.parameter}(void)\n'
        f"{{\n    return {port.accessor}(arena);\n}}\n"
        for port in kit.face.ports
    )
    reset = f"    {p}_reset(arena);\n" if kit.build.program.graph.states else ""
    arguments = ", ".join(f"{port.accessor}(arena)" for port in kit.face.ports)
    return f"""#include "{p}.h"

static {kit.macro}_ARENA(arena);

{places}
__attribute__((export_name("run"))) int run(void)
{{
    return (int){p}_run({arguments}, arena);
}}

__attribute__((export_name("reset"))) void reset(void)
{{
{reset}}}
"""


def module(kit: Kit, *, simd: bool) -> bytes:
    """The module's bytes."""
    texts = {**kit.build.sources, "glue.c": _glue(kit)}
    assert not any(n.endswith(".S") for n in texts), "a model for WebAssembly has no assembly"
    flags = ("-target", "wasm32-wasi-musl", "-mexec-model=reactor", "-O3", "-s", *MEANING, *(("-msimd128",) if simd else ()))

    def make(folder: Path) -> None:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        units = sorted(n for n in texts if n.endswith(".c"))
        run_tool([str(zig()), "cc", *flags, "-I.", *units, "-o", "model.wasm"], "compile for WebAssembly", folder)

    return (cached(("wasm", zig_version(), flags, sorted(texts.items())), make) / "model.wasm").read_bytes()


def _javascript(kit: Kit) -> str:
    ports = [_port(p) for p in kit.face.ports]
    return f"""// {kit.name} in WebAssembly: const model = await load(bytes or Response); const {{ {kit.face.outputs[0].parameter} }} = model.run({{ {kit.face.inputs[0].parameter}: numbers }});
export const inputs = {json.dumps([p for p, port in zip(ports, kit.face.ports, strict=True) if port in kit.face.inputs], indent=2)};
export const outputs = {json.dumps([p for p, port in zip(ports, kit.face.ports, strict=True) if port in kit.face.outputs], indent=2)};

const kinds = {{ Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float32Array, Float64Array }};

async function bytesOf(source) {{
  if (source === undefined) {{
    const url = new URL("./{kit.name}.wasm", import.meta.url);
    if (url.protocol === "file:") return (await import("node:fs/promises")).readFile(url);
    source = await fetch(url);
  }}
  return typeof source.arrayBuffer === "function" ? source.arrayBuffer() : source;
}}

/** source: the module's bytes or a Response; left out, {kit.name}.wasm beside this file. */
export async function load(source) {{
  const {{ instance }} = await WebAssembly.instantiate(await bytesOf(source), {{}});
  const c = instance.exports;
  if (c._initialize) c._initialize();
  const view = (port) => new kinds[port.array](c.memory.buffer, c["place_" + port.name](), port.length);
  c.reset();
  return {{
    reset: () => c.reset(),
    /** values: one array for each input, by name, in the model's own type (quantize() makes it of real numbers). */
    run(values) {{
      for (const port of inputs) {{
        const given = values[port.name];
        if (!given || given.length !== port.length) throw new RangeError(`${{port.name}} must have ${{port.length}} elements`);
        view(port).set(given);
      }}
      const status = c.run();
      if (status !== 0) throw new Error(`the model has no answer: status ${{status}}`);
      return Object.fromEntries(outputs.map((port) => [port.name, view(port).slice()]));
    }},
  }};
}}

/** Real numbers as elements of an input: rounded to the nearest, ties away from zero, saturated. */
export function quantize(port, numbers) {{
  if (port.scale === null) return kinds[port.array].from(numbers);
  const scale = Math.fround(port.scale);
  return kinds[port.array].from(numbers, (x) => {{
    const q = Math.fround(Math.fround(x) / scale);
    const whole = q >= 0 ? Math.floor(q + 0.5) : Math.ceil(q - 0.5);
    return Math.min(port.high, Math.max(port.low, whole + port.zeroPoint));
  }});
}}

/** The real numbers that elements of an output stand for. */
export function dequantize(port, elements) {{
  if (port.scale === null) return Array.from(elements, Number);
  return Array.from(elements, (q) => Math.fround((Number(q) - port.zeroPoint) * port.scale));
}}
"""


def _port(p: Port) -> dict[str, object]:
    q = p.tensor.quant
    known = q is not None and not q.per_channel
    return {
        "name": p.parameter, "array": ARRAYS[p.dtype.name], "length": p.tensor.size, "shape": list(p.tensor.shape),
        "scale": q.scale if q is not None and known else None, "zeroPoint": q.zero_point if q is not None and known else 0,
        "low": p.dtype.min if p.dtype.is_integer else None, "high": p.dtype.max if p.dtype.is_integer else None,
    }  # fmt: skip


def _golden(kit: Kit) -> str:
    runs = [
        {
            "status": g.status,
            "inputs": {p.parameter: _bytes(v, p) for p, v in zip(kit.face.inputs, g.inputs, strict=True)},
            "outputs": {p.parameter: _bytes(v, p) for p, v in zip(kit.face.outputs, g.outputs, strict=True)},
        }
        for g in kit.golden
    ]
    return json.dumps(runs) + "\n"


def _bytes(values: np.ndarray, p: Port) -> list[int]:
    """The elements' bytes: JSON has neither NaN nor 64 bits."""
    return list(np.ascontiguousarray(values, p.dtype.np).tobytes())


def _files(kit: Kit, npm: bool) -> Files:
    n = kit.name
    files: Files = {
        f"{n}.wasm": module(kit, simd=True), f"{n}.plain.wasm": module(kit, simd=False), f"{n}.js": _javascript(kit),
        f"{n}.d.ts": template("module.d.ts"), "selftest.js": template("selftest.js"),
        "selftest.node.mjs": template("selftest.node.mjs").replace("NAME", n), "golden.json": _golden(kit),
        "index.html": template("index.html").replace("NAME", n), "README.md": _readme(kit, npm),
        "package.json": json.dumps({
            "name": n.replace("_", "-"), "version": __version__, "type": "module", "main": f"{n}.js", "types": f"{n}.d.ts",
            "description": f"The model {n} in WebAssembly", "license": "0BSD", "scripts": {"test": "node selftest.node.mjs"},
            "files": ["*.wasm", "*.js", "*.mjs", "*.d.ts", "*.json", "index.html", "LICENSE"],
        }, indent=2) + "\n",
    }  # fmt: skip
    return files


def _readme(kit: Kit, npm: bool) -> str:
    n = kit.name
    got = f"npm install ./{n}.tgz" if npm else "copy the folder beside your page"
    return f"""# {n} in WebAssembly

    {got}

    import {{ load, inputs, quantize }} from "{n.replace("_", "-") if npm else f"./{n}.js"}";
    const model = await load();
    const answer = model.run({{ {kit.face.inputs[0].parameter}: quantize(inputs[0], numbers) }});

`{n}.wasm` has SIMD (every browser since 2023); `{n}.plain.wasm` does without: `load(await fetch("{n}.plain.wasm"))`.
`node selftest.node.mjs` repeats the golden runs and prints `PASS`; so does `index.html`, served by any web server.
"""


def _check(kit: Kit, folder: Path, npm: bool) -> Check:
    tool = "npm pack, node" if npm else "node"
    if why := missing("node", *(("npm",) if npm else ())):
        return unchecked(tool, why)
    plain = f'import {{ readFile }} from "node:fs/promises"; import * as m from "./{kit.name}.js"; ' + (
        'import { selftest } from "./selftest.js"; const runs = JSON.parse(await readFile("golden.json")); '
        f'console.log(selftest(await m.load(await readFile("{kit.name}.plain.wasm")), m.inputs, m.outputs, runs));'
    )
    both = [["node", "--input-type=module", "-e", plain], ["node", "selftest.node.mjs"]]
    first = steps(tool, folder, both[:1], wanted="PASS")
    done = steps(tool, folder, both[1:], wanted="PASS") if first.passed else first
    if not npm or not done.passed:
        return done
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "package"
        shutil.copytree(folder, copy)
        packed = steps(tool, copy, [["npm", "pack", "--offline", "--silent", "--cache", f"{scratch}/cache"]])
        if not packed.passed:
            return packed
        (archive,) = copy.glob("*.tgz")
        unpacked = Path(scratch) / "unpacked"
        shutil.unpack_archive(archive, unpacked, "gztar", filter="data")
        return steps(tool, unpacked / "package", [["node", "selftest.node.mjs"]], wanted="PASS")


def _fits(kit: Kit) -> str:
    target = kit.build.target
    return "" if target.is_host and not target.simd else f"WebAssembly takes C of target generic or host, not of {target.name}"


WASM = Kind("wasm", "WebAssembly with an ES module and a page", lambda k: _files(k, False), lambda k, f: _check(k, f, False), _fits)
NPM = Kind("npm", "the same as an npm package", lambda k: _files(k, True), lambda k, f: _check(k, f, True), _fits)
