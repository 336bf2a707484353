"""Climbing, from the outside: figures that fit together, letters, files, the picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from skosh.base.errors import InputError
from skosh.cli.ladder import seconds
from skosh.ladder import climb
from skosh.ladder.climb import Ladder
from skosh.ladder.picture import on_log_scale, picture
from skosh.ladder.rungs import RUNGS
from tests.cli.run import run


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return climb(96, "f32", 2, patience=0.2)


def test_the_figures_fit_together(ladder: Ladder) -> None:
    told = [s.name for s in ladder.rungs] + [name for name, _ in ladder.skipped]
    assert sorted(told) == sorted(r.name for r in RUNGS)
    first = ladder.rungs[0]
    assert first.name == "Python"
    before = first
    for s in ladder.rungs:
        assert s.gflops == pytest.approx(2e-9 * 96**3 / s.seconds)
        assert s.absolute_speedup == pytest.approx(first.seconds / s.seconds)
        assert s.relative_speedup == pytest.approx(before.seconds / s.seconds)
        assert s.fraction_of_peak == pytest.approx(s.gflops / ladder.peak_gflops)
        assert s.seconds == pytest.approx(s.measured_seconds * (96 / s.measured_n) ** 3)
        assert s.source
        before = s
    assert ladder.rungs[-1].gflops > first.gflops
    assert set(ladder.openblas) == {"gflops", "seconds", "gflops_one_thread"}


def test_slow_rungs_are_extrapolated_and_say_so() -> None:
    found = climb(192, "i8", patience=0.05)
    python = found.rungs[0]
    assert python.measured_n in (48, 96)
    assert python.extrapolated
    assert not found.rungs[-1].extrapolated


def test_the_picture(ladder: Ladder) -> None:
    root = ElementTree.fromstring(picture(ladder))
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(any(s.name in t for t in texts) for s in ladder.rungs)
    assert 0 < on_log_scale(ladder.rungs[0].gflops, ladder) < on_log_scale(ladder.rungs[-1].gflops, ladder) <= 1


def test_the_command(tmp_path: Path) -> None:
    ran = run("ladder", "--n", 64, "--patience", 0.1, "--svg", tmp_path / "l.svg", "--save", tmp_path / "code")
    assert ran.status == 0, ran.err
    assert all(r.name in ran.out for r in RUNGS[2:6])
    assert "absolute" in ran.out and "numpy" in ran.out and "measured peak" in ran.out
    assert (tmp_path / "l.svg").read_text().startswith("<svg")
    assert "range(M)" in (tmp_path / "code" / "1_python.py").read_text()
    assert len(list((tmp_path / "code").iterdir())) >= 6


def test_json_has_the_stable_keys() -> None:
    ran = run("ladder", "--n", 48, "--dtype", "i8", "--patience", 0.1, "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert {"peak_gflops", "openblas", "rungs"} <= found.keys()
    assert found["openblas"]["gflops"] > 0
    keys = {"name", "seconds", "gflops", "absolute_speedup", "relative_speedup", "fraction_of_peak"}
    assert all(keys <= r.keys() for r in found["rungs"])


@pytest.mark.parametrize(
    ("arguments", "letter"),
    [
        (("--dtype", "i4"), 'dtype must be one of f64, f32, i8, not "i4".'),
        (("--n", 40000), "n must be from 1 to 32768, not 40000."),
        (("--n", 8), "n must be at least 16, not 8. Hint: a smaller product is over before a clock ticks"),
        (("--threads", 0), "threads must be from 1 to 256, not 0."),
        (("--patience", 0), "patience must be more than 0 seconds, not 0.0."),
    ],
)
def test_letters(arguments: tuple[object, ...], letter: str) -> None:
    ran = run("ladder", *arguments)
    assert ran.status == 2
    assert letter in ran.err


def test_errors_of_the_library_are_letters_too() -> None:
    with pytest.raises(InputError, match="threads must be from 1 to 256, not 300"):
        climb(64, threads=300)


def test_times_in_words() -> None:
    assert [seconds(x) for x in (2.5e-5, 0.0123, 3.21, 75.0, 7200.0)] == [
        "25 us",
        "12.3 ms",
        "3.21 s",
        "1.25 min",
        "2 h",
    ]
