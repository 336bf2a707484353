"""Asserts only look: under ``python -O`` they are gone, and nothing may go with them."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "src").rglob("*.py"))

CHANGING = frozenset({
    "setdefault", "pop", "popitem", "append", "add", "update", "remove", "discard", "extend", "insert", "clear", "sort",
    "reverse",
    "write", "write_text", "write_bytes", "unlink", "mkdir", "rename", "replace_all", "close", "send", "next", "__next__",
    "take",
    "setattr", "delattr", "exec", "run", "spend", "popleft", "appendleft", "heappush", "heappop", "seek", "read",
})  # fmt: skip
"""Names of functions that change something, or may."""


def effects(node: ast.AST) -> list[str]:
    """What inside an expression does something besides giving a value."""
    found = []
    for n in ast.walk(node):
        if isinstance(n, ast.NamedExpr):
            found.append(f"{n.target.id} := ...")
        elif isinstance(n, ast.Yield | ast.YieldFrom | ast.Await):
            found.append(type(n).__name__)
        elif isinstance(n, ast.Call):
            name = n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""
            if name in CHANGING:
                found.append(f"{name}()")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT / "src")))
def test_asserts_have_no_side_effects(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    wrong = [
        f"{file.name}:{n.lineno}: {', '.join(found)}"
        for n in ast.walk(tree)
        if isinstance(n, ast.Assert) and (found := effects(n.test))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_sees_what_it_should() -> None:
    for text in ("assert known.setdefault(a, b) == b", "assert (n := f()) > 1", "assert next(it)", "assert not xs.pop()"):
        assert effects(ast.parse(text).body[0]), text
    assert not effects(ast.parse("assert all(x.size for x in sorted(xs))").body[0])


PROGRAM = """
import sys
import skosh
from tests.base.test_text import named
from tests.ops.test_convolution import conv_model
assert len(sys.argv) == 2 or not __debug__, "asserts are on where they are asked for"
for data in (named("a"), conv_model(1, "int8"), conv_model(1003, "float32", depthwise=True)):
    for target, aim in (("cortex-m4", "balanced"), ("rv32imc", "flash"), ("x86-64-avx2", "speed")):
        for name, text in sorted(skosh.compile(skosh.load(data, name="m"), target=target, optimize=aim).sources.items()):
            print(target, aim, name)
            print(text)
"""


def test_the_same_c_without_asserts() -> None:
    """``python -O`` gives the same bytes."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    said = []
    for flags, more in ((("-O",), ()), ((), ("asserts",))):
        command = [sys.executable, *flags, "-c", PROGRAM, *more]
        done = subprocess.run(command, capture_output=True, env=environment, cwd=ROOT)
        assert done.returncode == 0, done.stderr.decode()
        said.append(hashlib.sha256(done.stdout).hexdigest())
        assert len(done.stdout) > 10_000
    assert said[0] == said[1]


SPREAD = """
import hashlib, json, sys, tempfile
from dataclasses import replace
from pathlib import Path
import skosh
from skosh.base.errors import SkoshError
from skosh.pipeline import compile_to_c
from skosh.plan import check_plan
from skosh.targets import target
from tests.golden.programs import HASHES, graphs
from tests.support.formats import damaged, reader_of, write_samples

held, told = json.loads(HASHES.read_text()), {"debug": __debug__, "other C": [], "not exact": [], "plan": "", "letters": 0}
for name, graph in graphs():
    if name in ("kws", "micro_speech", "hello_world"):
        continue
    for machine, aim in (("cortex-m4", "balanced"), ("rv32imc", "flash"), ("x86-64-avx2", "speed")):
        made = compile_to_c(graph, target=target(machine), optimize=aim, name=name)
        text = "".join(f"{file}\\0{text}\\0" for file, text in sorted(made.sources.items()))
        if hashlib.sha256(text.encode()).hexdigest()[:32] != held[name][f"{machine} {aim}"]:
            told["other C"].append([name, machine, aim])
    for machine in ("cortex-m0plus", "host"):
        if not skosh.compile(graph, target=machine).verify(3).bit_exact:
            told["not exact"].append([name, machine])
lowered = made.lowered
try:
    moved = {t: 0 for t in lowered.plan.offset_of}
    check_plan(lowered.graph, replace(lowered.plan, offset_of=moved))
except AssertionError as error:
    told["plan"] = str(error)
folder = Path(tempfile.mkdtemp())
for name, files in write_samples(folder, ["tflite", "bif", "npy", "ubj"]).items():
    for seed in range(40):
        path = folder / f"damaged{files[0].suffix}"
        path.write_bytes(damaged(files[0].read_bytes(), files[0].suffix, seed))
        try:
            reader_of(path.suffix)(path)
        except SkoshError:
            told["letters"] += 1
print(json.dumps(told))
"""


def test_a_spread_of_models_without_asserts() -> None:
    """Under ``python -O``: the C is the C that is held, it is bit-exact on its machines, and what protects still refuses."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-O", "-W", "ignore", "-c", SPREAD]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["debug"], told["other C"], told["not exact"]) == (False, [], [])
    assert "overlap" in told["plan"] or "overwritten" in told["plan"], told["plan"]
    assert told["letters"] > 80
