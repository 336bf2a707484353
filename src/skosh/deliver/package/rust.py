"""Rust: a crate without std around the C, with a safe wrapper. Built and run by cargo, offline."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from skosh import __version__
from skosh.deliver.package.kit import Check, Files, Kind, Kit, missing, run, unchecked
from skosh.emit.interface import Port
from skosh.ir.graph import Array

TYPES = {
    "i8": "i8", "u8": "u8", "i16": "i16", "u16": "u16", "i32": "i32", "u32": "u32", "i64": "i64", "u64": "u64", "f32": "f32",
    "f64": "f64", "bool": "bool", "i4": "i8", "u4": "u8",
}  # fmt: skip


def _files(kit: Kit) -> Files:
    n = kit.name
    return {
        "Cargo.toml": (
            f'[package]\nname = "{n}"\nversion = "{__version__}"\nedition = "2021"\nlicense = "0BSD"\nbuild = "build.rs"\n'
            f'description = "The model {n}: C without heap, behind a safe interface, no_std"\nlinks = "{n}"\n\n'
            "[lib]\ntest = false\n\n[workspace]\n"
        ),
        "build.rs": _build(kit), "src/lib.rs": _library(kit), "examples/selftest.rs": _selftest(kit), "README.md": _readme(kit),
        **{f"c/{name}": text for name, text in kit.sources.items()},
    }  # fmt: skip


def _build(kit: Kit) -> str:
    units = ", ".join(f'"{u}"' for u in kit.units)
    return f"""// Compiles the C without any crate: CC (or CC_<target>) names the compiler, AR the archiver, CFLAGS what else it needs.
use std::{{env, path::PathBuf, process::Command}};

fn tool(name: &str, otherwise: &str) -> String {{
    let target = env::var("TARGET").unwrap().replace('-', "_");
    env::var(format!("{{name}}_{{target}}")).or_else(|_| env::var(name)).unwrap_or_else(|_| otherwise.into())
}}

fn run(command: &mut Command) {{
    let done = command.status().unwrap_or_else(|e| panic!("{{command:?}}: {{e}}"));
    assert!(done.success(), "{{command:?}} failed");
}}

