"""Applications from training to decisions, on their own and by the command line."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.apps.app import APPS, app, compiled, decisions, samples_of, train
from skosh.apps.motion_data import AXES, _Arrays, read_csv, recordings
from skosh.base.errors import InputError
from tests.cli.run import run

MOVES = {"shake": 6.0, "swing": 1.5}  # Hz


def written(path: Path, samples: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, samples, delimiter=",", header="t," + ",".join(AXES), comments="")
    return path


def moved(hz: float, seed: int, n: int = 400) -> Any:
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 50
    waves = np.sin(2 * np.pi * hz * t[:, None] * rng.uniform(0.9, 1.1) + rng.uniform(0, 6, 6))
    return np.column_stack([t, waves * rng.uniform(0.5, 1.5, 6) + rng.normal(0, 0.2, (n, 6)) + [0, 0, 1, 0, 0, 0]])


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps") / "hello"
    train(app("hello-world"), folder)
    return folder


@pytest.fixture(scope="module")
def moves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two moves of five people, as CSV files in folders."""
    folder = tmp_path_factory.mktemp("moves")
    for person in range(5):
        for label, hz in MOVES.items():
            written(folder / label / f"p{person}-1.csv", moved(hz, person))
    return folder


def test_hello_world(hello: Path) -> None:
    result = json.loads((hello / "result.json").read_text())
    accuracy = result["accuracy"]
    assert result["data"] == "synthetic" and accuracy["float"] > 0.98 and accuracy["int8"] > 0.98
    assert accuracy["int8_from_float"]["mean"] < 0.02
    build = compiled(app("hello-world"), hello)
    assert build.target.board is not None and build.target.board.name == "pico"
    assert build.verify(samples_of(app("hello-world"), hello)).bit_exact
    curve = list(decisions(app("hello-world"), build, app("hello-world").stream(None, None)))
    assert len(curve) == 100 and all(abs(one["decision"] - float(one["truth"])) < 0.15 for one in curve)


def test_hello_world_in_the_shell(hello: Path, tmp_path: Path) -> None:
    listed = run("app", "--json").json
    assert [a["name"] for a in listed] == list(APPS)
    ran = run("app", "hello-world", "run", "-o", str(hello), "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert len(lines) == 100 and {"t", "decision", "truth", "cycles", "ms"} <= lines[0].keys()
    assert run("app", "hello-world", "run", "-o", str(hello)).out.count("*") == 100
    made = run("app", "hello-world", "compile", "-o", str(hello), "--json").json
    assert made["proof"]["bit_exact"] and (hello / "c" / "hello_world.c").is_file()


def test_magic_wand_from_a_folder(moves: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wand"
    made = run("app", "magic-wand", "train", "-o", str(folder), "--data", str(moves), "--json").json
    assert made["accuracy"]["split"] == "by person, 5 folds" and made["accuracy"]["int8"] > 0.9
    recording = written(tmp_path / "new.csv", moved(MOVES["shake"], 99))
    ran = run("app", "magic-wand", "run", "-o", str(folder), "--csv", str(recording), "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [one["t"] for one in lines] == [2, 3, 4, 5, 6, 7, 8]
    assert {one["decision"] for one in lines} == {"shake"}


def test_the_watch_recordings() -> None:
    found = recordings(None)
    assert len(found) == 140 and {r.label for r in found} == {"PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"}
    assert all(r.samples.shape[1] == len(AXES) and r.samples.dtype == np.float32 for r in found)


def test_a_data_set_runs_nothing() -> None:
    with pytest.raises(InputError, match=r"must hold arrays alone, not builtins\.print"):
        _Arrays(io.BytesIO(pickle.dumps(print))).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "the first line must name the columns"),
        ("ax,ay,az,wx,wy,wz\n1,2,3,4,5,x\n", "line 2: wz must be a number"),
        ("ax,ay,az,wx,wy,wz\n1,2,3,4,5\n", "line 2: wz must be a number"),
        ("ax,ay,az,wx,wy,wz\n1,2,3,4,5,nan\n", "sample 0 must be finite"),
        ("ax,ay,az,wx,wy,wz\n", "from 1 to"),
        ("ax,ay,az,wx,wy,wz\n" + "1,2,3,4,5,6\n" * 20, "ax must vary"),
        ("", "the first line must name"),
    ],
)
def test_bad_recordings(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_csv(tmp_path / "r.csv")


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an application must be one of"):
        app("magic-wnad")
    with pytest.raises(InputError, match=r"must hold app\.skosh"):
        compiled(app("hello-world"), tmp_path)
    with pytest.raises(InputError, match="must hold LABEL/PERSON"):
        recordings(tmp_path)
    with pytest.raises(InputError, match="must be given no file"):
        list(app("hello-world").stream(tmp_path, None))
    assert run("app", "hello-world", "fly").status == 2
    assert skosh.features.imu_names(AXES)[0] == "mean of ax"
