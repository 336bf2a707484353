"""Every command has the options that it can use, each with one meaning and one help text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

import skosh
from skosh.cli import COMMANDS, application
from skosh.cli.options import Making, Source, targets_of
from skosh.cli.shell import in_shell
from skosh.deliver.models import DATA, copy
from skosh.importers import IMPORTERS
from skosh.targets import names
from tests.cli.run import run

READING = {
    "--trust-pickle", "--shape", "--layout", "--query", "--evidence", "--gives", "--labels", "--load", "--budget",
}  # fmt: skip
MAKING = {"--optimize", "--search", "--name", "--max-ram", "--max-flash"}
WRITERS = {"compile", "quantize", "report", "package", "export", "demo"}
TRIERS = {"quantize", "verify", "report", "package", "place"}
LESS = {
    ("explain", "--search"): "it tells the rules' choice",
    ("explain", "--max-ram"): "it links nothing, so nothing has a size",
    ("explain", "--max-flash"): "it links nothing, so nothing has a size",
    ("place", "--search"): "its cycles are the rules'",
    ("place", "--name"): "it writes no C",
    ("place", "--max-ram"): "the device's memories are the limit",
    ("place", "--max-flash"): "the device's memories are the limit",
}
"""(command, option) -> why it has no use for it."""
OWN_HELP = {
    ("package", "--target"), ("place", "--output"), ("demo", "--output"), ("size", "--name"), ("devices", "--target"),
    ("ladder", "--target"), ("ladder", "--model"), ("init", "--model"), ("init", "--as"),
    ("compile", "--target"), ("profile", "--target"), ("app", "--output"), ("app", "--target"), ("app", "--as"),
    ("app", "--board"),
}  # fmt: skip
"""Options that mean something else there, or, of compile and profile, more: several machines."""


def parameters() -> Iterator[tuple[str, Any]]:
    group: Any = typer.main.get_command(application())
    for name, command in group.commands.items():
        for inner in getattr(command, "commands", {"": command}).values():
            yield from ((name, p) for p in inner.params)


def options() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in COMMANDS}
    for command, p in parameters():
        found[command] |= {o for o in p.opts if o.startswith("--")}
    return found


def test_no_command_lacks_what_it_can_use() -> None:
    found = options()
    reads = {c for c, p in parameters() if p.name == "model" and p.param_type_name == "argument"}
    assert reads >= {
        "inspect",
        "quantize",
        "compile",
        "verify",
        "profile",
        "explain",
        "report",
        "diff",
        "package",
        "export",
        "place",
    }
    wanted = {(c, o) for c in reads for o in READING}
    wanted |= {(c, o) for c in reads if "--target" in found[c] or c == "place" for o in MAKING}
    wanted |= {(c, "--output") for c in WRITERS} | {(c, "--samples") for c in TRIERS}
    wanted |= {(c, "--json") for c in COMMANDS if c != "models"}
    gaps = {(c, o) for c, o in wanted if o not in found[c]}
    assert gaps == LESS.keys(), sorted(gaps ^ LESS.keys())


def test_an_option_says_the_same_everywhere() -> None:
    texts: dict[str, dict[str, set[str]]] = {}
    for command, p in parameters():
        for o in p.opts:
            if o.startswith("--") and (command, o) not in OWN_HELP:
                said = re.sub(r"\s*\[default: [^\]]*\]", "", p.help or "")
                texts.setdefault(o, {}).setdefault(said, set()).add(command)
    assert all(len(said) == 1 for said in texts.values()), {o: said for o, said in texts.items() if len(said) > 1}


def test_groups_are_what_the_commands_have() -> None:
    assert {f.name for f in dataclasses.fields(Source)} == {o[2:].replace("-", "_") for o in READING} - {"load"} | {
        "model",
        "more",
    }
    assert {f.name for f in dataclasses.fields(Making)} == {o[2:].replace("-", "_") for o in MAKING}


# ----------------------------------------------------------------------------------------------------------- what they do


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy("all", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_network_is_asked(here: Path) -> None:
    ran = run("inspect", "sprinkler.bif", "--query", "Rain", "--evidence", "Grass,Sprinkler", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["inputs"][0]["shape"] == [1, 2]


def test_names_of_classes_are_kept_into_the_header(here: Path) -> None:
    (here / "names.txt").write_text("".join(f"digit {d}\n" for d in range(10)), encoding="utf-8")
    ran = run("compile", "digits.tflite", "--labels", "names.txt", "-t", "cortex-m4", "-o", "out")
    assert ran.status == 0, ran.err
    header, code = ((here / "out" / f"digits.{e}").read_text(encoding="utf-8") for e in "hc")
    assert "digits_labels" in header and '"digit 9"' in code
    (here / "few.txt").write_text("a\nb\n", encoding="utf-8")
    ran = run("inspect", "digits.tflite", "--labels", "few.txt")
    assert ran.status == 2 and "there must be 10 labels, one for each class, not 2" in ran.err


def test_a_quantized_model_is_kept(here: Path) -> None:
    ran = run("quantize", "sine_float.skosh", "--samples", "sine_x.npy", "-o", "sine8.skosh", "--json")
    assert ran.status == 0 and ran.json["file"] == "sine8.skosh", ran.err
    assert run("verify", "sine8.skosh", "--target", "host", "--samples", "5").status == 0
    assert run("export", "forest.skosh", "--to", "skosh", "-o", "again.skosh").status == 0
    assert (here / "again.skosh").read_bytes() == (here / "forest.skosh").read_bytes()


def test_other_options_of_loading(here: Path) -> None:
    assert run("inspect", "sine.tflite", "--load", "interface=file").status == 0
    ran = run("inspect", "sine.tflite", "--load", "lenght=8")
    assert ran.status == 2 and 'such a model has no option "lenght"' in ran.err
    assert "--shape must be sizes" in run("inspect", "sine.tflite", "--shape", "x=a").err
    assert "--load must be KEY=VALUE" in run("inspect", "sine.tflite", "--load", "length").err


def test_many_targets(here: Path) -> None:
    assert targets_of(["all"]) == names(siblings=True)
    assert targets_of(["cortex-m[34]", "host", "cortex-m4"]) == ("cortex-m3", "cortex-m4", "host")
    ran = run("profile", "sine.tflite", "-t", "cortex-m[04]*", "--json")
    assert [p["target"] for p in ran.json] == ["cortex-m0", "cortex-m0plus", "cortex-m4"]
    ran = run("compile", "sine.tflite", "-t", "cortex-m3", "-t", "cortex-m4", "-o", "out", "--json")
    assert [Path(m["folder"]).name for m in ran.json] == ["cortex-m3", "cortex-m4"]
    assert (here / "out" / "cortex-m4" / "sine.c").is_file()
    assert 'no target is like "cortex-x*"' in run("profile", "sine.tflite", "-t", "cortex-x*").err


def test_loading_is_where_it_stops(here: Path) -> None:
    ran = run("compile", "digits.tflite", "--stop-after", "load", "--show")
    assert ran.status == 0 and ran.out.startswith("graph digits:")


def test_help_of_load_lists_every_option() -> None:
    import inspect

    from skosh.base import registry

    said = skosh.load.__doc__ or ""
    for name in IMPORTERS:
        for option, p in inspect.signature(registry.load(IMPORTERS, name, "an importer")).parameters.items():
            if option not in ("source", "name") and p.kind is not inspect.Parameter.VAR_KEYWORD:
                assert re.search(rf"\b{option}\b", said), f"help(skosh.load) lacks {option} of {name}"


# ----------------------------------------------------------------------------------------------------------------- hints


def test_hints_speak_the_language_of_the_shell() -> None:
    told = {
        'try optimize="ram"': "try --optimize ram",
        'skosh.load(..., query=["x"]) asks': "--query x asks",
        'load(..., shapes={"x": (1, 49, 10)})': "--shape x=1,49,10",
        "skosh.load(model, missing=True) goes where": "--load missing=True goes where",
        "trust_pickle=True if you know": "--trust-pickle if you know",
        "budget=10 allows": "--budget 10 allows",
        'RandomForestClassifier(criterion="gini")': 'RandomForestClassifier(criterion="gini")',
    }
    for python, shell in told.items():
        assert in_shell(python) == shell


SUGGESTED = re.compile(r"--(?:optimize \w+|trust-pickle|budget \d+|query \w+|target [\w-]+|gives \w+|load \w+=\w+)")


def wrong_commands(here: Path) -> list[tuple[str, ...]]:
    """Command lines whose letters say what to add."""
    import pickle

    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    (here / "tree.pkl").write_bytes(pickle.dumps(DecisionTreeClassifier(max_depth=2).fit(*load_iris(return_X_y=True))))
    least = skosh.compile(DATA / "digits.tflite", target="cortex-m4", optimize="ram").profile().ram.total
    return [
        ("inspect", "tree.pkl"),
        ("compile", "digits.tflite", "--max-ram", str(least + 8), "-o", "out"),
        ("inspect", "digits.tflite", "--budget", "0.00001"),
    ]


def test_a_hint_that_is_followed_works(here: Path) -> None:
    followed = 0
    for line in wrong_commands(here):
        ran = run(*line)
        assert ran.status != 0, line
        assert not re.search(r"\b(optimize|budget|trust_pickle|query)=", ran.err), f"Python in a shell: {ran.err}"
        hints = SUGGESTED.findall(ran.err.replace("\n", " "))
        assert hints, f"{line}: {ran.err}"
        kept = [w for k, w in enumerate(line) if w != "--budget" and (k == 0 or line[k - 1] != "--budget")]
        again = run(*kept, *hints[0].split(" "))
        assert again.status == 0, f"{hints[0]} doesn't help {line}: {again.err}"
        followed += 1
    assert followed == 3


# ----------------------------------------------------------------------------------------------------- errors, and pipes


def test_errors_are_json_too(here: Path) -> None:
    told = run("inspect", "nowhere.tflite", "--json").json["error"]
    assert told["kind"] == "InputError" and told["place"] == "nowhere.tflite" and told["exit_code"] == 2
    told = run("compile", "digits.tflite", "--max-ram", "100", "-o", "out", "--json").json["error"]
    assert told["kind"] == "FitError" and told["exit_code"] == 1
    assert re.fullmatch(r"the least this model can do is [\d,]+ \(--optimize ram\)", told["hint"])
    told = run("compile", "--json").json["error"]
    assert told["kind"] == "Usage" and told["exit_code"] == 2
    assert run("compile", "--json").status == 2


def test_a_reader_that_has_seen_enough_changes_no_exit_status(here: Path) -> None:
    import os
    import subprocess
    import sys

    np.savez(here / "wrong.npz", inputs=np.load("sine.npz")["inputs"], outputs=np.load("sine.npz")["outputs"] ^ 1)
    ends = os.pipe()
    os.close(ends[0])
    root = Path(skosh.__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    for golden, status in (("sine.npz", 0), ("wrong.npz", 1)):
        line = [sys.executable, "-m", "skosh", "verify", "sine.tflite", "-t", "host", "--golden", golden]
        done = subprocess.run(line, env=environment, stdout=ends[1], stderr=subprocess.PIPE, check=False, cwd=here)
        assert (done.returncode, done.stderr) == (status, b"")
    os.close(ends[1])


def test_completion_is_offered() -> None:
    assert "--install-completion" in run("--help").out