fn main() {{
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let bare = env::var("CARGO_CFG_TARGET_OS").unwrap() == "none";
    let (cc, ar) = (tool("CC", "cc"), tool("AR", "ar"));
    let flags = tool("CFLAGS", "");
    let mut objects = Vec::new();
    for unit in [{units}] {{
        println!("cargo:rerun-if-changed=c/{{unit}}");
        if unit.ends_with(".S") && !bare {{
            continue; // arithmetic of floats for machines without an FPU
        }}
        let object = out.join(format!("{{unit}}.o"));
        let mut command = Command::new(&cc);
        command.args(["-O2", "-std=c99", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections"]);
        if !bare {{
            command.arg("-fPIC");
        }}
        run(command.args(flags.split_whitespace()).arg("-Ic").arg("-c").arg(format!("c/{{unit}}")).arg("-o").arg(&object));
        objects.push(object);
    }}
    let library = out.join("lib{kit.name}.a");
    let _ = std::fs::remove_file(&library);
    run(Command::new(&ar).arg("crs").arg(&library).args(&objects));
    println!("cargo:rustc-link-search=native={{}}", out.display());
    println!("cargo:rustc-link-lib=static={kit.name}");
    if !bare {{
        println!("cargo:rustc-link-lib=m");
    }}
}}
"""


def _library(kit: Kit) -> str:
    n, plan = kit.name, kit.build.program.plan
    constants, functions = [], []
    for p in kit.face.ports:
        constants.append(f"/// Elements of {p.parameter}, {p.dtype.np}{list(p.tensor.shape)}.")
        constants.append(f"pub const {p.parameter.upper()}_LEN: usize = {p.tensor.size};")
        q = p.tensor.quant
        if q is not None and not q.per_channel:
            constants.append(f"pub const {p.parameter.upper()}_SCALE: f32 = {float(np.float32(q.scale))!r};")
            constants.append(f"pub const {p.parameter.upper()}_ZERO_POINT: i32 = {q.zero_point};")
    takes = ", ".join(
        f"{p.parameter}: &{'mut ' if p in kit.face.outputs else ''}[{TYPES[p.dtype.name]}; {p.parameter.upper()}_LEN]"
        for p in kit.face.ports
    )
    given = ", ".join(f"{p.parameter}.as_{'mut_' if p in kit.face.outputs else ''}ptr()" for p in kit.face.ports)
    raw = ", ".join(
        f"{p.parameter}: *{'mut' if p in kit.face.outputs else 'const'} {TYPES[p.dtype.name]}" for p in kit.face.ports
    )
    states = bool(kit.build.program.graph.states)
    if states:
        functions.append(f"        pub fn {n}_reset(arena: *mut u8);")
    reset = f"        unsafe {{ c::{n}_reset(self.arena.0.as_mut_ptr()) }}\n" if states else ""
    first = "        let mut model = Model { arena: Arena([0; ARENA_BYTES]) };\n        model.reset();\n        model\n"
    return f"""//! The model `{n}`: C without heap, behind a safe interface. `no_std`.
#![no_std]

{chr(10).join(constants)}
/// Bytes of working memory, which a `Model` holds.
pub const ARENA_BYTES: usize = {plan.arena_bytes};

#[repr(C, align({max(plan.base_align, 1)}))]
struct Arena([u8; ARENA_BYTES]);

/// The model with its working memory. Put it into a `static` cell where the stack is small.
pub struct Model {{
    arena: Arena,
}}

/// Why there is no answer: the status of the C function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub i32);

mod c {{
    extern "C" {{
        pub fn {n}_run({raw}, arena: *mut u8) -> i32;
{chr(10).join(functions)}
    }}
}}

impl Default for Model {{
    fn default() -> Self {{
        Self::new()
    }}
}}

impl Model {{
    pub fn new() -> Self {{
{first}    }}

    /// Forgets what came before, where the model has a state.
    pub fn reset(&mut self) {{
{reset}    }}

    /// One inference.
    pub fn run(&mut self, {takes}) -> Result<(), Status> {{
        // SAFETY: lengths are those of the C's parameters, the arena has its size and alignment, and nobody else has it
        match unsafe {{ c::{n}_run({given}, self.arena.0.as_mut_ptr()) }} {{
            0 => Ok(()),
            status => Err(Status(status)),
        }}
    }}
}}
"""


def _values(a: Array, p: Port) -> str:
    """A Rust array; floats by their bits, so that all of them can be said."""
    values = np.ascontiguousarray(a, p.dtype.np).reshape(-1)
    if p.dtype.is_float:
        bits = values.view(np.uint32 if p.dtype.bits == 32 else np.uint64)
        return "[" + ", ".join(f"f{p.dtype.bits}::from_bits({b})" for b in bits.tolist()) + "]"
    return "[" + ", ".join(str(v).lower() for v in values.tolist()) + "]"


def _selftest(kit: Kit) -> str:
    n = kit.name
    runs = []
    for k, g in enumerate(kit.golden):
        ins = [f"    let {p.parameter} = {_values(v, p)};" for p, v in zip(kit.face.inputs, g.inputs, strict=True)]
        outs = [f"    let mut {p.parameter} = {_values(np.zeros_like(v), p)};" for p, v in zip(kit.face.outputs, g.outputs, strict=True)]
        takes = ", ".join(f"&{'mut ' if p in kit.face.outputs else ''}{p.parameter}" for p in kit.face.ports)
        tests = []
        for p, v in zip(kit.face.outputs, g.outputs, strict=True):
            bits = ".to_bits()" if p.dtype.is_float else ""
            tests.append(f"    let want = {_values(v, p)};")
            tests.append(f"    for (i, (got, want)) in {p.parameter}.iter().zip(want.iter()).enumerate() {{")
            tests.append(f"        if got{bits} != want{bits} {{")
            tests.append(f'            println!("FAIL: run {k}: {p.parameter}[{{i}}] is {{got:?}}, not {{want:?}}");')
            tests.append("            std::process::exit(1);\n        }\n    }")
        status = f"Err(Status({g.status}))" if g.status else "Ok(())"
        check = [f'    let status = model.run({takes});\n    assert_eq!(status, {status}, "run {k}");']
        runs.append("\n".join([*ins, *outs, *check, *(tests if not g.status else [])]))
    body = "\n".join(f"    {{\n{r}\n    }}" for r in runs)
    used = "Model, Status" if any(g.status for g in kit.golden) else "Model"
    return f"""//! Runs the golden inputs, compares every output bit for bit, prints PASS.
use {n}::{"{" + used + "}" if "," in used else used};

fn main() {{
    let mut model = Model::new();
{body}
    println!("PASS");
}}
"""


def _readme(kit: Kit) -> str:
    return f"""# {kit.name}: a crate

`no_std`, no dependencies: `build.rs` compiles the C with `cc`, or with what `CC`, `AR` and `CFLAGS` (also `CC_<target>`) name.
Compiled for {kit.build.target.called}; a `Model` holds {kit.needs}.

    {kit.name} = {{ path = "{kit.name}" }}          # Cargo.toml
    let mut model = {kit.name}::Model::new();
    model.run(&input, &mut output)?;

`cargo run --example selftest` repeats the golden runs and prints `PASS`. For a Cortex-M, for example:
`CC=arm-none-eabi-gcc AR=arm-none-eabi-ar CFLAGS="-mcpu=cortex-m4 -mthumb" cargo build --target thumbv7em-none-eabi`.
"""


def _check(kit: Kit, folder: Path) -> Check:
    if why := missing("cargo", "cc", "ar"):
        return unchecked("cargo", why)
    with tempfile.TemporaryDirectory() as scratch:
        status, said = run(
            ["cargo", "run", "--offline", "--quiet", "--example", "selftest"], folder, seconds=240,
            env={**os.environ, "CARGO_TARGET_DIR": scratch, "CARGO_NET_OFFLINE": "true"},
        )  # fmt: skip
    (folder / "Cargo.lock").unlink(missing_ok=True)
    return Check("cargo, on this computer", True, status == 0 and "PASS" in said, told=said[-3000:])


KIND = Kind("rust", "Rust crate without std", _files, _check)
