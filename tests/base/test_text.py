"""Text that leaves is plain: what a reader can't see doesn't reach a terminal, C, JSON or HTML."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError, Loc, ModelError
from skosh.base.text import in_comment, plain, plain_json, plain_lines
from skosh.deliver.markup import el
from skosh.emit.interface import HEADERS, c_name
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

NASTY = [
    "a\u202eb\u2066c", "\x1b[31mred\x1b]0;title\x07", "a*/ #error \n/*", "line\\", "tri??/graph", "a\u2028b\u2029c\x85d",
    "\ud800\udcff",
    "nul\0bel\x07", "\u200bzero\ufeff", "\r\ndef", "x" * 300, "\U000e0001tag", '"><script>', "\x9b1m", "//\\",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_nothing_hidden_is_left(text: str) -> None:
    for found in (plain(text), in_comment(text), *plain_json([text]), str(Loc(text, text))):
        assert found.isprintable() or ("\ufffd" in found and found.replace("\ufffd", "").isprintable())
        found.encode()
    assert "*/" not in in_comment(text) and "/*" not in in_comment(text) and "\\" not in in_comment(text)
    assert plain(plain(text)) == plain(text)


def test_what_people_write_stays() -> None:
    for text in ("kws/dense:0", "größe µ 测试 שלום", "a b", ""):
        assert plain(text) == text == plain_lines(text) == plain_json(text)
    assert plain_lines("a\nb\x1b") == "a\nb\ufffd"
    assert str(el("p", "a\x1b[1m<b>")) == "<p>a\ufffd[1m&lt;b&gt;</p>"


def test_letters_are_plain() -> None:
    error = ModelError("no \x1b[2J", loc=Loc("\x1b[31mfile", "n\u202eode"), hint="\x07")
    assert "\x1b" not in str(error) and "\u202e" not in str(error) and "\x07" not in str(error)


def named(*names: str) -> bytes:
    """A TFLite model whose tensors have these names."""
    x, y, z = (names * 3)[:3]
    w = TensorSpec("w" + x, (3, 2), np.float32, data=np.ones((3, 2)))
    made, out = (TensorSpec(n, (1, 3), np.float32) for n in (y + "1", z + "2"))
    tensors = [TensorSpec(x, (1, 2), np.float32), w, made, out]
    operators = [
        OperatorSpec("FULLY_CONNECTED", (0, 1, -1), (2,), {}, options_class="FullyConnectedOptions"),
        OperatorSpec("LOGISTIC", (2,), (3,)),
    ]
    return model_bytes(tensors, operators, [0], [3])


@pytest.mark.parametrize("name", [n for n in NASTY if "\ud800" not in n and "\0" not in n])
def test_the_c_compiles_whatever_a_tensor_is_called(name: str, tmp_path: Path) -> None:
    """gcc has an eye on directions of text, comments and trigraphs."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    build = skosh.compile(skosh.load(named(name), name="nasty"), target="host")
    for file, text in build.sources.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
        assert all(c.isprintable() or c in "\n\ufffd" for c in text)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wbidi-chars=any", "-Wtrigraphs", "-pedantic", "-Werror", "-c"]
    done = subprocess.run(
        ["gcc", *flags, *(n for n in build.sources if n.endswith(".c"))], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_two_names_that_look_alike_stay_two(tmp_path: Path) -> None:
    graph = skosh.load(named("a\u200b", "a\u200c", "a\u200d"))
    assert len(graph.tensors) == 4 and all(plain(n) == n for n in graph.tensors)


@pytest.mark.parametrize(("text", "name"), [
    ("kws", "kws"), ("KWS model", "kws_model"), ("string", "string_model"), ("stdint", "stdint_model"), ("math", "math_model"),
    ("Time", "time_model"), ("int", "int_"), ("3d", "model_3d"), ("", "model"), ("\u202e", "model"), ("main", "main_model"),
    ("skosh_harness", "skosh_harness_model"), ("kws_weights", "kws_weights_model"), ("vector", "vector_model"),
    ("x" * 240, "x" * 31 + "_1bdd5bc6"), ("\udcff\udcfe", "model"), ("net\udcff", "net"),
])  # fmt: skip
def test_names_of_models(text: str, name: str) -> None:
    found = c_name(text)
    if "x" * 31 in name:
        assert found.startswith("x" * 31) and len(found) == 40
    else:
        assert found == name
    assert found not in HEADERS and found.isascii() and found.isidentifier() and len(found) <= 46


def test_two_models_of_one_name_in_one_folder(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    first, second = (LinearRegression().fit(np.eye(3), [k, 2.0, 3.0]) for k in (0.0, 1.0))
    folder = tmp_path / "c"
    skosh.compile(first, target="host").save(folder)
    skosh.compile(first, target="host").save(folder)  # the same again
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(InputError, match="another model") as caught:
        skosh.compile(second, target="host").save(folder)
    assert "name=" in str(caught.value)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    skosh.compile(second, target="host", name="other").save(folder)
    skosh.compile(second, target="host").save(folder, overwrite=True)
    assert len(list(folder.iterdir())) == 8


def test_names_that_are_no_text_in_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "net\udcff\x1b[31m.tflite"
    path.write_bytes(named("a"))
    folder = tmp_path / "c"
    skosh.compile(skosh.load(path), target="host").save(folder)
    told: dict[str, Any] = json.loads((folder / "net_31m.json").read_text())
    assert plain(told["source"]["file"]) == told["source"]["file"]


def test_a_terminal_of_ascii_and_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(named("größe\x1b[31m"))
    command = [sys.executable, "-m", "skosh.cli", "inspect", str(tmp_path / "m.tflite")]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin",
                          "PYTHONPATH": str(Path(skosh.__file__).parents[1])})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout and b"Traceback" not in done.stderr
    if Path("/dev/full").exists():  # Linux
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin",
                                  "PYTHONPATH": str(Path(skosh.__file__).parents[1])})  # fmt: skip
        assert done.returncode == 2 and b"no space left on device" in done.stderr and b"bug" not in done.stderr
