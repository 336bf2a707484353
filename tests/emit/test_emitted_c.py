"""What the emitted C promises: clean under strict compilers, the same bytes each time, reentrant, no heap, no globals."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import skosh.build
from skosh.build.flags import WARNINGS
from skosh.built import Build, build
from skosh.emit.interface import c_name, interface
from skosh.emulate.host import HostModel
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.pipeline import OPTIMIZE, compile_to_c
from skosh.targets import target as find_target
from skosh.targets.toolchain import run_tool, zig
from tests.conformance.random_models import Sketch, random_model, ring_buffer_model
from tests.conformance.test_conformance import AIMED, made, pieces
from tests.conformance.union import expected
from tests.emit.programs import write_sources
from tests.support.agree import random_input

STRICT = ("-Wshadow", "-Wcast-qual", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wdouble-promotion")
RUNTIME = Path(skosh.build.__file__).parent / "runtime" / "include"
STREAM = load(ring_buffer_model(0), name="stream")
MODEL = load(random_model(4), name="model")


def small(outputs: int = 1, inputs: int = 1) -> Graph:
    s = Sketch(np.random.default_rng(outputs))
    s.inputs = [s.add((1, 4, 4, 3)) for _ in range(inputs)]
    for t in s.inputs:
        s.images = [t]
        s.images.append(s.conv())
        s.outputs.append(s.function())
    s.outputs = s.outputs[:outputs]
    return load(s.finish(), name="small")


def on_host(graph: Graph, **options: str) -> Build:
    return build(graph, target=find_target("host"), **options)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------- compilers


def compiler(name: str) -> list[str]:
    if name == "zig":
        return [str(zig()), "cc"]
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} isn't installed")
    return [found]


@pytest.mark.parametrize("name", ["zig", "gcc"])
@pytest.mark.parametrize("piece", pieces(AIMED))
def test_no_compiler_has_a_word_to_say(piece: str, name: str, tmp_path: Path) -> None:
    sources = compile_to_c(made(piece, AIMED).graph, name="w").sources
    write_sources(tmp_path, sources)
    for unit in ("w.c", "w_weights.c"):
        run_tool([*compiler(name), *WARNINGS, *STRICT, "-O2", "-c", unit, "-o", f"{unit}.o"], unit, tmp_path)


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_every_aim_is_strict_c(optimize: str, tmp_path: Path) -> None:
    for graph in (STREAM, MODEL):
        sources = compile_to_c(graph, optimize=optimize).sources
        write_sources(tmp_path, sources)
        for unit in sources:
            if unit.endswith(".c"):
                run_tool([*compiler("gcc"), *WARNINGS, *STRICT, "-O2", "-c", unit, "-o", "x.o"], unit, tmp_path)


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "cortex-m33"])
def test_c_for_a_device_is_strict(target: str, tmp_path: Path) -> None:
    for piece in ("convolution-0", "dense-0", "elementwise-0"):
        machine = find_target(target)
        write_sources(tmp_path, compile_to_c(made(piece, AIMED).graph, target=machine, name="w").sources)
        command = [*compiler("zig"), *machine.flags, *WARNINGS, *STRICT, "-I.", f"-I{RUNTIME}", "-O2"]
        run_tool([*command, "-c", "w.c", "-o", "w.o"], target, tmp_path)


def test_cplusplus_takes_the_header(tmp_path: Path) -> None:
    for graph in (STREAM, small(outputs=2, inputs=2)):
        sources = compile_to_c(graph, name="class").sources
        write_sources(tmp_path, sources)
        (tmp_path / "main.cpp").write_text(
            '#include "class.h"\nint use() { return class_run ? 0 : CLASS_ARENA_BYTES; }\n', encoding="utf-8"
        )
        flags = [
            "-std=c++11",
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            "-Wno-address",
            "-Wno-pointer-bool-conversion",
        ]
        run_tool([str(zig()), "cc", "-x", "c++", *flags, "-c", "main.cpp", "-o", "main.o"], "C++", tmp_path)


def test_the_header_stands_alone(tmp_path: Path) -> None:
    write_sources(tmp_path, compile_to_c(MODEL, name="alone").sources)
    (tmp_path / "a.c").write_text('#include "alone.h"\n#include "alone.h"\ntypedef int nothing;\n', encoding="utf-8")
    run_tool([str(zig()), "cc", *WARNINGS, "-c", "a.c", "-o", "a.o"], "header", tmp_path)


# -------------------------------------------------------------------------------------------------------- determinism


def digest(sources: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(sources.items())).encode()).hexdigest()


DIGESTS = """
from skosh.pipeline import OPTIMIZE, compile_to_c
from tests.emit.test_emitted_c import MODEL, STREAM, digest
print([digest(compile_to_c(g, optimize=o).sources) for g in (MODEL, STREAM) for o in OPTIMIZE])
"""


def test_the_same_bytes_in_every_process() -> None:
    here = [digest(compile_to_c(g, optimize=o).sources) for g in (MODEL, STREAM) for o in OPTIMIZE]
    root = Path(__file__).resolve().parents[2]
    for seed in ("0", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS], capture_output=True, text=True, env=environment, check=True
        )
        assert done.stdout.strip() == str(here), f"PYTHONHASHSEED={seed} makes other C"


def test_equal_weights_are_stored_once() -> None:
    s = Sketch(np.random.default_rng(0))
    s.inputs = [s.add((1, 8))]
    w, b = s.constant(np.arange(64).reshape(8, 8), "int8", scales=0.01, zero_points=0), s.bias(8)
    first = s.node("FULLY_CONNECTED", [s.inputs[0], w, b], s.add((1, 8), like=s.inputs[0]))
    s.outputs = [s.node("FULLY_CONNECTED", [first, w, b], s.add((1, 8), like=s.inputs[0]))]
    program = compile_to_c(load(s.finish(), name="m")).program
    assert sorted(d.nbytes for d in program.data).count(64) == 1


# ------------------------------------------------------------------------------------------------------ no heap, no globals


@pytest.mark.parametrize("graph", [MODEL, STREAM], ids=["model", "stream"])
def test_no_heap_and_no_globals(graph: Graph) -> None:
    made_build = build(graph, target=find_target("cortex-m4"))
    text = "".join(made_build.sources.values())
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca|printf)\s*\(", text)
    name = made_build.program.name
    for unit in (f"{name}.o", f"{name}_weights.o"):
        assert made_build.firmware.objects.get(unit, (0, 0))[1] == 0, f"{unit} has .data or .bss"


def test_two_runs_at_once() -> None:
    """After each layer of one run, a whole other run in another arena: neither disturbs the other."""
    for graph in (MODEL, STREAM):
        made_build = on_host(graph)
        runner = made_build.runner
        plan = made_build.program.plan
        library = Path(runner.model.library._name)
        other = HostModel(
            library, made_build.program.name, arena_bytes=plan.arena_bytes, arena_align=max(16, plan.base_align)
        )
        if graph.states:
            import ctypes

            other.function(f"{made_build.program.name}_reset")(ctypes.c_void_p(other.arena.ctypes.data))
        rng = np.random.default_rng(0)
        inner, outer = ([random_input(t, rng) for t in graph.required(graph.inputs)] for _ in range(2))
        outputs = [np.empty(graph.tensors[n].shape, graph.tensors[n].dtype.np) for n in graph.outputs]
        depth = [0]

        def between(layer: int, arena: memoryview) -> None:
            if depth[0] == 0:  # noqa: B023  (called before the loop goes on)
                depth[0] = 1  # noqa: B023
                assert other.call(inner, outputs) == 0  # noqa: B023
                depth[0] = 0  # noqa: B023

        got = runner._call(outer, between)
        (want,) = expected(graph, [outer])
        assert all(np.array_equal(w, g) for w, g in zip(want, got, strict=True))
        if not graph.states:
            (want,) = expected(graph, [inner])
            assert all(np.array_equal(w, g) for w, g in zip(want, outputs, strict=True))


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("kws", "kws"), ("1 weird/näme", "model_1_weird_n_me"), ("int", "int_"), ("Register", "register_"), ("", "model"),
        ("日本", "model"), ("a--b", "a_b"), ("_x_", "x"), ("restrict", "restrict_"), ("bool", "bool_"),
    ],
)  # fmt: skip
def test_c_names(text: str, name: str) -> None:
    assert c_name(text) == name


@pytest.mark.parametrize(
    "name", ["1 weird/näme", "int", "default", "class", "u", "model", "input", "x", "size", "arena", "a"]
)
def test_models_of_any_name_compile(name: str) -> None:
    graph = replace(small(), name=name)
    runs = [[random_input(t, np.random.default_rng(0)) for t in graph.required(graph.inputs)]]
    (want,) = expected(graph, runs)
    assert np.array_equal(on_host(graph).runner.run(runs[0])[0], want[0])


def renamed(graph: Graph, names: dict[str, str]) -> Graph:
    def new(n: str) -> str:
        return names.get(n, n)

    return replace(
        graph,
        tensors={new(n): replace(t, name=new(n)) for n, t in graph.tensors.items()},
        nodes=tuple(
            replace(n, inputs=tuple(map(new, n.inputs)), outputs=tuple(map(new, n.outputs))) for n in graph.nodes
        ),
        inputs=tuple(map(new, graph.inputs)),
        outputs=tuple(map(new, graph.outputs)),
    )


@pytest.mark.parametrize(
    ("names", "parameters"),
    [
        (["serving/left:0", "serving/right:0", "x"], ["input_left", "input_right", "input_x"]),
        (["a/x", "b/x", "x_1"], ["input_x", "input_x_1", "input_x_1_2"]),
        (["x", "x_2", "y/x"], ["input_x", "input_x_2", "input_x_2_2"]),
        (["int", "µ", "*/"], ["input_int", "input_1", "input_2"]),
    ],
)
def test_inputs_of_any_name_compile(names: list[str], parameters: list[str]) -> None:
    graph = small(outputs=3, inputs=3)
    graph = renamed(graph, dict(zip(graph.inputs, names, strict=True)))
    made_build = on_host(graph)
    assert [p.parameter for p in interface(made_build.program).inputs] == parameters
    runs = [[random_input(t, np.random.default_rng(0)) for t in graph.required(graph.inputs)]]
    (want,) = expected(graph, runs)
    assert all(np.array_equal(w, g) for w, g in zip(want, made_build.runner.run(runs[0]), strict=True))


def test_comments_can_not_be_broken() -> None:
    graph = small()
    nodes = tuple(replace(n, name='*/ int bad; /* "\\\n') for n in graph.nodes)
    on_host(replace(graph, nodes=nodes, name="c")).runner.run([np.zeros((1, 4, 4, 3), np.int8)])
